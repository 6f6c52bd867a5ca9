"""Providers on loopback that fail on demand: real sockets, real protocols, scripted faults.

`FakeHttp` is one HTTP/1.1 server whose `kind` decides what success looks like (ntfy, Slack, a plain
webhook); `FakeMail` is a real SMTP server. Each logs every request it understood *before* it
misbehaves, so that a test can tell "never arrived" from "arrived, and the answer was lost".

    async with FakeHttp("slack") as slack:
        slack.script(Status(429, {"Retry-After": "7"}), Reset())
        ...
        assert len(slack.requests) == 2

A script is used up from the left; when it is empty everything works. `always` stays.
"""

import asyncio
import json
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Literal, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HttpKind = Literal["ntfy", "slack", "webhook"]


@dataclass(frozen=True)
class Status:
    """Answer with this status instead of success."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"provider says no"


@dataclass(frozen=True)
class Lie:
    """Answer 200, with a body that is not success."""

    body: bytes = b'{"error":"not really"}'


@dataclass(frozen=True)
class Slow:
    """Take the request, then say nothing for so long; then succeed."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """Take the whole request, then reset the connection without an answer."""


@dataclass(frozen=True)
class ResetBeforeReading:
    """Reset as soon as the connection is there."""


@dataclass(frozen=True)
class Drip:
    """Answer 200 at once, then send the body one byte at a time, with pauses."""

    pause: float = 0.05
    length: int = 100_000


@dataclass(frozen=True)
class Huge:
    """Answer 200 with a body of this many bytes."""

    length: int


@dataclass(frozen=True)
class Raw:
    """Send these bytes instead of an HTTP answer, and close."""

    data: bytes


Fault = Status | Lie | Slow | Reset | ResetBeforeReading | Drip | Huge | Raw


@dataclass(frozen=True)
class Request:
    """What arrived. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeHttp:
    """One provider over HTTP on 127.0.0.1 with a port of its own; HTTPS when given a context."""

    def __init__(
        self, kind: HttpKind = "webhook", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.kind = kind
        self.requests: list[Request] = []
        self.connections = 0
        self.always: Fault | None = None
        self.port = port
        self._tls = tls
        self._script: deque[Fault] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, *faults: Fault) -> None:
        """Faults for the next requests, one each."""
        self._script.extend(faults)

    async def start(self) -> "FakeHttp":
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stop listening and cut what is open; the port stays known, for a later start."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> "FakeHttp":
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                if self._script and isinstance(self._script[0], ResetBeforeReading):
                    self._script.popleft()
                    _reset(writer)
                    return
                request = await _read(reader)
                if request is None:
                    return
                self.requests.append(request)
                fault = self._script.popleft() if self._script else self.always
                if not await self._answer(writer, request, fault):
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, writer: asyncio.StreamWriter, request: Request, fault: Fault | None
    ) -> bool:
        """Answer one request; whether the connection stays open."""
        match fault:
            case Reset() | ResetBeforeReading():
                _reset(writer)
                return False
            case Raw(data=data):
                writer.write(data)
                await writer.drain()
                return False
            case Drip(pause=pause, length=length):
                writer.write(_head(200, {}, length))
                for _ in range(length):
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(pause)
            case Huge(length=length):
                writer.write(_head(200, {}, length) + b"x" * length)
            case Status(code=code, headers=headers, body=body):
                writer.write(_head(code, headers, len(body)) + body)
            case Lie(body=body):
                writer.write(_head(200, {}, len(body)) + body)
            case _:
                if isinstance(fault, Slow):
                    await asyncio.sleep(fault.seconds)
                status, body = self._success(request)
                writer.write(_head(status, {}, len(body)) + body)
        await writer.drain()
        return True

    def _success(self, request: Request) -> tuple[int, bytes]:
        if self.kind == "slack":
            return 200, b"ok"
        if self.kind == "ntfy":
            return self._publish(request)
        return 202, b'{"accepted":true}'

    def _publish(self, request: Request) -> tuple[int, bytes]:
        """What an ntfy server makes of a JSON publication."""
        try:
            wanted = json.loads(request.body)
            topic, message = wanted["topic"], wanted["message"]
        except (ValueError, KeyError, TypeError):
            return 400, b'{"code":40024,"http":400,"error":"invalid request: body is not JSON"}'
        if request.path != "/" or len(message.encode()) > 4096:
            return 400, b'{"code":40009,"http":400,"error":"invalid request"}'
        answer = {
            "id": f"m{len(self.requests):011d}",
            "event": "message",
            "topic": topic,
            "message": message,
        }
        return 200, json.dumps(answer).encode()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def _head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, f"Content-Length: {length}"]) + "\r\n\r\n").encode("latin-1")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: linger for zero seconds."""
    sock = cast(socket.socket, writer.get_extra_info("socket"))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


@dataclass(frozen=True)
class Mail:
    """A mail that arrived."""

    sender: str
    recipients: tuple[str, ...]
    content: EmailMessage
    over_tls: bool
    user: str | None


@dataclass(frozen=True)
class SmtpReply:
    """Give this reply at this point instead of going on."""

    at: Literal["mail", "rcpt", "data"]
    reply: str


@dataclass(frozen=True)
class SmtpDrop:
    """Cut the connection at this point; at "data" the mail has been taken before."""

    at: Literal["mail", "rcpt", "data"]


@dataclass(frozen=True)
class SmtpStall:
    """Say nothing at this point for so long."""

    at: Literal["mail", "rcpt", "data"]
    seconds: float


MailFault = SmtpReply | SmtpDrop | SmtpStall


class FakeMail:
    """A real SMTP server on 127.0.0.1. `script` works as in FakeHttp, one fault for one mail."""

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.mails: list[Mail] = []
        self.goodbyes_stall = 0.0
        self._script: deque[MailFault] = deque()
        self._users = users
        accept = self._authenticate if users is not None else None
        handler = _MailHandler(self)

        def factory() -> SMTP:
            return SMTP(
                handler,
                hostname="fake.example",
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=accept,
                auth_required=users is not None,
                auth_require_tls=users is None,
                enable_SMTPUTF8=True,
            )

        self._controller = _Controller(factory, tls)

    def script(self, *faults: MailFault) -> None:
        """Faults for the next mails, one each."""
        self._script.extend(faults)

    @property
    def port(self) -> int:
        return self._controller.bound_port

    def __enter__(self) -> "FakeMail":
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert self._users is not None
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        user, password = data.login.decode(), data.password.decode()
        good = self._users.get(user) == password
        return AuthResult(success=good, handled=good, auth_data=user)

    async def _stumble(self, server: SMTP, at: str) -> str | None:
        """Act out the fault that is next, when this is its point."""
        if not self._script or self._script[0].at != at:
            return None
        match self._script.popleft():
            case SmtpReply(reply=reply):
                return reply
            case SmtpStall(seconds=seconds):
                await asyncio.sleep(seconds)
            case SmtpDrop():
                cast(asyncio.Transport, server.transport).abort()
        return None


class _Controller(Controller):
    """A controller on a port of the system's choice that tells which it got."""

    def __init__(self, make: Callable[[], SMTP], tls: ssl.SSLContext | None) -> None:
        self._make = make
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        super().__init__(None, hostname="127.0.0.1", port=free, ssl_context=tls)

    @property
    def bound_port(self) -> int:
        return int(self.port)

    def factory(self) -> SMTP:
        return self._make()


class _MailHandler:
    """aiosmtpd's hooks; their names are its own."""

    def __init__(self, fake: FakeMail) -> None:
        self._fake = fake

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._fake._stumble(server, "mail")
        if reply:
            return reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._fake._stumble(server, "rcpt")
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        next_is_reply = bool(self._fake._script) and isinstance(self._fake._script[0], SmtpReply)
        if not next_is_reply:
            self._fake.mails.append(
                Mail(
                    sender=envelope.mail_from or "",
                    recipients=tuple(str(one) for one in envelope.rcpt_tos),
                    content=message_from_bytes(content, policy=policy.default),
                    over_tls=session.ssl is not None,
                    user=cast(str | None, session.auth_data) if session.authenticated else None,
                )
            )
        reply = await self._fake._stumble(server, "data")
        return reply or f"250 queued as fake-{len(self._fake.mails)}"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._fake.goodbyes_stall:
            await asyncio.sleep(self._fake.goodbyes_stall)
        return "221 Bye"
