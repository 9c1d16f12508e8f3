"""Many users of the chat page at once: no error, how long an answer takes, and whether the server's memory grows.

python tests/benchmarks/load.py [--users 20] [--seconds 60]

Serves the project's corpus in a process of its own and asks the questions of the regression set through gradio's own
client, each user in a conversation of its own. Prints one line of JSON; the exit code is 1 if a question failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).parent.parent.parent
TURNS = 5
"""Questions of a conversation, after which a user begins a new one."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "assistant.cli", "--index", f"{folder}/index", "chat", "--port", "0"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            address = next(match.group() for line in server.stderr if (match := re.search(r"http://\S+/", line)))
            # What the server notes later must not fill the pipe.
            threading.Thread(target=lambda: list(server.stderr or ()), daemon=True).start()
            result = measure(address, server.pid, options.users, options.seconds)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps(result))
    return 1 if result["failed"] else 0


def measure(address: str, pid: int, users: int, seconds: float) -> dict[str, Any]:
    cases = yaml.safe_load((ROOT / "tests/regression/huawei.yaml").read_text(encoding="utf-8"))["cases"]
    questions = [case["question"] for case in cases if "history" not in case]
    ask_for(address, questions, 3.0, [], [])
    warm = resident(pid)
    times: list[float] = []
    failed: list[str] = []
    threads = [
        threading.Thread(target=ask_for, args=(address, questions[user::users] or questions, seconds, times, failed))
        for user in range(users)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        memory.append(resident(pid))
        time.sleep(1)
    half = len(memory) // 2
    return {
        "users": users,
        "answers": len(times),
        "failed": len(failed),
        "first_failures": failed[:3],
        "p50_s": round(float(np.percentile(times, 50)), 3),
        "p95_s": round(float(np.percentile(times, 95)), 3),
        "mb_warm": round(warm),
        "mb_first_half": round(max(memory[:half])),
        "mb_second_half": round(max(memory[half:])),
    }


def ask_for(address: str, questions: list[str], seconds: float, times: list[float], failed: list[str]) -> None:
    """One user, who asks again as soon as there is an answer."""
    from gradio_client import Client

    client = Client(address, verbose=False)
    end = time.perf_counter() + seconds
    kept: Any = []
    for number, question in enumerate(itertools.cycle(questions)):
        if time.perf_counter() > end:
            break
        kept = [] if number % TURNS == 0 else kept
        started = time.perf_counter()
        try:
            _, kept, shown, _ = client.predict(question, kept, "", "", "All sources", api_name="/typed")
        except Exception as error:  # noqa: BLE001 whatever it is, it counts
            failed.append(repr(error)[:300])
            kept = []
            continue
        times.append(time.perf_counter() - started)
        if "class='reply" not in shown:
            failed.append(shown[-300:])


def resident(pid: int) -> float:
    """Megabytes of memory that the process holds (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
