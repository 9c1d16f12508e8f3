"""Text -> the numbers and the days it states, however they are written, and whether two texts state different ones.

English only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SHORT = {"mn": 10**6, "mln": 10**6, "bn": 10**9, "bln": 10**9, "tn": 10**12, "trn": 10**12}
_SUFFIXES = {**_SHORT, "k": 10**3, "m": 10**6}
"""A letter counts only where it stands at the number: 3m is three million, 3 m is a length."""
_UNITS = dict(zip("one two three four five six seven eight nine".split(), range(1, 10), strict=True))
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_SMALL = {"zero": 0} | _UNITS | _TENS | dict(zip(_TEENS, range(10, 20), strict=True))

# 387,000 and 387 000 with an unbreakable or thin space; 0.387; .5
_GAP = "[,\u00a0\u2009\u202f]"
_DIGITS = rf"(?:\d{{1,3}}(?:{_GAP}\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_LONGEST = 40
"""Characters of a figure's digits: no fact is counted more finely, and what is longer would not fit a Decimal."""
_SCALE = "|".join(_SCALES)
_BELOW_HUNDRED = rf"(?:(?:{'|'.join(_TENS)})[\s-](?:{'|'.join(_UNITS)})|{'|'.join(_SMALL)})\b"
# Two hundred and five, but not the three of "two hundred and three hundred".
_BELOW_THOUSAND = rf"{_BELOW_HUNDRED}(?:[\s-]hundred\b(?:\s(?:and\s)?{_BELOW_HUNDRED}(?![\s-](?:hundred|dozen)\b))?)?"
_PART = re.compile(rf"\b(?P<few>{_BELOW_THOUSAND})(?P<scales>(?:[\s-](?:{_SCALE})\b){{0,3}})", re.IGNORECASE)
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<sign>[-−](?<![\w.][-−]))?(?P<digits>{_DIGITS})(?:(?P<letter>[km])\b|[\s-]?(?P<short>{'|'.join(_SHORT)})\b)?"
    rf"(?P<scales>(?:[\s-]?(?:{_SCALE})\b){{0,3}})(?![^\W_])"
    rf"|\b(?P<part>half an?|an?)\s(?P<few>(?:{_SCALE})(?:\s(?:{_SCALE})){{0,2}})\b"
    rf"|\b(?P<spelled>(?:{'|'.join(_SMALL)})\b(?:(?:-|\s(?:and\s)?)(?:{'|'.join(_SMALL)}|{_SCALE})\b)*)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"1[0-9]{3}|20[0-9]{2}")


@dataclass(frozen=True)
class Figure:
    """A number, and whether it is written as years are: four digits, 1000 to 2099, and nothing else."""

    value: Decimal
    year: bool = False


def numbers(text: str) -> list[Figure]:
    """In order: "387,000", "387 thousand", "0.387 million", "28.9bn", "US$56,200", "twenty-five", "half a million".

    A percent sign changes nothing: 87% is 87. Names and ordinals (M9, 5G, 1990s, 21st) are no numbers, and neither are
    more digits than anyone counts.
    """
    found: list[Figure] = []
    for match in _NUMBER.finditer(text):
        if match["spelled"]:
            found += (Figure(Decimal(value)) for value in _spelled(match["spelled"]))
        elif len(match["digits"] or "") <= _LONGEST:
            found.append(_figure(match))
    return found


def _figure(match: re.Match[str]) -> Figure:
    if match["digits"]:
        value = Decimal(re.sub(_GAP, "", match["digits"])) * (-1 if match["sign"] else 1)
        value *= _SUFFIXES.get((match["letter"] or match["short"] or "").lower(), 1) * _product(match["scales"])
        return Figure(value, bool(_YEAR.fullmatch(match.group())))
    half = match["part"].lower().startswith("half")
    return Figure(Decimal("0.5" if half else 1) * _product(match["few"]))


def _product(scales: str) -> int:
    product = 1
    for word in re.findall(r"\w+", scales.lower()):
        product *= _SCALES[word]
    return product


