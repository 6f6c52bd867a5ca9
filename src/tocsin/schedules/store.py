"""The tables of the schedules area: schedules, layer versions, overrides.

Invariants: a layer version that has begun is only ever ended, never changed or deleted; an override
that has begun is only ever shortened. A deleted schedule keeps its rows, so history can be told.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx, json
from tocsin.schedules.model import (
    InvalidRange,
    Layer,
    Override,
    Restriction,
    Schedule,
    ScheduleHead,
)
from tocsin.schedules.revisions import Version

HEADS = """
select id, name, description, time_zone, team_id, created_at from schedules
where id = any(%(ids)s) and deleted_at is null
"""

LOCK_HEAD = """
select id, name, description, time_zone, team_id, created_at from schedules
where id = %(id)s and deleted_at is null for update
"""

PAGE = """
select id, name, description, time_zone, team_id, created_at from schedules
where deleted_at is null
  and (%(query)s::text is null or strpos(lower(name), lower(%(query)s::text)) > 0)
  and (%(team_ids)s::text[] is null or team_id = any(%(team_ids)s::text[]))
  and (%(after_name)s::text is null
    or (lower(name), id) > (lower(%(after_name)s::text), %(after_id)s::text))
order by lower(name), id limit %(limit)s offset %(offset)s
"""

COUNT = """
select count(*) from schedules
where deleted_at is null
  and (%(query)s::text is null or strpos(lower(name), lower(%(query)s::text)) > 0)
  and (%(team_ids)s::text[] is null or team_id = any(%(team_ids)s::text[]))
"""

INSERT_SCHEDULE = """
insert into schedules (id, name, description, time_zone, team_id, created_at)
values (%(id)s, %(name)s, %(description)s, %(time_zone)s, %(team_id)s, %(now)s)
"""

UPDATE_SCHEDULE = """
update schedules set name = %(name)s, description = %(description)s, time_zone = %(time_zone)s,
    team_id = %(team_id)s
where id = %(id)s
"""

DELETE_SCHEDULE = "update schedules set deleted_at = %(now)s where id = %(id)s"

# `gone` names the members whose account was deleted by then: nobody who has left may be paged.
LAYERS = """
select l.id as row_id, l.schedule_id, l.position, l.layer_id, l.name, l.time_zone, l.starts_at,
    l.ends_at, l.rotation_virtual_start, l.turn_seconds, l.members, l.restrictions,
    array(
        select u.id from users u where u.id = any(l.members) and u.deleted_at <= %(since)s
    ) as gone
from schedule_layers l
where l.schedule_id = any(%(ids)s)
  and (%(until)s::timestamptz is null or l.starts_at < %(until)s::timestamptz)
  and (l.ends_at is null or l.ends_at > %(since)s)
order by l.schedule_id, l.position, l.starts_at
"""

INSERT_LAYER = """
insert into schedule_layers (id, schedule_id, layer_id, time_zone, position, name, starts_at,
    ends_at, rotation_virtual_start, turn_seconds, members, restrictions)
values (%(row_id)s, %(schedule_id)s, %(layer_id)s, %(time_zone)s, %(position)s, %(name)s,
    %(start)s, %(end)s, %(virtual_start)s, %(turn)s, %(members)s, %(restrictions)s)
"""

UPDATE_LAYER = "update schedule_layers set name = %(name)s, ends_at = %(end)s where id = %(row_id)s"

END_LAYERS = "update schedule_layers set ends_at = %(now)s where id = any(%(ids)s)"

DELETE_LAYERS = "delete from schedule_layers where id = any(%(ids)s) and starts_at >= %(now)s"

OVERRIDES = """
select o.id, o.schedule_id, o.user_id, o.starts_at, o.ends_at, o.created_at
from schedule_overrides o join users u on u.id = o.user_id
where o.schedule_id = any(%(ids)s) and o.ends_at > %(since)s
  and (%(until)s::timestamptz is null or o.starts_at < %(until)s::timestamptz)
  and (u.deleted_at is null or u.deleted_at > %(since)s)
order by o.schedule_id, o.created_at, o.id limit %(limit)s
"""

LOCK_OVERRIDE = """
select id, schedule_id, user_id, starts_at, ends_at, created_at from schedule_overrides
where id = %(id)s and schedule_id = %(schedule_id)s for update
"""

INSERT_OVERRIDE = """
insert into schedule_overrides
    (id, schedule_id, user_id, starts_at, ends_at, created_at, created_by)
