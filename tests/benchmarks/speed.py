"""How fast: start-up, a cold question, warm ones and the reader, beside what the frameworks take to be imported.

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


def reader_speed(runs: int) -> tuple[float, float]:
    """(seconds to load the reader, passages of 160 tokens read in a second, in batches of the product's 24)."""
    from assistant.reading import load_reader

    loading, reading = [], []
    # Every word is one token; with the question's 11 and three separators 160 in all.
    texts = ["the river bridge was opened by a town in the spring and it cost more than was planned " * 9] * 24
    texts = [" ".join(text.split()[:146]) for text in texts]
    for _ in range(runs):
        started = time.perf_counter()
        reader = load_reader()
        reader.read("Who?", ["Mara Lind did."])
        loading.append(time.perf_counter() - started)
        started = time.perf_counter()
        reader.read("Who opened the bridge over the river in the spring?", texts)
        reading.append(len(texts) / (time.perf_counter() - started))
    return statistics.median(loading), statistics.median(reading)


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
        loading, passages = reader_speed(runs)
        print(f"| loading the reader, with its first passage | {loading:.2f} s | {loading / base:.2f} |")
        print(f"  the reader: {passages:.0f} passages of 160 tokens a second")
        for step in answers[0].timings:
            print(f"  {step}: {1000 * statistics.median(answer.timings[step] for answer in answers):.0f} ms")


if __name__ == "__main__":
    main()