def _spelled(phrase: str) -> list[int]:
    """Two hundred and five thousand is one number, three and five are two: only what lies below a scale adds to it."""
    found: list[int] = []
    scale = 1
    for part in _PART.finditer(phrase):
        value = _below_thousand(part["few"]) * _product(part["scales"])
        if 0 < value < scale:
            found[-1] += value
        else:
            found.append(value)
        scale = _product(part["scales"])
    return found


def _below_thousand(few: str) -> int:
    hundreds, _, rest = few.lower().rpartition("hundred")
    return 100 * _sum(hundreds) + _sum(rest)


def _sum(words: str) -> int:
    return sum(_SMALL.get(word, 0) for word in re.findall("[a-z]+", words))


_MONTHS = "January February March April May June July August September October November December".split()
_MONTH = "|".join([*_MONTHS, *(rf"{month[:3]}\b\.?" for month in _MONTHS if month != "May"), r"Sept\b\.?"])
_DAY = re.compile(
    r"(?<!\d)(?P<iso>\d{4}-\d{2}(?:-\d{2})?)(?![\d-])"
    rf"|(?<!\d)(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m1>{_MONTH})(?:,? (?P<y1>\d{{4}})\b)?"
    rf"|\b(?P<m2>{_MONTH}) (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,? (?P<y2>\d{{4}})\b)?"
    rf"|\b(?P<m3>{_MONTH})(?:,?(?: of)? (?P<y3>\d{{4}}))?(?!\w)"
    r"|(?<![\w,.])(?P<y4>1[0-9]{3}|20[0-9]{2})(?![\w%]|[,.]\d)"
)
_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True)
class Day:
    """A day, a month or a year: what is not said is None. Months are 1 to 12."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of "2025", "2025-09" or "2025-09-23". Raises ValueError."""
        match = _ISO.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is no day, month or year")
        year, month, day = (int(part) if part else None for part in match.groups())
        from datetime import date

        date(int(match[1]), 1 if month is None else month, 1 if day is None else day)
        return cls(year, month, day)

    def __str__(self) -> str:
        return "-".join(f"{part:02d}" for part in (self.year, self.month, self.day) if part is not None)

    def is_told_by(self, stated: Day) -> bool:
        """Whether `stated` says this: finer is right, coarser is not, and only the year goes without saying."""
        pairs = [(self.year, stated.year), (self.month, stated.month), (self.day, stated.day)]
        if self.month is not None and stated.year is None:
            del pairs[0]
        return all(wanted is None or wanted == said for wanted, said in pairs)


def days(text: str) -> list[Day]:
    """In order: "September 23, 2025", "23 Sept.", "late September 2025", "2025-09-23", "2025"."""
    return [day for match in _DAY.finditer(text) if (day := _day(match))]


def _day(match: re.Match[str]) -> Day | None:
    if match["iso"]:
        try:
            return Day.parse(match["iso"])
        except ValueError:
            return None
    year = match["y1"] or match["y2"] or match["y3"] or match["y4"]
    month = match["m1"] or match["m2"] or match["m3"]
    day = match["d1"] or match["d2"]
    return Day(
        int(year) if year else None,
        next(i for i, name in enumerate(_MONTHS, 1) if name.startswith(month[:3])) if month else None,
        int(day) if day else None,
    )


# -- contradiction -------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[a-z]+|[^\w\s.,;:()'\"-]")
_ROUGH = frozenset(
    """about around roughly nearly almost approximately some circa more less fewer over under above below least most up
    than to between""".split()
)
_SAY_NOTHING = frozenset("a an the of in on at and was were is are".split())
_BESIDE_A_YEAR = frozenset(
    """a an the of in on at since by from until till before after during throughout early mid middle late later
    beginning start end year years fiscal financial calendar first second third fourth half quarter q h spring summer
    autumn fall winter""".split()
)
"""A bare "1900" beside any other word counts something: cars, kilometres."""


MORE = frozenset(("more", "over", "above"))
LESS = frozenset(("less", "fewer", "under", "below"))
_UP = frozenset("up rose risen grew grown increased".split())
_DOWN = frozenset("down fell fallen dropped declined decreased".split())
_BOUND = MORE | LESS | {"than"}
NEGATED = frozenset(("no", "not", "never"))


