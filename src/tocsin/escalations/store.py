"""The SQL of escalation policies, round-robin turns and runs. Only this area uses it.

A run is changed only by whoever holds its incident row FOR UPDATE.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx
from tocsin.escalations.model import (
    Ladder,
    Level,
    Person,
    Policy,
    Progress,
    Reason,
    Run,
    RunState,
)

SELECT_POLICIES = """
    select p.id, p.name, p.description, p.team_id, p.loops, p.handoff_notifications, p.created_at,
        coalesce((
            select jsonb_agg(jsonb_build_object(
                'id', l.id, 'delay_seconds', l.delay_seconds, 'strategy', l.strategy,
                'targets', (
                    select coalesce(jsonb_agg(
                        jsonb_build_object('kind', t.kind, 'id', t.target_id) order by t.position
                    ), '[]')
                    from escalation_targets t where t.level_id = l.id)
                ) order by l.position)
            from escalation_levels l where l.policy_id = p.id), '[]') as levels
    from escalation_policies p
    where p.id = any(%(ids)s) and (%(deleted)s or p.deleted_at is null)
    order by lower(p.name), p.id
"""
SELECT_POLICY_PAGE = """
    select id from escalation_policies
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s) in lower(name)) > 0)
        and (%(teams)s::text[] is null or team_id = any(%(teams)s))
        and (%(team_ids)s::text[] is null or team_id = any(%(team_ids)s))
        and (%(user_ids)s::text[] is null or exists (
            select from escalation_levels l join escalation_targets t on t.level_id = l.id
            where l.policy_id = escalation_policies.id and t.kind = 'user'
                and t.target_id = any(%(user_ids)s)))
        and (%(tag_id)s::text is null or exists (
            select from taggings g
            where g.kind = 'escalation_policy' and g.entity_id = escalation_policies.id
                and g.tag_id = %(tag_id)s::text))
    order by case when %(descending)s then lower(name) end desc, lower(name), id
    limit %(limit)s offset %(offset)s
"""
# A policy is in use while a service has it; some tell of hand-offs all the same.
SELECT_SCHEDULES_TOLD_OF = """
    select distinct t.target_id from escalation_targets t
    join escalation_levels l on l.id = t.level_id
    join escalation_policies p on p.id = l.policy_id
    where t.kind = 'schedule' and t.target_id = any(%(ids)s) and p.deleted_at is null
        and (p.handoff_notifications = 'always' or exists (
            select from services s where s.escalation_policy_id = p.id and s.deleted_at is null))
"""
COUNT_POLICIES = """
    select count(*) from escalation_policies
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s) in lower(name)) > 0)
        and (%(teams)s::text[] is null or team_id = any(%(teams)s))
        and (%(team_ids)s::text[] is null or team_id = any(%(team_ids)s))
        and (%(user_ids)s::text[] is null or exists (
            select from escalation_levels l join escalation_targets t on t.level_id = l.id
            where l.policy_id = escalation_policies.id and t.kind = 'user'
                and t.target_id = any(%(user_ids)s)))
        and (%(tag_id)s::text is null or exists (
            select from taggings g
            where g.kind = 'escalation_policy' and g.entity_id = escalation_policies.id
                and g.tag_id = %(tag_id)s::text))
"""
LOCK_POLICY = """
    select id from escalation_policies where id = %(id)s and deleted_at is null for update
"""
INSERT_POLICY = """
    insert into escalation_policies
        (id, name, description, team_id, loops, handoff_notifications, created_at)
    values (%(id)s, %(name)s, %(description)s, %(team_id)s, %(loops)s,
        %(handoff_notifications)s, %(now)s)
"""
UPDATE_POLICY = """
    update escalation_policies
    set name = %(name)s, description = %(description)s, team_id = %(team_id)s, loops = %(loops)s,
        handoff_notifications = %(handoff_notifications)s
    where id = %(id)s
"""
DELETE_POLICY = "update escalation_policies set deleted_at = %(now)s where id = %(id)s"
DELETE_LEVELS = """
    delete from escalation_levels where policy_id = %(policy_id)s and id <> all(%(keep)s)
"""
UPSERT_LEVELS = """
    insert into escalation_levels (id, policy_id, position, delay_seconds, strategy)
    select x.id, %(policy_id)s, x.position, x.delay, x.strategy
    from unnest(%(ids)s::text[], %(positions)s::int[], %(delays)s::int[], %(strategies)s::text[])
        as x (id, position, delay, strategy)
    on conflict (id) do update
    set position = excluded.position, delay_seconds = excluded.delay_seconds,
        strategy = excluded.strategy
