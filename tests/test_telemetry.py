"""Nothing calls home: a sync, a question and the page are made while every connection is noted and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from conftest import CORPUS

SCRIPT = """
import json, os, socket, sys, time

attempts = []

def refuse(self, address, *rest):
    if self.family == socket.AF_UNIX:
        return real(self, address)
    attempts.append(str(address))
    raise OSError("refused by the test")

def look_up(host, *rest, **options):
    if host not in ("127.0.0.1", "localhost", "::1", None):
        attempts.append(str(host))
        raise socket.gaierror("refused by the test")
    return looked_up(host, *rest, **options)

real, looked_up = socket.socket.connect, socket.getaddrinfo
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = look_up

from assistant import Assistant, embedding
from assistant.server import build_app

embedding.FEW = 0  # so that the library is loaded, too
with Assistant.open(corpus=sys.argv[1], index=sys.argv[2]) as assistant:
    assistant.sync()
    assert assistant.ask("Which brand did Huawei launch with JAC?").short == "Maextro"
    build_app(assistant)
    time.sleep(3)  # telemetry is sent by threads of its own
from huggingface_hub import constants

print(json.dumps({
    "attempts": attempts,
    "gradio": os.environ["GRADIO_ANALYTICS_ENABLED"],
    "hub_silent": bool(constants.HF_HUB_DISABLE_TELEMETRY),
}), flush=True)
os._exit(0)
"""


def test_no_connection_is_tried_by_a_sync_a_question_or_the_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + "\n", str(CORPUS), str(tmp_path / "index")],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["attempts"] == []
    assert seen["gradio"] == "False"
    assert seen["hub_silent"]
