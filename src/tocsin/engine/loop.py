"""The loop: each stage runs when it is woken, when its poll is due, and again while it finds work.

Everything that waits is a row, so the loop keeps no timers of its own: a NOTIFY only shortens the
wait, and polling is the truth. A stage that fails is logged, counted and tried again with a growing
pause; it never stops another. A database that is away is waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from tocsin import metrics
from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Unavailable

log = logs.get(__name__)

WAKE_CHANNEL = "tocsin_wake"
UNAVAILABLE_PAUSE_SECONDS = 0.2
FAILURE_PAUSE_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work. `run` does a bounded piece of it and says how much it did. A stage whose
    work goes on in the background names in `inline` a form that finishes before it returns.
    After a pass that did something, but less than `plenty`, it rests for `rest_seconds`, so that
    more gathers and the cost of a pass is shared; a pass that comes after a pause never waits."""

    name: str
    run: Callable[[], Awaitable[int]]
    poll_seconds: float
    workers: int = 1
    rest_seconds: float = 0.0
    plenty: int = 1
    inline: Callable[[], Awaitable[int]] | None = None


class Engine:
    """Runs the stages of one node until told to stop."""

    def __init__(self, database: Database, clock: Clock, stages: Sequence[Stage]) -> None:
        self.database = database
        self.clock = clock
        self.stages = tuple(stages)
        self._wakes = {stage.name: asyncio.Event() for stage in self.stages}
        self.finished_at: dict[str, float] = {}

    def wake(self, name: str) -> None:
        """Let a stage run now."""
        event = self._wakes.get(name)
        if event is not None:
            event.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then let each stage finish its piece."""
        tasks = [
            asyncio.create_task(self._run_stage(stage, stopping), name=f"stage {stage.name}")
            for stage in self.stages
            for _ in range(stage.workers)
        ]
        listener = asyncio.create_task(self._listen(stopping), name="wake listener")
        await stopping.wait()
        for event in self._wakes.values():
            event.set()
        await asyncio.gather(*tasks)
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener

    async def run_until_idle(self, most: int = 10_000) -> int:
        """Run every stage in order until none finds work: for simulations and tests."""
        done = 0
        for _ in range(most):
            found = 0
            for stage in self.stages:
                found += await (stage.inline or stage.run)()
            if not found:
                return done
            done += found
        raise RuntimeError("the engine found work without end")

    async def _run_stage(self, stage: Stage, stopping: asyncio.Event) -> None:
        wake = self._wakes[stage.name]
        failures = 0
        while not stopping.is_set():
            wake.clear()
            try:
                found = await stage.run()
            except Unavailable as error:
                metrics.STAGE_RUNS.labels(stage.name, "unavailable").inc()
                log.warning("database away", stage=stage.name, error=str(error))
                await self._pause(wake, UNAVAILABLE_PAUSE_SECONDS)
                continue
            except Exception:
                metrics.STAGE_RUNS.labels(stage.name, "failed").inc()
                log.exception("stage failed", stage=stage.name)
                pause = FAILURE_PAUSE_SECONDS[min(failures, len(FAILURE_PAUSE_SECONDS) - 1)]
                failures += 1
                await self._pause(wake, pause)
                continue
            failures = 0
            self.finished_at[stage.name] = self.clock.steady()
            metrics.STAGE_RUNS.labels(stage.name, "ok").inc()
            if not found and not stopping.is_set():
                await self._pause(wake, stage.poll_seconds)
            elif found < stage.plenty and stage.rest_seconds:
                await self.clock.sleep(stage.rest_seconds)

    async def _pause(self, wake: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()

    async def _listen(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async for notice in self.database.listen([WAKE_CHANNEL]):
                    self.wake(notice.payload)
            except Unavailable:
                await self.clock.sleep(UNAVAILABLE_PAUSE_SECONDS)
            except Exception:
                log.exception("wake listener failed")
                await self.clock.sleep(1.0)
