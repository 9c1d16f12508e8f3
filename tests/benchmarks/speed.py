"""How fast: start-up, a cold question and warm ones, beside what the frameworks take to be imported.

    python tests/benchmarks/speed.py [--runs 7]

Absolute times are this machine's; the ratios, measured in turn in one run, carry over. Medians throughout.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from assistant import Assistant

ROOT = Path(__file__).parents[2]
QUESTION = "Which brand did Huawei launch with JAC?"


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        options = ("-m", "assistant.cli", "--corpus", str(ROOT / "corpus"), "--index", index)
        first = seconds(*options, "sync")
        commands = {
            "assistant --help": ("-m", "assistant.cli", "--help"),
            "assistant ask, index built": (*options, "ask", QUESTION),
            "assistant sync, nothing changed": (*options, "sync"),
            "import llama_index.core, chromadb": ("-c", "import llama_index.core, chromadb"),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                times[name].append(seconds(*command))
        medians = {name: statistics.median(values) for name, values in times.items()}
        base = medians["import llama_index.core, chromadb"]
        print("| | median of", runs, "| to importing llama-index and chromadb |\n|---|---|---|")
        print(f"| first `assistant sync` of the corpus | {first:.2f} s | {first / base:.2f} |")
        for name, value in medians.items():
            print(f"| `{name}` | {value:.2f} s | {value / base:.2f} |")
        cases = yaml.safe_load((ROOT / "tests/regression/huawei.yaml").read_text(encoding="utf-8"))["cases"]
        with Assistant.open(corpus=ROOT / "corpus", index=index) as assistant:
            assistant.ask(QUESTION)
            answers = [assistant.ask(case["question"]) for case in cases]
        laps = sorted(answer.timings["total"] for answer in answers)
        print(
            f"| a question in an open assistant | {statistics.median(laps):.3f} s | {statistics.median(laps) / base:.2f} |"
        )
        print(
            f"| the slowest of twenty such questions (p95) | {laps[int(0.95 * len(laps))]:.3f} s | {laps[int(0.95 * len(laps))] / base:.2f} |"
        )
        for step in answers[0].timings:
            print(f"  {step}: {1000 * statistics.median(answer.timings[step] for answer in answers):.0f} ms")


if __name__ == "__main__":
    main()
