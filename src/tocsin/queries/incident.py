"""One incident as its page shows it: what it is, its alerts, whom it paged and what came of that.

Each read is bounded and follows an index. Call `head` first: it refuses whoever may not see the
incident's service, and everything else asks for an id only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts.access import visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.core.pages import Page, page_of, read_cursor
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import TargetKind
from tocsin.queries.ladders import people, schedule_names
from tocsin.schedules import actions as schedules

ALERTS_SHOWN = 25
MAX_DELIVERIES = 200
MAX_PAGES = 100
MAX_EXPLAINED = 10
MAX_MERGED = 50

SELECT_HEAD = """
    select i.id, i.number, i.title, i.status, i.urgency, i.priority, i.conference_number,
        i.conference_url, i.body, i.test, i.created_at, i.changed_at,
        i.acknowledged_at, i.resolved_at, i.snoozed_until, i.resolution, i.alert_count,
        i.open_alert_count, i.last_alert_at, i.service_id, s.name as service_name, p.team_id,
        i.escalation_policy_id as policy_id, o.name as policy_name, m.id as merged_id,
        m.number as merged_number,
        (select t.due_at from incident_timers t
            where t.incident_id = i.id and t.kind = 'acknowledgement_timeout') as times_out_at,
        (select t.due_at from incident_timers t
            where t.incident_id = i.id and t.kind = 'auto_resolve') as auto_resolves_at
    from incidents i
    join services s on s.id = i.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    join escalation_policies o on o.id = i.escalation_policy_id
    left join incidents m on m.id = i.merged_into
    where i.id = %(id)s
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s))
"""
SELECT_ASSIGNED = """
    select a.user_id, u.name, u.time_zone, a.at,
        (select k.at from acknowledgements k
            where k.incident_id = a.incident_id and k.user_id = a.user_id limit 1
        ) as acknowledged_at
    from assignments a join users u on u.id = a.user_id
    where a.incident_id = %(id)s
    order by a.at, a.user_id
"""
SELECT_ALERTS = """
    select a.id, a.status, a.severity, a.summary, a.source, a.component, a.grouping,
        a.class as class_, a.client, a.client_url, a.details, a.links, a.images, a.event_count,
        a.dedup_key, a.created_at, a.last_event_at, a.resolved_at, g.id as integration_id,
        g.name as integration_name
    from alerts a left join integrations g on g.id = a.integration_id
    where a.incident_id = %(id)s and a.id < %(before)s
    order by a.id desc limit %(limit)s
"""
# A page travels alone, in its bundle, or in the summary that took its delivery up.
SELECT_DELIVERIES = """
    with carried as (
        select d.id from deliveries d where d.incident_id = %(id)s
        union
        select d.id from pages p join deliveries d on d.bundle_id = p.bundle_id
        where p.incident_id = %(id)s and p.bundle_id is not null
        union
        select f.id from deliveries d join deliveries f on f.bundle_id = d.folded_into
        where d.incident_id = %(id)s and d.folded_into is not null
    )
    select d.id, d.kind, d.page_id, d.bundle_id, d.user_id, d.channel, d.state, d.reason, d.due_at,
        d.first_due_at, d.attempts, d.started_at, d.finished_at, d.detail, d.created_at,
        m.label as method_label, m.address_hint
    from carried c
    join deliveries d on d.id = c.id
    join contact_methods m on m.id = d.contact_method_id
    order by d.created_at desc, d.id desc limit %(limit)s
"""
SELECT_PAGES = """
    select id, user_id, step, urgency, reason, state, created_at, bundle_id, stopped_at,
        stopped_reason
    from pages where incident_id = %(id)s
    order by created_at desc, id desc limit %(limit)s
"""
SELECT_STEP_LEVELS = """
    select (data ->> 'step')::int as step, (data ->> 'level')::int as level, reason,
        data ->> 'why' as why
    from log_entries
    where incident_id = %(id)s
        and kind in ('assign', 'escalate', 'repeat_escalation_path') and data ? 'step'
    order by seq desc limit %(limit)s
