"""The server's guards, asked over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from assistant import Assistant
from assistant.errors import InvalidSetting
from assistant.server import BODY_LIMIT, build_app, serve


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


def test_uploads_are_refused(client: httpx.Client) -> None:
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 403


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
