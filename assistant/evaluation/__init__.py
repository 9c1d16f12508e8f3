"""An assistant and files of cases -> a Report: what is right, what is not and at which stage, and what changed."""

from assistant.evaluation.baseline import Comparison, compare
from assistant.evaluation.cases import Case, load_cases
from assistant.evaluation.report import Report
from assistant.evaluation.running import run
from assistant.evaluation.scoring import Result, judge, words_right

__all__ = ["Case", "Comparison", "Report", "Result", "compare", "judge", "load_cases", "run", "words_right"]
