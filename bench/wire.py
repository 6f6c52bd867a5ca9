"""The smallest HTTP/1.1 client and server that a measurement needs: kept-alive connections,
requests made beforehand, answers with a Content-Length. Spends as little CPU as it can, because it
shares the machine with what it measures."""

import asyncio
from collections.abc import Callable
from typing import cast

HEAD_END = b"\r\n\r\n"


def post(path: str, body: bytes) -> bytes:
    """A whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _whole(data: bytearray) -> tuple[int, int] | None:
    """(start of the body, end of the message), or None when more has to come."""
    head = data.find(HEAD_END)
    if head < 0:
        return None
    start = head + len(HEAD_END)
    length = 0
    at = data.lower().find(b"content-length:", 0, head)
    if at >= 0:
        length = int(data[at + 15 : data.find(b"\r\n", at)])
    return None if len(data) < start + length else (start, start + length)


class Caller(asyncio.Protocol):
    """One connection with at most one request under way. `answered` gets each status."""

    def __init__(
        self, answered: Callable[["Caller", bytes], None], lost: Callable[["Caller"], None]
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._data = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self.transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes) -> None:
        """Send one request."""
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Tell of each whole answer."""
        self._data += data
        found = _whole(self._data)
        if found is not None:
            status = bytes(self._data[9:12])
            del self._data[: found[1]]
            self._answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed."""
        self._lost(self)


class Listener(asyncio.Protocol):
    """One connection of a server that answers 200 to everything. `heard` gets each body."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._data += data
        while (found := _whole(self._data)) is not None:
            body = bytes(self._data[found[0] : found[1]])
            del self._data[: found[1]]
            self._heard(body)
            assert self._transport is not None
            self._transport.write(self.ANSWER)
