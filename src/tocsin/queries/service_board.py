"""Services as lists and their own page show them: what is open, what came in last, what changed.

Every count stops at a bound, so a page costs the same in a storm.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx

COUNT_AT_MOST = 1000
RECENT_INCIDENTS = 10
RECENT_CHANGES = 8
EVENTS_LOOKED_AT = 500

SELECT_COUNTS = """
select s.id, p.name as policy_name,
    (select count(*) from (select 1 from incidents i where i.service_id = s.id
        and i.status = 'triggered' limit %(most)s) t) as triggered,
    (select count(*) from (select 1 from incidents i where i.service_id = s.id
        and i.status = 'acknowledged' limit %(most)s) t) as acknowledged,
    (select e.received_at from events e where e.service_id = s.id
        order by e.seq desc limit 1) as last_event_at,
    (select count(*) from integrations g where g.service_id = s.id
        and g.deleted_at is null) as integrations
from services s
join escalation_policies p on p.id = s.escalation_policy_id
where s.id = any(%(ids)s)
"""

COUNT_INCIDENTS_SINCE = """
select count(*) from (
    select 1 from incidents
    where service_id = %(id)s and created_at >= %(since)s limit %(most)s) t
"""

SELECT_RECENT_INCIDENTS = """
select id, number, title, status, urgency, created_at, resolved_at
from incidents where service_id = %(id)s
order by created_at desc, id desc
limit %(limit)s
"""

SELECT_RECENT_CHANGES = """
select id, summary, source, at, links from change_events
where service_id = %(id)s
order by at desc, id desc
limit %(limit)s
"""

SELECT_LAST_EVENTS = """
select integration_id, max(received_at) as at, count(*) as number
from (
    select integration_id, received_at from events
    where service_id = %(id)s order by seq desc limit %(limit)s) newest
group by integration_id
"""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One service in a list. Counts stop at a thousand."""

    id: str
    policy_name: str
    triggered: int
    acknowledged: int
    last_event_at: datetime | None
    integrations: int

    @property
    def state(self) -> str:
        """The worst state of its open incidents; `resolved` when none is open."""
        if self.triggered:
            return "triggered"
        return "acknowledged" if self.acknowledged else "resolved"


class RecentIncident(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the service's history."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    created_at: datetime
    resolved_at: datetime | None


class RecentChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change event, newest first on the page."""

    id: str
    summary: str
    source: str | None
    at: datetime
    links: list[dict[str, Any]]


class LastEvent(msgspec.Struct, frozen=True, kw_only=True):
    """When an integration last spoke, among the service's newest events."""

    integration_id: str
    at: datetime
    number: int


async def boards(tx: Tx, service_ids: Sequence[str]) -> dict[str, Board]:
    """What a list shows of each of these services."""
    asked = {"ids": list(service_ids), "most": COUNT_AT_MOST}
    return {board.id: board for board in await tx.all(Board, SELECT_COUNTS, asked)}


async def incidents_since(tx: Tx, service_id: str, since: datetime) -> int:
    """How many incidents opened since then; stops at a thousand."""
    asked = {"id": service_id, "since": since, "most": COUNT_AT_MOST}
    return int(await tx.value(COUNT_INCIDENTS_SINCE, asked))


async def recent_incidents(tx: Tx, service_id: str) -> list[RecentIncident]:
    """The service's newest incidents."""
    asked = {"id": service_id, "limit": RECENT_INCIDENTS}
    return await tx.all(RecentIncident, SELECT_RECENT_INCIDENTS, asked)


async def recent_changes(tx: Tx, service_id: str) -> list[RecentChange]:
    """The service's newest change events."""
    asked = {"id": service_id, "limit": RECENT_CHANGES}
    return await tx.all(RecentChange, SELECT_RECENT_CHANGES, asked)


async def last_events(tx: Tx, service_id: str) -> dict[str, LastEvent]:
    """When each integration last spoke; one that is silent in the newest 500 is left out."""
    asked = {"id": service_id, "limit": EVENTS_LOOKED_AT}
    found = await tx.all(LastEvent, SELECT_LAST_EVENTS, asked)
    return {event.integration_id: event for event in found}
