"""What can go wrong -> one typed error each, one line, naming the next step.

AssistantError                     exit code 3: it could not be done
├ InputError                       exit code 2: wrong usage or input
│  ├ InvalidQuestion
│  ├ InvalidSetting
│  ├ InvalidCases                  a file of cases
│  ├ InvalidBaseline               a file that eval saved
│  └ UnknownArticle
├ SourceMissing
├ ArticleUnreadable                one article; a sync goes on with the next
│  └ ArticleSkipped
├ ArticleGone                      one article; a sync takes it out
├ IndexMissing
├ IndexMismatch                    built with another model, corpus or version
├ IndexBusy                        another process is writing
├ IndexDamaged
├ IndexUnusable                    its folder is none, or bars or has no room for what must be done
├ NothingToEvaluate
└ ModelUnavailable
"""

from __future__ import annotations

from pathlib import Path


class AssistantError(Exception):
    """Base of every error this package raises on purpose; `str(error)` is the line to show."""

    exit_code = 3


class InputError(AssistantError):
    exit_code = 2


class InvalidQuestion(InputError):
    """The question is empty, has no words, or is too long."""


class InvalidSetting(InputError):
    """A setting, option or filter has a value that cannot work."""


class InvalidCases(InputError):
    """A file of cases is missing or has mistakes; the message lists each with its line."""


class InvalidBaseline(InputError):
    """A baseline is missing, is none, or was made of another corpus."""


class UnknownArticle(InputError):
    """No article, or more than one, has this id."""


class SourceMissing(AssistantError):
    """A source of articles (the corpus, a folder, a file) is not there."""


class ArticleUnreadable(AssistantError):
    """One file holds no article that can be read; the message is the reason."""


class ArticleSkipped(ArticleUnreadable):
    """Nothing went wrong, and there is no article: it is empty, of another kind, or not for programs to read."""


class ArticleGone(AssistantError):
    """The one who published an article says that it is there no longer; the message is how."""


class IndexMissing(AssistantError):
    """There is no finished index in the folder."""


class IndexMismatch(AssistantError):
    """The index was built from, or with, something else than was asked for."""


class IndexBusy(AssistantError):
    """Another process holds the writer's lock."""


class IndexDamaged(AssistantError):
    """The index exists but cannot be read, or failed its verification."""


class IndexUnusable(AssistantError):
    """The index folder cannot be read or written: it is no folder, permission or room is missing."""

    @classmethod
    def of(cls, folder: Path, error: Exception) -> IndexUnusable:
        """One line, whatever the operating system, SQLite or Chroma said."""
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        place = getattr(error, "filename", None)
        if place and str(place) != str(folder):
            reason += f": {place}"
        return cls(f"the index folder {folder} cannot be used ({reason}); name another: --index DIR")


class NothingToEvaluate(AssistantError):
    """Every case is a draft or stale, so that nothing could pass or fail."""


class ModelUnavailable(AssistantError):
    """A model is not installed, not reachable, or not the file it should be."""
