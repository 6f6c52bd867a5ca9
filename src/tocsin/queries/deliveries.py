"""The delivery ledger as people read it, and why one delivery was made.

The list goes by time, newest first, along an index that is already in order. Who does not see all
teams sees only what was sent to themselves: a delivery names incidents of any team.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

MAX_GATHERED = 100
_NEWEST = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID = "~"

SELECT_DELIVERIES = """
select d.id, d.kind, d.user_id, u.name as user_name, d.channel, d.state, d.reason, d.due_at,
    d.first_due_at, d.attempts, d.started_at, d.finished_at, d.detail, d.created_at, d.folded_into,
    coalesce(m.label, 'profile') as method_label, coalesce(m.address_hint, u.email) as address_hint,
    d.incident_id, i.number, i.title,
    (select count(*) from (select 1 from pages p where p.bundle_id = d.bundle_id
        limit 1000) t) as gathered,
    exists (select 1 from deliveries n where n.page_id = d.page_id and n.id > d.id
        and n.reason = 'next_method') as next_started
from deliveries d
join users u on u.id = d.user_id
left join contact_methods m on m.id = d.contact_method_id
left join incidents i on i.id = d.incident_id
where (d.created_at, d.id) < (%(before_at)s, %(before_id)s)
    and (%(user_id)s::text is null or d.user_id = %(user_id)s)
    and (%(channel)s::text is null or d.channel = %(channel)s)
    and (%(state)s::text is null or d.state = %(state)s)
    and (%(incident_id)s::text is null or d.incident_id = %(incident_id)s)
order by d.created_at desc, d.id desc
limit %(limit)s
"""

SELECT_DELIVERY = """
select d.id, d.kind, d.user_id, u.name as user_name, d.channel, d.state, d.reason, d.due_at,
    d.first_due_at, d.attempts, d.started_at, d.finished_at, d.detail, d.created_at, d.folded_into,
    coalesce(m.label, 'profile') as method_label, coalesce(m.address_hint, u.email) as address_hint,
    d.incident_id, i.number, i.title,
    (select count(*) from (select 1 from pages p where p.bundle_id = d.bundle_id
        limit 1000) t) as gathered,
    exists (select 1 from deliveries n where n.page_id = d.page_id and n.id > d.id
        and n.reason = 'next_method') as next_started
from deliveries d
join users u on u.id = d.user_id
left join contact_methods m on m.id = d.contact_method_id
left join incidents i on i.id = d.incident_id
where d.id = %(id)s
"""

SELECT_INCIDENT_ID = "select id from incidents where number = %(number)s"

SELECT_PAGES = """
select p.id, p.incident_id, p.user_id, p.step, p.urgency, p.reason, p.state, p.created_at,
    p.stopped_at, p.stopped_reason, i.number, i.title, i.status, i.created_at as opened_at,
    s.id as service_id, s.name as service_name, r.policy_id,
    r.ladder ->> 'policy_name' as policy_name, r.ladder -> 'levels' as levels,
    q.requester_label as asked_by, q.message as asked_for, u.name as user_name
from pages p
join users u on u.id = p.user_id
join incidents i on i.id = p.incident_id
join services s on s.id = i.service_id
left join escalation_runs r on r.incident_id = i.id
left join responder_requests q on q.id = p.responder_request_id
where p.id = any(%(ids)s)
order by p.created_at, p.id
limit %(limit)s
"""

SELECT_PAGE_IDS = """
select id from pages where id = %(page_id)s
union
select id from pages where bundle_id = %(bundle_id)s
union
select page_id from summary_pages where bundle_id = %(bundle_id)s
limit %(limit)s
"""

SELECT_OF_DELIVERY = "select page_id, bundle_id from deliveries where id = %(id)s"

SELECT_FIRST_ALERT = """
select a.id, a.severity, a.summary, a.source, a.dedup_key, a.created_at, a.event_count,
    g.name as integration_name
from alerts a
left join integrations g on g.id = a.integration_id
where a.incident_id = %(incident_id)s
order by a.id
limit 1
"""

SELECT_STEP = """
select at, kind, reason, actor_kind, actor_label, data from log_entries
where incident_id = %(incident_id)s
    and kind in ('assign', 'delegate', 'escalate', 'repeat_escalation_path')
    and data ->> 'step' = %(step)s
