"""The timeline's door: append entries, read them back, and tell listeners what changed.

Entries are never changed or removed. `append` is made for the intake: one COPY for a whole batch.

Invariant: **a reader that follows the timeline by `seq` misses nothing.** Numbers are drawn before
their transaction commits, so a lower number may become visible after a higher one. A writer
therefore announces the last number drawn before its own with a shared advisory lock, which ends
with its transaction, and `since` stops short of the lowest one announced. A slow writer delays
followers; it never makes them skip.
"""

from collections.abc import Sequence

from tocsin.core import ids
from tocsin.core.database import Tx, json
from tocsin.timeline.model import Entry, LogEntry

MAX_READ = 1000

# The high half of the advisory lock key; the low half is a sequence number (48 bits are plenty).
FEED_LOCK = 0x7C51

ANNOUNCE = """
    select pg_advisory_xact_lock_shared(
        (%(space)s::bigint << 48) | case when is_called then last_value else 0 end)
    from log_entries_seq_seq
"""

# Read first, in a statement of its own: whoever draws a number later draws a higher one.
SELECT_DRAWN = """
    select case when is_called then last_value else 0 end from log_entries_seq_seq
"""

SELECT_ANNOUNCED = """
    select min(((classid::bigint & 65535) << 32) | objid::bigint)
    from pg_locks
    where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 16 = %(space)s
        and database = (select oid from pg_database where datname = current_database())
"""

SELECT_FOR_INCIDENT = """
    select id, seq, at, incident_id, service_id, kind, reason, actor_kind, actor_id, actor_label,
        data
    from log_entries
    where incident_id = %(incident_id)s and seq > %(after_seq)s
    order by seq
    limit %(limit)s
"""

SELECT_LATEST_FOR_INCIDENT = """
    select id, seq, at, incident_id, service_id, kind, reason, actor_kind, actor_id, actor_label,
        data
    from log_entries
    where incident_id = %(incident_id)s
        and (%(before_seq)s::bigint is null or seq < %(before_seq)s)
    order by seq desc
    limit %(limit)s
"""

SELECT_SINCE = """
    select id, seq, at, incident_id, service_id, kind, reason, actor_kind, actor_id, actor_label,
        data
    from log_entries
    where seq > %(seq)s and seq <= %(horizon)s
    order by seq
    limit %(limit)s
"""

# A piece of the feed of the kinds and services that somebody asks for.
SELECT_BETWEEN = """
    select id, seq, at, incident_id, service_id, kind, reason, actor_kind, actor_id, actor_label,
        data
    from log_entries
    where seq > %(after)s and seq <= %(upto)s and kind = any(%(kinds)s)
        and (%(service_ids)s::text[] is null or service_id = any(%(service_ids)s))
    order by seq
    limit %(limit)s
"""


async def append(tx: Tx, entries: Sequence[Entry]) -> list[str]:
    """Write entries in one COPY and notify their incidents' readers; the new ids, in order."""
    if not entries:
        return []
    await tx.execute(ANNOUNCE, {"space": FEED_LOCK})
    fresh = [ids.new("Q", entry.at) for entry in entries]
    await tx.copy(
        "log_entries",
        (
            "id",
            "at",
            "incident_id",
            "service_id",
            "kind",
            "reason",
            "actor_kind",
            "actor_id",
            "actor_label",
            "data",
        ),
        (
            (
                id,
                entry.at,
                entry.incident_id,
                entry.service_id,
                str(entry.kind),
                str(entry.reason),
                entry.actor.kind,
                entry.actor.id,
                entry.actor.label,
                None if entry.data is None else json(entry.data),
            )
            for id, entry in zip(fresh, entries, strict=True)
        ),
    )
    for incident_id in {entry.incident_id: None for entry in entries}:
        changed(tx, f"incident {incident_id}")
    changed(tx, "incidents")
    return fresh


def changed(tx: Tx, topic: str) -> None:
    """Tell pages, on commit, that something they may show has changed.

    Topics: "incident <id>", "incidents", "oncall", "deliveries", "services", "config".
    """
    tx.notify("tocsin_changed", topic)


async def for_incident(tx: Tx, incident_id: str, after_seq: int, limit: int) -> list[LogEntry]:
    """Up to `limit` (at most 1,000) entries of an incident after `after_seq`, oldest first."""
    return await tx.all(
        LogEntry,
        SELECT_FOR_INCIDENT,
        {"incident_id": incident_id, "after_seq": after_seq, "limit": min(limit, MAX_READ)},
    )


async def latest_for_incident(
    tx: Tx, incident_id: str, limit: int, *, before_seq: int | None = None
) -> list[LogEntry]:
    """Up to `limit` entries of an incident, newest first; `before_seq` turns the page."""
    return await tx.all(
        LogEntry,
        SELECT_LATEST_FOR_INCIDENT,
        {"incident_id": incident_id, "before_seq": before_seq, "limit": min(limit, MAX_READ)},
    )


async def since(tx: Tx, seq: int, limit: int) -> list[LogEntry]:
    """Up to `limit` entries after `seq` over all incidents, oldest first, none ever skipped.

    Entries with a number above that of a writer still at work are withheld until it is done.
    """
    asked = {"seq": seq, "horizon": await horizon(tx), "limit": min(limit, MAX_READ)}
    return await tx.all(LogEntry, SELECT_SINCE, asked)


async def horizon(tx: Tx) -> int:
    """The number up to which no entry can appear any more: what is there is all there will be."""
    drawn = int(await tx.value(SELECT_DRAWN))
    announced = await tx.value(SELECT_ANNOUNCED, {"space": FEED_LOCK})
    return drawn if announced is None else min(drawn, int(announced))


async def between(
    tx: Tx,
    after: int,
    upto: int,
    *,
    kinds: Sequence[str],
    service_ids: Sequence[str] | None = None,
) -> list[LogEntry]:
    """The entries of these kinds, and of these services unless that is None, numbered above `after`
    up to `upto`, which is at most the horizon and 1,000 further on: all of them, oldest first."""
    if upto - after > MAX_READ:
        raise ValueError(f"at most {MAX_READ} numbers at a time")
    return await tx.all(
        LogEntry,
        SELECT_BETWEEN,
        {
            "after": after,
            "upto": upto,
            "kinds": list(kinds),
            "service_ids": None if service_ids is None else list(service_ids),
            "limit": MAX_READ,
        },
    )
