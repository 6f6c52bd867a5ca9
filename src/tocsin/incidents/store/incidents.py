"""The SQL of incidents, alerts, assignments, acknowledgements, timers and notes.

Whoever writes anything of an incident holds its row FOR UPDATE; several rows are locked in id
order. Only this area uses this module.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx
from tocsin.incidents.model import (
    Acknowledgement,
    Incident,
    Note,
    Priority,
    Settings,
    Status,
    TimerKind,
    Urgency,
)

LOCK_INCIDENTS = """
    select id, number, service_id, escalation_policy_id, title, status, urgency, incident_key, body,
        test, created_at, changed_at, acknowledged_at, resolved_at, snoozed_until, resolution,
        merged_into, alert_count, open_alert_count, last_alert_at, priority, conference_number,
        conference_url
    from incidents where id = any(%(ids)s)
    order by id for update
"""
SELECT_INCIDENT = """
    select id, number, service_id, escalation_policy_id, title, status, urgency, incident_key, body,
        test, created_at, changed_at, acknowledged_at, resolved_at, snoozed_until, resolution,
        merged_into, alert_count, open_alert_count, last_alert_at, priority, conference_number,
        conference_url
    from incidents where id = %(id)s
"""
SELECT_INCIDENTS = """
    select id, number, service_id, escalation_policy_id, title, status, urgency, incident_key, body,
        test, created_at, changed_at, acknowledged_at, resolved_at, snoozed_until, resolution,
        merged_into, alert_count, open_alert_count, last_alert_at, priority, conference_number,
        conference_url
    from incidents where id = any(%(ids)s)
"""
SELECT_SETTINGS = """
    select s.id as service_id, s.name as service_name, s.escalation_policy_id as policy_id,
        p.team_id, s.urgency_rule, s.acknowledgement_timeout, s.auto_resolve_timeout,
        s.disabled_at is not null or s.deleted_at is not null as disabled,
        s.deleted_at is not null as deleted, s.urgency_outside, s.support_time_zone, s.support_days,
        s.support_start, s.support_end, s.pause_seconds, s.grouping_setting_id
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.id = any(%(ids)s)
"""
SELECT_INTEGRATION_NAMES = "select id, name from integrations where id = any(%(ids)s)"
SELECT_ASSIGNMENTS = """
    select incident_id, user_id, at from assignments where incident_id = any(%(ids)s)
    order by incident_id, at, user_id
"""
SELECT_ACKNOWLEDGEMENTS = """
    select incident_id, user_id, at, label from acknowledgements where incident_id = any(%(ids)s)
    order by incident_id, at, label
"""
SELECT_TIMERS = """
    select incident_id, kind, due_at from incident_timers where incident_id = any(%(ids)s)
"""
NEXT_NUMBERS = """
    select nextval('incident_numbers') from generate_series(1, %(count)s::int)
"""
SELECT_KEY_OPEN = """
    select number from incidents
    where service_id = %(service_id)s and incident_key = %(key)s and status <> 'resolved'
"""
UPDATE_INCIDENTS = """
    update incidents i
    set escalation_policy_id = x.policy, title = x.title, status = x.status, urgency = x.urgency,
        changed_at = x.changed, acknowledged_at = x.acknowledged, resolved_at = x.resolved,
        snoozed_until = x.snoozed, resolution = x.resolution, merged_into = x.merged,
        alert_count = x.alerts, open_alert_count = x.open_alerts, last_alert_at = x.last_alert,
        priority = x.priority, conference_number = x.conference_number,
        conference_url = x.conference_url
    from unnest(%(id)s::text[], %(policy)s::text[], %(title)s::text[], %(status)s::text[],
            %(urgency)s::text[], %(changed)s::timestamptz[], %(acknowledged)s::timestamptz[],
            %(resolved)s::timestamptz[], %(snoozed)s::timestamptz[], %(resolution)s::text[],
            %(merged)s::text[], %(alerts)s::int[], %(open_alerts)s::int[],
            %(last_alert)s::timestamptz[], %(priority)s::text[], %(conference_number)s::text[],
            %(conference_url)s::text[])
        as x (id, policy, title, status, urgency, changed, acknowledged, resolved, snoozed,
            resolution, merged, alerts, open_alerts, last_alert, priority, conference_number,
            conference_url)
    where i.id = x.id
"""
DELETE_ASSIGNMENTS = "delete from assignments where incident_id = any(%(ids)s)"
DELETE_ACKNOWLEDGEMENTS = "delete from acknowledgements where incident_id = any(%(ids)s)"
DELETE_TIMERS = "delete from incident_timers where incident_id = any(%(ids)s)"
RESOLVE_ALERTS_OF = """
    update alerts set status = 'resolved', resolved_at = %(now)s
    where incident_id = any(%(ids)s) and status = 'triggered'
