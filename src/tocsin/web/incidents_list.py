"""The list of incidents, opening one by hand, and acting on several at once."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from tocsin.accounts.access import Permission, allowed_somewhere, require_somewhere
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Reassignment
from tocsin.incidents.model import Conference, NewIncident, Priority, Urgency
from tocsin.queries import choices, ladders
from tocsin.queries import incidents as queries
from tocsin.queries.incidents import COUNT_AT_MOST, PRIORITIES, Filter
from tocsin.web import formats, ladder_words
from tocsin.web.page import Page, get, post
from tocsin.web.sign_in import local_path
from tocsin.web.visit import Visit

LIST = "/app/incidents"
PAGE_SIZE = 25
MOST_NUMBER_DIGITS = 18
WORDS_WITHIN = timedelta(days=30)
# What stays in the address when something else is chosen.
KEPT = ("view", "urgency", "priority", "service", "team", "mine", "q", "sort", "reach", "cursor")
SNOOZES = ((1800, "30 min"), (3600, "1 h"), (14400, "4 h"), (28800, "8 h"), (86400, "1 day"))
VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "open": ("Open", ("triggered", "acknowledged")),
    "mine": ("Mine", ("triggered", "acknowledged")),
    "triggered": ("Triggered", ("triggered",)),
    "acknowledged": ("Acknowledged", ("acknowledged",)),
    "resolved": ("Resolved", ("resolved",)),
    "all": ("All", ("triggered", "acknowledged", "resolved")),
}


async def show(visit: Visit) -> Response:
    """The list; `part` asks for only the tabs, only the rows, or the figure of the navigation."""
    view = visit.query("view") if visit.query("view") in VIEWS else "open"
    wanted = _filter(visit, view)
    part = visit.query("part") if visit.is_fragment else ""
    if part == "figure":
        return await _figure(visit)
    cursor = visit.query("cursor") or None
    context: dict[str, Any] = {"view": view, "wanted": wanted, "cursor": cursor, "part": part}
    async with visit.tx() as tx:
        if part != "rows":
            counts = await queries.counts(tx, visit.actor)
            context |= {"tabs": _tabs(visit, view, counts), "counts": counts}
        if part != "views":
            context |= await _rows(tx, visit, wanted, cursor)
        if not part:
            context |= await _whole(tx, visit, wanted)
            context["proof"] = None if context["rows"] else await queries.proof(tx)
    context["here"] = _address(visit)
    context["part_url"] = lambda name: _address(visit, part=name)
    if part != "rows":
        counts = context["counts"]
        hot, held = _bounded(counts.triggered), _bounded(counts.acknowledged)
        context["summary"] = f"{hot} triggered, {held} acknowledged"
    if part in ("rows", "views"):
        return visit.render(f"incidents/{part}.html", **context)
    return visit.render(
        "incidents/list.html",
        page={
            "title": "Incidents",
            "section": "incidents",
            "summary": context["summary"],
            "flush": True,
        },
        **context,
    )


async def _figure(visit: Visit) -> Response:
    async with visit.tx() as tx:
        triggered = await queries.triggered_count(tx, visit.actor)
    return visit.render("incidents/figure.html", triggered=triggered, oob=True)


def _filter(visit: Visit, view: str) -> Filter:
    urgency = visit.query("urgency")
    return Filter(
        statuses=VIEWS[view][1],
        urgency=urgency if urgency in ("high", "low") else None,
        service_ids=tuple(filter(None, visit.queries("service"))),
        team_ids=tuple(filter(None, visit.queries("team"))),
        mine=view == "mine" or visit.query("mine") == "1",
        words=visit.query("q")[:200],
        priorities=tuple(p for p in PRIORITIES if p in visit.queries("priority")),
        by_priority=visit.query("sort") == "priority",
        since=_since(visit, view),
    )


def _since(visit: Visit, view: str) -> datetime | None:
    """How far back words are looked for: reading every title of a long history takes seconds, so
    one asks for that by name. What is open is always looked at in whole."""
    if not visit.query("q") or "resolved" not in VIEWS[view][1] or visit.query("reach") == "all":
        return None
    return visit.now - WORDS_WITHIN


async def _rows(tx: Tx, visit: Visit, wanted: Filter, cursor: str | None) -> dict[str, Any]:
    found = await queries.page(tx, visit.actor, wanted, cursor=cursor, limit=PAGE_SIZE)
    ids = [row.id for row in found.items]
    open_ids = [row.id for row in found.items if row.status != "resolved"]
    briefs = await ladders.briefs(tx, open_ids, visit.now) if open_ids else {}
    return {
        "rows": found.items,
        "next": _address(visit, cursor=found.next) if found.next else None,
        "first": _address(visit, cursor="") if cursor else None,
        "assignees": await queries.assignees(tx, ids) if ids else {},
        "climb": {
            row.id: ladder_words.climb(row, briefs.get(row.id), visit.viewer.time_zone, visit.now)
            for row in found.items
        },
    }


async def _whole(tx: Tx, visit: Visit, wanted: Filter) -> dict[str, Any]:
    """What only the whole page has: the choices of its filters and of its acts."""
    services = await choices.services(tx, visit.actor)
    teams = await choices.teams(tx, visit.actor)
    may_respond = allowed_somewhere(visit.actor, Permission.RESPOND)
    return {
        "services": services,
        "teams": teams,
        "may_respond": may_respond,
        "people": await choices.people(tx) if may_respond else [],
        "policies": await choices.policies(tx, visit.actor) if may_respond else [],
        "snoozes": SNOOZES,
        "filtered": bool(
            wanted.urgency
            or wanted.priorities
            or wanted.service_ids
            or wanted.team_ids
            or wanted.words
        ),
        "all_priorities": PRIORITIES,
        "reach_all": _address(visit, reach="all", cursor="") if wanted.since else None,
        "words_days": WORDS_WITHIN.days,
    }


def _tabs(visit: Visit, view: str, counts: queries.Counts) -> list[dict[str, Any]]:
    figures = {
        "mine": counts.mine,
        "triggered": counts.triggered,
        "acknowledged": counts.acknowledged,
        "open": counts.triggered + counts.acknowledged,
    }
    return [
        {
            "label": label,
            "href": _address(visit, view=name, cursor=""),
            "current": name == view,
            "count": _bounded(figures[name]) if name in figures else None,
        }
        for name, (label, _) in VIEWS.items()
    ]


def _bounded(count: int) -> str:
    return f"{COUNT_AT_MOST - 1}+" if count >= COUNT_AT_MOST else formats.number(count)


def _address(visit: Visit, **changes: str) -> str:
    """This list's address with some values changed; an empty value is left out."""
    kept = [
        (name, value)
        for name, value in visit.request.query_params.multi_items()
        if name in KEPT and name not in changes and value
    ]
    query = urlencode([*kept, *((n, v) for n, v in changes.items() if v)])
    return f"{LIST}?{query}" if query else LIST


