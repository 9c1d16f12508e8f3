"""A Report -> JUnit XML, which build servers show: a test per case, and its stage as the kind of failure."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from assistant.evaluation.report import Report
from assistant.evaluation.scoring import ERROR, Result

SUITE = "assistant eval"
"""What the document names its tests, by which it is known when it is to be written over."""
# What XML 1.0 cannot hold, even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(report: Report) -> str:
    """A whole document; times are in seconds."""
    aside = [result for result in report.results if not result.counted]
    suite = ET.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(report.results)),
        failures=str(len(report.failed) - len(report.errors)),
        errors=str(len(report.errors)),
        skipped=str(len(aside)),
        time=f"{sum(report.seconds.values()):.3f}",
    )
    for result in report.results:
        _add_case(suite, result, report.seconds[result.case.id])
    ET.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, result: Result, seconds: float) -> None:
    case = result.case
    test = ET.SubElement(
        suite,
        "testcase",
        name=_clean(case.id),
        classname=_clean(case.path),
        file=_clean(case.path),
        line=str(case.line),
        time=f"{seconds:.3f}",
    )
    if result.right:
        return
    kind = "skipped" if not result.counted else "error" if result.stage == ERROR else "failure"
    said = {
        "message": _clean(f"{result.stage}: {result.detail}"),
        **({} if kind == "skipped" else {"type": result.stage}),
    }
    ET.SubElement(test, kind, said).text = _clean(f"{case.question}\n{result.detail}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
