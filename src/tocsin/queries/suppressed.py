"""Alerts that a maintenance window holds back, or held back until they were over, as pages show
them. Counts stop at a bound, so a page costs the same in a storm."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core.database import Tx

SHOWN = 20
COUNT_AT_MOST = 1000

# Those that still hold first: at the end of the window they page.
SELECT_OF_SERVICES = """
    select id, service_id, dedup_key, status, severity, summary, source, event_count, created_at,
        last_event_at, resolved_at, incident_id, suppressed_by as window_id
    from alerts
    where service_id = any(%(service_ids)s) and suppressed_by is not null
        and (%(window_id)s::text is null or suppressed_by = %(window_id)s)
        and created_at >= %(since)s
    order by status desc, created_at desc, id desc
    limit %(limit)s
"""
COUNT_WAITING = """
    select count(*) from (
        select from alerts
        where service_id = any(%(service_ids)s) and suppressed_by is not null
            and status = 'triggered'
            and (%(window_id)s::text is null or suppressed_by = %(window_id)s)
        limit %(limit)s) as held
"""


class SuppressedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. With an incident only its louder urgency waits."""

    id: str
    service_id: str
    dedup_key: str
    status: str
    severity: str
    summary: str
    source: str | None
    event_count: int
    created_at: datetime
    last_event_at: datetime
    resolved_at: datetime | None
    incident_id: str | None
    window_id: str


async def alerts(
    tx: Tx, service_ids: Sequence[str], since: datetime, *, window_id: str | None = None
) -> list[SuppressedAlert]:
    """Alerts of these services that were held back since then, those that still hold first."""
    return await tx.all(
        SuppressedAlert,
        SELECT_OF_SERVICES,
        {
            "service_ids": list(service_ids),
            "window_id": window_id,
            "since": since,
            "limit": SHOWN,
        },
    )


async def waiting(tx: Tx, service_ids: Sequence[str], *, window_id: str | None = None) -> int:
    """How many alerts of these services still hold and are held back; stops at a thousand."""
    asked = {
        "service_ids": list(service_ids),
        "window_id": window_id,
        "limit": COUNT_AT_MOST,
    }
    return int(await tx.value(COUNT_WAITING, asked))