async def by_number(visit: Visit) -> Response:
    """The incident people speak of by its number."""
    typed = visit.path("number")
    async with visit.tx() as tx:
        found = await numbered(tx, typed)
    if found is None:
        raise NotFound("incident", f"#{typed.removeprefix('#')[:30]}")
    return RedirectResponse(f"{LIST}/{found}", status_code=303)


async def numbered(tx: Tx, typed: str) -> str | None:
    """The id of the incident with a number as people write it, with or without its sign."""
    digits = typed.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_NUMBER_DIGITS):
        return None
    return await queries.id_of_number(tx, int(digits))


async def merge_target(tx: Tx, typed: str) -> str:
    """The incident that others are merged into, by its number. Raises Invalid."""
    found = await numbered(tx, typed)
    if found is None:
        raise Invalid("into", f"there is no incident #{typed.removeprefix('#')[:30]}")
    return found


async def new(visit: Visit) -> Response:
    """The form for an incident opened by hand."""
    require_somewhere(visit.actor, Permission.RESPOND)
    return await _new_form(visit, {"service": visit.query("service"), "urgency": ""}, {})


async def create(visit: Visit) -> Response:
    """Open an incident by hand."""
    names = (
        "service",
        "title",
        "urgency",
        "priority",
        "conference_number",
        "conference_url",
        "give",
        "policy",
        "body",
    )
    values: dict[str, Any] = {name: visit.field(name) for name in names}
    values["people"] = visit.fields("people")
    try:
        wanted = _new_incident(values)
        async with visit.tx() as tx:
            made = await incidents.create(tx, visit.actor, wanted, visit.now)
    except Invalid as error:
        field = {"assignments": "people", "escalation_policy": "policy"}.get(
            error.field, error.field
        )
        return await _new_form(visit, values, {field: error.message}, status=422)
    except Refused as refusal:
        return await _new_form(visit, values, {"service": refusal.message}, status=409)
    return visit.see_other(f"{LIST}/{made.id}", toast=f"#{made.number} is open.")


