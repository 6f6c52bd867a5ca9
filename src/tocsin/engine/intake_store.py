"""The SQL of the intake: which slices wait, what to work on, what became of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from tocsin.core import planted_defects
from tocsin.core.database import Tx
from tocsin.events.model import Outcome

# The first key of the advisory locks that give each slice one writer; the second is the slice.
SLICE_LOCK_CLASS = 0x70C51

# One probe of the index for each slice, counting as far as one batch reaches.
SLICES_WAITING = """
select s.slice, waiting.number
from generate_series(0, 63) as s (slice)
cross join lateral (
    select count(*)::int as number from (
        select from inbox i
        where i.slice = s.slice and not i.quarantined and i.due_at <= %(now)s
        limit %(limit)s
    ) as due
) as waiting
where waiting.number > 0
order by waiting.number, s.slice
"""

LOCK_SLICES = """
select s.slice from unnest(%(slices)s::integer[]) as s (slice)
where pg_try_advisory_xact_lock(%(class)s, s.slice)
"""

# Walks from service to service through the index, takes the oldest rows of each, and fills the
# batch in turns: a service with one row is in the next batch whatever another has waiting.
TAKE = """
with recursive service (slice, id) as (
    select s.slice, (select i.service_id from inbox i
                     where i.slice = s.slice and not i.quarantined order by i.service_id limit 1)
    from unnest(%(slices)s::smallint[]) as s (slice)
    union all
    select s.slice, (select i.service_id from inbox i
                     where i.slice = s.slice and not i.quarantined and i.service_id > s.id
                     order by i.service_id limit 1)
    from service s where s.id is not null
), taken as materialized (
    select t.seq, t.attempts
    from service s cross join lateral (
        select i.seq, i.attempts, row_number() over (order by i.seq) as turn
        from inbox i
        where i.slice = s.slice and i.service_id = s.id
          and not i.quarantined and i.due_at <= %(now)s
        order by i.seq limit %(limit)s
    ) t
    where s.id is not null
    order by t.turn, t.seq limit %(limit)s
), measured as (
    select t.seq, t.attempts, e.received_at, e.service_id, e.integration_id, e.format,
           e.dedup_key, sum(octet_length(e.body)) over (order by t.seq) as bytes
    from taken t join events e on e.seq = t.seq
)
select m.seq, m.attempts, m.received_at, m.service_id, m.integration_id, m.format, m.dedup_key,
       e.body,
       s.id is not null and s.disabled_at is null and s.deleted_at is null as enabled
from measured m join events e on e.seq = m.seq
left join services s on s.id = m.service_id
where m.bytes - octet_length(e.body) < %(bytes)s
order by m.seq
"""

TAKE_AGAIN = """
select i.seq, i.attempts, e.received_at, e.service_id, e.integration_id, e.format, e.dedup_key,
       e.body,
       s.id is not null and s.disabled_at is null and s.deleted_at is null as enabled
from inbox i join events e on e.seq = i.seq
left join services s on s.id = i.service_id
where i.seq = any(%(seqs)s) and i.slice = any(%(slices)s) and not i.quarantined
order by i.seq
"""

# One after the other, in the order given: whoever waits holds only lower ones.
WAIT_FOR_SLICE = "select pg_advisory_xact_lock(%(class)s, %(slice)s)"

DELETE_DONE = "delete from inbox where seq = any(%(seqs)s)"

INSERT_OUTCOMES = """
insert into event_outcomes (seq, position, reason, alert_id, incident_id)
select * from unnest(%(seqs)s::bigint[], %(positions)s::smallint[], %(reasons)s::text[],
                     %(alert_ids)s::text[], %(incident_ids)s::text[])
"""

PUSH_BACK = """
update inbox set attempts = %(attempts)s, error = %(error)s, due_at = %(due_at)s,
    quarantined = %(quarantined)s
where seq = %(seq)s
"""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted body whose turn it is. `enabled` is about its service."""

    seq: int
    attempts: int
    received_at: datetime
    service_id: str
    integration_id: str
    format: str
    dedup_key: str | None
    body: bytes
    enabled: bool


async def slices_waiting(tx: Tx, now: datetime, limit: int) -> list[tuple[int, int]]:
    """The slices that have something due and how much, counted up to `limit`; the least first."""
    rows = await tx.tuples(SLICES_WAITING, {"now": now, "limit": limit})
    return [(int(slice), int(number)) for slice, number in rows]


async def lock_slices(tx: Tx, slices: Sequence[int]) -> list[int]:
    """Become the one writer of these slices until this transaction ends; those that another is
    writing are left out."""
    if planted_defects.NO_UNIQUE_INDEX:
        return list(slices)
    asked = {"class": SLICE_LOCK_CLASS, "slices": list(slices)}
    return [int(row[0]) for row in await tx.tuples(LOCK_SLICES, asked)]


async def wait_for_slices(tx: Tx, slices: Iterable[int]) -> None:
    """Become the one writer of these slices, after whoever is."""
    for slice in sorted(set(slices)):
        await tx.execute(WAIT_FOR_SLICE, {"class": SLICE_LOCK_CLASS, "slice": slice})


async def take(
    tx: Tx, slices: Sequence[int], now: datetime, *, limit: int, most_bytes: int
) -> list[Taken]:
    """What is due in locked slices, in the order it came: a fair share of each service."""
    asked = {"slices": list(slices), "now": now, "limit": limit, "bytes": most_bytes}
    return await tx.all(Taken, TAKE, asked)


async def take_again(tx: Tx, slices: Sequence[int], seqs: Sequence[int]) -> list[Taken]:
    """Those of `seqs` that still wait in locked slices."""
    return await tx.all(Taken, TAKE_AGAIN, {"slices": list(slices), "seqs": list(seqs)})


async def finish(tx: Tx, seqs: Sequence[int], outcomes: Sequence[Outcome]) -> None:
    """Take the rows out of the inbox and keep what became of them."""
    await tx.execute(
        INSERT_OUTCOMES,
        {
            "seqs": [outcome.seq for outcome in outcomes],
            "positions": [outcome.position for outcome in outcomes],
            "reasons": [str(outcome.reason) for outcome in outcomes],
            "alert_ids": [outcome.alert_id for outcome in outcomes],
            "incident_ids": [outcome.incident_id for outcome in outcomes],
        },
    )
    await tx.execute(DELETE_DONE, {"seqs": list(seqs)})


async def push_back(
    tx: Tx, seq: int, *, attempts: int, error: str, due_at: datetime, quarantined: bool
) -> None:
    """Let a row wait until `due_at`, or for a person when it is quarantined."""
    await tx.execute(
        PUSH_BACK,
        {
            "seq": seq,
            "attempts": attempts,
            "error": error,
            "due_at": due_at,
            "quarantined": quarantined,
        },
    )
