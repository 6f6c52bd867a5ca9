"""The latest event of one integration and how far it came: accepted, opened, paged, answered."""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

SELECT_LATEST = """
    select e.seq, e.received_at, e.format,
        (select i.error from inbox i where i.seq = e.seq) as error,
        exists (select from inbox i where i.seq = e.seq) as waits
    from events e
    where e.service_id = %(service_id)s and e.integration_id = %(integration_id)s
    order by e.seq desc limit 1
"""
SELECT_OUTCOME = """
    select o.reason, o.incident_id, i.number, i.status, i.created_at, i.acknowledged_at
    from event_outcomes o left join incidents i on i.id = o.incident_id
    where o.seq = %(seq)s order by o.position limit 1
"""


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it was kept. `waits` until the engine has worked on it."""

    seq: int
    received_at: datetime
    format: str
    error: str | None
    waits: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    reason: str
    incident_id: str | None
    number: int | None
    status: str | None
    created_at: datetime | None
    acknowledged_at: datetime | None


async def latest(
    tx: Tx, service_id: str, integration_id: str
) -> tuple[Latest | None, Outcome | None]:
    """The newest event that reached this integration, and its outcome once there is one."""
    asked = {"service_id": service_id, "integration_id": integration_id}
    event = await tx.one(Latest, SELECT_LATEST, asked)
    if event is None:
        return None, None
    return event, await tx.one(Outcome, SELECT_OUTCOME, {"seq": event.seq})
