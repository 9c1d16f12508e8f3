"""The server's guards, asked over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request

from assistant import Assistant
from assistant.errors import InvalidSetting
from assistant.server import BODY_LIMIT, _refusal, build_app, serve


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


def test_the_page_is_served_with_a_policy_that_names_no_other_host(client: httpx.Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:7860"])
def test_a_foreign_host_is_refused(client: httpx.Client, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


def test_a_large_body_is_refused(client: httpx.Client) -> None:
    assert client.post("/gradio_api/queue/join", content=b"x" * (BODY_LIMIT + 1)).status_code == 413


def test_a_file_is_taken_in_one_place_only(client: httpx.Client) -> None:
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    assert client.post("/gradio_api/queue/join", files={"files": b"x"}).status_code == 403


def test_another_site_can_send_nothing(client: httpx.Client) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
        assert client.post("/gradio_api/upload", files={"files": b"x"}, headers=headers).status_code == 403
        assert client.post("/gradio_api/queue/join", content=b"{}", headers=headers).status_code == 403


def test_a_page_that_others_reach_takes_no_files_and_offers_no_way_to_change(huawei: Assistant) -> None:
    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"content-length", b"1")]
    upload = Request({"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers})
    assert _refusal(upload, can_change=True) is None
    assert _refusal(upload, can_change=False) == (403, "uploads are not offered")
    # In a process of its own: gradio leaves an event loop open.
    code = (
        "from assistant import Assistant; from assistant.chat import build_page\n"
        f"page = build_page(Assistant.open({str(huawei.settings.corpus)!r}, {str(huawei.settings.index)!r}))\n"
        "print({part['type'] for part in page.get_config_file()['components']})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "textbox" in done.stdout
    assert "file" not in done.stdout


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd"]
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (403, 404)


@pytest.mark.parametrize("name", ["GRADIO_SHARE", "GRADIO_VIBE_MODE", "GRADIO_ALLOWED_PATHS"])
def test_settings_that_open_the_machine_are_refused(
    huawei: Assistant, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "True")
    with pytest.raises(InvalidSetting, match=name):
        build_app(huawei)


def test_a_taken_port_is_said_with_the_next_step(huawei: Assistant) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InvalidSetting, match="--port 0"):
            serve(huawei, "127.0.0.1", taken.getsockname()[1], open_browser=False, announce=print)
