"""The SQL of alert groups: which open incidents new alerts may join. Only this area uses it.

Whoever reads groups to decide holds the lock of their setting until the end of the transaction, so
that two slices of the intake never decide for one setting at the same time.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.incidents.grouping import MOST_COMPARED, Group, Mark, Way
from tocsin.incidents.model import MAX_ALERTS

# The first key of the advisory locks that give each setting one writer.
SETTING_LOCK_CLASS = 0x70C52

LOCK_SETTINGS = """
    select pg_advisory_xact_lock(%(class)s, x.key)
    from (select distinct hashtext(id) as key from unnest(%(ids)s::text[]) as id order by 1) as x
"""
SELECT_WAYS = """
    select g.id, g.name, g.revision, g.type, g.timeout, g.time_window, g.aggregate, g.fields,
        g.text_fields
    from grouping_settings g where g.id = any(%(ids)s)
"""
# By the values that must be the same: few marks have one key, so they are walked first.
SELECT_BY_KEY = """
    select x.id, x.revision, m.key, g.incident_id, g.opened_at, g.last_at, g.until, true as is_open,
        m.words, m.said
    from unnest(%(ids)s::text[], %(revisions)s::int[], %(keys)s::text[]) as x (id, revision, key)
    join alert_group_marks m on m.setting_id = x.id and m.revision = x.revision and m.key = x.key
    join alert_groups g on g.incident_id = m.incident_id and g.until >= %(now)s
    join incidents i on i.id = g.incident_id and i.status <> 'resolved'
        and i.alert_count < %(room)s
    order by g.opened_at, g.incident_id
"""
# Without a key every group is a candidate: those that opened last are looked at, whatever became of
# them, so that a batch knows as many as each of its events would find alone.
SELECT_NEWEST = """
    select x.id, x.revision, m.key, g.incident_id, g.opened_at, g.last_at, g.until,
        i.status <> 'resolved' and i.alert_count < %(room)s as is_open, m.words, m.said
    from unnest(%(ids)s::text[], %(revisions)s::int[]) as x (id, revision)
    cross join lateral (
        select g.incident_id, g.opened_at, g.last_at, g.until from alert_groups g
        where g.setting_id = x.id and g.revision = x.revision
        order by g.opened_at desc, g.incident_id desc limit %(limit)s
    ) as g
    join incidents i on i.id = g.incident_id
    join alert_group_marks m on m.incident_id = g.incident_id
    order by g.opened_at, g.incident_id
"""
UPDATE_GROUPS = """
    update alert_groups g set last_at = x.last_at, until = x.until
    from unnest(%(ids)s::text[], %(last_ats)s::timestamptz[], %(untils)s::timestamptz[])
        as x (id, last_at, until)
    where g.incident_id = x.id
"""
FORGET_GROUPS = """
    delete from alert_groups where incident_id in (
        select g.incident_id from alert_groups g join incidents i on i.id = g.incident_id
        where g.until < %(now)s or i.status = 'resolved'
        limit %(limit)s)
"""

Bucket = tuple[str, int, str]
"""A setting, its revision, and a key."""


async def lock(tx: Tx, setting_ids: Iterable[str]) -> None:
    """Become the one who decides for these settings until this transaction ends."""
    asked = {"class": SETTING_LOCK_CLASS, "ids": sorted(setting_ids)}
    await tx.tuples(LOCK_SETTINGS, asked)


async def ways(tx: Tx, setting_ids: Iterable[str]) -> dict[str, Way]:
    """How these settings group."""
    rows = await tx.tuples(SELECT_WAYS, {"ids": sorted(setting_ids)})
    return {
        row[0]: Way(
            id=row[0],
            name=row[1],
            revision=row[2],
            type=row[3],
            timeout=row[4],
            time_window=row[5],
            aggregate=row[6],
            fields=tuple(row[7]),
            text_fields=tuple(row[8]),
        )
        for row in rows
    }


async def candidates(
    tx: Tx, buckets: Iterable[Bucket], now: datetime
) -> dict[Bucket, dict[str, Group]]:
    """The groups that alerts with these keys may join now, by incident, oldest first; of those
    without a key the last that opened, also if they may not be joined."""
    keyed = sorted(bucket for bucket in buckets if bucket[2])
    plain = sorted({bucket[:2] for bucket in buckets if not bucket[2]})
    rows = []
    if keyed:
        rows += await tx.tuples(
            SELECT_BY_KEY,
            {
                "ids": [id for id, _, _ in keyed],
                "revisions": [revision for _, revision, _ in keyed],
                "keys": [key for _, _, key in keyed],
                "now": now,
                "room": MAX_ALERTS,
            },
        )
    if plain:
        rows += await tx.tuples(
            SELECT_NEWEST,
            {
                "ids": [id for id, _ in plain],
                "revisions": [revision for _, revision in plain],
                "now": now,
                "room": MAX_ALERTS,
                "limit": MOST_COMPARED,
            },
        )
    known: dict[str, Group] = {}
    found: dict[Bucket, dict[str, Group]] = {}
    for id, revision, key, incident_id, opened_at, last_at, until, is_open, words, said in rows:
        group = known.get(incident_id)
        if group is None:
            group = Group(incident_id, opened_at, last_at, until, is_open=is_open)
            known[incident_id] = group
        group.marks.setdefault(key, []).append(
            Mark(key, None if words is None else frozenset(words.split("\n")), said or "")
        )
        found.setdefault((id, revision, key), {})[incident_id] = group
    return found


async def write(
    tx: Tx,
    opened: Sequence[tuple[Way, Group]],
    joined: Sequence[Group],
    marks: Sequence[tuple[Way, str, Mark]],
) -> None:
    """Store what a batch did: groups that opened, groups that grew, and the new marks of both as
    (way, incident, mark)."""
    if opened:
        await tx.copy(
            "alert_groups",
            ("incident_id", "setting_id", "revision", "opened_at", "last_at", "until"),
            [
                (
                    group.incident_id,
                    way.id,
                    way.revision,
                    group.opened_at,
                    group.last_at,
                    group.until,
                )
                for way, group in opened
            ],
        )
    if marks:
        await tx.copy(
            "alert_group_marks",
            ("incident_id", "setting_id", "revision", "key", "words", "said"),
            [
                (
                    incident_id,
                    way.id,
                    way.revision,
                    mark.key,
                    None if mark.words is None else "\n".join(sorted(mark.words)),
                    mark.said or None,
                )
                for way, incident_id, mark in marks
            ],
        )
    if joined:
        await tx.execute(
            UPDATE_GROUPS,
            {
                "ids": [group.incident_id for group in joined],
                "last_ats": [group.last_at for group in joined],
                "untils": [group.until for group in joined],
            },
        )


async def forget(tx: Tx, now: datetime, limit: int) -> int:
    """Drop groups that nothing can join any more; how many."""
    return await tx.execute(FORGET_GROUPS, {"now": now, "limit": limit})
