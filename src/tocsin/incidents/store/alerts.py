"""The SQL of alerts, written a batch at a time. Only this area uses it.

The partial unique index `alerts_open_key` is the deduplication: whatever goes wrong above, two open
alerts with one key cannot be stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx
from tocsin.events.model import Event

SELECT_OPEN_BY_KEYS = """
    select a.id, a.incident_id, a.service_id, a.integration_id, a.dedup_key, a.created_at,
        a.last_event_at
    from unnest(%(integrations)s::text[], %(keys)s::text[]) as x (integration_id, dedup_key)
    join alerts a on a.integration_id = x.integration_id and a.dedup_key = x.dedup_key
        and a.status = 'triggered'
"""
UPDATE_REPEATED = """
    update alerts a
    set event_count = a.event_count + x.repeats, last_event_at = x.last, severity = x.severity,
        summary = case when x.summary = '' then a.summary else x.summary end, source = x.source,
        component = x.component, grouping = x.grouping, class = x.class, client = x.client,
        client_url = x.client_url, details = x.details, links = x.links, images = x.images
    from jsonb_to_recordset(%(rows)s::jsonb)
        as x (id text, repeats int, last timestamptz, severity text, summary text, source text,
            component text, grouping text, class text, client text, client_url text,
            details jsonb, links jsonb, images jsonb)
    where a.id = x.id
"""
RESOLVE = """
    update alerts set status = 'resolved', resolved_at = %(now)s where id = any(%(ids)s)
"""
COLUMNS = (
    "id",
    "service_id",
    "integration_id",
    "incident_id",
    "dedup_key",
    "status",
    "severity",
    "summary",
    "source",
    "component",
    "grouping",
    "class",
    "client",
    "client_url",
    "details",
    "links",
    "images",
    "event_count",
    "created_at",
    "last_event_at",
    "resolved_at",
)


@dataclass(slots=True)
class OpenAlert:
    """An open alert as a batch works on it. `event` is the last trigger heard, None when the batch
    brought none; `repeats` counts the triggers after the one that opened it."""

    id: str
    incident_id: str
    service_id: str
    integration_id: str
    dedup_key: str
    created_at: datetime
    last_event_at: datetime
    event: Event | None = None
    repeats: int = 0
    resolved_at: datetime | None = None
    is_new: bool = False


async def open_by_keys(tx: Tx, keys: Iterable[tuple[str, str]]) -> list[OpenAlert]:
    """The open alerts with these (integration, dedup key) pairs."""
    pairs = sorted(keys)
    rows = await tx.tuples(
        SELECT_OPEN_BY_KEYS,
        {"integrations": [pair[0] for pair in pairs], "keys": [pair[1] for pair in pairs]},
    )
    return [OpenAlert(*row) for row in rows]


async def write(tx: Tx, touched: Iterable[OpenAlert]) -> None:
    """Store what a batch did to its alerts: new ones, repeats, resolutions."""
    touched = list(touched)
    resolved = [a for a in touched if not a.is_new and a.resolved_at is not None]
    if resolved:
        # Before the new ones: a key may be resolved and opened again in one batch.
        await tx.execute(
            RESOLVE, {"now": resolved[0].resolved_at, "ids": [alert.id for alert in resolved]}
        )
    repeated = [a for a in touched if not a.is_new and a.event is not None]
    if repeated:
        await _update(tx, repeated)
    new = [alert for alert in touched if alert.is_new]
    if new:
        await tx.copy("alerts", COLUMNS, map(_row, new))


def _row(alert: OpenAlert) -> tuple[Any, ...]:
    event = alert.event
    assert event is not None
    return (
        alert.id,
        alert.service_id,
        alert.integration_id,
        alert.incident_id,
        alert.dedup_key,
        "triggered" if alert.resolved_at is None else "resolved",
        event.severity,
        event.summary,
        event.source,
        event.component,
        event.grouping,
        event.class_,
        event.client,
        event.client_url,
        _json(event.details),
        _list(event.links),
        _list(event.images),
        1 + alert.repeats,
        alert.created_at,
        alert.last_event_at,
        alert.resolved_at,
    )


async def _update(tx: Tx, repeated: Sequence[OpenAlert]) -> None:
    # One JSON document instead of fourteen arrays: it is written and quoted by machine code.
    rows = [
        {
            "id": alert.id,
            "repeats": alert.repeats,
            "last": alert.last_event_at,
            "severity": event.severity,
            "summary": event.summary,
            "source": event.source,
            "component": event.component,
            "grouping": event.grouping,
            "class": event.class_,
            "client": event.client,
            "client_url": event.client_url,
            "details": event.details,
            "links": event.links,
            "images": event.images,
        }
        for alert in repeated
        if (event := alert.event) is not None
    ]
    await tx.execute(UPDATE_REPEATED, {"rows": msgspec.json.encode(rows).decode()})


def _json(value: Any) -> str | None:
    # Text goes into a jsonb column as it is, which spares a wrapper for each of many values.
    return None if value is None else msgspec.json.encode(value).decode()


def _list(items: Sequence[Any]) -> str:
    return msgspec.json.encode(items).decode() if items else "[]"