"""
MOVE_ALERTS = """
    update alerts
    set incident_id = %(target)s, opened_in = coalesce(opened_in, incident_id)
    where incident_id = any(%(sources)s)
"""
INSERT_NOTE = """
    insert into notes (id, incident_id, user_id, label, content, at)
    values (%(id)s, %(incident_id)s, %(user_id)s, %(label)s, %(content)s, %(at)s)
"""
SELECT_NOTES = """
    select id, incident_id, user_id, label, content, at, changed_at from notes
    where incident_id = %(incident_id)s and deleted_at is null
    order by at desc, id desc limit %(limit)s
"""
SELECT_NOTE = """
    select id, incident_id, user_id, label, content, at, changed_at from notes
    where id = %(id)s and incident_id = %(incident_id)s and deleted_at is null
"""
UPDATE_NOTE = "update notes set content = %(content)s, changed_at = %(now)s where id = %(id)s"
DELETE_NOTE = "update notes set content = '', deleted_at = %(now)s where id = %(id)s"
DUE_TIMERS = """
    select distinct incident_id from (
        select incident_id from incident_timers
        where due_at <= %(now)s order by due_at limit %(limit)s
    ) as due
"""
CLAIM_TIMERS = """
    select i.id from incidents i
    where i.id in (
        select t.incident_id from incident_timers t
        where t.due_at <= %(now)s
            and (%(only)s::text[] is null or t.incident_id = any(%(only)s))
        order by t.due_at limit %(limit)s)
    order by i.id
    for update skip locked
"""
DUE_ESCALATIONS = """
    select incident_id from escalation_runs
    where state = 'running' and due_at <= %(now)s
    order by due_at limit %(limit)s
"""
CLAIM_ESCALATIONS = """
    select i.id from incidents i
    where i.id in (
        select r.incident_id from escalation_runs r
        where r.state = 'running' and r.due_at <= %(now)s
            and (%(only)s::text[] is null or r.incident_id = any(%(only)s))
        order by r.due_at limit %(limit)s)
    order by i.id
    for update skip locked
"""
NEXT_DUE = """
    select least(
        (select min(due_at) from escalation_runs where state = 'running'),
        (select min(due_at) from incident_timers),
        (select min(due_at) from responder_targets),
        (select min(due_at) from pause_holds),
        (select min(due_at) from urgency_raises))
"""
PUSH_BACK_TIMERS = """
    update incident_timers
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where incident_id = %(id)s and due_at <= %(now)s
"""

INCIDENT_COLUMNS = (
    "id",
    "number",
    "service_id",
    "escalation_policy_id",
    "title",
    "status",
    "urgency",
    "incident_key",
    "body",
    "test",
    "created_at",
    "changed_at",
    "acknowledged_at",
    "resolved_at",
    "snoozed_until",
    "resolution",
    "merged_into",
    "alert_count",
    "open_alert_count",
    "last_alert_at",
    "priority",
    "conference_number",
    "conference_url",
)


async def lock(tx: Tx, ids: Iterable[str]) -> dict[str, Incident]:
    """These incidents, locked until the end of the transaction."""
    rows = await tx.tuples(LOCK_INCIDENTS, {"ids": sorted(ids)})
    return {row[0]: _incident(row) for row in rows}


async def incident(tx: Tx, id: str) -> Incident | None:
    """One incident, unlocked."""
    rows = await tx.tuples(SELECT_INCIDENT, {"id": id})
    return _incident(rows[0]) if rows else None


async def incidents(tx: Tx, ids: Sequence[str]) -> dict[str, Incident]:
    """These incidents, unlocked."""
    rows = await tx.tuples(SELECT_INCIDENTS, {"ids": list(ids)})
    return {row[0]: _incident(row) for row in rows}


def _incident(row: tuple[Any, ...]) -> Incident:
    return Incident(
        id=row[0],
        number=row[1],
        service_id=row[2],
        escalation_policy_id=row[3],
        title=row[4],
        status=Status(row[5]),
        urgency=Urgency(row[6]),
        incident_key=row[7],
        body=row[8],
        test=row[9],
        created_at=row[10],
        changed_at=row[11],
        acknowledged_at=row[12],
        resolved_at=row[13],
        snoozed_until=row[14],
        resolution=row[15],
        merged_into=row[16],
        alert_count=row[17],
        open_alert_count=row[18],
        last_alert_at=row[19],
        priority=None if row[20] is None else Priority(row[20]),
        conference_number=row[21],
        conference_url=row[22],
    )


async def settings(tx: Tx, service_ids: Iterable[str]) -> dict[str, Settings]:
    """What services say about their incidents."""
    rows = await tx.all(Settings, SELECT_SETTINGS, {"ids": sorted(set(service_ids))})
    return {row.service_id: row for row in rows}


async def integration_names(tx: Tx, ids: Iterable[str]) -> dict[str, str]:
    """The names that events' actors bear."""
    rows = await tx.tuples(SELECT_INTEGRATION_NAMES, {"ids": sorted(set(ids))})
    return {row[0]: row[1] for row in rows}


