"""Articles -> small charts as inline SVG: how many in each month or year, and by which outlet."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence

from assistant.schema import Article

_MOST_BARS = 24
_WIDTH, _HEIGHT, _LINE = 440, 120, 22


def over_time(articles: Sequence[Article]) -> str:
    """A column per month, or per year where months would be too many; undated articles are counted below."""
    days = [article.published for article in articles if article.published]
    counts = Counter(f"{day:%Y-%m}" for day in days)
    periods = _months(min(counts), max(counts)) if counts else []
    if len(periods) > _MOST_BARS:
        counts = Counter(f"{day:%Y}" for day in days)
        periods = [f"{year:04d}" for year in range(int(min(counts)), int(max(counts)) + 1)][-_MOST_BARS:]
    told = ", ".join(f"{period}: {counts[period]}" for period in periods)
    undated = len(articles) - len(days)
    note = f"<p class='hint'>{undated} without a date</p>" if undated else ""
    return _figure("Articles over time", told, _columns(periods, counts), _HEIGHT) + note


def by_outlet(articles: Sequence[Article]) -> str:
    """A bar per outlet, the most frequent first; those beyond the twelfth are put together."""
    counts = Counter(article.source or "no outlet named" for article in articles)
    rows = counts.most_common(12)
    rest = len(articles) - sum(count for _, count in rows)
    if rest:
        rows.append(("all others", rest))
    told = ", ".join(f"{name}: {count}" for name, count in rows)
    return _figure("Articles by outlet", told, _bars(rows), max(1, len(rows)) * _LINE)


def _months(first: str, last: str) -> list[str]:
    numbers = [int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last)]
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(numbers[0], numbers[1] + 1)]


def _figure(title: str, told: str, drawn: str, height: int) -> str:
    label = html.escape(f"{title}: {told or 'none'}", quote=True)
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' aria-label='{label}'>{drawn}</svg></figure>"
    )


def _columns(periods: Sequence[str], counts: Counter[str]) -> str:
    if not periods:
        return ""
    most, step = max(counts.values()), _WIDTH / max(len(periods), 6)
    drawn = []
    for place, period in enumerate(periods):
        height, left = (_HEIGHT - 40) * counts[period] / most, place * step
        drawn.append(
            f"<rect x='{left + 1:.1f}' y='{_HEIGHT - 20 - height:.1f}' width='{step - 2:.1f}' height='{height:.1f}'/>"
        )
        middle = left + step / 2
        if counts[period]:
            drawn.append(f"<text x='{middle:.1f}' y='{_HEIGHT - 24 - height:.1f}' class='n'>{counts[period]}</text>")
        # A month needs some 60 units of width: not every column can have its name.
        if place % math.ceil(60 / step) == 0:
            drawn.append(f"<text x='{left + 1:.1f}' y='{_HEIGHT - 5}'>{period}</text>")
    return "".join(drawn)


def _bars(rows: Sequence[tuple[str, int]]) -> str:
    most = max((count for _, count in rows), default=1)
    drawn = []
    for place, (name, count) in enumerate(rows):
        top, width = place * _LINE, 190 * count / most
        short = name if len(name) <= 30 else f"{name[:29]}…"
        drawn.append(
            f"<text x='0' y='{top + 15}'>{html.escape(short)}</text>"
            f"<rect x='215' y='{top + 4}' width='{width:.1f}' height='{_LINE - 8}'/>"
            f"<text x='{221 + width:.1f}' y='{top + 15}'>{count}</text>"
        )
    return "".join(drawn)
