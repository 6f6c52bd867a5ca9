"""Outgoing connections: the one module that calls other machines over HTTP, and the only dialler.

The rule this module owns: **the address that was checked is the address that is connected to.**
Names are resolved here, every record is judged by ``core.outbound_guard``, and the socket is opened
to one of those very addresses; nothing below resolves a name again. So a name server that changes
its answer between check and use (DNS rebinding) gains nothing. TLS still verifies the name.

Invariants: no redirect is followed; proxies and credentials from the environment are ignored; at
most 64 KiB of an answer are read, undecoded, so that a small compressed body cannot become a large
one; every request ends within its total time, whatever the other side does.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar, cast

import certifi
import httpcore
import httpx
import msgspec

from tocsin.core import outbound_guard as guard
from tocsin.core.outbound_guard import NOTHING, AllowList

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 1024 * 1024
MAX_ADDRESSES = 8
MAX_CONNECTIONS = 500
KEEP_ALIVE_SECONDS = 15.0
RESOLVER_THREADS = 32

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> the addresses the name stands for, best first. Raises OSError."""


_T = TypeVar("_T")


class OutboundError(Exception):
    """A call that did not come to an answer. `reason` is for people and ends up in receipts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(OutboundError):
    """The guard does not let this request out. `reason` names the fix; trying again is useless."""


class Unreachable(OutboundError):
    """No answer came. `maybe_arrived` says whether the other side may have got the request."""

    def __init__(self, reason: str, *, maybe_arrived: bool = False) -> None:
        super().__init__(reason)
        self.maybe_arrived = maybe_arrived


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Header names are in lower case; `body` is cut at 64 KiB."""

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def text(self, limit: int = 500) -> str:
        """The start of the body as one readable line, for a log or a receipt."""
        words = self.body[: limit * 4].decode("utf-8", "replace").split()
        line = " ".join(words)
        return "".join(c if c.isprintable() else "\ufffd" for c in line)[:limit]


class Outbound:
    """Calls other machines within the rules above. One for the process; close it at the end.

    `resolver` and `tls` are for tests and for installations with their own authority; without them
    names come from the system and certificates are verified against its store.
    """

    def __init__(
        self,
        allow: AllowList = NOTHING,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        user_agent: str = "Tocsin",
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.total_seconds = total_seconds
        self._dialler = _Dialler(allow, resolver)
        self._allow = allow
        self.tls = tls or trusted()
        self._client = httpx.AsyncClient(
            transport=_GuardedTransport(self._dialler, self.tls),
            follow_redirects=False,
            trust_env=False,
            # An unasked-for encoding is not undone: raw bytes are read below.
            headers={"user-agent": user_agent, "accept": "*/*", "accept-encoding": "identity"},
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float | None = None,
    ) -> Answer:
        """Send one request. Any status is an Answer; 3xx is not followed.

        `timeout` bounds everything from the look-up to the last byte read, in seconds; without it
        that is `total_seconds`. Raises
        Refused and Unreachable, and ValueError for a body over 1 MiB, which is a caller's defect.
        """
        if len(content) > MAX_REQUEST_BYTES:
            raise ValueError(f"a request body has at most {MAX_REQUEST_BYTES} bytes")
        timeout = self.total_seconds if timeout is None else timeout
        target = _checked(url, self._allow)
        progress = _Progress()
        try:
            async with asyncio.timeout(timeout):
                return await self._send(method, target, headers or {}, content, progress)
        except TimeoutError as error:
            raise Unreachable(
                f"no complete answer from {target.host} within {timeout:g} s",
                maybe_arrived=progress.connected,
            ) from error
        except httpx.LocalProtocolError as error:
            raise Refused(f"the request cannot be sent as it is: {error}") from error
        except httpx.ConnectTimeout as error:
            raise Unreachable(f"no connection to {target.host} in time") from error
        except httpx.PoolTimeout as error:
            raise Unreachable("too many outgoing requests at once") from error
        except httpx.ConnectError as error:
            raise Unreachable(f"cannot connect to {target.host}: {_plain(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise Unreachable(
                f"{target.host} broke off the connection: {_plain(error)}",
                maybe_arrived=progress.connected,
            ) from error

    async def connect(
        self, host: str, port: int, *, timeout: float = CONNECT_SECONDS
    ) -> socket.socket:
        """A connected, non-blocking socket to a checked address of `host`, for other protocols.

        The caller owns it. Raises Refused and Unreachable.
        """
        verdict = guard.judge_host(host, port)
        if not verdict.allowed:
            raise Refused(verdict.why)
        try:
            async with asyncio.timeout(timeout):
                return await self._dialler.open(host, port)
        except TimeoutError as error:
            raise Unreachable(f"no connection to {host}:{port} within {timeout:g} s") from error
        except OSError as error:
            raise Unreachable(f"cannot connect to {host}:{port}: {_plain(error)}") from error

    async def aclose(self) -> None:
        """Close every connection. Requests under way end as Unreachable."""
        await self._client.aclose()
        self._dialler.close()

    async def _send(
        self,
        method: str,
        target: httpx.URL,
        headers: Mapping[str, str],
        content: bytes,
        progress: "_Progress",
    ) -> Answer:
        try:
            request = self._client.build_request(
                method,
                target,
                headers=dict(headers),
                content=content,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
                extensions={"trace": progress.trace},
            )
        except (ValueError, UnicodeError, TypeError) as error:
            raise Refused(f"the request cannot be built: {error}") from error
        response = await self._client.send(request, stream=True)
        try:
            body, truncated = await _read(response)
        finally:
            await response.aclose()
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            truncated=truncated,
        )


