"""An Assistant -> a server on this machine with the chat page. The home of fastapi and uvicorn.

Gradio itself neither checks the Host header nor limits what is sent to it, and lets any page be framed or
pull in foreign media; the layers here do (see `_guard`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from assistant.assistant import Assistant
from assistant.errors import InvalidSetting

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

BODY_LIMIT = 1_000_000
"""Bytes of one request; a question has at most 2,000 characters, a long conversation some 100 kB."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's own page needs inline and evaluated scripts; article text never becomes markup.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_REFUSED = ("GRADIO_SHARE", "GRADIO_VIBE_MODE", "GRADIO_ALLOWED_PATHS")


UPLOAD_LIMIT = 60_000_000
"""Bytes of one upload of articles; a single article has at most 50 MiB."""
_UPLOAD = "/gradio_api/upload"

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def build_app(assistant: Assistant, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """The page behind its guards. `hosts` are the Host headers that are answered.

    Only where these all name this machine can the page change anything: it has no password.
    """
    for name in _REFUSED:
        if os.environ.get(name):
            raise InvalidSetting(f"{name} is set, which would open this machine to others; unset it")
    from fastapi import FastAPI
    from starlette.middleware.cors import CORSMiddleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from assistant import chat

    can_change = set(hosts) <= set(LOOPBACK)
    page = chat.build_page(assistant, can_change=can_change)
    import gradio  # only to mount the page

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(functools.partial(_guard, can_change))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    # Gradio's own layer, which answers every Origin with credentials, stands down where the app has one.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    gradio.mount_gradio_app(
        app,
        page,
        path="",
        css=chat.CSS,
        theme=chat.theme(),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )
    return app


async def _guard(
    can_change: bool,  # noqa: FBT001 partial gives it
    request: Request,
    call_next: Callable[[Request], Awaitable[Response]],
) -> Response:
    """Caps the body, refuses other sites and uploads that are not offered, and sends the policy."""
    from starlette.responses import PlainTextResponse

    refusal = _refusal(request, can_change=can_change)
    response = PlainTextResponse(refusal[1], refusal[0]) if refusal else await call_next(request)
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _refusal(request: Request, *, can_change: bool) -> tuple[int, str] | None:
    """Status and reason, if a request is not to be answered."""
    length = request.headers.get("content-length", "0")
    origin = request.headers.get("origin")
    multipart = request.headers.get("content-type", "").lower().startswith("multipart/")
    offered = can_change and request.url.path == _UPLOAD
    # A form on any site could post here: the browser says from where.
    if request.method == "POST" and origin and urlsplit(origin).netloc != request.headers.get("host"):
        return 403, "this was sent from another site"
    if multipart and not offered:
        return 403, "uploads are not offered"
    limit = UPLOAD_LIMIT if multipart else BODY_LIMIT
    if not length.isdigit() or int(length) > limit or "transfer-encoding" in request.headers:
        return 413, "the request is too large"
    return None


def serve(assistant: Assistant, host: str, port: int, *, open_browser: bool, announce: Callable[[str], None]) -> None:
    """Serves until interrupted. Raises InvalidSetting if the address cannot be listened on."""
    import uvicorn

    listening = _listen(host, port)
    port = listening.getsockname()[1]
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 only where the user asked for it
    shown = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
    app = build_app(assistant, ("*",) if everywhere else ("127.0.0.1", "localhost", "[::1]", shown))
    if shown not in ("127.0.0.1", "localhost", "[::1]") or everywhere:
        announce("Anyone who reaches this machine can ask: the page has no password")
    # The first question must not wait for the model: ask one now.
    assistant.search("articles", 1)
    address = f"http://{shown}:{port}/"
    announce(f"The chat page is at {address} (Ctrl+C stops it)")
    if open_browser and _has_screen():
        import webbrowser

        webbrowser.open(address)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _has_screen() -> bool:
    """Without one, a text browser would take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InvalidSetting(
            f"port {port} on {host} cannot be used ({error.strerror}); name another: --port 0"
        ) from error
    listening.listen(128)
    return listening
