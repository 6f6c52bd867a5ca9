"""Where pages go while latency is measured: a webhook receiver in a process of its own, which notes
when each incident's message has arrived."""

import asyncio
import subprocess
import sys
import time

import msgspec
import uvloop

from bench.wire import Listener


class _Line(msgspec.Struct):
    title: str


class _Message(msgspec.Struct):
    incidents: list[_Line] = []


class Receiver:
    """A running receiver. Use it as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def url(self) -> str:
        """Where to send messages."""
        return f"http://127.0.0.1:{self.port}/hook"

    def heard(self) -> dict[str, float]:
        """End it; when each title was first heard alone, on the machine's monotonic clock."""
        out, _ = self._process.communicate(b"")
        return msgspec.msgpack.decode(out, type=dict[str, float])

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


async def _main() -> None:
    heard: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    def hear(body: bytes) -> None:
        now = time.monotonic()
        lines = msgspec.json.decode(body, type=_Message).incidents
        # What was bundled waited on purpose, and is not a measure of speed.
        if len(lines) == 1:
            heard.setdefault(lines[0].title, now)

    server = await loop.create_server(lambda: Listener(hear), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    sys.stdout.buffer.write(msgspec.msgpack.encode(heard))
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_main())