"""
INSERT_TURNS = """
    insert into escalation_turns (level_id, turn)
    select unnest(%(ids)s::text[]), 0
    on conflict do nothing
"""
DELETE_TARGETS = "delete from escalation_targets where level_id = any(%(ids)s)"
INSERT_TARGETS = """
    insert into escalation_targets (level_id, position, kind, target_id)
    select * from unnest(%(levels)s::text[], %(positions)s::int[], %(kinds)s::text[],
        %(targets)s::text[])
"""
SELECT_KNOWN_TARGETS = """
    select 'user' as kind, id from users where id = any(%(users)s) and deleted_at is null
    union all
    select 'schedule', id from schedules where id = any(%(schedules)s) and deleted_at is null
"""
SELECT_TEAM = "select id from teams where id = %(id)s and deleted_at is null"
SELECT_NAME_TAKEN = """
    select exists (select from escalation_policies
        where lower(name) = lower(%(name)s) and deleted_at is null and id <> %(id)s)
"""
SELECT_SERVICES_USING = """
    select name from services
    where escalation_policy_id = %(id)s and deleted_at is null
    order by lower(name) limit 10
"""
SELECT_PEOPLE = """
    select u.id, u.name, exists (
        select from contact_methods m where m.user_id = u.id and m.deleted_at is null
    ) as reachable
    from users u
    where u.id = any(%(ids)s) and u.deleted_at is null
