"""The load generator, a process of its own: `python -m bench.load` reads a plan, writes a result.

Two kinds of plan. *Full*: each connection sends its next request as soon as the last is answered.
*Paced*: each request has its instant; what is late is sent at once and counts from its instant, so
that a slow server cannot hide behind a patient client.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter, deque

import msgspec
import uvloop

from bench.wire import Caller


class Full(msgspec.Struct, tag=True):
    """As fast as it goes: for `seconds` after `warm_seconds` in circles over `requests`, or, with
    `seconds` 0, each request once."""

    port: int
    requests: list[bytes]
    seconds: float = 0.0
    warm_seconds: float = 0.0
    connections: int = 64


class Paced(msgspec.Struct, tag=True):
    """Each request at its instant, in seconds from the start, in order."""

    port: int
    requests: list[bytes]
    at: list[float]
    connections: int = 64


class Result(msgspec.Struct):
    """What came of a plan. Times are on the machine's monotonic clock, in seconds."""

    answered: int
    seconds: float
    statuses: dict[str, int]
    latencies: list[float]
    # For a paced plan, by request: when it was meant to be sent, and when it was answered.
    meant_at: list[float]
    answered_at: list[float]
    cpu_seconds: float


Plan = Full | Paced


def start(plan: Plan) -> "Running":
    """Start a generator. The server must be listening."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return Running(process, plan)


class Running:
    """A generator at work."""

    def __init__(self, process: "subprocess.Popen[bytes]", plan: Plan) -> None:
        self._process = process
        self._plan = plan

    def result(self) -> Result:
        """Let it run to its end. Raises RuntimeError when it failed."""
        out, _ = self._process.communicate(msgspec.msgpack.encode(self._plan))
        if self._process.returncode != 0:
            raise RuntimeError("the load generator failed")
        return msgspec.msgpack.decode(out, type=Result)


def run(plan: Plan) -> Result:
    """Run a plan in a process of its own."""
    return start(plan).result()


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.meant_at = [0.0] * len(plan.requests)
        self.answered_at = [0.0] * len(plan.requests)
        self.under_way: dict[Caller, tuple[int, float]] = {}
        self.idle: deque[Caller] = deque()
        self.due: deque[int] = deque()
        self.next = 0
        self.answered = 0
        self.counting = False
        self.stopped = False

    async def connect(self) -> list[Caller]:
        callers = []
        for _ in range(self.plan.connections):
            _, caller = await self.loop.create_connection(
                lambda: Caller(self.heard, self.lost), "127.0.0.1", self.plan.port
            )
            callers.append(caller)
        return callers

    def lost(self, caller: Caller) -> None:
        if not self.stopped:
            self.statuses["lost"] += 1
            self.under_way.pop(caller, None)
            self._finish_if_over()

    def send(self, caller: Caller, index: int, meant_at: float) -> None:
        self.under_way[caller] = (index, meant_at)
        caller.send(self.plan.requests[index])

    def heard(self, caller: Caller, status: bytes) -> None:
        now = time.monotonic()
        index, meant_at = self.under_way.pop(caller)
        if self.counting:
            self.answered += 1
            self.statuses[status.decode()] += 1
            self.latencies.append(now - meant_at)
        self.answered_at[index] = now
        if isinstance(self.plan, Paced):
            self.idle.append(caller)
            self._send_due()
            self._finish_if_over()
        elif not self.stopped:
            self._send_next(caller)

    def _send_next(self, caller: Caller) -> None:
        if self.next >= len(self.plan.requests):
            assert isinstance(self.plan, Full)
            if not self.plan.seconds:
                self._finish_if_over()
                return
            self.next = 0
        index = self.next
        self.next += 1
        self.send(caller, index, time.monotonic())

    def _send_due(self) -> None:
        while self.due and self.idle:
            index = self.due.popleft()
            self.send(self.idle.popleft(), index, self.meant_at[index])

    def _finish_if_over(self) -> None:
        if not self.under_way and not self.due and self.next >= len(self.plan.requests):
            self.done.set()

    async def full(self, plan: Full) -> float:
        callers = await self.connect()
        self.counting = not plan.warm_seconds
        started = time.monotonic()
        for caller in callers:
            self._send_next(caller)
        if plan.seconds:
            await asyncio.sleep(plan.warm_seconds)
            self.counting = True
            started = time.monotonic()
            await asyncio.sleep(plan.seconds)
        else:
            await self.done.wait()
        ended = time.monotonic()
        self.stopped = True
        self.counting = False
        return ended - started

    async def paced(self, plan: Paced) -> float:
        self.idle.extend(await self.connect())
        self.counting = True
        started = time.monotonic() + 0.2
        while self.next < len(plan.requests):
            now = time.monotonic()
            while self.next < len(plan.requests) and started + plan.at[self.next] <= now:
                self.meant_at[self.next] = started + plan.at[self.next]
                self.due.append(self.next)
                self.next += 1
            self._send_due()
            if self.next < len(plan.requests):
                await asyncio.sleep(max(0.0005, started + plan.at[self.next] - time.monotonic()))
        async with asyncio.timeout(30):
            await self.done.wait()
        self.stopped = True
        return time.monotonic() - started


async def _main() -> None:
    plan: Plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
    generator = _Generator(plan)
    cpu = time.process_time()
    if isinstance(plan, Full):
        seconds = await generator.full(plan)
    else:
        seconds = await generator.paced(plan)
    result = Result(
        answered=generator.answered,
        seconds=seconds,
        statuses=dict(generator.statuses),
        latencies=sorted(generator.latencies),
        meant_at=generator.meant_at if isinstance(plan, Paced) else [],
        answered_at=generator.answered_at if isinstance(plan, Paced) else [],
        cpu_seconds=time.process_time() - cpu,
    )
    sys.stdout.buffer.write(msgspec.msgpack.encode(result))
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_main())
