"""An address -> what lies there: asked for politely, within limits, and never on this machine's own networks.

The home of httpcore. Every connection goes to an address that was checked after its name was resolved, so that a name
that resolves to something else a moment later changes nothing; redirects are new requests with the same checks.
Proxies of the environment are not used, for through one nobody could check.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import httpcore

from assistant import __version__
from assistant.errors import ArticleSkipped, ArticleUnreadable
from assistant.schema import LIST_DIGEST, Validator

AGENT = "article-assistant"
SECONDS_LIMIT = 30.0
"""Of one request, from the look-up of the name to the last byte."""
SILENCE_LIMIT = 10.0
"""Seconds without a byte."""
PAGE_BYTES = 20 * 1024 * 1024
LIST_BYTES = 50 * 1024 * 1024
"""Decompressed; the limit of the sitemap protocol."""
REDIRECTS = 5
PAUSE = 0.5
"""Seconds between two requests to one host, where its robots.txt asks for no longer one."""
LONGEST_PAUSE = 30.0
LONGEST_REST = 24 * 60 * 60.0
"""Seconds; who asks for more is asked again a day later."""
_ROBOTS_BYTES = 512 * 1024
_FROM_A_LIST = ("utm_", "fbclid", "gclid", "mc_cid", "mc_eid")
"""Parameters that say where a reader came from: the page is the same without them."""
_GZIP = b"\x1f\x8b"
_PIECE = 4_096
"""Bytes of gzip that are taken at a time: each of its members costs a copy of the rest of them."""
_UNPACKED_AT_ONCE = 2**20
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], list[str]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


_FAILURES = 3
"""In a row, after which a host is left: one page that gets no answer says nothing of the others."""


class Unreachable(ArticleUnreadable):
    """Nobody answers at a host, or it asks to be left alone: the others of the host need not be tried."""


@dataclass(frozen=True)
class Response:
    """`url` is where the redirects ended; header names are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


# -- addresses ---------------------------------------------------------------------------------------------


