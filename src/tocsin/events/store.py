"""The SQL of what machines sent: the append of a batch, and change events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate

from tocsin.core.database import Tx, json
from tocsin.events.model import Accepted, Change, Destination

# One statement keeps a batch, queues it and wakes the engine, so that it can be a transaction by
# itself and take one round trip. The bodies travel as
# one value with their lengths, and what rows share is sent once: the driver's cost of a list is
# that of its items, and this halved the cost of accepting an event (measured, also against COPY).
# The sequence counts in the order of the rows.
APPEND = """
with target as materialized (
    select t.service_id, t.integration_id, t.slice, t.format, t.number
    from unnest(%(service_ids)s::text[], %(integration_ids)s::text[], %(slices)s::smallint[],
                %(formats)s::text[])
         with ordinality as t (service_id, integration_id, slice, format, number)
), given as materialized (
    select nextval('events_seq_seq') as seq, g.target, g.dedup_key,
           substring(%(bodies)s::bytea from g.first for g.length) as body
    from unnest(%(targets)s::integer[], %(firsts)s::integer[], %(lengths)s::integer[],
                %(dedup_keys)s::text[]) as g (target, first, length, dedup_key)
), kept as (
    insert into events
        (seq, received_at, service_id, integration_id, format, dedup_key, body)
    select g.seq, %(received_at)s, t.service_id, t.integration_id, t.format, g.dedup_key, g.body
    from given g join target t on t.number = g.target
), queued as (
    insert into inbox (seq, slice, service_id, due_at)
    select g.seq, t.slice, t.service_id, %(received_at)s
    from given g join target t on t.number = g.target
)
select pg_notify('tocsin_wake', 'intake')
"""

# Which events a person may act on: those that the intake has given up on.
LOCK_QUARANTINED = """
select i.seq, i.service_id, coalesce(i.error, '') as error, i.attempts
from inbox i where i.seq = %(seq)s and i.quarantined for update
"""
SELECT_QUARANTINED_SEQS = """
select seq from inbox where quarantined order by seq limit %(limit)s for update skip locked
"""
# The last error stays until the row is worked on: nothing is known to be better yet.
QUEUE_AGAIN = """
update inbox set quarantined = false, attempts = 0, due_at = %(now)s
where seq = any(%(seqs)s) and quarantined
"""
DELETE_QUARANTINED = "delete from inbox where seq = %(seq)s and quarantined"
INSERT_GIVEN_UP = """
insert into event_outcomes (seq, position, reason) values (%(seq)s, 0, %(reason)s)
on conflict (seq, position) do nothing
"""

INSERT_CHANGE = """
insert into change_events
    (id, service_id, integration_id, summary, source, at, received_at, links, images, details)
values (%(id)s, %(service_id)s, %(integration_id)s, %(summary)s, %(source)s, %(at)s,
        %(received_at)s, %(links)s, %(images)s, %(details)s)
"""


async def append(tx: Tx, rows: Sequence[Accepted], now: datetime) -> None:
    """Keep and queue a batch received at `now`, and wake the engine on commit."""
    numbers: dict[Destination, int] = {}
    for row in rows:
        numbers.setdefault(row.destination, len(numbers) + 1)
    lengths = [len(row.body) for row in rows]
    firsts = accumulate(lengths[:-1], initial=1)
    await tx.execute(
        APPEND,
        {
            "received_at": now,
            "service_ids": [each.service_id for each in numbers],
            "integration_ids": [each.integration_id for each in numbers],
            "slices": [each.slice for each in numbers],
            "formats": [each.format for each in numbers],
            "bodies": b"".join([row.body for row in rows]),
            "targets": _integers(numbers[row.destination] for row in rows),
            "firsts": _integers(firsts),
            "lengths": _integers(lengths),
            "dedup_keys": [row.dedup_key for row in rows],
        },
    )


def _integers(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL writes it; far cheaper than a list through the driver."""
    return "{" + ",".join(map(str, numbers)) + "}"


async def insert_change(
    tx: Tx, id: str, change: Change, now: datetime, *, service_id: str, integration_id: str
) -> None:
    """Keep a change event."""
    await tx.execute(
        INSERT_CHANGE,
        {
            "id": id,
            "service_id": service_id,
            "integration_id": integration_id,
            "summary": change.summary,
            "source": change.source,
            "at": change.occurred_at or now,
            "received_at": now,
            "links": json(change.links),
            "images": json(change.images),
            "details": None if change.details is None else json(change.details),
        },
    )