values (%(id)s, %(schedule_id)s, %(user_id)s, %(start)s, %(end)s, %(now)s, %(created_by)s)
"""

END_OVERRIDE = "update schedule_overrides set ends_at = %(now)s where id = %(id)s"

DELETE_OVERRIDE = "delete from schedule_overrides where id = %(id)s and starts_at >= %(now)s"

# The policies stand above the schedules; this question is asked in SQL so that the code need not
# call upwards.
POLICIES_USING = """
select distinct p.name from escalation_targets t
join escalation_levels l on l.id = t.level_id
join escalation_policies p on p.id = l.policy_id
where t.kind = 'schedule' and t.target_id = %(id)s and p.deleted_at is null
order by p.name limit 5
"""

KNOWN_USERS = "select id from users where id = any(%(ids)s) and deleted_at is null"

UPCOMING_OVERRIDES = """
select count(*) from schedule_overrides where schedule_id = %(id)s and ends_at > %(now)s
"""

NAME_TAKEN = """
select exists (
    select from schedules
    where lower(name) = lower(%(name)s) and deleted_at is null and id <> %(id)s
)
"""

TEAM_EXISTS = """
select exists (select from teams where id = %(id)s and deleted_at is null)
"""

# The row is the lock of the look at its hand-offs, and not of an edit.
CLAIM_HANDOFFS = """
select id from schedules
where deleted_at is null and handoffs_due_at <= %(now)s
    and (%(only)s::text[] is null or id = any(%(only)s::text[]))
order by handoffs_due_at, id limit %(limit)s
for no key update skip locked
"""

DUE_HANDOFFS = """
select id from schedules where deleted_at is null and handoffs_due_at <= %(now)s
order by handoffs_due_at, id limit %(limit)s
"""

PUT_OFF_HANDOFFS = """
update schedules s set handoffs_due_at = later.at, handoffs_error = %(error)s
from unnest(%(ids)s::text[], %(ats)s::timestamptz[]) as later (id, at)
where s.id = later.id
"""

# In order of id, like every lock of several.
LOOK_AT_HANDOFFS = """
update schedules s set handoffs_due_at = %(now)s
from (
    select id from schedules
    where deleted_at is null and handoffs_due_at > %(now)s
        and (%(ids)s::text[] is null or id = any(%(ids)s::text[]))
    order by id for no key update
) as chosen
where s.id = chosen.id
"""

MAX_OVERRIDES = 20_000


async def heads(tx: Tx, ids: Sequence[str]) -> dict[str, ScheduleHead]:
    """The schedules with these ids that are not deleted, without layers and overrides."""
    return {head.id: head for head in await tx.all(ScheduleHead, HEADS, {"ids": list(ids)})}


async def lock(tx: Tx, id: str) -> ScheduleHead | None:
    """One schedule, locked against another edit until the transaction ends."""
    return await tx.one(ScheduleHead, LOCK_HEAD, {"id": id})


async def page(
    tx: Tx,
    *,
    query: str | None,
    team_ids: Sequence[str] | None,
    after: tuple[str | None, ...],
    offset: int,
    limit: int,
) -> list[ScheduleHead]:
    """Schedules by name, from the one after `after` (its name and id), or from `offset`."""
    return await tx.all(
        ScheduleHead,
        PAGE,
        {
            "query": query,
            "team_ids": None if team_ids is None else list(team_ids),
            "after_name": after[0],
            "after_id": after[1],
            "offset": offset,
            "limit": limit,
        },
    )


async def count(tx: Tx, *, query: str | None, team_ids: Sequence[str] | None) -> int:
    """How many schedules there are in all."""
    teams = None if team_ids is None else list(team_ids)
    return int(await tx.value(COUNT, {"query": query, "team_ids": teams}))


async def load(
    tx: Tx, found: Iterable[ScheduleHead], since: datetime, until: datetime | None
) -> dict[str, Schedule]:
    """The schedules with all that matters in [since, until); None is for ever.

    Whoever had left by `since` is an empty slot. Raises InvalidRange rather than leave overrides
    out when there are too many of them.
    """
    kept = {head.id: head for head in found}
    params = {"ids": list(kept), "since": since, "until": until}
    layers: dict[str, list[Layer]] = defaultdict(list)
    for row in await tx.rows(LAYERS, params):
        layers[row["schedule_id"]].append(_layer(row, frozenset(row["gone"])))
    overrides: dict[str, list[Override]] = defaultdict(list)
    for row in await tx.rows(OVERRIDES, {**params, "limit": MAX_OVERRIDES * len(kept) + 1}):
        overrides[row["schedule_id"]].append(_override(row))
    if sum(map(len, overrides.values())) > MAX_OVERRIDES * len(kept):
        raise InvalidRange("until", f"more than {MAX_OVERRIDES} overrides; ask for less at a time")
    return {
        id: Schedule(
            id=id,
            name=head.name,
            description=head.description,
            time_zone=head.time_zone,
            team_id=head.team_id,
            layers=tuple(layers[id]),
            overrides=tuple(overrides[id]),
        )
        for id, head in kept.items()
    }


async def versions(tx: Tx, schedule_id: str, now: datetime) -> list[Version]:
    """The layer versions of a schedule that are in force or yet to come."""
    rows = await tx.rows(LAYERS, {"ids": [schedule_id], "since": now, "until": None})
    return [
        Version(row_id=row["row_id"], position=row["position"], layer=_layer(row, frozenset()))
        for row in rows
    ]


async def insert_schedule(tx: Tx, head: ScheduleHead) -> None:
    """Keep a new schedule. Raises Conflict when the name is taken."""
    await tx.execute(INSERT_SCHEDULE, {**_head(head), "now": head.created_at})


async def update_schedule(tx: Tx, head: ScheduleHead) -> None:
    """Keep the changed name, description, zone and team."""
    await tx.execute(UPDATE_SCHEDULE, _head(head))


async def delete_schedule(tx: Tx, id: str, now: datetime) -> None:
    """Mark a schedule as deleted; its history stays."""
    await tx.execute(DELETE_SCHEDULE, {"id": id, "now": now})


async def insert_layer(tx: Tx, schedule_id: str, row_id: str, position: int, layer: Layer) -> None:
    """Keep a new layer version."""
    await tx.execute(
        INSERT_LAYER,
        {
            "row_id": row_id,
            "schedule_id": schedule_id,
            "layer_id": layer.id,
            "time_zone": layer.time_zone,
            "position": position,
            "name": layer.name,
            "start": layer.start,
            "end": layer.end,
            "virtual_start": layer.rotation_virtual_start,
            "turn": layer.rotation_turn_length_seconds,
            "members": list(layer.members),
            "restrictions": json(layer.restrictions),
        },
    )


async def update_layer(tx: Tx, version: Version) -> None:
    """Keep a version's new name and end, the two that may change in place."""
    await tx.execute(
        UPDATE_LAYER,
        {"row_id": version.row_id, "name": version.layer.name, "end": version.layer.end},
    )


