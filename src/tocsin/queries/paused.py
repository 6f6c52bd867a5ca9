"""Alerts that wait before they open an incident, as a service's page shows them, and what became of
earlier ones. Counts stop at a bound, so a page costs the same in a storm."""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

SHOWN = 20
COUNT_AT_MOST = 1000

SELECT_WAITING = """
    select id, dedup_key, severity, summary, source, event_count, created_at, paused_until
    from alerts
    where service_id = %(service_id)s and paused_until is not null and incident_id is null
        and suppressed_by is null and status = 'triggered'
    order by paused_until, id
    limit %(limit)s
"""
COUNT_SINCE = """
    select count(*) as paused,
        count(*) filter (where incident_id is not null) as opened,
        count(*) filter (where incident_id is null and status = 'resolved') as ended,
        count(*) filter (where incident_id is null and status = 'triggered') as waiting
    from (
        select incident_id, status from alerts
        where service_id = %(service_id)s and paused_until is not null
            and created_at >= %(since)s
        order by created_at desc limit %(most)s) as newest
"""


class PausedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that waits until `paused_until`."""

    id: str
    dedup_key: str
    severity: str
    summary: str
    source: str | None
    event_count: int
    created_at: datetime
    paused_until: datetime


class PauseCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of alerts that had to wait. Counts stop at a thousand."""

    paused: int
    opened: int
    ended: int
    waiting: int


async def waiting(tx: Tx, service_id: str) -> list[PausedAlert]:
    """The service's alerts that wait, those that open first at the top."""
    return await tx.all(PausedAlert, SELECT_WAITING, {"service_id": service_id, "limit": SHOWN})


async def counts(tx: Tx, service_id: str, since: datetime) -> PauseCounts:
    """What became of the service's paused alerts since then."""
    asked = {"service_id": service_id, "since": since, "most": COUNT_AT_MOST}
    found = await tx.one(PauseCounts, COUNT_SINCE, asked)
    assert found is not None
    return found
