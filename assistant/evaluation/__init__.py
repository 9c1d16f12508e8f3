"""An assistant and files of cases -> a Report: what is right, what is not and at which stage, and what changed."""

from assistant.evaluation.cases import Case, load_cases
from assistant.evaluation.scoring import Result, judge, words_right

__all__ = ["Case", "Result", "judge", "load_cases", "words_right"]