"""
SELECT_MERGED_FROM = """
    select i.id, i.number, i.title
    from log_entries l
    cross join lateral jsonb_array_elements(l.data -> 'sources') as source
    join incidents i on i.id = source ->> 'id'
    where l.incident_id = %(id)s and l.kind = 'merge'
    order by i.number desc limit %(limit)s
"""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the incident is. Times that do not apply are None."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    priority: str | None
    conference_number: str | None
    conference_url: str | None
    body: str | None
    test: bool
    created_at: datetime
    changed_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    snoozed_until: datetime | None
    resolution: str | None
    alert_count: int
    open_alert_count: int
    last_alert_at: datetime | None
    service_id: str
    service_name: str
    team_id: str | None
    policy_id: str
    policy_name: str
    merged_id: str | None
    merged_number: int | None
    times_out_at: datetime | None
    auto_resolves_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.status != "resolved"


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody it is with, and whether they took it."""

    user_id: str
    name: str
    time_zone: str
    at: datetime
    acknowledged_at: datetime | None


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One alert with all that its sender said."""

    id: str
    status: str
    severity: str
    summary: str
    source: str | None
    component: str | None
    grouping: str | None
    class_: str | None
    client: str | None
    client_url: str | None
    details: Any
    links: list[dict[str, Any]]
    images: list[dict[str, Any]]
    event_count: int
    dedup_key: str
    created_at: datetime
    last_event_at: datetime
    resolved_at: datetime | None
    integration_id: str | None
    integration_name: str | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one contact method, and how it ended."""

    id: str
    kind: str
    page_id: str | None
    bundle_id: str | None
    user_id: str
    channel: str
    state: str
    reason: str
    due_at: datetime
    first_due_at: datetime
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    detail: str | None
    created_at: datetime
    method_label: str
    address_hint: str


