"""Turns -> the markup of the conversation and of the evidence: every value passes through html.escape.

Nothing of an article or a question is ever read as Markdown or HTML. What can be clicked is a button with a data
attribute, for page.js to act on.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import date

from assistant.chat.export import as_json, markdown, query_string
from assistant.chat.turns import NEAREST, ShownTurn
from assistant.questions import LENGTH_LIMIT
from assistant.schema import Answer, Article, Citation, Disagreement, Hit

_WHOLE_TURNS = 8
"""So many turns, the last ones, carry the whole articles that they cite; older ones carry what surrounds the quote."""
_MOST_AROUND, _LEAST_AROUND = 40_000, 1_500
"""Characters shown before and after a quote: of an article in a late turn, and in an early one."""
_EXCERPT = 180
"""Characters of a nearest passage that stand beside its title."""

# Drawn, since a system without emoji shows an empty box.
_THUMB = (
    "<svg width='16' height='16' viewBox='0 0 16 16' aria-hidden='true'>"
    "<path fill='currentColor' d='M1 7h3v8H1zM5 7l3-6c1.5 1 1.5 2 0 5h5l1 1.5-1.5 6.5-1 1H5z'/></svg>"
)
_THUMB_DOWN = _THUMB.replace("<path", "<path transform='rotate(180 8 8)'")


def conversation_markup(turns: Sequence[ShownTurn], welcome: str = "", *, can_save: bool = False) -> str:
    """The whole conversation; `welcome` stands where nothing was asked."""
    if not turns:
        return f"<div class='welcome'>{welcome}</div>"
    whole_from = len(turns) - _WHOLE_TURNS
    return "".join(
        _turn_markup(turn, place, _MOST_AROUND if place >= whole_from else _LEAST_AROUND, can_save=can_save)
        for place, turn in enumerate(turns)
    )


def pending_markup(question: str) -> str:
    """A question that is being asked, as page.js puts it below the conversation."""
    return (
        f"<section class='turn pending'>{_asked(question)}<p class='hint'>"
        "<span role='status'>Searching the articles…</span> "
        "<button type='button' class='minor' data-stop>Stop</button></p></section>"
    )


def welcome_markup(examples: Sequence[str]) -> str:
    """What an empty conversation shows: questions to begin with."""
    offered = "".join(
        f"<li><button type='button' class='example' data-ask>{html.escape(question)}</button></li>"
        for question in examples
    )
    listed = f"<p class='hint'>For example:</p><ul>{offered}</ul>" if offered else ""
    return f"<p>Ask a question of the articles. Each answer shows the sentences it rests on.</p>{listed}"


def _turn_markup(turn: ShownTurn, place: int, around: int, *, can_save: bool) -> str:
    asked_as = turn.answer.asked if turn.answer and turn.answer.asked != turn.answer.question else ""
    body = reply_markup(turn.answer) if turn.answer else _failure(turn.failure)
    evidence = evidence_markup(turn.answer, around) if turn.answer else ""
    return (
        f"<section class='turn' data-turn='{place}'>{_asked(turn.question, asked_as)}{body}{_under(turn.filters)}"
        f"{_actions(turn, can_save=can_save)}<div class='sources' hidden>{evidence}</div></section>"
    )


def _failure(reason: str) -> str:
    """Why there is no answer, and the ways on."""
    return (
        f"<div class='reply silent'><p role='status'>{html.escape(reason)}</p><div class='actions'>"
        "<button type='button' data-again>Ask again</button>"
        "<button type='button' data-edit>Edit the question</button></div></div>"
    )


def _asked(question: str, asked_as: str = "") -> str:
    line = html.escape(" ".join(question.split())[:LENGTH_LIMIT])
    standalone = f"<p class='meta'>Asked as: {html.escape(asked_as)}</p>" if asked_as else ""
    return f"<div class='asked'><h3>{line}</h3>{standalone}</div>"


def _under(filters: Mapping[str, str]) -> str:
    told = filters_told(filters)
    return f"<p class='meta'>{told}</p>" if told else ""


def filters_told(filters: Mapping[str, str]) -> str:
    """The filters that are in force, as a sentence."""
    words = {"since": "from {}", "until": "to {}", "source": "by {}"}
    told = [said.format(filters[name]) for name, said in words.items() if filters.get(name)]
    return f"Only articles {html.escape(', '.join(told))}." if told else ""


# -- the reply -----------------------------------------------------------------------------------------------------


def reply_markup(answer: Answer, today: date | None = None) -> str:
    """One reply: the answer, then the sentences that it rests on; or the reason for silence and what came near."""
    if answer.abstained:
        return _silence(answer, today)
    lines = [f"<p class='short'>{html.escape(answer.short)}</p>"] if answer.short else []
    lines += [
        f"<p class='cited'>{_with_words(citation.quote, answer.short)} "
        f"{_cite_button(citation.number, citation.article)} "
        f"<span class='age'>{_outlet_and_age(citation.article, today)}{_also(citation)}</span></p>"
        for citation in answer.citations
    ]
    if answer.disagreements:
        lines.append(_disagreement(answer, today))
    lines.append(_confidence(answer.confidence))
    return f"<div class='reply'>{''.join(lines)}</div>"


def _disagreement(answer: Answer, today: date | None) -> str:
    """A table of what each source says: the answer's own value first, then the others."""
    own = [Disagreement(answer.short, citation) for citation in answer.citations[:1] if answer.short]
    rows = "".join(
        f"<tr><td>{html.escape(said.value)}</td>"
        f"<td>{html.escape(said.citation.article.source or 'no outlet named')}</td>"
        f"<td>{_day_and_age(said.citation.article, today)}</td>"
        f"<td>{_cite_button(said.citation.number, said.citation.article)}</td></tr>"
        for said in (*own, *answer.disagreements)
    )
    heads = "".join(f"<th scope='col'>{name}</th>" for name in ("Value", "Outlet", "Date", "Source"))
    return (
        "<table class='disagreement'><caption>The sources disagree</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _with_words(quote: str, words: str | None) -> str:
    """Escaped, with the words that answer in bold where they first stand."""
    before, found, after = quote.partition(words) if words else (quote, "", "")
    return f"{html.escape(before)}<b>{html.escape(found)}</b>{html.escape(after)}" if found else html.escape(quote)


def _silence(answer: Answer, today: date | None) -> str:
    lines = [f"<p class='short'>{html.escape(answer.text)}</p>"]
    if answer.hits:
        lines.append("<p class='meta'>The nearest passages; none of them answers surely enough:</p>")
    lines += [
        f"<p class='cited near'>{_cite_button(number, hit.article, near=True)} {html.escape(hit.article.title)} "
        f"<span class='age'>{_outlet_and_age(hit.article, today)}</span><br>"
        f"<span class='excerpt'>{_excerpt(hit)}</span></p>"
        for number, hit in enumerate(answer.hits[:NEAREST], 1)
    ]
    if not answer.hits:
        lines.append("<p><button type='button' class='minor' data-unfilter>Clear the filters</button></p>")
    return f"<div class='reply silent'>{''.join(lines)}</div>"


def _excerpt(hit: Hit) -> str:
    text = " ".join(hit.text.split())
    return html.escape(text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rsplit(' ', 1)[0]} …")


def _cite_button(number: int, article: Article, *, near: bool = False) -> str:
    what = "nearest passage" if near else "source"
    label = html.escape(f"Show {what} {number}: {article.title}", quote=True)
    return f"<button type='button' class='cite' data-cite='{number}' aria-label='{label}'>[{number}]</button>"


def _also(citation: Citation) -> str:
    """In how many other outlets the story appeared, else how many further articles say the same."""
    if citation.elsewhere:
        return _elsewhere(citation)
    count = len(citation.also)
    return (
        f" · {count} further article{'s' if count > 1 else ''} say{'' if count > 1 else 's'} the same" if count else ""
    )


def _elsewhere(citation: Citation) -> str:
    names = html.escape(", ".join(citation.outlets), quote=True)
    return f" · <span title='{names}'>{citation.elsewhere}</span>" if citation.elsewhere else ""


def _confidence(confidence: float) -> str:
    return (
        f"<details class='sure'><summary>{_sureness(confidence)}</summary><p>Estimated probability that this is right: "
        f"{confidence:.0%}.</p></details>"
    )


def _sureness(confidence: float) -> str:
    if confidence >= 0.85:
        return "Very likely right"
    return "Likely right" if confidence >= 0.65 else "Possibly right: check the passage"


def _outlet_and_age(article: Article, today: date | None) -> str:
    return html.escape(" · ".join(part for part in (article.source, _age(article, today)) if part))


def _age(article: Article, today: date | None) -> str:
    """Since publication; where that day is not known, since the last edit that the article states."""
    today = today or date.today()  # noqa: DTZ011
    if article.published:
        return age_of(article.published, today)
    return f"edited {age_of(article.updated, today)}" if article.updated else "no date"


def _day_and_age(article: Article, today: date | None) -> str:
    day = article.published or article.updated
    age = _age(article, today)
    return f"<time datetime='{day}'>{day}</time> ({age})" if day else age


def age_of(published: date, today: date) -> str:
    """In the unit a reader would use."""
    days = (today - published).days
    if days < 0:
        return "dated in the future"
    if days < 2:
        return ("today", "yesterday")[days]
    for length, unit in ((365, "year"), (30, "month"), (7, "week"), (1, "day")):
        # Below two of a unit the smaller one says more: 13 months, 10 days.
        if days >= 2 * length:
            return f"{days // length} {unit}s ago"
    raise AssertionError


# -- what can be done with a turn ------------------------------------------------------------------------------------


def _actions(turn: ShownTurn, *, can_save: bool) -> str:
    if not turn.answer:
        return ""
    link = html.escape(query_string(turn), quote=True)
    buttons = [
        "<button type='button' data-copy title='Copy as Markdown with footnotes'>Copy</button>",
        f"<button type='button' data-link='{link}' title='Copy a link that asks this again'>Link</button>",
        "<button type='button' data-download='md' title='Download as Markdown'>Markdown</button>",
        "<button type='button' data-download='json' title='Download as JSON'>JSON</button>",
    ]
    if can_save:
        buttons += [
            f"<button type='button' data-verdict='{verdict}' aria-label='This answer is {verdict}'>{thumb}</button>"
            for verdict, thumb in (("right", _THUMB), ("wrong", _THUMB_DOWN))
        ]
    kept = f"<pre class='markdown' hidden>{html.escape(markdown(turn))}</pre>"
    kept += f"<pre class='json' hidden>{html.escape(as_json(turn))}</pre>"
    return (
        f"<div class='actions'>{''.join(buttons)}<span class='told' role='status'></span></div>{kept}"
        f"{_feedback(turn) if can_save else ''}"
    )


def _feedback(turn: ShownTurn) -> str:
    """A form that a verdict opens; what became of saving the turn as a case."""
    saved = f"<p class='meta' role='status'>{html.escape(turn.saved)}</p>" if turn.saved else ""
    return (
        "<div class='feedback' hidden><p class='verdict'></p>"
        "<div class='correction'>"
        "<label>The right answer (as it should stand) <input type='text' maxlength='300'></label>"
        "<label><input type='checkbox'> The articles do not say</label></div>"
        "<button type='button' class='minor' data-save>Save as test case</button></div>" + saved
    )


# -- the evidence ----------------------------------------------------------------------------------------------------


def evidence_markup(answer: Answer, around: int = _MOST_AROUND, today: date | None = None) -> str:
    """A section per citation, or per nearest passage where the assistant abstained: the article, the words marked."""
    if answer.abstained:
        return "".join(
            _source(
                number, hit.article, hit.passage.start, hit.passage.end, around, _where(hit.article, today), near=True
            )
            for number, hit in enumerate(answer.hits[:NEAREST], 1)
        )
    cited = [(citation, answer.short) for citation in answer.citations]
    cited += [(other.citation, other.value) for other in answer.disagreements]
    return "".join(
        _source(
            citation.number,
            citation.article,
            citation.start,
            citation.end,
            around,
            f"{_where(citation.article, today)}{_elsewhere(citation)}",
            words,
        )
        for citation, words in cited
    )


def _source(
    number: int,
    article: Article,
    start: int,
    end: int,
    around: int,
    where: str,
    words: str | None = None,
    *,
    near: bool = False,
) -> str:
    kind = "source near" if near else "source"
    return (
        f"<article class='{kind}' data-number='{number}'><header><h3><span class='number'>[{number}]</span> "
        f"{html.escape(article.title)}</h3><div class='where'>{where}</div></header>"
        f"<div class='text'>{_marked(article.text, start, end, around, words)}</div></article>"
    )


def _where(article: Article, today: date | None) -> str:
    parts = [html.escape(part) for part in (article.source, article.author) if part] + [_day_and_age(article, today)]
    if article.link:
        link = html.escape(article.link, quote=True)
        parts.append(f"<a href='{link}' target='_blank' rel='noopener noreferrer nofollow'>original page</a>")
    else:
        parts.append(html.escape(article.location))
    return " · ".join(parts)


def _marked(text: str, start: int, end: int, around: int, words: str | None) -> str:
    first, last = max(0, start - around), min(len(text), end + around)
    before, quote, after = text[first:start], text[start:end], text[end:last]
    begin = "<p class='hint'>… the article begins earlier</p>" if first else ""
    rest = "<p class='hint'>the article goes on …</p>" if last < len(text) else ""
    return f"{begin}{html.escape(before)}<mark>{_with_words(quote, words)}</mark>{html.escape(after)}{rest}"