def url_problem(url: str) -> str | None:
    """What is wrong with a URL somebody typed, or None; its addresses are judged on connecting."""
    try:
        _checked(url, NOTHING)
    except Refused as error:
        return error.reason
    return None


def _checked(url: str, allow: AllowList) -> httpx.URL:
    verdict = guard.judge_url_text(url)
    if not verdict.allowed:
        raise Refused(verdict.why)
    try:
        target = httpx.URL(url)
        host = target.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise Refused(f"this is not a web address: {error}") from error
    userinfo = target.userinfo.decode("ascii", "replace")
    # httpx turns full-width digits and dots into plain ones; what it made of them is judged.
    verdict = guard.judge_url(target.scheme, userinfo, host, target.port, allow)
    if not verdict.allowed:
        raise Refused(verdict.why)
    return target


@cache
def trusted() -> ssl.SSLContext:
    """Verify certificates against the system's store and, as containers often lack one, certifi.

    Read once: the store's hundreds of certificates take a tenth of a second to load.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class _Progress:
    """How far a request came, told by httpcore: before the first byte nothing can have arrived."""

    def __init__(self) -> None:
        self.connected = False

    async def trace(self, name: str, info: dict[str, Any]) -> None:
        if name.endswith("send_request_headers.started"):
            self.connected = True


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """At most MAX_ANSWER_BYTES of the raw body, and whether there was more."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return bytes(body[:MAX_ANSWER_BYTES]), True
    return bytes(body), False


def _plain(error: BaseException) -> str:
    """A short reason without addresses and object names."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return f"TLS failed ({(seen.reason or 'protocol error').lower().replace('_', ' ')})"
        if isinstance(seen, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(seen, ConnectionRefusedError):
            return "connection refused"
        if isinstance(seen, ConnectionResetError):
            return "connection reset"
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__
    return str(error)[:200] or type(error).__name__


class _Dialler(httpcore.AsyncNetworkBackend):
    """Resolves, judges every record, and connects to what was judged."""

    def __init__(self, allow: AllowList, resolver: Resolver | None) -> None:
        self._allow = allow
        # A thread of our own per look-up: a dead name server must not hold up the shared threads.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._resolve = resolver or self._system
        self._streams = httpcore.AnyIOBackend()

    async def open(self, host: str, port: int) -> socket.socket:
        """A connected non-blocking socket. Raises Refused and OSError."""
        loop = asyncio.get_running_loop()

        async def attempt(address: str) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                await loop.sock_connect(sock, (address, port))
            except BaseException:
                sock.close()
                raise
            return sock

        return await self._first(host, port, CONNECT_SECONDS, attempt)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """httpcore's way in."""

        async def attempt(address: str) -> httpcore.AsyncNetworkStream:
            return await self._streams.connect_tcp(
                address, port, None, local_address, socket_options
            )

        try:
            return await self._first(host, port, timeout or CONNECT_SECONDS, attempt)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Local sockets belong to this machine and are never called."""
        raise Refused("local sockets cannot be called")

    async def sleep(self, seconds: float) -> None:
        """httpcore waits only between retries, and there are none."""
        raise NotImplementedError

    async def checked(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, every one allowed. One bad record refuses the whole name."""
        if guard.literal(host) is not None:
            found: Sequence[str] = [host]
        else:
            try:
                found = await self._resolve(host, port)
            except UnicodeError as error:
                raise Refused(f"{host[:80]!r} is not a host name") from error
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        for address in found:
            verdict = guard.judge_address(host, port, address, self._allow)
            if not verdict.allowed:
                raise Refused(verdict.why)
        return list(dict.fromkeys(found))[:MAX_ADDRESSES]

    async def _first(
        self, host: str, port: int, seconds: float, attempt: Callable[[str], Awaitable[_T]]
    ) -> _T:
        """Try the addresses in turn; each gets an equal share of the time that is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        async with asyncio.timeout_at(deadline):
            addresses = await self.checked(host, port)
        failure: Exception = OSError("no address")
        for index, address in enumerate(addresses):
            share = (deadline - loop.time()) / (len(addresses) - index)
            try:
                async with asyncio.timeout(share):
                    return await attempt(address)
            except TimeoutError:
                failure = TimeoutError("no connection in time")
            except (OSError, httpcore.ConnectError) as error:
                failure = error
        raise failure

    async def _system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Let the resolver's threads go; look-ups under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class _GuardedTransport(httpx.AsyncBaseTransport):
    """httpx over a connection pool whose every connection is made by the dialler."""

    def __init__(self, dialler: _Dialler, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            retries=0,
            network_backend=dialler,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request over a pooled or a new connection."""
        url = request.url
        outgoing = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=cast(AsyncIterator[bytes], request.stream),
            extensions=request.extensions,
        )
        with _translated():
            answer = await self._pool.handle_async_request(outgoing)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close the pool."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """A response body that speaks httpx's errors."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _translated():
            await self._answer.aclose()


class _translated:
    """Turn httpcore's errors into httpx's, which is all that the rest of this module knows."""

    _pairs = (
        (httpcore.ConnectTimeout, httpx.ConnectTimeout),
        (httpcore.PoolTimeout, httpx.PoolTimeout),
        (httpcore.ConnectError, httpx.ConnectError),
        (httpcore.TimeoutException, httpx.TimeoutException),
        (httpcore.NetworkError, httpx.NetworkError),
        (httpcore.LocalProtocolError, httpx.LocalProtocolError),
        (httpcore.ProtocolError, httpx.ProtocolError),
        (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    )

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for theirs, ours in self._pairs:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