def checked_url(url: str) -> str:
    """The address in one form, without fragment and parameters of origin. Raises ArticleUnreadable."""
    if any(c <= " " or c in "\\\x7f" for c in url):
        raise ArticleUnreadable("an address with spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except ValueError as error:
        # UnicodeError is one.
        raise ArticleUnreadable(f"no valid address ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise ArticleUnreadable("not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ArticleUnreadable("an address with a user name; take it out")
    if not host:
        raise ArticleUnreadable("an address without a host")
    if port not in (None, {"http": 80, "https": 443}[parts.scheme]):
        host += f":{port}"
    kept = [part for part in parts.query.split("&") if not part.lower().startswith(_FROM_A_LIST)]
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return urlunsplit((parts.scheme, host, path, quote("&".join(kept), safe="/%:@!$&'()*+,;=~-._?"), ""))


def is_public(address: str) -> bool:
    """Whether an IP address is one that anyone may ask, and so is the IPv4 address that an IPv6 one wraps."""
    ip: _Address = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            # What a network without IPv4 makes of every IPv4 address.
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner and not is_public(str(inner)):
            return False
        if ip.ipv4_mapped:
            return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def sendable(header: str) -> str:
    """A header's value if it can be sent back as it came, else ""."""
    return header if header.isascii() and header.isprintable() else ""


def resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


# -- connections -------------------------------------------------------------------------------------------


class _Deadline:
    """When the request in progress has to be over."""

    def __init__(self) -> None:
        self.at = 0.0

    def left(self) -> float:
        left = self.at - time.monotonic()
        if left <= 0:
            raise ArticleUnreadable(f"takes longer than {SECONDS_LIMIT:.0f} s to fetch")
        return min(left, SILENCE_LIMIT)


class _Stream(httpcore.NetworkStream):
    """A stream that reads no further than the deadline, however slowly the bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline decides
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Guard(httpcore.NetworkBackend):
    """Connects to the very address that was checked, by its number."""

    def __init__(self, deadline: _Deadline, resolve: Resolve, *, allow_private: bool) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._allow_private = allow_private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"there is no host {host}") from error
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise ArticleUnreadable(
                f"{host} lies in a private network; if you trust it, name the source with --allow-private"
            )
        failure: Exception = Unreachable(f"there is no host {host}")
        for address in dict.fromkeys(addresses):
            try:
                stream = self._backend.connect_tcp(address, port, self._deadline.left(), socket_options=socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure


class Web:
    """Asks one thing at a time. `validators` are those of earlier syncs, `fresh` those of this one, by address."""

    def __init__(
        self, validators: Mapping[str, Validator] | None = None, *, pause: float = PAUSE, resolve: Resolve = resolve
    ) -> None:
        self.validators = dict(validators or {})
        self.fresh: dict[str, Validator] = {}
        self._pause = pause
        self._deadline = _Deadline()
        self._resolve = resolve
        self._pools: dict[bool, httpcore.ConnectionPool] = {}
        self._robots: dict[tuple[str, bool], Any] = {}
        self._asked: dict[str, float] = {}
        self._resting: dict[str, str] = {}
        self._rests: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        """Requests without an answer, since the last that got one, by host."""

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def get(
        self, url: str, *, validator: Validator | None = None, limit: int = PAGE_BYTES, allow_private: bool = False
    ) -> Response:
        """What lies at an address, or status 304 if it is what the validator is of.

        Raises ArticleUnreadable with the reason: refused, not reached, not allowed by robots.txt, beyond a limit.
        """
        headers = {}
        if validator:
            # Those that an earlier version stored may hold anything.
            headers = {"If-None-Match": sendable(validator.etag), "If-Modified-Since": sendable(validator.modified)}
        return self._follow(checked_url(url), headers, limit, allow_private=allow_private, obey=True)

    def forget_lists(self) -> None:
        """Feeds and sitemaps are sent whole again."""
        pages = {url: each for url, each in self.validators.items() if not each.digest.endswith(LIST_DIGEST)}
        self.validators = pages

    @property
    def rests(self) -> Mapping[str, float]:
        """Seconds for which hosts asked to be left alone, by host as it stands in an address."""
        return {host: seconds for host, seconds in self._rests.items() if seconds}

    def _follow(self, url: str, headers: Mapping[str, str], limit: int, *, allow_private: bool, obey: bool) -> Response:
        for _ in range(REDIRECTS + 1):
            if obey:
                self._check_robots(url, allow_private=allow_private)
            response = self._request(url, headers, limit, allow_private=allow_private)
            if response.status not in (301, 302, 303, 307, 308) or "location" not in response.headers:
                return response
            try:
                url = checked_url(urljoin(url, response.headers["location"]))
            except ValueError as error:
                raise ArticleUnreadable(f"redirects to no valid address ({error})") from error
            except ArticleUnreadable as error:
                raise ArticleUnreadable(f"redirects to {error}") from error
        raise ArticleUnreadable(f"redirects more than {REDIRECTS} times")

    def _request(self, url: str, headers: Mapping[str, str], limit: int, *, allow_private: bool) -> Response:
        host = urlsplit(url).netloc
        if host in self._resting:
            raise Unreachable(self._resting[host])
        self._wait(host)
        self._deadline.at = time.monotonic() + SECONDS_LIMIT
        sent: dict[bytes | str, bytes | str] = {
            "User-Agent": f"{AGENT}/{__version__}",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Encoding": "gzip",
            **{name: value for name, value in headers.items() if value},
        }
        try:
            with self._pool(allow_private=allow_private).stream("GET", url, headers=sent) as answer:
                received = {name.decode("latin-1").lower(): _header(value) for name, value in answer.headers}
                body = _body(answer.iter_stream(), received.get("content-encoding", ""), limit)
                response = Response(url, answer.status, received, body)
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            raise self._unanswered(host, error) from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise ArticleUnreadable(f"{host} does not answer as a web server does ({error})") from error
        except Unreachable as error:
            self._resting[host] = str(error)
            raise
        finally:
            self._asked[host] = time.monotonic()
        self._failures.pop(host, None)
        if response.status in (429, 503):
            self._resting[host] = f"{host} asks to be left alone for now (status {response.status})"
            self._rests[host] = _seconds(response.headers.get("retry-after", ""))
            raise Unreachable(self._resting[host])
        return response

    def _unanswered(self, host: str, error: Exception) -> ArticleUnreadable:
        """Of the page alone, or of its host if nobody is there, or has not answered several times in a row."""
        reason = f"{host} does not answer ({str(error) or type(error).__name__})"
        self._failures[host] = self._failures.get(host, 0) + 1
        if isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout)) or self._failures[host] >= _FAILURES:
            self._resting[host] = reason
            return Unreachable(reason)
        return ArticleUnreadable(reason)

    def _pool(self, *, allow_private: bool) -> httpcore.ConnectionPool:
        if allow_private not in self._pools:
            self._pools[allow_private] = httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(),
                max_connections=4,
                network_backend=_Guard(self._deadline, self._resolve, allow_private=allow_private),
            )
        return self._pools[allow_private]

    def _wait(self, host: str) -> None:
        robots = next((found for (origin, _), found in self._robots.items() if urlsplit(origin).netloc == host), None)
        asked_for = float(robots.crawl_delay(AGENT) or 0) if robots is not None else 0.0
        pause = min(max(self._pause, asked_for), LONGEST_PAUSE)
        if host in self._asked:
            time.sleep(max(0.0, self._asked[host] + pause - time.monotonic()))

    def _check_robots(self, url: str, *, allow_private: bool) -> None:
        parts = urlsplit(url)
        origin = (f"{parts.scheme}://{parts.netloc}", allow_private)
        if origin not in self._robots:
            self._robots[origin] = self._read_robots(origin[0], allow_private=allow_private)
        if not self._robots[origin].can_fetch(url, AGENT):
            raise ArticleSkipped(f"the robots.txt of {parts.netloc} asks not to read it")

    def _read_robots(self, origin: str, *, allow_private: bool) -> Any:
        """RFC 9309: without the file all is allowed; while the server fails, nothing is."""
        from protego import Protego

        try:
            response = self._follow(f"{origin}/robots.txt", {}, _ROBOTS_BYTES, allow_private=allow_private, obey=False)
        except Unreachable:
            raise
        except ArticleUnreadable as error:
            raise ArticleUnreadable(f"its robots.txt cannot be read: {error}") from error
        if response.status >= 500:
            raise Unreachable(f"the robots.txt of {origin} cannot be read (status {response.status})")
        return Protego.parse(response.body.decode("utf-8-sig", "replace") if response.status < 400 else "")


def _header(raw: bytes) -> str:
    """What lies outside ASCII is UTF-8 on most servers, and Latin-1 by the older standard."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _seconds(retry_after: str) -> float:
    """What a Retry-After header asks for, a number of seconds or a date (RFC 9110, 10.2.3); 0 if it makes no sense."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_REST)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    # A date that names no zone is in UTC.
    left = (until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(left.total_seconds(), 0.0), LONGEST_REST)


def _body(blocks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """All blocks, decompressed as they come. Raises ArticleUnreadable beyond the limit, and if it is cut off."""
    if encoding.lower() not in ("", "identity", "gzip", "x-gzip"):
        raise ArticleUnreadable(f"sent in an encoding that was not asked for ({encoding[:20]})")
    parts = _within(blocks, limit)
    if encoding.lower() in ("gzip", "x-gzip"):
        parts = _within(_members(parts), limit)
    return b"".join(parts)


def _within(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise ArticleUnreadable(f"larger than {limit / 2**20:g} MiB")
        yield block


def _members(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """What the members of a gzip file hold, one after the other (RFC 1952, 2.2); nothing, of no bytes.

    What follows a whole member and begins none is padding. Raises ArticleUnreadable if the last one is cut off.
    """
    member, left, begun = zlib.decompressobj(wbits=31), b"", False
    for piece in (block[i : i + _PIECE] for block in blocks for i in range(0, len(block), _PIECE)):
        left, begun = left + piece, True
        while left:
            if member.eof:
                if not left.startswith(_GZIP[: len(left)]):
                    return
                if len(left) < len(_GZIP):
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                yield member.decompress(left, _UNPACKED_AT_ONCE)
            except zlib.error as error:
                raise ArticleUnreadable("sent as gzip, which it is not") from error
            left = member.unused_data if member.eof else member.unconsumed_tail
    if begun and not member.eof:
        raise ArticleUnreadable("sent as gzip, and cut off")


def unpacked(raw: bytes, limit: int) -> bytes:
    """What a .gz file holds; any other bytes as they are. Raises ArticleUnreadable."""
    return _body([raw], "gzip" if raw.startswith(_GZIP) else "", limit)
