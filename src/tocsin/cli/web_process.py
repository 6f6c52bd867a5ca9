"""One more process that takes requests on the main process's port: `python -m
tocsin.cli.web_process LISTENER LINE`, both file descriptors that the main process passed on.

It serves what a node of the role `web` serves. It lives only as long as its main process: when the
line ends it ends at once, so that a new start never finds its port taken.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

import uvloop

from tocsin import metrics
from tocsin.cli import process
from tocsin.cli.line import Counted, Line, Question, Reply, Start, Stop
from tocsin.web.operations import Told

COUNT_SECONDS = 1.0
REPLY_SECONDS = 10.0


class Main:
    """The main process, as a web process sees it."""

    def __init__(self, line: Line, stopping: asyncio.Event) -> None:
        self.line = line
        self.stopping = stopping
        self._asked: dict[int, asyncio.Future[Told]] = {}
        self._number = 0
        self._said: dict[tuple[str, tuple[str, ...]], float] = {}

    async def ask(self, path: str) -> Told:
        """What the main process answers on `path`. Raises TimeoutError."""
        self._number += 1
        number = self._number
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self.line.say(Question(number, path))
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await future
        finally:
            del self._asked[number]

    async def listen(self) -> None:
        """Hear the main process until it is gone; then so is this one."""
        while (message := await self.line.hear()) is not None:
            if isinstance(message, Stop):
                self.stopping.set()
            elif isinstance(message, Reply):
                future = self._asked.get(message.number)
                if future is not None and not future.done():
                    future.set_result(message.told)
        os._exit(0)

    async def count(self) -> None:
        """Tell the main process what was counted here, as long as there is something to tell."""
        while not self.stopping.is_set():
            self.tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(COUNT_SECONDS):
                    await self.stopping.wait()

    def tell(self) -> None:
        """Tell it now."""
        now = metrics.counts()
        rises = [
            (name, list(labels), value - self._said.get((name, labels), 0.0))
            for (name, labels), value in now.items()
            if value != self._said.get((name, labels), 0.0)
        ]
        self._said = now
        self.line.say(Counted(rises))


async def run(listener: socket.socket, end: socket.socket) -> None:
    """Serve until the main process says stop."""
    # A terminal's Ctrl-C reaches every process of its group; the main process says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    line = await Line.over(end)
    start = await line.hear()
    if not isinstance(start, Start) or start.settings.database_url is None:
        return
    settings = start.settings
    process.configure_logs(settings)
    main = Main(line, stopping)
    tasks = [asyncio.create_task(main.listen()), asyncio.create_task(main.count())]
    try:
        await process.serve_beside(settings, stopping, listener, main.ask)
        main.tell()
    finally:
        for task in tasks:
            task.cancel()
        line.close()


if __name__ == "__main__":
    uvloop.run(run(socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))))
