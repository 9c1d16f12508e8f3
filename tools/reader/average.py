"""The mean of several runs' weights, as a checkpoint for export.py.

    python tools/reader/average.py CHECKPOINT CHECKPOINT... --out FILE

A run that goes on from another's end, on other data, gains on these and forgets a little of the rest. Half-way between
the two ends it keeps both (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"): README.md has the scores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    states = [torch.load(path, map_location="cpu", weights_only=True) for path in args.checkpoints]
    weights = [state["model"] for state in states]
    mean = {name: sum(held[name] for held in weights) / len(weights) for name in weights[0]}
    torch.save({**states[-1], "model": mean}, args.out)


if __name__ == "__main__":
    main()
