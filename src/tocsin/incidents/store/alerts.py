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
from tocsin.events.model import Event, Image, Link, Severity

SELECT_OPEN_BY_KEYS = """
    select a.id, a.incident_id, a.service_id, a.integration_id, a.dedup_key, a.created_at,
        a.last_event_at, a.suppressed_by, a.paused_until
    from unnest(%(integrations)s::text[], %(keys)s::text[]) as x (integration_id, dedup_key)
    join alerts a on a.integration_id = x.integration_id and a.dedup_key = x.dedup_key
        and a.status = 'triggered'
"""
UPDATE_REPEATED = """
    update alerts a
    set event_count = a.event_count + x.repeats, last_event_at = x.last, severity = x.severity,
        summary = case when x.summary = '' then a.summary else x.summary end, source = x.source,
        component = x.component, grouping = x.grouping, class = x.class, client = x.client,
        client_url = x.client_url, details = x.details, links = x.links, images = x.images,
        suppressed_by = x.suppressed_by
    from jsonb_to_recordset(%(rows)s::jsonb)
        as x (id text, repeats int, last timestamptz, severity text, summary text, source text,
            component text, grouping text, class text, client text, client_url text,
            details jsonb, links jsonb, images jsonb, suppressed_by text)
    where a.id = x.id
"""
RESOLVE = """
    update alerts set status = 'resolved', resolved_at = %(now)s where id = any(%(ids)s)
"""
RELEASE = """
    update alerts a set incident_id = x.incident_id, suppressed_by = null
    from unnest(%(ids)s::text[], %(incident_ids)s::text[]) as x (id, incident_id)
    where a.id = x.id
"""
SELECT_HELD = """
    select id, service_id, integration_id, dedup_key, severity, summary, source, component,
        grouping, class as class_, client, client_url, details, links, images, created_at,
        suppressed_by
    from alerts
    where service_id = any(%(service_ids)s) and suppressed_by is not null and status = 'triggered'
    order by service_id, id limit %(limit)s
"""
# What a deleted service still held back: nobody is left to be told of it.
LET_GO = """
    update alerts set status = 'resolved', resolved_at = %(now)s
    where service_id = any(%(service_ids)s) and suppressed_by is not null
        and incident_id is null and status = 'triggered'
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
    "suppressed_by",
    "paused_until",
)


@dataclass(slots=True)
class OpenAlert:
    """An open alert as a batch works on it. `event` is the last trigger heard, None when the batch
    brought none; `repeats` counts the triggers after the one that opened it. One that a maintenance
    window holds back has no incident, and `released` says that the batch has let it go."""

    id: str
    incident_id: str | None
    service_id: str
    integration_id: str
    dedup_key: str
    created_at: datetime
    last_event_at: datetime
    suppressed_by: str | None = None
    paused_until: datetime | None = None
    event: Event | None = None
    repeats: int = 0
    resolved_at: datetime | None = None
    is_new: bool = False
    released: bool = False

    @property
    def is_paused(self) -> bool:
        """Whether it waits before it opens an incident, by its service's pause alone."""
        waits = self.incident_id is None and self.suppressed_by is None
        return waits and self.paused_until is not None

    def go_on(self, incident_id: str) -> None:
        """Held back until now: under this incident from here on."""
        self.incident_id = incident_id
        self.suppressed_by = None
        self.released = True


class HeldAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that a maintenance window held back, as its sender last described it."""

    id: str
    service_id: str
    integration_id: str
    dedup_key: str
    severity: Severity
    summary: str
    source: str | None
    component: str | None
    grouping: str | None
    class_: str | None
    client: str | None
    client_url: str | None
    details: Any
    links: Any
    images: Any
    created_at: datetime
    suppressed_by: str | None

    @property
    def event(self) -> Event:
        """The trigger that it stands for."""
        return Event(
            action="trigger",
            dedup_key=self.dedup_key,
            severity=self.severity,
            summary=self.summary,
            source=self.source,
            component=self.component,
            grouping=self.grouping,
            class_=self.class_,
            client=self.client,
            client_url=self.client_url,
            details=self.details,
            links=msgspec.convert(self.links, tuple[Link, ...]),
            images=msgspec.convert(self.images, tuple[Image, ...]),
        )


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
    released = [a for a in touched if a.released and not a.is_new]
    if released:
        await tx.execute(
            RELEASE,
            {"ids": [a.id for a in released], "incident_ids": [a.incident_id for a in released]},
        )
    new = [alert for alert in touched if alert.is_new]
    if new:
        await tx.copy("alerts", COLUMNS, map(_row, new))


async def held(tx: Tx, service_ids: Sequence[str], limit: int) -> list[HeldAlert]:
    """The open alerts of these services that are held back, service by service, oldest first."""
    asked = {"service_ids": list(service_ids), "limit": limit}
    return await tx.all(HeldAlert, SELECT_HELD, asked)


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
        alert.suppressed_by,
        alert.paused_until,
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
            "suppressed_by": alert.suppressed_by,
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
