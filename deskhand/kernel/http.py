"""The one way to speak HTTP to addresses that people give us: it can't be turned against our own network (S18).

A name is resolved here, every address it has is checked (hosts.py), and the connection goes to the checked address, so
a second answer of the name server changes nothing. Redirects are checked the same way.

What it stands on takes 2 MB and is rarely needed: import it where something is asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Ambiguous, Invalid, Rejected, Unreachable
from deskhand.kernel.hosts import WEB_PORTS, Allowed, IPAddress, allowed_private, choose_address
from deskhand.kernel.tls import client_context

AT_MOST = 2 * 1024 * 1024  # bytes of an answer
SECONDS = 15.0  # for everything: name, connection, redirects, body
CONNECT_SECONDS = 5.0
REDIRECTS = 5
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    url: str  # after redirects

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = SECONDS,
    at_most: int = AT_MOST,
    redirects: int = REDIRECTS,
    cut: bool = False,
) -> Response:
    """Ask `url`; see `fetch_async`. Not for use inside an event loop, nor inside a transaction."""
    return asyncio.run(
        fetch_async(
            method,
            url,
            headers=headers,
            body=body,
            seconds=seconds,
            at_most=at_most,
            redirects=redirects,
            cut=cut,
        )
    )


async def fetch_async(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = SECONDS,
    at_most: int = AT_MOST,
    redirects: int = REDIRECTS,
    cut: bool = False,
) -> Response:
    """Ask `url` and return the whole answer, of any status.

    Raises Invalid for an address that can't be asked, Rejected for one that may not be, for an answer above `at_most`
    bytes and for too many redirects; Unreachable when it certainly was not done (or only read), else Ambiguous.
    With `cut` an answer above `at_most` is cut there, and one that was packed is empty: its status is what counts.
    A redirect takes `headers` along (only Authorization stays behind): give `redirects=0` when they are secret.
    """
    check_url(url)
    asked = {"accept-encoding": "identity", "user-agent": "Deskhand", **(headers or {})}
    try:
        async with asyncio.timeout(seconds):
            async with _client(redirects) as client:
                async with client.stream(method, url, headers=asked, content=body or None) as answer:
                    return await _whole(answer, at_most, cut)
    except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
        raise Unreachable(
            _("%s can't be reached: %s") % (_shown(url), failure or _("no answer in time"))
        ) from failure
    except httpx.TooManyRedirects as failure:
        raise Rejected(_("%s sends from one address to the next.") % _shown(url)) from failure
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as failure:
        raise Invalid(
            _("%s can't be asked: %s") % (_shown(url), failure), field="url", value=url[:200]
        ) from failure
    except (httpx.HTTPError, TimeoutError) as failure:
        words = _("%s did not answer properly: %s") % (_shown(url), failure or _("it took too long"))
        raise (Unreachable if method.upper() in SAFE_METHODS else Ambiguous)(words) from failure


def check_url(url: str) -> None:
    """Raise Invalid unless `url` is an http or https address with a host and without a password; resolves nothing."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as failure:
        raise Invalid(_("This is not a web address."), field="url", value=url[:200]) from failure
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or any(c.isspace() or ord(c) < 32 for c in url)
    ):
        raise Invalid(_("Only http:// and https:// addresses can be asked."), field="url", value=url[:200])
    if parts.username is not None or parts.password is not None:
        raise Invalid(_("An address can't hold a user name or password."), field="url")
    if port == 0:
        raise Invalid(_("This is not a web address."), field="url", value=url[:200])


async def checked_address(host: str, port: int, allowed: Allowed) -> str:
    """Resolve `host` and return the address to connect to. Raises Rejected if any of its addresses may not be asked."""
    return choose_address(host, port, await _addresses(host, port), allowed, WEB_PORTS)


async def _addresses(host: str, port: int) -> list[IPAddress]:
    try:
        found = await resolve(host, port)
    except (OSError, UnicodeError) as failure:
        raise httpx.ConnectError(f"the name {host} is not known") from failure
    if not found:
        raise httpx.ConnectError(f"the name {host} has no address")
    return [ipaddress.ip_address(address) for address in found]


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of `host`, in the system's order; also of its odd spellings, like 0x7f.1 and 2130706433."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


class _Pinned(httpx.AsyncHTTPTransport):
    """Sends each request, redirected ones too, to the address that was checked."""

    def __init__(self, allowed: Allowed, **options: Any) -> None:
        super().__init__(**options)
        self._allowed = allowed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"{url.scheme} is not spoken here")
        host = url.raw_host.decode("ascii").strip("[]")
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await checked_address(host, port, self._allowed)
        extensions = {**request.extensions, "sni_hostname": host}
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # Host stays what was asked for
            stream=request.stream,
            extensions=extensions,
        )
        return await super().handle_async_request(pinned)


def _client(redirects: int) -> httpx.AsyncClient:
    # No connection is used twice: the pool goes by address, and one address may serve many names.
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    transport = _Pinned(allowed_private(), verify=client_context(), limits=limits)
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=redirects > 0,
        max_redirects=redirects,
        timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
    )


async def _whole(answer: httpx.Response, at_most: int, cut: bool) -> Response:
    is_packed = answer.headers.get("content-encoding", "identity") not in ("", "identity")
    if is_packed and not cut:
        raise Rejected(_("%s packed its answer, which was not asked for.") % _shown(str(answer.url)))
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if not is_packed:
            parts.append(part)
        if is_packed or (cut and size >= at_most):
            break
        if size > at_most:
            raise Rejected(_("%s answered with more than %s bytes.") % (_shown(str(answer.url)), at_most))
    named: Sequence[tuple[str, str]] = answer.headers.multi_items()
    return Response(
        answer.status_code,
        {name.lower(): value for name, value in named},
        b"".join(parts)[:at_most],
        str(answer.url),
    )


def _shown(url: str) -> str:
    """The address without its path, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
