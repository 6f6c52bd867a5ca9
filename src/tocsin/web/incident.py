"""One incident: what it is, who is next and when, whom it paged and what came of that, its alerts,
and everything that happened.

The page refreshes in parts (`head`, `ladder`, `record`, `updates`), each fetched alone when the
server says that the incident changed. Countdowns are the server's seconds left.
"""

from typing import Any

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed
from tocsin.accounts.actions import STAKEHOLDERS
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.incidents import actions as incidents
from tocsin.queries import alike, choices, ladders, related_changes, service_graph
from tocsin.queries import incident as queries
from tocsin.queries.alike import Subject
from tocsin.queries.incident import Head
from tocsin.queries.incidents import PRIORITIES
from tocsin.timeline import feed
from tocsin.web import alert_details, incident_crew, ladder_words, words
from tocsin.web.incidents_list import LIST, SNOOZES
from tocsin.web.page import Page, get
from tocsin.web.telling import tell
from tocsin.web.visit import Visit

PARTS = ("head", "ladder", "record", "updates")
TIMELINE_SHOWN = 60
MOST_NOTES = 100
CHANGES_SHOWN = 5
PAST_SHOWN = 5
SHOWS = ("all", "people", "pages")


async def page(visit: Visit) -> Response:
    """The page, or one part of it."""
    return await shown(visit, visit.path("id"))


async def shown(
    visit: Visit, incident_id: str, *, problem: str | None = None, status: int = 200
) -> Response:
    """The page as it is now; `problem` says why an act was not done."""
    part = visit.query("part") if visit.is_fragment and problem is None else ""
    async with visit.tx() as tx:
        head = await queries.head(tx, visit.actor, incident_id)
        context = await _common(tx, visit, head)
        if part in ("", "head", "ladder"):
            context |= await _ladder(tx, visit, head)
        if part in ("", "record"):
            context |= await _record(tx, visit, head)
        if part in ("", "updates"):
            context |= await incident_crew.updates(tx, visit, head)
        if not part:
            context |= await _choices(tx, visit, head)
    if part in PARTS:
        return visit.render(f"incidents/{part}.html", **context)
    return visit.render(
        "incidents/incident.html",
        status=status,
        page={
            "title": f"#{head.number}",
            "section": "incidents",
            "up": ("Incidents", LIST),
            "headed": True,
            "actbar": context["may_respond"] and head.is_open,
        },
        problem=problem,
        **context,
    )


async def _common(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    return {
        "incident": head,
        "base": f"{LIST}/{head.id}",
        "may_respond": allowed(visit.actor, Permission.RESPOND, head.team_id),
        "words": words,
        "priorities": PRIORITIES,
    }


async def _ladder(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    ladder = await ladders.view(tx, head.id, visit.now)
    paged = await queries.paged(tx, head.id)
    zone = visit.viewer.time_zone
    return {
        "ladder": ladder,
        "rungs": ladder_words.rungs(ladder, paged, zone, visit.now) if ladder else [],
        "paged": paged,
        "after": ladder_words.after,
        "assigned": await queries.assigned(tx, head.id),
        "taken": await incidents.acknowledgements(tx, head.id),
        "merged_from": await queries.merged_from(tx, head.id),
        **await incident_crew.asked(tx, visit, head),
    }


async def _record(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    show = visit.query("show") if visit.query("show") in SHOWS else "all"
    before = _whole(visit.query("before"))
    alerts = await queries.alerts(tx, head.id, cursor=visit.query("alerts") or None)
    entries = await feed.latest_for_incident(tx, head.id, TIMELINE_SHOWN + 1, before_seq=before)
    more = len(entries) > TIMELINE_SHOWN
    entries = entries[:TIMELINE_SHOWN]
    told = [tell(entry) for entry in entries]
    base = f"{LIST}/{head.id}"
    return {
        "alerts": alerts.items,
        "alerts_next": f"{base}?alerts={alerts.next}#alerts" if alerts.next else None,
        **await _around(tx, visit, head),
        **await _alike(tx, visit, head),
        "details": alert_details.lines,
        "links": alert_details.links,
        "entries": [entry for entry in told if show == "all" or entry.of == show],
        "show": show,
        "older": f"{base}?before={entries[-1].seq}#timeline" if more else None,
        "newer": f"{base}#timeline" if before else None,
        "notes": await incidents.notes(tx, head.id, MOST_NOTES),
        "may_change": lambda note: incidents.may_change(visit.actor, note, head.team_id),
        "record_url": _record_url(visit, base),
    }


async def _around(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    """What changed before it, and the business services that it hits while it is open."""
    changes = await related_changes.of(
        tx,
        visit.actor,
        head.service_id,
        head.created_at,
        until=head.resolved_at,
        limit=CHANGES_SHOWN,
    )
    hits = []
    if head.is_open:
        hits = await service_graph.hit_business(tx, visit.actor, head.service_id, head.priority)
    return {"changes": changes, "hits": hits}


async def _alike(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    """What was like it before, and what began on other services at about the same time."""
    subject = Subject(
        id=head.id, title=head.title, service_id=head.service_id, created_at=head.created_at
    )
    past, total = await alike.past(tx, subject, PAST_SHOWN)
    return {
        "past": past,
        "past_total": total,
        "related": await alike.related(tx, visit.actor, subject),
    }


def _record_url(visit: Visit, base: str) -> str:
    kept = [
        f"{name}={value}"
        for name in ("show", "before", "alerts")
        if (value := visit.query(name)) and value.replace("-", "").replace("_", "").isalnum()
    ]
    return f"{base}?" + "&".join(["part=record", *kept])


async def _choices(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    """What the acts offer: people, policies, teams, levels, lengths."""
    if not allowed(visit.actor, Permission.RESPOND, head.team_id):
        return {"people": [], "policies": [], "snoozes": SNOOZES}
    return {
        "people": await choices.people(tx),
        "responders": await choices.people(tx, without=STAKEHOLDERS),
        "teams": await choices.teams(tx, visit.actor),
        "policies": await choices.policies(tx, visit.actor),
        "snoozes": SNOOZES,
    }


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Invalid("before", "is not a place in the timeline")
    return int(text)


PAGES: tuple[Page, ...] = (get(f"{LIST}/{{id}}", page),)
