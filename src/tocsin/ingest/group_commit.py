"""Group commit: requests that wait at the same time share one transaction.

While one batch is being committed the next one gathers, so the batch grows with the load and no
request waits on purpose. One batch is in flight at a time: two were measured, and made smaller
batches that cost more than they gained. Invariants: `accept` returns only after the commit of its
row; a row that PostgreSQL refuses fails alone; what waits is bounded in rows and bytes; after a
lost connection the outcome is unknown and the caller is told so, because telling the machine to
send again is harmless (the dedup key is the same) and telling it "accepted" might not be true.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tocsin.core import crash_points, logs, planted_defects
from tocsin.core.clock import Clock
from tocsin.core.database import Database, DatabaseError, Unavailable
from tocsin.events import actions
from tocsin.events.model import Accepted

log = logs.get(__name__)

UNCOMMITTED = crash_points.point("ingest.uncommitted")
COMMITTED = crash_points.point("ingest.committed")

BATCH_ROWS = 1000
BATCH_BYTES = 16 * 1024 * 1024
WAITING_ROWS = 20_000
WAITING_BYTES = 64 * 1024 * 1024
FLUSH_SECONDS = 5.0


class Overloaded(Exception):
    """More waits to be committed than may be held in memory."""


# Called with None when the row is committed, else with what went wrong; only the first call counts.
# It must not raise.
Done = Callable[[Exception | None], None]
Waiting = tuple[Accepted, Done]


class GroupCommit:
    """Commits what requests bring, many at a time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        flush_seconds: float = FLUSH_SECONDS,
        waiting_rows: int = WAITING_ROWS,
    ) -> None:
        self.database = database
        self.clock = clock
        self.flush_seconds = flush_seconds
        self.waiting_rows = waiting_rows
        self.commits = 0
        self._queue: deque[Waiting] = deque()
        self._rows = 0
        self._bytes = 0
        self._flusher: asyncio.Task[None] | None = None

    async def accept(self, row: Accepted) -> None:
        """Return once `row` is committed.

        Raises Overloaded when too much waits, Unavailable when the database did not confirm in
        time (the row may or may not be kept), DatabaseError when it refused this row.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.bring(row, done)
        await future

    def bring(self, row: Accepted, done: Done) -> None:
        """The same for whoever does not wait: `done` is told. Raises Overloaded."""
        if self._rows >= self.waiting_rows or self._bytes >= WAITING_BYTES:
            raise Overloaded
        if planted_defects.ANSWER_BEFORE_COMMIT:
            done(None)
            done = _nobody
        self._queue.append((row, done))
        self._rows += 1
        self._bytes += len(row.body)
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(
                self._flush_all(), name="group commit"
            )

    async def close(self) -> None:
        """Wait until everything that was brought has been answered."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    async def _flush_all(self) -> None:
        batch: list[Waiting] = []
        try:
            while self._queue:
                batch = self._take()
                try:
                    await self._flush(batch)
                finally:
                    self._rows -= len(batch)
                    self._bytes -= sum(len(row.body) for row, _ in batch)
                batch = []
        finally:
            # Reached with something left only when this task is being cancelled at exit.
            self._fail(batch, Unavailable("stopping"))
            self._fail_queue(Unavailable("stopping"))
            self._flusher = None

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._queue and len(batch) < BATCH_ROWS and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1][0].body)
        return batch

    async def _flush(self, batch: Sequence[Waiting]) -> None:
        try:
            await self._commit([row for row, _ in batch])
        except Unavailable as error:
            # Whoever queued behind this batch would wait as long for the same answer.
            log.warning("events not committed", rows=len(batch), error=str(error))
            self._fail(batch, error)
            self._fail_queue(error)
        except Exception as error:
            if len(batch) == 1:
                log.warning("an event was refused by the database", error=str(error))
                self._fail(batch, error)
                return
            for waiting in batch:
                await self._flush([waiting])
        else:
            for _, done in batch:
                done(None)

    async def _commit(self, rows: Sequence[Accepted]) -> None:
        try:
            async with asyncio.timeout(self.flush_seconds):
                now = self.clock.now()
                crash_points.reach(UNCOMMITTED)
                await self.database.alone(lambda tx: actions.accept(tx, rows, now))
        except TimeoutError as error:
            raise Unavailable("the commit took too long") from error
        crash_points.reach(COMMITTED)
        self.commits += 1

    def _fail_queue(self, error: Exception) -> None:
        waiting = list(self._queue)
        self._queue.clear()
        self._rows -= len(waiting)
        self._bytes -= sum(len(row.body) for row, _ in waiting)
        self._fail(waiting, error)

    def _fail(self, batch: Sequence[Waiting], error: Exception) -> None:
        if not isinstance(error, DatabaseError):
            error = DatabaseError(str(error))
        for _, done in batch:
            done(None if planted_defects.SWALLOWED_EXCEPTION else error)


def _nobody(error: Exception | None) -> None:
    """Who brought the row has its answer."""