class _PageRow(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    user_id: str
    step: int
    urgency: str
    reason: str
    state: str
    created_at: datetime
    bundle_id: str | None
    stopped_at: datetime | None
    stopped_reason: str | None


class PagedView(msgspec.Struct, frozen=True, kw_only=True):
    """One demand on one person: why it was they, and what was sent.

    `schedule` names the schedule that put them on call at that moment; `level` is None when a
    person chose them.
    """

    id: str
    user_id: str
    name: str
    time_zone: str
    at: datetime
    urgency: str
    reason: str
    why: str | None
    level: int | None
    schedule_id: str | None
    schedule: str | None
    state: str
    stopped_at: datetime | None
    stopped_reason: str | None
    deliveries: tuple[DeliveryView, ...]


class MergedFrom(msgspec.Struct, frozen=True):
    """An incident that went into this one."""

    id: str
    number: int
    title: str


async def head(tx: Tx, actor: Actor, incident_id: str) -> Head:
    """The incident. Raises NotFound, also when its service is not the actor's to see."""
    visible = visible_teams(actor)
    asked = {"id": incident_id, "visible": None if visible is None else list(visible)}
    found = await tx.one(Head, SELECT_HEAD, asked)
    if found is None:
        raise NotFound("incident", incident_id)
    return found


async def assigned(tx: Tx, incident_id: str) -> list[Assigned]:
    """Who it is with, longest first."""
    return await tx.all(Assigned, SELECT_ASSIGNED, {"id": incident_id})


async def alerts(
    tx: Tx, incident_id: str, *, cursor: str | None = None, limit: int = ALERTS_SHOWN
) -> Page[AlertView]:
    """Its alerts, newest first."""
    (before,) = read_cursor(cursor, 1)
    asked = {"id": incident_id, "before": before or "~", "limit": limit + 1}
    rows = await tx.all(AlertView, SELECT_ALERTS, asked)
    return page_of(rows, limit, lambda alert: (alert.id,))


async def merged_from(tx: Tx, incident_id: str) -> list[MergedFrom]:
    """The incidents that were merged into it, at most `MAX_MERGED`."""
    asked = {"id": incident_id, "limit": MAX_MERGED}
    return await tx.all(MergedFrom, SELECT_MERGED_FROM, asked)


async def paged(tx: Tx, incident_id: str) -> list[PagedView]:
    """Everybody it paged, newest first, with why and with what was sent."""
    rows = await tx.all(_PageRow, SELECT_PAGES, {"id": incident_id, "limit": MAX_PAGES})
    if not rows:
        return []
    sent = await tx.all(
        DeliveryView, SELECT_DELIVERIES, {"id": incident_id, "limit": MAX_DELIVERIES}
    )
    steps: dict[int, tuple[int, str, str | None]] = {}
    asked = {"id": incident_id, "limit": MAX_PAGES}
    for step, level, reason, why in await tx.tuples(SELECT_STEP_LEVELS, asked):
        steps.setdefault(step, (level, reason, why))
    through = await _through(tx, incident_id, rows, {step: at[0] for step, at in steps.items()})
    names = await schedule_names(tx, set(through.values()))
    known = await people(tx, {row.user_id for row in rows})
    views = []
    for row in rows:
        level, _, why = steps.get(row.step, (None, "", None))
        person = known.get(row.user_id)
        schedule_id = through.get((row.step, row.user_id))
        views.append(
            PagedView(
                id=row.id,
                user_id=row.user_id,
                name=person.name if person else "(left)",
                time_zone=person.time_zone if person else "Etc/UTC",
                at=row.created_at,
                urgency=row.urgency,
                reason=row.reason,
                why=why,
                level=level,
                schedule_id=schedule_id,
                schedule=names.get(schedule_id) if schedule_id else None,
                state=row.state,
                stopped_at=row.stopped_at,
                stopped_reason=row.stopped_reason,
                deliveries=_deliveries_of(row, sent),
            )
        )
    return views


def _deliveries_of(row: _PageRow, sent: Sequence[DeliveryView]) -> tuple[DeliveryView, ...]:
    """The page's own deliveries, its bundle's, and a summary sent to the same person later.

    A bundle that still waits when the page has stopped goes out without it, so for this page it is
    withdrawn.
    """
    own = [
        d
        for d in reversed(sent)
        if d.user_id == row.user_id
        and (
            d.page_id == row.id
            or (row.bundle_id is not None and d.bundle_id == row.bundle_id)
            or (d.kind == "summary" and d.created_at >= row.created_at)
        )
    ]
    if row.state != "stopped":
        return tuple(own)
    return tuple(
        msgspec.structs.replace(d, state="cancelled", detail=row.stopped_reason)
        if d.state == "queued"
        else d
        for d in own
    )


async def _through(
    tx: Tx, incident_id: str, rows: Sequence[_PageRow], levels: dict[int, int]
) -> dict[tuple[int, str], str]:
    """By (step, person): the schedule that had them on call when they were paged.

    Schedules keep their past, so this is what was true then. At most `MAX_EXPLAINED` steps.
    """
    run = (await escalations.runs(tx, [incident_id])).get(incident_id)
    if run is None:
        return {}
    found: dict[tuple[int, str], str] = {}
    for step in list(dict.fromkeys(row.step for row in rows))[:MAX_EXPLAINED]:
        level = levels.get(step, 0)
        if not 1 <= level <= len(run.ladder.levels):
            continue
        targets = run.ladder.levels[level - 1].targets
        wanted = [t.id for t in targets if t.kind is TargetKind.SCHEDULE]
        of_step = [row for row in rows if row.step == step]
        if not wanted:
            continue
        shifts = await schedules.shifts_at(tx, wanted, of_step[0].created_at)
        for row in of_step:
            for id in wanted:
                shift = shifts.get(id)
                if shift is not None and shift.user_id == row.user_id:
                    found.setdefault((step, row.user_id), id)
    return found
