"""Calls to other systems over HTTP, behind the outbound guard. The only module that knows httpx.

The guard judges the addresses when the connection is made, and connects to the very address it
judged: a name that resolves to something else a moment later changes nothing. No redirects, no
proxies from the environment, bounded time, at most 64 KiB of an answer are read.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpcore
import httpx
import msgspec

from tocsin.core.outbound_guard import AllowList, judge

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MOST_ANSWER_BYTES = 65_536
Resolve = Callable[[str, int], Awaitable[list[str]]]


class OutboundError(Exception):
    """A call that did not come to an answer."""


class Refused(OutboundError):
    """The guard, or the form of the address, said no. Trying again will not help."""


class Unreachable(OutboundError):
    """Name resolution, connection, TLS or the wait failed. Trying again may help."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other side said. `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is one of 2xx."""
        return 200 <= self.status < 300

    def text(self, most: int = 300) -> str:
        """The beginning of the body, for a person."""
        return self.body[: most * 4].decode("utf-8", "replace").strip()[:most]


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, in the order the system prefers. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {host} does not resolve ({error})") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Decides at connect time, with this installation's allow list."""

    def __init__(self, allow: AllowList, resolver: Resolve = resolve) -> None:
        self.allow = allow
        self._resolve = resolver

    async def addresses(self, host: str, port: int) -> list[str]:
        """The judged addresses to connect to. Raises Refused or Unreachable."""
        bare = host.strip("[]")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await self._resolve(bare, port)
        except TimeoutError as error:
            raise Unreachable(f"the name {bare} did not resolve in time") from error
        reason = judge(found, bare, port, self.allow)
        if reason is not None:
            raise Refused(reason)
        return found


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses the guard has judged."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._guard.addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address,
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"no address of {host} answers")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise Refused("unix sockets are not called")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class Outbound:
    """One pool of guarded connections."""

    def __init__(
        self, allow: AllowList, *, resolver: Resolve = resolve, verify: ssl.SSLContext | None = None
    ) -> None:
        self.guard = Guard(allow, resolver)
        context = verify or ssl.create_default_context()
        transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False, retries=0)
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=_Backend(self.guard),
        )
        self._client = httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, headers={}
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = TOTAL_SECONDS,
    ) -> Answer:
        """Make one call. Raises Refused or Unreachable; any status is an answer."""
        self._check_form(url)
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(method, url, dict(headers or {}), content)
        except TimeoutError as error:
            raise Unreachable(f"no answer within {timeout:g} s") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise Refused(f"the address cannot be called ({error})") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> Answer:
        headers.setdefault("user-agent", "Tocsin")
        limits = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
        async with self._client.stream(
            method, url, headers=headers, content=content, timeout=limits
        ) as response:
            body = b""
            async for chunk in response.aiter_raw(16_384):
                body += chunk
                if len(body) >= MOST_ANSWER_BYTES:
                    break
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=body[:MOST_ANSWER_BYTES],
            )

    def _check_form(self, url: str) -> None:
        problem = url_problem(url)
        if problem is not None:
            raise Refused(problem)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def url_problem(url: str) -> str | None:
    """What is wrong with an address that is to be called, or None."""
    if len(url) > 2000:
        return "the address is longer than 2,000 characters"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        return f"that is not a web address ({error})"
    if parsed.scheme not in ("http", "https"):
        return "the address must start with http:// or https://"
    if not parsed.host:
        return "the address has no host"
    if parsed.userinfo:
        return "the address must not hold a user name or password"
    return None
