"""What changed, told to open pages. One LISTEN connection per process, fanned out in memory.

A message names a topic and nothing else ("incident QABC", "incidents"): the page fetches what it
shows again, so access is checked by that GET and nothing is rendered per reader. A reader that is
too slow loses messages but is told to fetch everything. A tick each ten seconds proves the line.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Unavailable

log = logs.get(__name__)

CHANNEL = "tocsin_changed"
TICK_SECONDS = 10.0
MOST_WAITING = 200
MOST_READERS = 2000


class TooManyReaders(Exception):
    """This process already serves as many live pages as it may."""


class LiveHub:
    """Hears the database's notices and hands them to the readers of this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._readers: set[asyncio.Queue[str | None]] = set()
        self._listeners: list[asyncio.Queue[str]] = []
        self.stopping = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until told to stop, then let every reader go."""
        task = asyncio.create_task(self._listen(), name="live listener")
        await stopping.wait()
        self.stopping = True
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for queue in self._readers:
            _put(queue, None)

    def subscribe(self) -> "asyncio.Queue[str]":
        """Topics for this process's own caches; unbounded, so read it."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.append(queue)
        return queue

    def publish(self, topic: str) -> None:
        """Hand one topic to every reader."""
        for queue in self._readers:
            _put(queue, topic)
        for listener in self._listeners:
            listener.put_nowait(topic)

    async def _listen(self) -> None:
        while True:
            try:
                # Whatever changed while nobody listened must be fetched again.
                self.publish("everything")
                async for notice in self.database.listen([CHANNEL]):
                    self.publish(notice.payload)
            except Unavailable:
                await self.clock.sleep(0.5)
            except Exception:
                log.exception("live listener failed")
                await self.clock.sleep(1.0)

    async def events(self) -> AsyncIterator[bytes]:
        """The text/event-stream of one reader. Raises TooManyReaders."""
        if len(self._readers) >= MOST_READERS:
            raise TooManyReaders
        queue: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._readers.add(queue)
        try:
            yield self._tick()
            while not self.stopping:
                try:
                    async with asyncio.timeout(TICK_SECONDS):
                        topic = await queue.get()
                except TimeoutError:
                    yield self._tick()
                    continue
                if topic is None:
                    return
                yield f"event: changed\ndata: {topic}\n\n".encode()
        finally:
            self._readers.discard(queue)

    def _tick(self) -> bytes:
        return f"event: tick\ndata: {self.clock.now().isoformat()}\n\n".encode()


def _put(queue: "asyncio.Queue[str | None]", topic: str | None) -> None:
    try:
        queue.put_nowait(topic)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait("everything" if topic is not None else None)
