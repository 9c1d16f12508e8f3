"""A turn -> Markdown with footnotes, JSON, and a link that asks the same again.

Words of articles are escaped, so that they are no markup in the Markdown either.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from assistant.chat.turns import ShownTurn
from assistant.schema import Answer, Article

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&$^])")
FILTERS = ("since", "until", "source")


def markdown(turn: ShownTurn) -> str:
    """The question, the answer, and a footnote per citation (GitHub's and Pandoc's form)."""
    lines = [f"**{_escaped(turn.question)}**", ""]
    answer = turn.answer
    if answer is None:
        return "\n".join([*lines, _escaped(turn.failure), ""])
    if answer.asked != answer.question:
        lines += [f"Asked as: {_escaped(answer.asked)}", ""]
    if answer.abstained:
        return "\n".join([*lines, _escaped(answer.text), ""])
    if answer.short:
        marks = "".join(f"[^{citation.number}]" for citation in answer.citations)
        lines += [_escaped(answer.short) + marks, ""]
    for citation in answer.citations:
        lines += [f"> {_escaped(citation.quote)}[^{citation.number}]", ""]
    if answer.disagreements:
        lines += [*_table(answer), ""]
    cited = [*answer.citations, *(other.citation for other in answer.disagreements)]
    lines += [f"[^{citation.number}]: {_footnote(citation.article)}" for citation in cited]
    return "\n".join([*lines, ""])


def _table(answer: Answer) -> list[str]:
    """What each source says, where they disagree."""
    own = [(answer.short, citation) for citation in answer.citations[:1] if answer.short]
    said = own + [(other.value, other.citation) for other in answer.disagreements]
    rows = [
        f"| {_escaped(value)}[^{citation.number}] | {_escaped(citation.article.source)} | {citation.article.day} |"
        for value, citation in said
    ]
    return ["The sources disagree:", "", "| value | outlet | date |", "|---|---|---|", *rows]


def as_json(turn: ShownTurn) -> str:
    """The answer as `ask --json` prints it, with its filters."""
    answer = turn.answer.to_dict() if turn.answer else {"question": turn.question, "failure": turn.failure}
    return json.dumps({**answer, "filters": dict(turn.filters)}, ensure_ascii=False, indent=2)


def query_string(turn: ShownTurn) -> str:
    """For the page's address: the question, as it stands alone, and its filters."""
    answer: Answer | None = turn.answer
    question = answer.asked if answer else turn.question
    return "?" + urlencode({"q": question, **{name: turn.filters[name] for name in FILTERS if turn.filters.get(name)}})


def _footnote(article: Article) -> str:
    said = ", ".join(_escaped(part) for part in (article.title, article.author, article.source, article.day) if part)
    if article.link and not re.search(r"[\s<>]", article.link):
        return f"{said}. <{article.link}>"
    return f"{said}. {_escaped(article.location)}" if article.location else said


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
