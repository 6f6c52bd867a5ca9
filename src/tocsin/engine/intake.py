"""The intake: accepted events leave the inbox and become alerts and incidents.

Each pass goes once around the slices that have something due, those with the least first. Slices
share a batch as long as it has room: what a batch costs by itself is then shared by many services,
and a storm fills batches of its own, which another worker may be at meanwhile. Within a batch every
service has its turn, so a storm on one delays its neighbours by one batch at most. A slice has one
writer at a time (an advisory lock for the length of the transaction), so events of one service are
recorded in the order they were accepted.

Invariants: a row leaves the inbox in the transaction that records it and its outcomes, so it is
recorded once however often the process dies; a row that fails is found by halving its batch, waits
for a while, and is quarantined with its error after three attempts; it never holds up another.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from tocsin import metrics
from tocsin.core import crash_points, logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Retry, Tx, Unavailable
from tocsin.engine import intake_store
from tocsin.engine.intake_store import Taken
from tocsin.events.formats import events_of
from tocsin.events.model import Arrived, Outcome, Rejected

log = logs.get(__name__)

Recorder = Callable[[Tx, Sequence[Arrived], datetime], Awaitable[list[Outcome]]]

RECORDED = crash_points.point("intake.recorded")
COMMITTED = crash_points.point("intake.committed")

BATCH_ROWS = 500
BATCH_BYTES = 8 * 1024 * 1024
ATTEMPTS = 3
PUSH_BACK_SECONDS = (5, 30)
BUSY_SECONDS = 1
ERROR_LENGTH = 500

REJECTED = "unreadable"
SERVICE_DISABLED = "service_disabled"


async def run_due(
    database: Database,
    clock: Clock,
    *,
    record: Recorder,
    limit: int = BATCH_ROWS,
    most_bytes: int = BATCH_BYTES,
) -> int:
    """Go once around the slices with something due; the number of rows dealt with.

    At most `limit` bodies and about `most_bytes` of them go into one transaction.
    `record` is `incidents.actions.record_events`. Raises Unavailable with the database away.
    """
    intake = _Intake(database, clock, record, most_bytes)
    now = clock.now()
    waiting = await database.alone(lambda tx: intake_store.slices_waiting(tx, now, limit))
    done = 0
    for slices in shared(waiting, limit):
        done += await intake.run_slices(slices, limit)
    return done


def shared(waiting: Sequence[tuple[int, int]], limit: int) -> list[list[int]]:
    """Which slices go into a batch together, from each slice and how much waits in it."""
    batches: list[list[int]] = []
    room = 0
    for slice, number in waiting:
        if not batches or number > room:
            batches.append([])
            room = limit
        batches[-1].append(slice)
        room -= number
    return batches


class _Intake:
    def __init__(self, database: Database, clock: Clock, record: Recorder, most_bytes: int) -> None:
        self.database = database
        self.clock = clock
        self.record = record
        self.most_bytes = most_bytes

    async def run_slices(self, slices: Sequence[int], limit: int) -> int:
        """One batch of those slices that no other worker or node is at."""
        taken: list[Taken] = []
        try:
            async with self.database.transaction() as tx:
                slices = await intake_store.lock_slices(tx, slices)
                if not slices:
                    return 0
                now = self.clock.now()
                taken = await intake_store.take(
                    tx, slices, now, limit=limit, most_bytes=self.most_bytes
                )
                outcomes = await self._record(tx, taken, now)
                crash_points.reach(RECORDED)
        except Unavailable:
            # Nothing is wrong with the rows. Counting a lost connection against them would delay
            # them, put them out of order, and in the end set them aside.
            raise
        except Exception as error:
            if not taken:
                raise
            return await self._isolate(slices, [row.seq for row in taken], error)
        crash_points.reach(COMMITTED)
        _count(outcomes)
        return len(taken)

    async def _isolate(self, slices: Sequence[int], seqs: Sequence[int], error: Exception) -> int:
        """Work on the halves of a batch that failed, down to the rows that fail alone."""
        if len(seqs) == 1:
            return await self._again(slices, seqs, last=True)
        log.warning("a batch of events failed, halving it", rows=len(seqs), error=repr(error))
        middle = len(seqs) // 2
        done = 0
        for half in (seqs[:middle], seqs[middle:]):
            done += await self._again(slices, half, last=len(half) == 1)
        return done

    async def _again(self, slices: Sequence[int], seqs: Sequence[int], *, last: bool) -> int:
        try:
            async with self.database.transaction() as tx:
                locked = await intake_store.lock_slices(tx, slices)
                now = self.clock.now()
                taken = await intake_store.take_again(tx, locked, seqs)
                outcomes = await self._record(tx, taken, now)
        except Unavailable:
            raise
        except Exception as error:
            if not last:
                return await self._isolate(slices, seqs, error)
            await self._push_back(slices, seqs[0], error)
            return 1
        _count(outcomes)
        return len(taken)

    async def _record(self, tx: Tx, taken: Sequence[Taken], now: datetime) -> list[Outcome]:
        """Record a batch in its transaction; every event of it has an outcome afterwards."""
        outcomes: list[Outcome] = []
        arrived: list[Arrived] = []
        for row in taken:
            if not row.enabled:
                outcomes.append(Outcome(seq=row.seq, position=0, reason=SERVICE_DISABLED))
                continue
            events = events_of(row.format, row.body, row.dedup_key)
            if isinstance(events, Rejected):
                outcomes.append(Outcome(seq=row.seq, position=0, reason=REJECTED))
                continue
            arrived.append(
                Arrived(
                    seq=row.seq,
                    service_id=row.service_id,
                    integration_id=row.integration_id,
                    received_at=row.received_at,
                    events=events,
                )
            )
        if arrived:
            recorded = await self.record(tx, arrived, now)
            _check_complete(arrived, recorded)
            outcomes.extend(recorded)
        if taken:
            await intake_store.finish(tx, [row.seq for row in taken], outcomes)
        return outcomes

    async def _push_back(self, slices: Sequence[int], seq: int, error: Exception) -> None:
        async with self.database.transaction() as tx:
            locked = await intake_store.lock_slices(tx, slices)
            taken = await intake_store.take_again(tx, locked, [seq])
            if not taken:
                return
            # Rows that only met a lock held too long are tried for as long as it takes.
            busy = isinstance(error, Retry)
            attempts = taken[0].attempts + (0 if busy else 1)
            seconds = BUSY_SECONDS if busy else PUSH_BACK_SECONDS[min(attempts, 2) - 1]
            quarantined = attempts >= ATTEMPTS
            await intake_store.push_back(
                tx,
                seq,
                attempts=attempts,
                error=repr(error)[:ERROR_LENGTH].replace("\x00", ""),
                due_at=self.clock.now() + timedelta(seconds=seconds),
                quarantined=quarantined,
            )
        log.error(
            "an event was quarantined" if quarantined else "an event was pushed back",
            seq=seq,
            attempts=attempts,
            error=repr(error)[:ERROR_LENGTH],
        )
        metrics.STAGE_RUNS.labels("intake", "poison").inc()


def _check_complete(arrived: Sequence[Arrived], outcomes: Sequence[Outcome]) -> None:
    expected = {(row.seq, place) for row in arrived for place in range(len(row.events))}
    given = {(outcome.seq, outcome.position) for outcome in outcomes}
    if expected != given or len(given) != len(outcomes):
        missing = sorted(expected - given)[:5]
        raise RuntimeError(f"each event needs one outcome; missing: {missing}")


def _count(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        metrics.EVENTS_PROCESSED.labels(str(outcome.reason)).inc()
