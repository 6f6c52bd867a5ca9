"""How Tocsin itself fares: what is wrong and the way on, what was set aside, and the proof that
events come in and pages go out.

Who may look at everything sees it; acting on what was set aside changes the installation.
"""

import re
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, require
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.engine import self_service, self_watch, troubles
from tocsin.engine.auditor import audit
from tocsin.engine.nodes import ALIVE_SECONDS, living
from tocsin.engine.troubles import Trouble
from tocsin.events import actions as events
from tocsin.events.model import Format
from tocsin.queries import backlog
from tocsin.queries import health as queries
from tocsin.queries.health import Quarantined
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit
from tocsin.webhooks import actions as webhooks

SECTION = "health"
PAGE_SIZE = 10
LONGEST_BODY = 6000
# The key in a body opens the service's door; whoever may only look must not learn it.
SECRET = re.compile(r'("(?:routing_key|service_key)"\s*:\s*")[^"]*')
STAGES = {
    "intake": "Events become incidents",
    "timers": "Snoozes and time-outs",
    "maintenance": "Ends of maintenance windows",
    "escalate": "Escalations",
    "deliveries": "Messages to people",
    "react": "Reads the timeline for webhooks",
    "webhooks": "Sends webhooks",
    "seal": "Seals of the audit record",
    "beat": "Signs of life",
    "watch": "Looks for what is late",
    "self_watch": "Tells of trouble in Tocsin",
    "dead_man": "Calls the dead man’s switch",
    "upkeep": "Removes what is out of date",
}
FORMATS = {
    Format.PAGERDUTY_V2: "Events API v2",
    Format.PAGERDUTY_V1: "Events API v1",
    Format.ALERTMANAGER: "Alertmanager",
}
# Stages that run seldom; all others finish a pass within seconds.
SELDOM = {"dead_man": timedelta(seconds=60), "upkeep": timedelta(seconds=300)}
STAGE_LATE = timedelta(seconds=30)


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and the incident that was opened for it."""

    trouble: Trouble
    since: datetime | None
    incident_id: str | None


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """Through which service Tocsin reports on itself; None where people deleted it."""

    made: bool
    service: Service | None


async def health(visit: Visit) -> Response:
    """The page, or with part=now what is fetched again while it is open."""
    require(visit.actor, Permission.VIEW)
    manages = allowed(visit.actor, Permission.MANAGE_INSTANCE)
    cursor = visit.query("cursor") or None
    async with visit.tx() as tx:
        wrong, own = await _wrong(tx, visit.now)
        found = await queries.health(tx, visit.actor, visit.now)
        nodes = await living(tx)
        alive_since = visit.now - timedelta(seconds=ALIVE_SECONDS)
        if not any(node.role != "web" and node.beat_at >= alive_since for node in nodes):
            wrong.insert(0, Wrong(trouble=troubles.NO_ENGINE, since=None, incident_id=None))
        lag = await backlog.lag_seconds(tx, visit.now)
        stopped = await webhooks.disabled(tx, visit.actor, visit.now)
        untold = await backlog.webhooks_due(tx, visit.now)
        backup = await accounts.read_value(tx, "last_backup", dict[str, str | int | datetime])
        aside = await queries.quarantine(tx, visit.actor, cursor=cursor, limit=PAGE_SIZE)
    return visit.render(
        "health/part.html" if visit.query("part") == "now" else "health/page.html",
        page={"title": "Health", "section": SECTION},
        wrong=wrong,
        own=own,
        found=found,
        lag=lag,
        stopped=stopped,
        untold=untold,
        nodes=nodes,
        alive_since=alive_since,
        node_names={node.id: node.name for node in nodes},
        formats=FORMATS,
        stages=[
            (STAGES.get(one.name, one.name), one, one.finished_at < _late(one.name, visit.now))
            for one in found.stages
        ],
        backup=datetime.fromisoformat(str(backup["at"])) if backup else None,
        drift=getattr(visit.deps.clock, "drift_seconds", 0.0),
        version=visit.deps.version,
        channel_labels={kind.name: kind.label for kind in visit.deps.channels},
        aside=aside.items,
        next=aside.next,
        cursor=cursor,
        body=readable,
        manages=manages,
        size=_size,
    )


def _late(stage: str, now: datetime) -> datetime:
    return now - SELDOM.get(stage, timedelta()) - STAGE_LATE


async def _wrong(tx: Tx, now: datetime) -> tuple[list[Wrong], Own]:
    """What is wrong now, with its incident, and the service that carries it."""
    findings = await audit(tx, now)
    since = {finding.kind.value: finding.since for finding in findings}
    found = [troubles.of_finding(finding) for finding in findings]
    found += await self_watch.seen_lately(tx, now)
    watched = await self_watch.remembered(tx)
    since |= {key: one.since for key, one in watched.items() if key not in since}
    door = await self_service.known(tx)
    if door is None:
        return [_one(trouble, since, {}) for trouble in found], Own(made=False, service=None)
    incidents = await queries.own_incidents(tx, door.integration_id)
    service = None
    if await self_service.is_open(tx, door):
        service = (await catalog.services_by_ids(tx, [door.service_id]))[door.service_id]
    own = Own(made=True, service=service)
    return [_one(trouble, since, incidents) for trouble in found], own


def _one(trouble: Trouble, since: dict[str, datetime], incidents: dict[str, str]) -> Wrong:
    return Wrong(
        trouble=trouble,
        since=since.get(trouble.key),
        incident_id=incidents.get(self_watch.dedup_key(trouble.key)),
    )


def readable(row: Quarantined) -> str:
    """An event's body as people read it: JSON on lines of its own, bounded, without its key."""
    text = row.body.decode("utf-8", "replace")
    if row.size <= len(row.body):
        with suppress(ValueError, msgspec.MsgspecError):
            text = msgspec.json.format(row.body, indent=2).decode()
    text = SECRET.sub(r"\1…", text)
    # A terminal's control characters say nothing to a reader.
    text = "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)
    if len(text) > LONGEST_BODY or row.size > len(row.body):
        return f"{text[:LONGEST_BODY]}\n… ({row.size:,} bytes in all)"
    return text


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


