"""Files of cases named to pytest -> a test per case, wherever this package is installed.

    pytest cases.yaml                                     every case that is not right fails
    pytest cases.yaml --assistant-baseline baseline.json  cases that were wrong in it are expected to fail

A file is taken if it is named on the command line, or by a pattern of the option `assistant_cases` in pytest's
settings, and looks like cases; other people's YAML is left alone. Nothing heavy is loaded before there is such a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assistant.assistant import Assistant
    from assistant.evaluation.cases import Case
    from assistant.evaluation.scoring import Result
    from assistant.schema import Article


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("assistant", "cases of article-assistant")
    group.addoption("--assistant-corpus", metavar="DIR", help="Folder of articles that the cases ask about.")
    group.addoption("--assistant-index", metavar="DIR", help="Folder of their index.")
    group.addoption("--assistant-baseline", metavar="FILE", help="Cases that were wrong in it are expected to fail.")
    parser.addini("assistant_cases", "Patterns of case files that are collected unnamed.", type="args", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    # Python files are named most often, and are pytest's own.
    if file_path.suffix == ".py" or not _meant(file_path, parent.config):
        return None
    from assistant.evaluation.cases import looks_like_cases

    if not looks_like_cases(file_path):
        return None
    return CaseFile.from_parent(parent, path=file_path)


def _meant(path: Path, config: pytest.Config) -> bool:
    named = {(config.invocation_params.dir / str(argument).split("::")[0]).resolve() for argument in config.args}
    relative = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
    return path.resolve() in named or any(relative.match(pattern) for pattern in config.getini("assistant_cases"))


class CaseFile(pytest.File):
    """A file whose cases are tests."""

    def collect(self) -> Iterable[pytest.Item]:
        from assistant.errors import InvalidCases
        from assistant.evaluation.cases import load_cases

        try:
            cases = load_cases(self.path)
        except InvalidCases as error:
            raise self.CollectError(str(error)) from error
        return [CaseItem.from_parent(self, name=case.id, case=case) for case in cases]


class CaseItem(pytest.Item):
    """A case; it can be chosen by its tags, as with -k short."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case
        self.extra_keyword_matches.update(case.tags)

    def setup(self) -> None:
        if self.case.draft:
            pytest.skip("a draft")
        if _was_wrong(self.config, self.case):
            self.add_marker(pytest.mark.xfail(reason="wrong in the baseline", raises=CaseFailed, strict=False))

    def runtest(self) -> None:
        from assistant.evaluation.running import ask
        from assistant.evaluation.scoring import ERROR, STALE

        assistant, known = _assistant(self.config)
        result = ask(assistant, self.case, known)
        if result.stage == STALE:
            pytest.skip(result.detail)
        if not result.right:
            raise CaseError(result) if result.stage == ERROR else CaseFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        from assistant.errors import AssistantError

        if isinstance(excinfo.value, CaseFailed | CaseError | AssistantError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.case.id


class CaseFailed(Exception):
    """A case that is not right; the message is its question and what was expected."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.stage}: {result.case.question}\n{result.detail}")


class CaseError(Exception):
    """A case that could not be asked: never expected, whatever a baseline says."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.case.question}\n{result.detail}")


_OPENED = pytest.StashKey[tuple["Assistant", dict[str, list["Article"]]]]()
_BASELINE = pytest.StashKey[dict[str, Any]]()


def _assistant(config: pytest.Config) -> tuple[Assistant, dict[str, list[Article]]]:
    """One for the whole run, its index up to date, and its articles by_name."""
    if _OPENED not in config.stash:
        from assistant.assistant import Assistant
        from assistant.errors import IndexBusy
        from assistant.evaluation.running import by_name

        stack = ExitStack()
        corpus, index = config.getoption("--assistant-corpus"), config.getoption("--assistant-index")
        assistant = stack.enter_context(Assistant.open(corpus, index))
        config.add_cleanup(stack.close)
        try:
            assistant.sync()
        except IndexBusy:
            # Another run, as of pytest-xdist, is at it: what is indexed is good enough.
            if not assistant.indexed:
                raise
        config.stash[_OPENED] = (assistant, by_name(assistant.articles()))
    return config.stash[_OPENED]


def _was_wrong(config: pytest.Config, case: Case) -> bool:
    """In the baseline, if there is one that knows the case as it is."""
    path = config.getoption("--assistant-baseline")
    if not path:
        return False
    from assistant.evaluation import baseline

    if _BASELINE not in config.stash:
        config.stash[_BASELINE] = baseline.load(Path(path))
    known = config.stash[_BASELINE]["cases"].get(case.id)
    return bool(known and known.get("case") == baseline.fingerprint(case) and known["stage"] != "right")