"""
# The person the operator chose, else the owner who has been there longest; but whom nothing reaches
# comes after everybody who can be reached, because this is the last resort.
SELECT_CATCH_ALL = """
    select u.id from users u
    where u.deleted_at is null and (u.role = 'owner' or u.id = (
        select value #>> '{}' from instance where name = 'catch_all_user_id'))
    order by exists (
        select from contact_methods m where m.user_id = u.id and m.deleted_at is null) desc,
        u.id = (
        select value #>> '{}' from instance where name = 'catch_all_user_id') desc nulls last,
        u.created_at, u.id
    limit 1
"""
LOCK_TURNS = """
    select level_id, turn from escalation_turns where level_id = any(%(ids)s)
    order by level_id for update
"""
SELECT_TURNS = "select level_id, turn from escalation_turns where level_id = any(%(ids)s)"
UPDATE_TURNS = """
    update escalation_turns t set turn = x.turn
    from unnest(%(ids)s::text[], %(turns)s::bigint[]) as x (level_id, turn)
    where t.level_id = x.level_id
"""
SELECT_RUNS = """
    select incident_id, ladder::text, state, level, loop, step, due_at, reason, changed_at,
        attempts, error
    from escalation_runs where incident_id = any(%(ids)s)
"""
UPDATE_RUNS = """
    update escalation_runs r
    set policy_id = x.policy_id, ladder = coalesce(x.ladder::jsonb, r.ladder), state = x.state,
        level = x.level, loop = x.loop, step = x.step, due_at = x.due_at, reason = x.reason,
        changed_at = %(now)s, attempts = 0, error = null
    from unnest(%(incidents)s::text[], %(policies)s::text[], %(ladders)s::text[],
            %(states)s::text[], %(levels)s::int[], %(loops)s::int[], %(steps)s::int[],
            %(due)s::timestamptz[], %(reasons)s::text[])
        as x (incident_id, policy_id, ladder, state, level, loop, step, due_at, reason)
    where r.incident_id = x.incident_id
"""
HURRY_RUNS = """
    update escalation_runs set due_at = %(now)s
    where incident_id = any(%(ids)s) and state = 'running' and due_at > %(now)s
"""
PUSH_BACK = """
    update escalation_runs
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where incident_id = %(id)s and state = 'running' and due_at <= %(now)s
"""
RUN_COLUMNS = (
    "incident_id",
    "policy_id",
    "ladder",
    "state",
    "level",
    "loop",
    "step",
    "due_at",
    "reason",
    "changed_at",
)


async def policies(tx: Tx, ids: Sequence[str], *, deleted: bool = False) -> dict[str, Policy]:
    """Policies by id; with `deleted`, also those that were deleted."""
    rows = await tx.rows(SELECT_POLICIES, {"ids": list(ids), "deleted": deleted})
    return {
        row["id"]: Policy(**{**row, "levels": msgspec.convert(row["levels"], tuple[Level, ...])})
        for row in rows
    }


async def write_levels(tx: Tx, policy_id: str, levels: Sequence[Level]) -> None:
    """Make the policy's levels these; levels whose id is not among them go."""
    keep = [level.id for level in levels]
    await tx.execute(DELETE_LEVELS, {"policy_id": policy_id, "keep": keep})
    await tx.execute(
        UPSERT_LEVELS,
        {
            "policy_id": policy_id,
            "ids": keep,
            "positions": list(range(1, len(levels) + 1)),
            "delays": [level.delay_seconds for level in levels],
            "strategies": [str(level.strategy) for level in levels],
        },
    )
    await tx.execute(INSERT_TURNS, {"ids": keep})
    await tx.execute(DELETE_TARGETS, {"ids": keep})
    rows = [
        (level.id, position, str(target.kind), target.id)
        for level in levels
        for position, target in enumerate(level.targets, 1)
    ]
    await tx.execute(
        INSERT_TARGETS,
        {
            "levels": [row[0] for row in rows],
            "positions": [row[1] for row in rows],
            "kinds": [row[2] for row in rows],
            "targets": [row[3] for row in rows],
        },
    )


async def people(tx: Tx, ids: Iterable[str]) -> dict[str, Person]:
    """Users who still exist, and whether they have a contact method."""
    rows = await tx.tuples(SELECT_PEOPLE, {"ids": sorted(ids)})
    return {row[0]: Person(*row) for row in rows}


async def turns(tx: Tx, level_ids: Sequence[str], *, lock: bool) -> dict[str, int]:
    """Round-robin turns, locked in id order when they are to be used."""
    if not level_ids:
        return {}
    statement = LOCK_TURNS if lock else SELECT_TURNS
    return {row[0]: row[1] for row in await tx.tuples(statement, {"ids": sorted(level_ids)})}


async def save_turns(tx: Tx, changed: dict[str, int]) -> None:
    """Write turns that were used. A level that is gone meanwhile has no turn to keep."""
    if changed:
        await tx.execute(
            UPDATE_TURNS, {"ids": list(changed), "turns": [changed[id] for id in changed]}
        )


async def runs(tx: Tx, incident_ids: Sequence[str]) -> dict[str, Run]:
    """Runs by incident."""
    rows = await tx.tuples(SELECT_RUNS, {"ids": list(incident_ids)})
    # A storm repeats one ladder many times; it is decoded once.
    seen: dict[str, Ladder] = {}
    return {row[0]: _run(row, seen) for row in rows}


def _run(row: tuple[Any, ...], seen: dict[str, Ladder]) -> Run:
    ladder = seen.get(row[1])
    if ladder is None:
        ladder = seen[row[1]] = msgspec.json.decode(row[1], type=Ladder)
    return Run(
        incident_id=row[0],
        ladder=ladder,
        state=RunState(row[2]),
        progress=Progress(row[3], row[4], row[5]),
        due_at=row[6],
        reason=Reason(row[7]),
        changed_at=row[8],
        attempts=row[9],
        error=row[10],
    )


async def insert_runs(tx: Tx, new: Sequence[Run]) -> None:
    """Append the runs of incidents that have just been made."""
    ladders: dict[int, Any] = {}
    for run in new:
        if id(run.ladder) not in ladders:
            ladders[id(run.ladder)] = msgspec.json.encode(run.ladder).decode()
    await tx.copy(
        "escalation_runs",
        RUN_COLUMNS,
        (
            (
                run.incident_id,
                run.ladder.policy_id,
                ladders[id(run.ladder)],
                run.state.value,
                run.progress.level,
                run.progress.loop,
                run.progress.step,
                run.due_at,
                run.reason.value,
                run.changed_at,
            )
            for run in new
        ),
    )


async def update_runs(
    tx: Tx, changed: Sequence[Run], new_ladders: frozenset[str], now: datetime
) -> None:
    """Write runs that moved; `new_ladders` names the incidents whose ladder is another one."""
    await tx.execute(
        UPDATE_RUNS,
        {
            "now": now,
            "incidents": [run.incident_id for run in changed],
            "policies": [run.ladder.policy_id for run in changed],
            "ladders": [
                msgspec.json.encode(run.ladder).decode() if run.incident_id in new_ladders else None
                for run in changed
            ],
            "states": [run.state.value for run in changed],
            "levels": [run.progress.level for run in changed],
            "loops": [run.progress.loop for run in changed],
            "steps": [run.progress.step for run in changed],
            "due": [run.due_at for run in changed],
            "reasons": [run.reason.value for run in changed],
        },
    )
