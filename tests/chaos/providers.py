"""Fake providers: real HTTP servers on loopback that log what they were handed and misbehave on
demand.

`told` is what reached a person: a provider that drops its answer has told all the same, one that
refuses or lies has not.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

TOKEN = re.compile(r"\[e(\d+)\]")
SLOW_SECONDS = 2.0
THROTTLE_SECONDS = 2


class Mode(StrEnum):
    """How a provider behaves."""

    OK = "ok"
    ERROR = "answers 500"
    THROTTLE = "answers 429"
    SLOW = "is slow"
    DROP = "takes it, drops the answer"
    LIE = "says 200, takes nothing"


@dataclass
class Handed:
    """One request as it arrived. Times are seconds since 1970."""

    provider: str
    address: str
    delivery_id: str | None
    events: tuple[int, ...]
    acknowledge_url: str | None
    arrived: float
    mode: Mode
    told: bool
    # What the provider calls it in its answer.
    message_id: str = ""
    answered: float | None = None
    status: int | None = None


@dataclass
class Provider:
    """One server. `decide` may be replaced by a run that needs a script of its own."""

    name: str
    host: str = "127.0.0.1"
    mode: Mode = Mode.OK
    log: list[Handed] = field(default_factory=list)
    on_told: Callable[[Handed], None] | None = None
    decide: Callable[[Handed], Mode] | None = None
    hold: Callable[[Handed], "asyncio.Future[None] | None"] | None = None
    dropped: set[str] = field(default_factory=set)
    drop_every_answer: bool = False
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                handed = self._read(lines[0].split(" ")[1], headers, body)
                if not await self._answer(handed, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _read(self, path: str, headers: dict[str, str], body: bytes) -> Handed:
        document = json.loads(body)
        text = json.dumps(document)
        address = document.get("topic") or path.rsplit("/", 1)[-1]
        return Handed(
            provider=self.name,
            address=address,
            delivery_id=headers.get("x-tocsin-delivery"),
            events=tuple(dict.fromkeys(int(n) for n in TOKEN.findall(text))),
            acknowledge_url=document.get("acknowledge_url") or _link(document),
            arrived=time.time(),
            mode=self.mode,
            told=False,
        )

    async def _answer(self, handed: Handed, writer: asyncio.StreamWriter) -> bool:
        """Answer by the mode; whether the connection goes on."""
        if self.decide is not None:
            handed.mode = self.decide(handed)
        mode = handed.mode
        key = f"{handed.address} {handed.delivery_id} {handed.events}"
        if mode is Mode.DROP and key in self.dropped and not self.drop_every_answer:
            # A page whose answer is lost again and again is told again and again, and rightly so:
            # this harness bounds what it does itself, to see what the product does.
            mode = handed.mode = Mode.OK
        handed.told = mode in (Mode.OK, Mode.SLOW, Mode.DROP)
        self.log.append(handed)
        handed.message_id = f"{self.name}-{len(self.log)}"
        if handed.told and self.on_told is not None:
            self.on_told(handed)
        if self.hold is not None:
            waiting = self.hold(handed)
            if waiting is not None:
                await waiting
        if mode is Mode.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if mode is Mode.DROP:
            self.dropped.add(key)
            return False
        status, extra, document = _words(mode, handed.message_id)
        body = json.dumps(document).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        handed.answered = time.time()
        handed.status = status
        return True


def _link(document: dict[str, object]) -> str | None:
    link = document.get("click")
    return link if isinstance(link, str) and "/r/" in link else None


def _words(mode: Mode, message_id: str) -> tuple[int, str, dict[str, object]]:
    if mode is Mode.ERROR:
        return 500, "", {"error": "internal"}
    if mode is Mode.THROTTLE:
        return 429, f"retry-after: {THROTTLE_SECONDS}\r\n", {"error": "slow down"}
    if mode is Mode.LIE:
        return 200, "", {"error": "quota exceeded"}
    return 200, "", {"id": message_id, "event": "message"}
