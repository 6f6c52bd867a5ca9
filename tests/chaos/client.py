"""The machine that sends events: steady, stubborn, and with a durable memory.

It posts at a fixed rate over kept-alive connections, sends an event again until it is accepted, and
writes what was accepted with 202 to a ledger that is synced to disk. Beside that it taps one-tap
links that people were sent.
"""

import asyncio
import json
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.providers import Handed
from tests.chaos.world import World

CONNECTIONS = 24
ANSWER_SECONDS = 12.0
AGAIN_SECONDS = 0.2
SYNC_SECONDS = 0.05


@dataclass
class Ledger:
    """What the server has promised: one line for each 202, synced a few times a second."""

    path: Path
    accepted: dict[int, float] = field(default_factory=dict)
    _unsynced: list[str] = field(default_factory=list)

    def note(self, number: int) -> None:
        at = time.time()
        self.accepted[number] = at
        self._unsynced.append(json.dumps({"event": number, "at": at}))

    async def keep(self) -> None:
        """Sync for ever."""
        with self.path.open("a") as file:
            while True:
                await asyncio.sleep(SYNC_SECONDS)
                if self._unsynced:
                    lines, self._unsynced = self._unsynced, []
                    file.write("\n".join(lines) + "\n")
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())


@dataclass(frozen=True)
class Tap:
    """A one-tap acknowledgement that the server confirmed."""

    event: int
    at: float


@dataclass(frozen=True)
class Mix:
    """What the events are: shares of all events; the rest are repeats."""

    new: float = 0.02
    resolve: float = 0.008
    acknowledge: float = 0.01
    taps: float = 0.15


class Client:
    """See the module. `rate` is in events a second."""

    def __init__(
        self, world: World, port: int, ledger: Ledger, *, rate: float, seed: int, mix: Mix
    ) -> None:
        self.world = world
        self.port = port
        self.ledger = ledger
        self.rate = rate
        self.mix = mix
        self.random = random.Random(f"client {seed}")
        self.made = 0
        self.taps: list[Tap] = []
        self.retried = 0
        self.answers: dict[str, int] = {}
        self.latencies: list[float] = []
        self._keys: list[list[str]] = [[] for _ in world.services]
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._tapped: set[int] = set()
        self._to_tap: asyncio.Queue[Handed] = asyncio.Queue()
        self._in_hand = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Open the connections; events come with `send_for`."""
        self._tasks = [asyncio.create_task(self._post_for_ever()) for _ in range(CONNECTIONS)]
        self._tasks.append(asyncio.create_task(self.ledger.keep()))
        self._tasks += [asyncio.create_task(self._tap_for_ever()) for _ in range(2)]

    async def stop(self) -> None:
        """Close everything."""
        await asyncio.sleep(SYNC_SECONDS * 3)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_for(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Make events at the rate for so long (or until the event is set)."""
        begin = time.monotonic()
        made = 0
        while (passed := time.monotonic() - begin) < seconds:
            if until is not None and until.is_set():
                return
            while made < passed * self.rate:
                made += 1
                self._queue.put_nowait(self._event())
            await asyncio.sleep(0.01)

    @property
    def waiting(self) -> int:
        """Events not accepted yet."""
        return self._queue.qsize() + self._in_hand

    def told(self, handed: Handed) -> None:
        """Somebody was paged: some of them answer."""
        if handed.acknowledge_url and len(handed.events) == 1:
            event = handed.events[0]
            if event not in self._tapped and self.random.random() < self.mix.taps:
                self._tapped.add(event)
                self._to_tap.put_nowait(handed)

    def _event(self) -> tuple[int, bytes]:
        number = self.made = self.made + 1
        service = self.random.choice(self.world.services)
        keys = self._keys[service.index]
        draw = self.random.random()
        mix = self.mix
        if draw < mix.new or not keys:
            key, action = f"s{service.index}-k{len(keys)}", "trigger"
            keys.append(key)
        else:
            key = self.random.choice(keys)
            action = "trigger"
            if draw < mix.new + mix.resolve:
                action = "resolve"
            elif draw < mix.new + mix.resolve + mix.acknowledge:
                action = "acknowledge"
        document: dict[str, object] = {
            "routing_key": service.key,
            "event_action": action,
            "dedup_key": key,
            "client": f"chaos {number}",
        }
        if action == "trigger":
            document["payload"] = {
                "summary": f"[e{number}] {key} is broken",
                "source": "chaos",
                "severity": "critical",
                "custom_details": {"number": number},
            }
        return number, json.dumps(document).encode()

    async def _post_for_ever(self) -> None:
        connection = Connection(self.port)
        while True:
            number, body = await self._queue.get()
            self._in_hand += 1
            try:
                began = time.monotonic()
                while (status := await connection.post("/v2/enqueue", body)) != 202:
                    self.answers[str(status)] = self.answers.get(str(status), 0) + 1
                    self.retried += 1
                    if status == 400:
                        raise RuntimeError(f"event {number} was refused: {body!r}")
                    await asyncio.sleep(AGAIN_SECONDS)
                self.ledger.note(number)
                self.latencies.append(time.monotonic() - began)
            finally:
                self._in_hand -= 1

    async def _tap_for_ever(self) -> None:
        while True:
            handed = await self._to_tap.get()
            # Each tap comes from an address of its own, as phones do.
            connection = Connection(self.port, local=f"127.0.{1 + handed.events[0] % 200}.9")
            path = urlsplit(handed.acknowledge_url or "").path
            await asyncio.sleep(self.random.random())
            for _ in range(60):
                if await connection.get(path) != 200:
                    await asyncio.sleep(0.5)
                    continue
                status = await connection.post(f"{path}/acknowledge", b"", form=True)
                if status == 303:
                    if connection.location.endswith("said=acknowledge"):
                        self.taps.append(Tap(event=handed.events[0], at=time.time()))
                    break
                await asyncio.sleep(0.5)
            connection.close()


class Connection:
    """A kept-alive HTTP connection, opened again when it is lost. Status 0 means no answer."""

    def __init__(self, port: int, local: str | None = None) -> None:
        self.port = port
        self.local = local
        self.location = ""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: bytes, *, form: bool = False) -> int:
        """The status of the answer."""
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        return await self._ask(
            f"POST {path} HTTP/1.1\r\nhost: chaos\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )

    async def get(self, path: str) -> int:
        """The status of the answer."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nhost: chaos\r\n\r\n".encode())

    async def _ask(self, request: bytes) -> int:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection(
                        "127.0.0.1",
                        self.port,
                        local_addr=(self.local, 0) if self.local else None,
                    )
                assert self._reader is not None
                self._writer.write(request)
                await self._writer.drain()
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                self.location = ""
                length, close = 0, False
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    match name.lower():
                        case "content-length":
                            length = int(value)
                        case "location":
                            self.location = value.strip()
                        case "connection":
                            close = value.strip().lower() == "close"
                self.body = await self._reader.readexactly(length)
                if close:
                    self.close()
                return int(lines[0].split(" ")[1])
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        """Let go."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._reader = self._writer = None