async def try_again(visit: Visit) -> Response:
    """Let the engine work on one event once more."""
    async with visit.tx() as tx:
        await events.try_again(tx, visit.actor, _seq(visit), visit.now)
    return _back(visit, "It is queued again. When it fails once more it comes back here.")


async def try_all_again(visit: Visit) -> Response:
    """Let the engine work on all of them once more."""
    async with visit.tx() as tx:
        count = await events.try_all_again(tx, visit.actor, visit.now)
    return _back(visit, f"{count} queued again. What fails once more comes back here.")


async def set_aside(visit: Visit) -> Response:
    """Give up on one event."""
    async with visit.tx() as tx:
        await events.set_aside(tx, visit.actor, _seq(visit), visit.now)
    return _back(visit, "Set aside for good. The event is kept; it opens nothing.")


async def watch_again(visit: Visit) -> Response:
    """Make the service anew through which Tocsin reports on itself."""
    async with visit.tx() as tx:
        box = visit.deps.secret_box
        await self_service.make_again(tx, visit.actor, box, visit.now)
    return _back(visit, "Tocsin reports on itself again.")


def _back(visit: Visit, toast: str) -> Response:
    visit.deps.glance.forget()
    return visit.see_other("/app/health", toast=toast)


def _seq(visit: Visit) -> int:
    text = visit.path("seq")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound("event in quarantine", text[:30])
    return int(text)


PAGES: tuple[Page, ...] = (
    get("/app/health", health),
    post("/app/health/events/try-again", try_all_again),
    post("/app/health/events/{seq}/try-again", try_again),
    post("/app/health/events/{seq}/set-aside", set_aside),
    post("/app/health/watch-again", watch_again),
)
