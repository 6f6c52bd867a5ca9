"""The other web processes of a server: started with it, kept alive, and stopped before it.

Each has a listening socket of its own on the server's port (SO_REUSEPORT) and the kernel spreads
connections over them, so that requests use as many cores as there are processes. The main process
keeps each socket open: while a process is started again its connections wait, and none is refused.
A process that says nothing for `SILENT_SECONDS` hangs, and is ended and started again.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from tocsin import metrics
from tocsin.cli.line import Counted, Line, Question, Reply, Start, Stop
from tocsin.core import logs
from tocsin.core.config import Settings
from tocsin.web.operations import Told

log = logs.get(__name__)

SILENT_SECONDS = 15.0
# It imports the program and joins the product's time before it says its first word.
START_SECONDS = 60.0
AGAIN_SECONDS = 1.0
STOP_SECONDS = 10.0

Answer = Callable[[str], Awaitable[Told]]


class WebProcesses:
    """All of them. `answer` is what the main process says to a path asked of another."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        listeners: Sequence[socket.socket],
        *,
        answer: Answer,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._listeners = listeners
        self._answer = answer
        self._silent_seconds = silent_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep them alive until `stopping` is set; returns when they have ended."""
        await asyncio.gather(
            *(
                self._keep(self._start(number), listener, stopping)
                for number, listener in enumerate(self._listeners, start=2)
            )
        )

    def _start(self, number: int) -> Start:
        settings = self._settings
        node = settings.node_name or socket.gethostname()
        own = msgspec.structs.replace(
            settings, role="web", database_url=self._dsn, node_name=f"{node}, web process {number}"
        )
        return Start(own)

    async def _keep(self, start: Start, listener: socket.socket, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._one(start, listener, stopping)
            except OSError:
                log.exception("a web process does not start; trying again")
            if not stopping.is_set():
                log.error("a web process ended; starting it again", node=start.settings.node_name)
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_SECONDS):
                        await stopping.wait()

    async def _one(self, start: Start, listener: socket.socket, stopping: asyncio.Event) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tocsin.cli.web_process"),
                *(str(listener.fileno()), str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(listener.fileno(), theirs.fileno()),
            )
        line = await Line.over(ours)
        line.say(start)
        talk = asyncio.create_task(self._talk(line))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([talk, stop], return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                line.say(Stop())
                await asyncio.wait([talk], timeout=STOP_SECONDS)
        finally:
            for task in (talk, stop):
                task.cancel()
            line.close()
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _talk(self, line: Line) -> None:
        patience = START_SECONDS
        answers: set[asyncio.Task[None]] = set()
        while True:
            try:
                async with asyncio.timeout(patience):
                    message = await line.hear()
            except TimeoutError:
                log.error("a web process says nothing; ending it")
                return
            if message is None:
                return
            patience = self._silent_seconds
            if isinstance(message, Counted):
                metrics.add(message.rises)
            elif isinstance(message, Question):
                # A slow answer must not look like a process that says nothing.
                task = asyncio.create_task(self._reply(line, message))
                answers.add(task)
                task.add_done_callback(answers.discard)

    async def _reply(self, line: Line, question: Question) -> None:
        line.say(Reply(question.number, await self._answer(question.path)))
