"""A failing row never blocks the others: try the batch, then each row alone, push back the poison.

A stage names two steps: `batch` works on whatever is due, and on an error each due row is tried in
a transaction of its own; the one that still fails gets its error and a later `due_at`. One that
only met a lock stays due.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from tocsin import metrics
from tocsin.core import crash_points, logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Retry, Tx, Unavailable

log = logs.get(__name__)

# Where a stage with due work may die: by its name, before and after the commit.
STAGES = ("escalate", "timers", "maintenance", "responders")
UNCOMMITTED = {name: crash_points.point(f"{name}.uncommitted") for name in STAGES}
COMMITTED = {name: crash_points.point(f"{name}.committed") for name in STAGES}


class DueWork(msgspec.Struct, frozen=True, kw_only=True):
    """How to do one kind of due work. `only` narrows a pass to the rows named."""

    name: str
    run: Callable[[Tx, datetime, int, Sequence[str] | None], Awaitable[int]]
    due: Callable[[Tx, datetime, int], Awaitable[list[str]]]
    push_back: Callable[[Tx, str, str, datetime], Awaitable[None]]
    limit: int = 200


class DueStage:
    """An engine stage over one kind of due work."""

    def __init__(self, database: Database, clock: Clock, work: DueWork) -> None:
        self.database = database
        self.clock = clock
        self.work = work

    async def run(self) -> int:
        """Do what is due, at most one batch; the number of rows done."""
        try:
            return await self._attempt(None)
        except (Unavailable, Retry):
            raise
        except Exception as error:
            log.warning("batch failed, going row by row", stage=self.work.name, error=str(error))
            return await self._one_by_one()

    async def _attempt(self, only: Sequence[str] | None) -> int:
        now = self.clock.now()
        name = self.work.name
        async with self.database.transaction() as tx:
            done = await self.work.run(tx, now, self.work.limit, only)
            if done and name in UNCOMMITTED:
                crash_points.reach(UNCOMMITTED[name])
        if done and name in COMMITTED:
            crash_points.reach(COMMITTED[name])
        return done

    async def _one_by_one(self) -> int:
        async with self.database.transaction() as tx:
            rows = await self.work.due(tx, self.clock.now(), self.work.limit)
        done = 0
        for row in rows:
            try:
                done += await self._attempt([row])
            except Unavailable:
                raise
            except Retry as error:
                # Nothing is wrong with the row: it met a lock, and the next pass tries it again.
                log.warning("row was busy", stage=self.work.name, row=row, error=str(error))
            except Exception as error:
                log.exception("row pushed back", stage=self.work.name, row=row)
                metrics.STAGE_RUNS.labels(self.work.name, "poison").inc()
                async with self.database.transaction() as tx:
                    await self.work.push_back(tx, row, f"{error!r}"[:500], self.clock.now())
        return done
