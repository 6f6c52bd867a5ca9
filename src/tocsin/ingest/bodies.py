"""Reading a request's body within bounds, straight from ASGI.

A body over its limit is not kept: what still comes is thrown away, up to a bound, so that a client
that only listens after it has sent everything gets its answer; beyond the bound the connection is
closed at once. A compressed body is refused, because its true size is unknown before it is too
late, and no client of these paths compresses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

import msgspec

from tocsin.events.model import Rejected
from tocsin.events.rejections import invalid

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# The limit of the Events API, with the room that Alertmanager's own 512,000 leaves.
EVENT_LIMIT = 524_288
# A webhook carries a whole group of alerts, and Alertmanager drops for good what is refused.
GROUP_LIMIT = 4 * 1024 * 1024
DISCARD_LIMIT = 8 * 1024 * 1024
READ_SECONDS = 30.0


class Gone(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class Unread(msgspec.Struct, frozen=True):
    """The body is refused. `close` says that some of it was left unread."""

    rejected: Rejected
    close: bool = False


def header(scope: Scope, name: bytes) -> bytes | None:
    """A request header by its lower-case name."""
    for given, value in scope["headers"]:
        if given == name:
            return bytes(value)
    return None


async def read(scope: Scope, receive: Receive, limit: int) -> bytes | Unread:
    """The whole body, or why not. Raises Gone or TooSlow."""
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        return Unread(_compressed(encoding), close=True)
    # Nearly always the body came with the headers, and receiving it does not wait. Only what waits
    # gets a timer: one for each request would cost a third of the whole front door.
    first = receive().__await__()
    try:
        pending = next(first)
    except StopIteration as received:
        message = received.value
        if not message.get("more_body", False):
            return _whole(message, limit)
        rest = _read_on(message, scope, receive, limit)
    else:
        rest = _read_late(_Begun(pending, first), scope, receive, limit)
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await rest
    except TimeoutError as error:
        raise TooSlow from error


class _Begun:
    """An awaitable that was started and waits for `pending`; awaiting it goes on from there."""

    def __init__(self, pending: Any, rest: Generator[Any, Any, Message]) -> None:
        self._pending = pending
        self._rest = rest

    def __await__(self) -> Generator[Any, Any, Message]:
        try:
            yield self._pending
        except BaseException:
            self._rest.close()
            raise
        return (yield from self._rest)


async def _read_late(begun: _Begun, scope: Scope, receive: Receive, limit: int) -> bytes | Unread:
    message = await begun
    if message["type"] == "http.request" and message.get("more_body", False):
        return await _read_on(message, scope, receive, limit)
    return _whole(message, limit)


def _whole(message: Message, limit: int) -> bytes | Unread:
    if message["type"] != "http.request":
        raise Gone
    body = bytes(message.get("body", b""))
    return body if len(body) <= limit else Unread(too_large(limit))


async def _read_on(message: Message, scope: Scope, receive: Receive, limit: int) -> bytes | Unread:
    length = header(scope, b"content-length") or b""
    if length.isdigit() and int(length) > limit + DISCARD_LIMIT:
        return Unread(too_large(limit), close=True)
    parts: list[bytes] = []
    size = 0
    while True:
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
        if size > limit + DISCARD_LIMIT:
            return Unread(too_large(limit), close=True)
        if not message.get("more_body", False):
            break
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
    return b"".join(parts) if size <= limit else Unread(too_large(limit))


def too_large(limit: int) -> Rejected:
    return invalid([f"The body is too large (should be at most {limit} bytes)"], "too_large")


def _compressed(encoding: bytes) -> Rejected:
    name = encoding[:40].decode("ascii", "replace")
    return invalid(
        [f"Content-Encoding '{name}' is not supported: send the body uncompressed"], "compressed"
    )