def contradict(one: str, other: str) -> bool:
    """Whether both state one day, or one figure of one unit, and these cannot both be right.

    A coarser day ("2025") does not contradict a finer one within it, nor a rounded figure the exact one. Texts with
    several figures, of different units, or with a word of approximation contradict nothing, nor does a figure that
    leaves its unit out; "more than 5" and "less than 5", "up 5%" and "down 3%", "before" and "after" a day do. Amounts
    in two currencies may be one amount. Where this errs, it is silent.
    """
    dated, dated_too = _days_of(one), _days_of(other)
    if dated or dated_too:
        if len(dated) != 1 or len(dated_too) != 1:
            return False
        bound, bound_too = _side(one), _side(other)
        if bound or bound_too:
            early, late = (dated[0], dated_too[0]) if bound == "before" else (dated_too[0], dated[0])
            return {bound, bound_too} == {"before", "after"} and _not_later(early, late)
        return _different(dated[0], dated_too[0])
    counted, counted_too = numbers(one), numbers(other)
    if len(counted) != 1 or len(counted_too) != 1:
        return False
    unit, unit_too = _unit(one), _unit(other)
    a, b = counted[0].value, counted_too[0].value
    if unit != unit_too:
        return _opposed(unit, a, unit_too, b) or _opposed(unit_too, b, unit, a)
    return not unit & _ROUGH and abs(a - b) > max(_coarseness(a), _coarseness(b)) / 2


def _opposed(high: set[str], a: Decimal, low: set[str], b: Decimal) -> bool:
    """Whether the first lies above what the second lies below, or goes up where it goes down; of one unit else."""
    if (high | low) & NEGATED:
        return False
    if high & MORE and low & LESS and not (high & LESS or low & MORE):
        return a >= b and high - _BOUND == low - _BOUND
    # "Down to 5%" is a level.
    turned = high & _UP and low & _DOWN and not (high & _DOWN or low & _UP or "to" in high | low)
    return bool(turned) and high - _UP == low - _DOWN


def _side(text: str) -> str:
    """Of a day that is given as a bound "before" or "after", else ""."""
    found = re.search(r"\b(?:before|after)\b", text.lower())
    return found.group() if found else ""


def _not_later(one: Day, other: Day) -> bool:
    """Of days that are told as finely as each other, with their year; False of others."""
    fields = [(day.year, day.month, day.day) for day in (one, other)]
    a, b = ([part for part in parts if part is not None] for parts in fields)
    alike = [part is None for part in fields[0]] == [part is None for part in fields[1]]
    return alike and one.year is not None and a <= b


def states(text: str, value: str) -> bool:
    """Whether a text states each day and figure of a value, in whatever form it writes them."""
    wanted_days, wanted = _days_of(value), {figure.value for figure in numbers(value)}
    if wanted_days:
        stated = days(text)
        return all(any(day.is_told_by(other) for other in stated) for day in wanted_days)
    return wanted <= {figure.value for figure in numbers(text)}


def _days_of(value: str) -> list[Day]:
    """The days that a short answer states: "1900 kilometres" is none, though 1900 in a whole text may be a year."""
    found = days(value)
    bare = all(day.month is None for day in found)
    return [] if bare and set(_WORD.findall(value.lower())) - _BESIDE_A_YEAR else found


def _unit(text: str) -> set[str]:
    """The words beside a figure, that of percentages as a sign."""
    beside = re.sub(r"\bper ?cent\b", "%", _NUMBER.sub(" ", text).lower())
    return set(_WORD.findall(beside)) - _SAY_NOTHING


def _different(one: Day, other: Day) -> bool:
    pairs = ((one.year, other.year), (one.month, other.month), (one.day, other.day))
    return any(a is not None and b is not None and a != b for a, b in pairs)


def _coarseness(value: Decimal) -> Decimal:
    """The place of its last digit that is not 0: of 56,200 it is 100."""
    return Decimal(1).scaleb(int(value.normalize().as_tuple().exponent)) if value else Decimal(1)