order by seq desc
limit 1
"""

SELECT_LAYER_NAMES = """
select layer_id, name from schedule_layers where layer_id = any(%(ids)s) order by id
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger. `gathered` counts the pages of a bundle, at most a thousand."""

    id: str
    kind: str
    user_id: str
    user_name: str
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
    folded_into: str | None
    method_label: str
    address_hint: str
    incident_id: str | None
    number: int | None
    title: str | None
    gathered: int
    next_started: bool


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A page that a delivery carries, with its incident, service and ladder."""

    id: str
    incident_id: str
    user_id: str
    step: int
    urgency: str
    reason: str
    state: str
    created_at: datetime
    stopped_at: datetime | None
    stopped_reason: str | None
    number: int
    title: str
    status: str
    opened_at: datetime
    service_id: str
    service_name: str
    policy_id: str | None
    policy_name: str | None
    levels: list[dict[str, Any]] | None
    user_name: str
    asked_by: str | None
    asked_for: str | None


class FirstAlert(msgspec.Struct, frozen=True, kw_only=True):
    """The alert that opened an incident."""

    id: str
    severity: str
    summary: str
    source: str | None
    dedup_key: str
    created_at: datetime
    event_count: int
    integration_name: str | None


class LadderStep(msgspec.Struct, frozen=True, kw_only=True):
    """The timeline's entry of the rung that asked for a page."""

    at: datetime
    kind: str
    reason: str
    actor_kind: str
    actor_label: str
    data: dict[str, Any] | None


async def ledger(
    tx: Tx,
    actor: Actor,
    *,
    user_id: str | None = None,
    channel: str | None = None,
    state: str | None = None,
    number: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Row]:
    """The ledger, newest first."""
    require_somewhere(actor, Permission.VIEW)
    if visible_teams(actor) is not None:
        user_id = actor.user_id or ""
    incident_id = None
    if number is not None:
        incident_id = await tx.value(SELECT_INCIDENT_ID, {"number": number}) or ""
    before_at, before_id = read_cursor(cursor, 2)
    rows = await tx.all(
        Row,
        SELECT_DELIVERIES,
        {
            "before_at": _NEWEST if before_at is None else _at(before_at),
            "before_id": before_id or _LAST_ID,
            "user_id": user_id,
            "channel": channel,
            "state": state,
            "incident_id": incident_id,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda row: (row.created_at.isoformat(), row.id))


async def row(tx: Tx, delivery_id: str) -> Row | None:
    """One line of the ledger, without a check of access: ask `paging.actions.delivery` first."""
    return await tx.one(Row, SELECT_DELIVERY, {"id": delivery_id})


async def causes(tx: Tx, delivery_id: str) -> list[Cause]:
    """The pages that a delivery carries: one, or those of its bundle or summary; at most 100."""
    found = await tx.rows(SELECT_OF_DELIVERY, {"id": delivery_id})
    if not found:
        return []
    ids = await tx.tuples(SELECT_PAGE_IDS, {**found[0], "limit": MAX_GATHERED})
    return await tx.all(Cause, SELECT_PAGES, {"ids": [id for (id,) in ids], "limit": MAX_GATHERED})


async def first_alert(tx: Tx, incident_id: str) -> FirstAlert | None:
    """The alert that opened an incident; None for one made by hand."""
    return await tx.one(FirstAlert, SELECT_FIRST_ALERT, {"incident_id": incident_id})


async def ladder_step(tx: Tx, incident_id: str, step: int) -> LadderStep | None:
    """The rung that asked for a page."""
    return await tx.one(LadderStep, SELECT_STEP, {"incident_id": incident_id, "step": str(step)})


async def layer_names(tx: Tx, layer_ids: Sequence[str]) -> dict[str, str]:
    """Layers by id, with the newest version's name."""
    return dict(await tx.tuples(SELECT_LAYER_NAMES, {"ids": list(layer_ids)}))


def _at(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("cursor", "is not one this server gave out") from None
    if found.tzinfo is None:
        raise Invalid("cursor", "is not one this server gave out")
    return found