async def assignments(tx: Tx, ids: Sequence[str]) -> dict[str, dict[str, datetime]]:
    """Who each incident is with, and since when; longest first."""
    found: dict[str, dict[str, datetime]] = {}
    for incident_id, user_id, at in await tx.tuples(SELECT_ASSIGNMENTS, {"ids": list(ids)}):
        found.setdefault(incident_id, {})[user_id] = at
    return found


async def acknowledgements(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[Acknowledgement, ...]]:
    """The acknowledgements that hold, oldest first."""
    found: dict[str, list[Acknowledgement]] = {}
    for incident_id, *rest in await tx.tuples(SELECT_ACKNOWLEDGEMENTS, {"ids": list(ids)}):
        found.setdefault(incident_id, []).append(Acknowledgement(*rest))
    return {id: tuple(rows) for id, rows in found.items()}


async def timers(tx: Tx, ids: Sequence[str]) -> dict[str, dict[TimerKind, datetime]]:
    """What incidents are waiting for."""
    found: dict[str, dict[TimerKind, datetime]] = {}
    for incident_id, kind, due_at in await tx.tuples(SELECT_TIMERS, {"ids": list(ids)}):
        found.setdefault(incident_id, {})[TimerKind(kind)] = due_at
    return found


async def numbers(tx: Tx, count: int) -> list[int]:
    """Fresh incident numbers, ascending. A rolled back transaction leaves a gap."""
    return [row[0] for row in await tx.tuples(NEXT_NUMBERS, {"count": count})] if count else []


async def insert_incidents(tx: Tx, new: Iterable[Incident]) -> None:
    """Append incidents."""
    await tx.copy("incidents", INCIDENT_COLUMNS, map(msgspec.structs.astuple, new))


async def update_incidents(tx: Tx, changed: Sequence[Incident]) -> None:
    """Write what may change of these incidents."""
    await tx.execute(
        UPDATE_INCIDENTS,
        {
            "id": [i.id for i in changed],
            "policy": [i.escalation_policy_id for i in changed],
            "title": [i.title for i in changed],
            "status": [i.status.value for i in changed],
            "urgency": [i.urgency.value for i in changed],
            "changed": [i.changed_at for i in changed],
            "acknowledged": [i.acknowledged_at for i in changed],
            "resolved": [i.resolved_at for i in changed],
            "snoozed": [i.snoozed_until for i in changed],
            "resolution": [i.resolution for i in changed],
            "merged": [i.merged_into for i in changed],
            "alerts": [i.alert_count for i in changed],
            "open_alerts": [i.open_alert_count for i in changed],
            "last_alert": [i.last_alert_at for i in changed],
            "priority": [i.priority for i in changed],
            "conference_number": [i.conference_number for i in changed],
            "conference_url": [i.conference_url for i in changed],
        },
    )


async def replace_assignments(
    tx: Tx, cleared: Sequence[str], rows: Sequence[tuple[str, str, datetime]]
) -> None:
    """Assignments of `cleared` incidents go; `rows` are (incident, user, since)."""
    if cleared:
        await tx.execute(DELETE_ASSIGNMENTS, {"ids": list(cleared)})
    if rows:
        await tx.copy("assignments", ("incident_id", "user_id", "at"), rows)


async def replace_acknowledgements(
    tx: Tx, cleared: Sequence[str], rows: Sequence[tuple[str, str | None, datetime, str]]
) -> None:
    """Acknowledgements of `cleared` incidents go; `rows` are (incident, user, at, label)."""
    if cleared:
        await tx.execute(DELETE_ACKNOWLEDGEMENTS, {"ids": list(cleared)})
    if rows:
        await tx.copy("acknowledgements", ("incident_id", "user_id", "at", "label"), rows)


async def replace_timers(
    tx: Tx, cleared: Sequence[str], rows: Sequence[tuple[str, str, datetime]]
) -> None:
    """Timers of `cleared` incidents go; `rows` are (incident, kind, due_at)."""
    if cleared:
        await tx.execute(DELETE_TIMERS, {"ids": list(cleared)})
    if rows:
        await tx.copy("incident_timers", ("incident_id", "kind", "due_at"), rows)


async def notes(tx: Tx, incident_id: str, limit: int) -> list[Note]:
    """Notes, newest first."""
    return await tx.all(Note, SELECT_NOTES, {"incident_id": incident_id, "limit": limit})
