"""How much waits, and for how long: the few numbers that /metrics and the doctor show.

Each statement is one probe of the index that the engine itself uses, and counts stop at a bound,
so that asking costs the same on a quiet day and in a storm.
"""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

MOST_COUNTED = 100_000

COUNT_INBOX = """
select count(*) from (
    select from inbox where not quarantined and due_at <= %(before)s limit %(limit)s
) as due
"""
COUNT_TIMERS = """
select count(*) from (
    select from incident_timers where due_at <= %(before)s limit %(limit)s
) as due
"""
COUNT_ESCALATIONS = """
select count(*) from (
    select from escalation_runs where state = 'running' and due_at <= %(before)s limit %(limit)s
) as due
"""
COUNT_DELIVERIES = """
select count(*) from (
    select from deliveries where state = 'queued' and due_at <= %(before)s limit %(limit)s
) as due
"""
# A subscription that sends are stopped to for a while has nothing that is due.
COUNT_WEBHOOKS = """
select count(*) from (
    select from webhook_deliveries d join webhook_subscriptions w on w.id = d.subscription_id
    where d.state = 'queued' and d.due_at <= %(before)s and w.deleted_at is null and w.active
        and (w.disabled_at is null or w.disabled_until <= %(before)s)
    limit %(limit)s
) as due
"""
SELECT_QUARANTINED = """
select i.seq, i.error, e.received_at, e.format, coalesce(s.name, i.service_id) as service
from inbox i
join events e on e.seq = i.seq
left join services s on s.id = i.service_id
where i.quarantined
order by i.seq
limit %(limit)s
"""
# The lowest number is the oldest event: numbers are drawn as events are stored.
SELECT_OLDEST = """
select e.received_at from inbox i join events e on e.seq = i.seq
where not i.quarantined order by i.seq limit 1
"""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the intake could not record, with the error of its last try."""

    seq: int
    error: str | None
    received_at: datetime
    format: str
    service: str


async def due_work(tx: Tx, before: datetime) -> dict[str, int]:
    """Rows due at or before an instant, by kind; each count stops at 100,000."""
    bounds = {"before": before, "limit": MOST_COUNTED}
    return {
        "events": int(await tx.value(COUNT_INBOX, bounds)),
        "timers": int(await tx.value(COUNT_TIMERS, bounds)),
        "escalations": int(await tx.value(COUNT_ESCALATIONS, bounds)),
        "deliveries": int(await tx.value(COUNT_DELIVERIES, bounds)),
        "webhooks": int(await tx.value(COUNT_WEBHOOKS, bounds)),
    }


async def webhooks_due(tx: Tx, before: datetime) -> int:
    """Events that are to be told now and were not; the count stops at 100,000."""
    return int(await tx.value(COUNT_WEBHOOKS, {"before": before, "limit": MOST_COUNTED}))


async def lag_seconds(tx: Tx, now: datetime) -> float:
    """The age of the oldest event that waits for the intake; 0 when none does."""
    oldest: datetime | None = await tx.value(SELECT_OLDEST)
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


async def quarantined(tx: Tx, limit: int) -> list[Quarantined]:
    """The oldest events that could not be recorded."""
    return await tx.all(Quarantined, SELECT_QUARANTINED, {"limit": limit})