def _new_incident(values: dict[str, Any]) -> NewIncident:
    if not values["service"]:
        raise Invalid("service", "choose the service it is about")
    give = values["give"]
    if give == "people" and not values["people"]:
        raise Invalid("people", "choose at least one person, or let the service’s policy decide")
    if give == "policy" and not values["policy"]:
        raise Invalid("policy", "choose an escalation policy, or let the service’s decide")
    return NewIncident(
        service_id=values["service"],
        title=values["title"],
        body=values["body"] or None,
        urgency=Urgency(values["urgency"]) if values["urgency"] in ("high", "low") else None,
        priority=Priority(values["priority"]) if values["priority"] in PRIORITIES else None,
        conference=Conference(number=values["conference_number"], url=values["conference_url"]),
        assignee_ids=tuple(dict.fromkeys(values["people"])) if give == "people" else (),
        escalation_policy_id=values["policy"] if give == "policy" else None,
    )


async def _new_form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    async with visit.tx() as tx:
        services = await choices.services(tx, visit.actor)
        people = await choices.people(tx)
        policies = await choices.policies(tx, visit.actor)
    return visit.render(
        "incidents/new.html",
        status=status,
        page={"title": "New incident", "section": "incidents", "up": ("Incidents", LIST)},
        values=values,
        errors=errors,
        services=[(choice.id, choice.name) for choice in services],
        people=people,
        policies=[(policy.id, policy.name) for policy in policies],
    )


async def bulk(visit: Visit) -> Response:
    """One act on the incidents that were selected; all of them or none."""
    ids = visit.fields("ids") or [id for id in visit.query("ids").split(",") if id]
    back = local_path(visit.field("back")) or LIST
    if not ids:
        return visit.see_other(back, toast="Nothing was selected, so nothing was done.")
    act, _, value = visit.field("act").partition(":")
    async with visit.tx() as tx:
        said = await _act(tx, visit, act, value, list(dict.fromkeys(ids)))
    undo = None
    if act == "acknowledge" and len(ids) <= PAGE_SIZE:
        undo = f"{LIST}/bulk/undo?ids=" + ",".join(ids)
    return visit.see_other(back, toast=said, undo=undo)


async def undo(visit: Visit) -> Response:
    """Give back what was acknowledged in one go."""
    ids = [id for id in visit.query("ids").split(",") if id]
    async with visit.tx() as tx:
        await incidents.unacknowledge(tx, visit.actor, ids, visit.now)
    count = formats.plural(len(ids), "incident")
    return visit.see_other(LIST, toast=f"{count} given back; their people are paged again.")


async def _act(tx: Tx, visit: Visit, act: str, value: str, ids: list[str]) -> str:
    actor, now = visit.actor, visit.now
    count = formats.plural(len(ids), "incident")
    if act == "acknowledge":
        await incidents.acknowledge(tx, actor, ids, now)
        return f"Acknowledged {count}. Nobody else is paged."
    if act == "resolve":
        await incidents.resolve(tx, actor, ids, now)
        return f"Resolved {count}."
    if act == "snooze":
        seconds = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else 0
        await incidents.snooze(tx, actor, ids, seconds, now)
        return f"Snoozed {count} for {formats.duration(seconds)}."
    if act == "reassign":
        to = reassignment(visit)
        await incidents.reassign(tx, actor, ids, to, now)
        return f"Reassigned {count}. Those who have it now are paged."
    if act == "priority":
        if value and value not in PRIORITIES:
            raise Invalid("act", "names no priority: P1 to P5, or none")
        marked = Priority(value) if value else None
        await incidents.set_priority(tx, actor, ids, marked, now)
        return f"{count} marked {value}." if value else f"Priority taken away from {count}."
    if act == "merge":
        # Without a number: into the oldest of those selected.
        typed = visit.field("into")
        target = await merge_target(tx, typed) if typed else min(ids)
        sources = [id for id in ids if id != target]
        if not sources:
            raise Invalid("merge", "select the incidents to merge besides the one they go into")
        merged = await incidents.merge(tx, actor, target, sources, now)
        return f"Merged {formats.plural(len(sources), 'incident')} into #{merged.number}."
    raise Invalid("act", "is not one of acknowledge, resolve, snooze, reassign, priority or merge")


def reassignment(visit: Visit) -> Reassignment:
    """Where the form wants incidents to go: `to` is "user:<id>" or "policy:<id>", several times for
    people."""
    people, policy = [], None
    for value in visit.fields("to"):
        kind, _, id = value.partition(":")
        if kind == "user" and id:
            people.append(id)
        elif kind == "policy" and id:
            policy = id
    if not people and policy is None:
        raise Invalid("to", "choose a person or an escalation policy")
    return Reassignment(user_ids=tuple(dict.fromkeys(people)), policy_id=policy)


PAGES: tuple[Page, ...] = (
    get(LIST, show),
    get(f"{LIST}/new", new),
    post(f"{LIST}/new", create),
    get(f"{LIST}/number/{{number}}", by_number),
    post(f"{LIST}/bulk", bulk),
    post(f"{LIST}/bulk/undo", undo),
)