async def end_layers(tx: Tx, row_ids: Sequence[str], now: datetime) -> None:
    """End these versions."""
    await tx.execute(END_LAYERS, {"ids": list(row_ids), "now": now})


async def delete_layers(tx: Tx, row_ids: Sequence[str], now: datetime) -> None:
    """Drop these versions, which have not begun."""
    await tx.execute(DELETE_LAYERS, {"ids": list(row_ids), "now": now})


async def lock_override(tx: Tx, schedule_id: str, id: str) -> Override | None:
    """One override of a schedule, locked until the transaction ends."""
    rows = await tx.rows(LOCK_OVERRIDE, {"id": id, "schedule_id": schedule_id})
    return _override(rows[0]) if rows else None


async def insert_override(tx: Tx, schedule_id: str, override: Override, created_by: str) -> None:
    """Keep a new override."""
    await tx.execute(
        INSERT_OVERRIDE,
        {
            "id": override.id,
            "schedule_id": schedule_id,
            "user_id": override.user_id,
            "start": override.start,
            "end": override.end,
            "now": override.created_at,
            "created_by": created_by,
        },
    )


async def end_override(tx: Tx, id: str, now: datetime) -> None:
    """Shorten an override that is under way."""
    await tx.execute(END_OVERRIDE, {"id": id, "now": now})


async def delete_override(tx: Tx, id: str, now: datetime) -> None:
    """Drop an override that has not begun."""
    await tx.execute(DELETE_OVERRIDE, {"id": id, "now": now})


async def upcoming_overrides(tx: Tx, schedule_id: str, now: datetime) -> int:
    """How many overrides of a schedule are not over."""
    return int(await tx.value(UPCOMING_OVERRIDES, {"id": schedule_id, "now": now}))


async def name_taken(tx: Tx, name: str, id: str) -> bool:
    """Whether another schedule than this one has the name."""
    return bool(await tx.value(NAME_TAKEN, {"name": name, "id": id}))


async def policies_using(tx: Tx, id: str) -> list[str]:
    """The names of some escalation policies that name this schedule as a target."""
    return [name for (name,) in await tx.tuples(POLICIES_USING, {"id": id})]


async def known_users(tx: Tx, ids: Iterable[str]) -> frozenset[str]:
    """Which of these users there are."""
    return frozenset(id for (id,) in await tx.tuples(KNOWN_USERS, {"ids": list(ids)}))


async def team_exists(tx: Tx, id: str) -> bool:
    """Whether there is such a team."""
    return bool(await tx.value(TEAM_EXISTS, {"id": id}))


def _head(head: ScheduleHead) -> dict[str, Any]:
    return {
        "id": head.id,
        "name": head.name,
        "description": head.description,
        "time_zone": head.time_zone,
        "team_id": head.team_id,
    }


def _layer(row: dict[str, Any], gone: frozenset[str]) -> Layer:
    return Layer(
        id=row["layer_id"],
        name=row["name"],
        time_zone=row["time_zone"],
        start=row["starts_at"],
        end=row["ends_at"],
        rotation_virtual_start=row["rotation_virtual_start"],
        rotation_turn_length_seconds=row["turn_seconds"],
        members=tuple(None if member in gone else member for member in row["members"]),
        restrictions=tuple(msgspec.convert(row["restrictions"], list[Restriction])),
    )


def _override(row: dict[str, Any]) -> Override:
    return Override(
        id=row["id"],
        user_id=row["user_id"],
        start=row["starts_at"],
        end=row["ends_at"],
        created_at=row["created_at"],
    )
