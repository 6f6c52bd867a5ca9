"""The short way of the busiest path: POST /v2/enqueue from the HTTP parser to the group commit.

An ordinary request passes through ASGI: a task, a scope, messages there and back. That costs more
than all the rest of accepting an event. So the HTTP server's own protocol is taught one thing: a
plain request to this path is handed to the front door as soon as its body is there, and the answer
is written when the commit is done. Nothing is decided here. Whatever is not plain (another path or
version of HTTP, chunked or compressed or too long, pipelined behind an unfinished request, a client
that does not read its answers) takes the ordinary way, and so does a request that the front door
cannot serve at once.

The protocol is uvicorn's; what is used of it is named in `Direct` and in `DirectProtocol`, and
tests/integration/test_ingest_direct.py fails when a new version moves it.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tocsin.ingest.answers import TOO_SLOW, Answer
from tocsin.ingest.bodies import EVENT_LIMIT, READ_SECONDS
from tocsin.ingest.routes import FrontDoor

PATH = b"/v2/enqueue"
LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class _NoEvent:
    def set(self) -> None:
        """Nobody waits for it."""


class Direct:
    """One request on the short way, with what uvicorn asks of the request that is under way."""

    __slots__ = ("body", "disconnected", "keep_alive", "response_complete")

    message_event = _NoEvent()

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.body = b""


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the short way. `door` is set by `protocol`."""

    door: FrontDoor
    _reading: Direct | None = None
    _timer: asyncio.TimerHandle | None = None
    _idle_since: float | None = None
    _default_headers: Any = None
    _head = b""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._reading is not None and self._timer is None:
            self._timer = self.loop.call_later(READ_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._reading is not None:
            self.door.deps.counters.rejected("gone")
            self._read()
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    # A timer for each answer costs as much as reading the event: one stays, and looks again.

    def on_response_complete(self) -> None:
        """See uvicorn."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn. The connection is closed only when it was idle all the time."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            # Busy: the end of the answer starts another timer.
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            super().timeout_keep_alive_handler()

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def on_message_begin(self) -> None:
        """See httptools. What only the ordinary way needs is made when it is taken."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self.url == PATH and self._is_plain():
            self.cycle = self._reading = Direct(self.parser.should_keep_alive())  # type: ignore[assignment]
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self._reading is None:
            super().on_body(body)
        elif not self._reading.response_complete:
            self._reading.body += body

    def on_message_complete(self) -> None:
        """See httptools."""
        request = self._reading
        if request is None:
            super().on_message_complete()
            return
        self._read()
        if not request.response_complete:
            self.door.enqueue_now(request.body, lambda answer: self._write(request, answer))

    def _is_plain(self) -> bool:
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return False
        if self.expect_100_continue or self.flow.write_paused or parser.should_upgrade():
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        length = b""
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        return length.isdigit() and int(length) <= EVENT_LIMIT

    def _read(self) -> None:
        """No body is being read any more."""
        self._reading = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        request = self._reading
        if request is not None:
            self._read()
            self.door.deps.counters.rejected("too_slow")
            self._write(request, TOO_SLOW)

    def _write(self, request: Direct, answer: Answer) -> None:
        if request.response_complete or request.disconnected or self.transport.is_closing():
            return
        if self.server_state.default_headers is not self._default_headers:
            # A new list each second, for the date.
            self._default_headers = self.server_state.default_headers
            lines = [name + b": " + value + b"\r\n" for name, value in self._default_headers]
            self._head = b"".join([*lines, b"content-type: application/json\r\ncontent-length: "])
        parts = [LINES[answer.status], self._head, b"%d\r\n" % len(answer.body)]
        if answer.retry_after:
            parts.append(b"retry-after: %d\r\n" % answer.retry_after)
        closes = answer.close or not request.keep_alive
        parts.append(b"connection: close\r\n\r\n" if closes else b"\r\n")
        parts.append(answer.body)
        self.transport.write(b"".join(parts))
        request.response_complete = True
        if closes:
            self.transport.close()
        self.on_response_complete()


def protocol(door: FrontDoor) -> type[DirectProtocol]:
    """The protocol for uvicorn's `http` setting, with `door` behind it."""
    return type("Protocol", (DirectProtocol,), {"door": door})
