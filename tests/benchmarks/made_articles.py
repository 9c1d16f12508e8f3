"""A number and a seed -> a folder of made-up articles: Markdown, plain text and pages, of a wanted length in words.

The same number, length and seed give the same bytes. Nothing in them is true, and no two tell one story.
"""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

_NAMES = "Adem Berit Cass Dorit Edda Falk Greta Hanno Ilse Jory Kaya Levin Mara Nilo Orla Piet Quint Rosa Sten Tove Ulf".split()
_ENDINGS = "berg dorf falk haven holm lind mark rode stad strand thal vik wald werth".split()
_BEGINNINGS = "Al Bran Cor Dun Esk Fal Gar Hol Ims Kel Lor Mon Nor Or Pell Ro Sel Tan Ur Vell Wen".split()
_WHO = """the council|the harbour master|the ministry of transport|a court|the union of nurses|the opposition|the central
bank|a group of engineers|the museum|the largest employer|the regulator|the fire service|the university|a panel of
historians|the railway|the fishing fleet|the school board|the water company|the orchestra|the observatory""".replace(
    "\n", " "
).split("|")
_DID = """approved|rejected|postponed|inspected|bought|sold|praised|criticised|announced|cancelled|repaired|financed|
investigated|opened|closed|renamed|doubled|cut|defended|explained|measured|planned|published|reviewed|signed""".replace(
    "\n", ""
).split("|")
_WHAT = """a bridge|the new timetable|a loan|a report on noise|the ferry line|two hundred flats|the budget|a treaty|the power
station|a collection of clocks|the price of water|an archive of letters|a warehouse|the tram depot|a vaccine trial|the
old customs house|a fleet of buses|the wind farm|a tunnel|the grain store|the concert hall|a chip factory|the dam|the
nature reserve|a hospital wing""".replace("\n", " ").split("|")
_HOW = """after months of talks|without a public hearing|by a narrow majority|for the second time this year|despite heavy
rain|at a cost of {n} million crowns|for {n} years|with {n} votes to {m}|on {n} of its {m} sites|before the end of the
quarter|as {name} had predicted|together with {name}|under the law of {y}|in spite of {name}|since {y}|within {n} days|
against the advice of {name}|following an audit by {name}|to the surprise of {name}""".replace("\n", " ").split("|")
_SAID = """“{S},” said {name}|{name} said that {s}|According to {name}, {s}|{S}, a spokesman for {place} said|In {place}, {s}|
On {day}, {s}|{S}, although {t}|{S}, and {t}|While {t}, {s}|{S}; {t}|Asked about {place}, {name} said that {s}""".replace(
    "\n", " "
).split("|")
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


class _Writer:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def place(self) -> str:
        return self._chance.choice(_BEGINNINGS) + self._chance.choice(_ENDINGS)

    def name(self) -> str:
        return f"{self._chance.choice(_NAMES)} {self.place()}"

    def clause(self) -> str:
        pick = self._chance.choice
        who = f"{pick(_WHO)} of {self.place()}" if self._chance.random() < 0.6 else pick(_WHO)
        how = pick(_HOW).format(
            n=self._chance.randint(2, 900), m=self._chance.randint(2, 900), y=self._chance.randint(1950, 2024), name=self.name()
        )  # fmt: skip
        return f"{who} {pick(_DID)} {pick(_WHAT)} {how}".replace("  ", " ")

    def sentence(self) -> str:
        one, other = self.clause(), self.clause()
        said = self._chance.choice(_SAID).strip()
        text = said.format(
            S=one[0].upper() + one[1:], s=one, t=other, name=self.name(), place=self.place(), day=self._chance.choice(_DAYS)
        )  # fmt: skip
        return text[0].upper() + text[1:] + "."

    def paragraphs(self, words: int) -> list[str]:
        found: list[str] = []
        while words > 0:
            sentences = [self.sentence() for _ in range(self._chance.randint(2, 5))]
            found.append(" ".join(sentences))
            words -= len(found[-1].split())
        return found


def write_articles(folder: Path, count: int, words: int = 600, seed: int = 1) -> None:
    """`count` files below `folder`, 100 a subfolder. Of ten, six are Markdown, two are text and two are pages."""
    for number in range(count):
        # An article of its own seed: a longer run begins with the same articles as a shorter one.
        chance = random.Random(f"{seed}/{words}/{number}")
        writer = _Writer(chance)
        title = writer.clause()
        title = title[0].upper() + title[1:]
        day = dt.date(2015, 1, 1) + dt.timedelta(days=chance.randrange(3_600))
        suffix, text = _written(number, title, writer.name(), day, writer.paragraphs(words))
        path = folder / f"{number // 100:03d}" / f"{number:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _written(number: int, title: str, author: str, day: dt.date, paragraphs: list[str]) -> tuple[str, str]:
    if number % 10 < 6:
        front = f'---\ntitle: "{title}"\nauthor: {author}\nsource: The Daily Stone\npublished: {day}\n---\n\n'
        return "md", front + "\n\n".join(paragraphs) + "\n"
    if number % 10 < 8:
        return "txt", f"{title}\n\nBy {author}\n\n{day}\n\n" + "\n\n".join(paragraphs) + "\n"
    body = "".join(f"<p>{paragraph}</p>\n" for paragraph in paragraphs)
    head = f'<title>{title}</title><meta name="author" content="{author}"><meta name="date" content="{day}">'
    return (
        "html",
        f"<!doctype html><html lang='en'><head>{head}</head><body><article><h1>{title}</h1>{body}</article></body></html>\n",
    )
