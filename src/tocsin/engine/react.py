"""The reader of the timeline: what happened is turned into what webhooks are to be told.

Theory of operation. One row says how far the reader has come in the timeline (by the number of the
log entry) and in the sealed audit record (by the number of the link). A pass locks that row, so one
node reads at a time; it reads a bounded piece beyond it, and in the same transaction writes the
events and deliveries that follow and moves the row. So nothing is told twice, and nothing is
forgotten by a crash.

Invariants:
- no entry is skipped, however late its transaction is committed: the timeline is read up to the
  feed's horizon and the audit record by its gapless links (docs/decisions/0009);
- the subscriptions are read after the horizon, so what happens after one was made is told to it;
- a pass costs the same whatever is stored, and without subscriptions it reads nothing.
"""

from collections.abc import Mapping, Sequence

import msgspec

from tocsin import metrics
from tocsin.accounts import audit
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core import crash_points, ids, logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Tx
from tocsin.engine.webhook_facts import facts_of
from tocsin.timeline import feed
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks import events, matching, payload
from tocsin.webhooks.model import Happening, Listener, Told
from tocsin.webhooks.payload import Facts

log = logs.get(__name__)

READER = "webhooks"
AT_ONCE = 1000
MOST_DELIVERIES = 5000

UNCOMMITTED = crash_points.point("react.uncommitted")
COMMITTED = crash_points.point("react.committed")

# What is to be told, and to which subscriptions.
Wanted = tuple[Happening, tuple[str, ...]]

SELECT_PLACE = "select log_seq, audit_chain from timeline_readers where name = %(name)s"
LOCK_PLACE = """
select log_seq, audit_chain from timeline_readers where name = %(name)s for update skip locked
"""
INSERT_PLACE = """
insert into timeline_readers (name, log_seq, audit_chain)
values (%(name)s, %(log_seq)s, %(audit_chain)s)
on conflict (name) do nothing
"""
MOVE = """
update timeline_readers set log_seq = %(log_seq)s, audit_chain = %(audit_chain)s
where name = %(name)s
"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far the reader has come, or how far it may go."""

    log_seq: int
    audit_chain: int


class React:
    """An engine stage. `base_url` is where the references in payloads lead."""

    def __init__(self, database: Database, clock: Clock, *, base_url: str) -> None:
        self.database = database
        self.clock = clock
        self.base_url = base_url

    async def run(self) -> int:
        """Read one piece; how much was told, at least 1 while there is more to read."""
        async with self.database.transaction() as tx:
            # Looked at without a lock first: a pass that finds nothing new writes nothing.
            end = await _end(tx)
            if end == await tx.one(Place, SELECT_PLACE, {"name": READER}):
                return 0
            place = await tx.one(Place, LOCK_PLACE, {"name": READER})
            if place is None:
                # Another node reads, or nobody ever has: what happened before is not told.
                first = {"name": READER, **msgspec.structs.asdict(end)}
                await tx.execute(INSERT_PLACE, first)
                return 0
            # Another node may have come further meanwhile.
            end = await _end(tx)
            if end == place:
                return 0
            listeners = await webhooks.listeners(tx)
            told = 0
            to = end
            if listeners:
                told, to = await self._read(tx, listeners, place, end)
            await tx.execute(MOVE, {"name": READER, **msgspec.structs.asdict(to)})
            crash_points.reach(UNCOMMITTED)
        crash_points.reach(COMMITTED)
        return told or int(to != end)

    async def _read(
        self, tx: Tx, listeners: Sequence[Listener], place: Place, end: Place
    ) -> tuple[int, Place]:
        """Tell of one piece; how many deliveries were made, and where it ends."""
        to = Place(
            log_seq=min(end.log_seq, place.log_seq + AT_ONCE),
            audit_chain=min(end.audit_chain, place.audit_chain + AT_ONCE),
        )
        entries = await feed.between(tx, place.log_seq, to.log_seq, kinds=events.KINDS)
        changes = await audit.sealed(tx, place.audit_chain, to.audit_chain, events.SUBJECTS)
        seqs = {one.source: entry.seq for entry in entries for one in events.of_entry(entry)}
        happenings = [one for change in changes if (one := events.of_change(change))]
        happenings += [one for entry in entries for one in events.of_entry(entry)]
        if not happenings:
            return 0, to
        services = await catalog.services_by_ids(tx, sorted({h.service_id for h in happenings}))
        teams = {id: service.team_id for id, service in services.items()}
        wanted, left = _bounded(matching.wanted(happenings, listeners, teams), seqs)
        if left is not None:
            # Changes come first and are few: only entries are ever left for the next piece.
            to = msgspec.structs.replace(to, log_seq=left - 1)
        return await self._tell(tx, wanted, services), to

    async def _tell(
        self,
        tx: Tx,
        wanted: Sequence[Wanted],
        services: dict[str, Service],
    ) -> int:
        if not wanted:
            return 0
        facts = await facts_of(tx, [one for one, _ in wanted], services, self.base_url)
        now = self.clock.now()
        told = [_in_words(one, to, facts, ids.new("Q", now)) for one, to in wanted]
        return await webhooks.tell(tx, told, now)


async def _end(tx: Tx) -> Place:
    """Up to where everything is there that will ever be."""
    return Place(log_seq=await feed.horizon(tx), audit_chain=(await audit.head(tx)).chain)


def _bounded(wanted: Sequence[Wanted], seqs: Mapping[str, int]) -> tuple[list[Wanted], int | None]:
    """As many as make MOST_DELIVERIES, and the number of the first entry that is left for the next
    piece. What one entry became is never parted, so that every piece gets on."""
    count, last = 0, None
    for index, (happening, to) in enumerate(wanted):
        count += len(to)
        seq = seqs.get(happening.source)
        if count > MOST_DELIVERIES and index and seq is not None and seq != last:
            return list(wanted[:index]), seq
        last = seq
    return list(wanted), None


def _in_words(happening: Happening, to: tuple[str, ...], facts: Facts, id: str) -> Told:
    """The event as it will be sent. One that cannot be written holds up no other: it is kept
    without words, dropped, and shown as such on its subscriptions' pages."""
    try:
        body, failure = payload.body(id, happening, facts), None
    except Exception as error:
        log.exception("event cannot be written", source=happening.source, type=happening.type)
        metrics.STAGE_RUNS.labels("react", "poison").inc()
        body, failure = "", f"it could not be written: {type(error).__name__}"
    return Told(happening=happening, id=id, body=body, listeners=to, failure=failure)
