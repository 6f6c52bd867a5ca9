"""What is left after a run: the ledger, every table that matters, and the providers' logs, read
into memory and tied together. Nothing is judged here.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.arena import Arena
from tests.chaos.model import Heard
from tests.chaos.providers import TOKEN, Handed
from tocsin.accounts import audit
from tocsin.core.database import Database

Row = dict[str, Any]

TABLES = {
    "events": "select seq, received_at, integration_id, body from events order by seq",
    "inbox": "select seq, quarantined, attempts, error from inbox",
    "outcomes": "select seq, position, reason, alert_id, incident_id from event_outcomes",
    "alerts": """select id, integration_id, dedup_key, incident_id, status, event_count, created_at
        from alerts order by created_at, id""",
    "incidents": """select id, number, title, status, service_id, created_at, acknowledged_at,
        resolved_at from incidents""",
    "pages": """select id, incident_id, user_id, step, state, created_at, bundle_id, stopped_at,
        pg_xact_commit_timestamp(xmin) as committed_at
        from pages order by step, id""",
    "deliveries": """select id, kind, page_id, bundle_id, user_id, contact_method_id, channel,
        state, due_at, first_due_at, started_at, attempts, fence, leased_until, provider_id, detail
        from deliveries where kind <> 'test'""",
    "attempts": """select delivery_id, number, fence, node, started_at, finished_at, outcome, detail
        from delivery_attempts order by delivery_id, number""",
    "rules": "select user_id, contact_method_id, delay_seconds from notification_rules",
    "entries": """select incident_id, kind, reason, actor_kind, at from log_entries
        where kind in ('acknowledge', 'escalate', 'resolve')""",
    "runs": "select incident_id, state, level, due_at, attempts, error from escalation_runs",
    "time": "select at, clock_timestamp() as wall from logical_time",
}


@dataclass
class Evidence:
    """See the module. Datetimes are the product's time, floats seconds since 1970."""

    arena: Arena
    rows: dict[str, list[Row]]
    broken_audit: int | None
    # Seconds since 1970 when the tables were read: what came later is not in them.
    began: float
    heard: list[Heard] = field(default_factory=list)
    page: dict[str, Row] = field(default_factory=dict)
    incident: dict[str, Row] = field(default_factory=dict)
    incident_of_event: dict[int, str] = field(default_factory=dict)
    # What a provider was handed for each delivery, in order; and what fits none.
    sends: dict[str, list[Handed]] = field(default_factory=dict)
    strangers: list[Handed] = field(default_factory=list)
    pages_of_bundle: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The product's time when the evidence was taken."""
        at: datetime = self.rows["time"][0]["at"]
        return at

    @property
    def drift(self) -> float:
        """Seconds by which the product's time is behind the wall clock (a beat old at most)."""
        row = self.rows["time"][0]
        return float((row["wall"] - row["at"]).total_seconds())

    def pages_of(self, delivery: Row) -> list[Row]:
        """The pages that a delivery tells of."""
        if delivery["page_id"]:
            return [self.page[delivery["page_id"]]]
        return self.pages_of_bundle.get(delivery["bundle_id"], [])


async def take(arena: Arena) -> Evidence:
    """Read everything in one snapshot."""
    rows: dict[str, list[Row]] = {}
    began = time.time()
    async with await psycopg.AsyncConnection.connect(arena.dsn, row_factory=dict_row) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        for name, statement in TABLES.items():
            rows[name] = await (await connection.execute(statement.encode())).fetchall()
    async with Database(arena.dsn, size=1) as database, database.transaction() as tx:
        broken = await audit.verify(tx)
    found = Evidence(arena=arena, rows=rows, broken_audit=broken, began=began)
    for row in rows["events"]:
        found.heard.append(_heard(row))
    found.page = {row["id"]: row for row in rows["pages"]}
    for page in rows["pages"]:
        if page["bundle_id"]:
            found.pages_of_bundle.setdefault(page["bundle_id"], []).append(page)
    for incident in rows["incidents"]:
        found.incident[incident["id"]] = incident
        token = TOKEN.search(incident["title"])
        if token:
            found.incident_of_event[int(token[1])] = incident["id"]
    _tie(found)
    return found


def _heard(row: Row) -> Heard:
    body = json.loads(row["body"])
    return Heard(
        seq=row["seq"],
        integration_id=row["integration_id"],
        key=body["dedup_key"],
        action=body["event_action"],
        number=int(body["client"].rpartition(" ")[2]),
    )


def _tie(found: Evidence) -> None:
    """Say for each request which delivery it was: by its header, by the name the provider
    gave it, else by topic and incident."""
    deliveries = {row["id"]: row for row in found.rows["deliveries"]}
    by_answer = {row["provider_id"]: row["id"] for row in deliveries.values() if row["provider_id"]}
    by_target: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in deliveries.values():
        target = row["page_id"] or row["bundle_id"]
        by_target[target, row["contact_method_id"]].append(row)
    pages: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for page in found.rows["pages"]:
        pages[page["incident_id"], page["user_id"]].append(page)
    user_of = {
        method: person.id
        for person in found.arena.world.people
        for method in person.methods.values()
    }
    for handed in found.arena.handed:
        if handed.delivery_id is not None:
            if handed.delivery_id in deliveries:
                found.sends.setdefault(handed.delivery_id, []).append(handed)
            else:
                found.strangers.append(handed)
            continue
        if handed.message_id in by_answer:
            found.sends.setdefault(by_answer[handed.message_id], []).append(handed)
            continue
        method = found.arena.world.method_of.get((handed.provider, handed.address), "")
        incident = found.incident_of_event.get(handed.events[0]) if handed.events else None
        fits = [
            row
            for page in pages.get((incident or "", user_of.get(method, "")), [])
            for row in by_target.get((page["bundle_id"] or page["id"], method), [])
        ]
        # An incident that came back has paged the same person before: the latest that was due.
        due = [row for row in fits if seconds(row["first_due_at"]) <= handed.arrived + 1.0]
        if fits:
            found.sends.setdefault((due or fits[:1])[-1]["id"], []).append(handed)
        else:
            found.strangers.append(handed)


def seconds(at: datetime) -> float:
    """As the providers' logs count."""
    return at.timestamp()


GRACE = timedelta(seconds=3)
