"""Incidents: list, find, open, and what people do to them, one or up to 250 at once.

A change of several things of one incident is made in the order in which it would be made by hand:
the title, the urgency, who it is with, and the status last.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from tocsin.escalations.model import Reason as LadderReason
from tocsin.escalations.model import RunState
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Reassignment, Surroundings
from tocsin.incidents.model import MAX_BULK, Incident, NewIncident, Status, TimerKind, Urgency
from tocsin.queries import incident_pages
from tocsin.queries.incident_pages import Edges, Wanted
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging, convert
from tocsin.rest.errors import INVALID, ApiError, invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

TAG = "Incidents"
LAST_MONTH = timedelta(days=30)
LONGEST = timedelta(days=184)
BAD_RANGE = 2004
SORTS = ("incident_number", "created_at", "resolved_at", "urgency")
STATUSES = tuple(str(status) for status in Status)
URGENCIES = tuple(str(urgency) for urgency in Urgency)
PENDING = {
    TimerKind.ACKNOWLEDGEMENT_TIMEOUT: "unacknowledge",
    TimerKind.SNOOZE: "unacknowledge",
    TimerKind.AUTO_RESOLVE: "resolve",
}


class Body(msgspec.Struct):
    """The text of an incident that was opened by hand."""

    details: str | None = None
    type: str = "incident_body"


class AssignmentGiven(msgspec.Struct):
    """One person an incident is given to."""

    assignee: Given


class AlertCounts(msgspec.Struct):
    """How many alerts an incident has."""

    all: int
    triggered: int
    resolved: int


class Change(msgspec.Struct):
    """What a request wants of one incident."""

    id: str | None = None
    title: str | None = None
    status: Literal["triggered", "acknowledged", "resolved"] | None = None
    resolution: str | None = None
    urgency: Urgency | None = None
    escalation_level: int | None = None
    escalation_policy: Given | None = None
    assignments: list[AssignmentGiven] | None = None
    priority: Any = None
    conference_bridge: Any = None


class Extra(msgspec.Struct):
    """What belongs to incidents and is kept elsewhere."""

    around: Surroundings
    edges: dict[str, Edges]


async def _prepare(call: Call, items: Sequence[Incident]) -> Extra:
    around = await incidents.surroundings(call.tx, items)
    edges = await incident_pages.edges(call.tx, [incident.id for incident in items])
    return Extra(around=around, edges=edges)


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Incident]:
    return await incidents.by_ids(call.tx, ids)


async def _list(call: Call, paging: Paging) -> Slice:
    wanted = _wanted(call)
    order = call.sorting(*SORTS) or ("created_at", False)
    found = await incident_pages.incident_ids(
        call.tx, call.actor, wanted, order, limit=paging.limit + 1, offset=paging.offset
    )
    total = None
    if paging.total:
        total = await incident_pages.count_incidents(call.tx, call.actor, wanted)
    ids = found[: paging.limit]
    by_id = await incidents.by_ids(call.tx, ids)
    return Slice(items=[by_id[id] for id in ids], more=len(found) > paging.limit, total=total)


def _wanted(call: Call) -> Wanted:
    since, until = call.instant("since"), call.instant("until")
    span = call.text("date_range")
    if span not in (None, "all"):
        raise invalid("date_range must be all")
    if span == "all":
        since = until = None
    else:
        since = since or (until or call.now) - LAST_MONTH
        end = until or max(call.now, since)
        if end < since:
            raise ApiError(400, BAD_RANGE, "Invalid Date Range", "until must not be before since")
        if end - since > LONGEST:
            raise invalid("until must be at most six months after since: use date_range=all")
    return Wanted(
        statuses=call.many("statuses", STATUSES),
        urgencies=call.many("urgencies", URGENCIES),
        service_ids=call.many("service_ids"),
        team_ids=call.many("team_ids"),
        user_ids=call.many("user_ids"),
        key=call.text("incident_key"),
        since=since,
        until=until,
    )


async def _get(call: Call, id: str) -> Incident:
    return await incidents.get(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Incident:
    _refuse_what_is_missing(given)
    policy = given.get("escalation_policy")
    body = given.get("body")
    new = NewIncident(
        service_id=given["service"].id,
        title=given["title"],
        body=None if body is None else body.details,
        urgency=given.get("urgency"),
        incident_key=given.get("incident_key"),
        assignee_ids=tuple(a.assignee.id for a in given.get("assignments") or ()),
        escalation_policy_id=None if policy is None else policy.id,
    )
    return await incidents.create(call.tx, call.actor, new, call.now)


def _refuse_what_is_missing(given: dict[str, Any]) -> None:
    for name in ("priority", "conference_bridge"):
        if given.get(name):
            raise invalid(f"{name} is not supported by this server: leave it out")


async def _update(call: Call, id: str, given: dict[str, Any]) -> Incident:
    change = convert("incident", call.wrapped("incident"), Change)
    await _apply(call, [id], change)
    return await incidents.get(call.tx, call.actor, id)


async def manage(call: Call) -> object:
    """Change up to 250 incidents, all or none. What is wanted alike is done together."""
    listed = call.body.get("incidents")
    if isinstance(listed, list) and len(listed) > MAX_BULK:
        raise ApiError(413, INVALID, "Too Many Incidents", f"at most {MAX_BULK} at a time")
    changes = call.list_of("incidents", Change)
    alike: dict[bytes, list[str]] = defaultdict(list)
    for number, change in enumerate(changes):
        if change.id is None:
            raise invalid(f"incidents[{number}].id is required")
        alike[msgspec.json.encode(msgspec.structs.replace(change, id=None))].append(change.id)
    for encoded, ids in sorted(alike.items(), key=lambda item: min(item[1])):
        await _apply(call, sorted(set(ids)), msgspec.json.decode(encoded, type=Change))
    wanted = list(dict.fromkeys(change.id for change in changes if change.id is not None))
    found = await incidents.by_ids(call.tx, wanted)
    return {
        "incidents": [whole(INCIDENT, found[id]) for id in wanted],
        "limit": MAX_BULK,
        "offset": 0,
        "total": None,
        "more": False,
    }


async def _apply(call: Call, ids: list[str], change: Change) -> None:
    tx, actor, now = call.tx, call.actor, call.now
    _refuse_what_is_missing(msgspec.structs.asdict(change))
    if msgspec.structs.replace(change, id=None, resolution=None, assignments=None) == Change():
        # What changes nothing may still name what is not there, or not to be seen.
        for id in ids:
            await incidents.get(tx, actor, id)
    for id in ids if change.title is not None else ():
        await incidents.set_title(tx, actor, id, change.title or "", now)
    if change.urgency is not None:
        await incidents.set_urgency(tx, actor, ids, change.urgency, now)
    if change.assignments or change.escalation_policy is not None:
        policy = change.escalation_policy
        to = Reassignment(
            user_ids=tuple(one.assignee.id for one in change.assignments or ()),
            policy_id=None if policy is None else policy.id,
        )
        await incidents.reassign(tx, actor, ids, to, now)
    if change.escalation_level is not None:
        await incidents.escalate(tx, actor, ids, now, level=change.escalation_level)
    if change.status == "acknowledged":
        await incidents.acknowledge(tx, actor, ids, now)
    elif change.status == "resolved":
        await incidents.resolve(tx, actor, ids, now, note=change.resolution)
    elif change.status == "triggered":
        await incidents.unacknowledge(tx, actor, ids, now)


async def merge(call: Call) -> object:
    """Move the alerts of other incidents into this one, and resolve those."""
    sources = call.list_of("source_incidents", Given)
    found = await incidents.merge(
        call.tx, call.actor, call.path["id"], [source.id for source in sources], call.now
    )
    return {"incident": whole(INCIDENT, found)}


async def snooze(call: Call) -> object:
    """Acknowledge an incident and have it come back later."""
    seconds = convert("duration", call.body.get("duration"), int)
    id = call.path["id"]
    (found,) = await incidents.snooze(call.tx, call.actor, [id], seconds, call.now)
    return {"incident": whole(INCIDENT, found)}


def _assigned_via(incident: Incident, extra: Extra) -> str:
    run = extra.around.runs.get(incident.id)
    direct = run is not None and run.reason is LadderReason.REASSIGNED
    return "direct_assignment" if direct else "escalation_policy"


def _pending(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    timers = extra.around.timers.get(incident.id, {})
    found = [{"type": PENDING[kind], "at": at} for kind, at in timers.items()]
    run = extra.around.runs.get(incident.id)
    if run is not None and run.state is RunState.RUNNING and run.due_at is not None:
        found.append({"type": "escalate", "at": run.due_at})
    return sorted(found, key=lambda one: str(one["at"]))


def _last_mover(incident: Incident, extra: Extra) -> Ref:
    edges = extra.edges[incident.id]
    if edges.actor_id is not None and edges.actor_kind in ("person", "key", "reply"):
        return Ref("user", edges.actor_id)
    return Ref("service", incident.service_id)


def _key(incident: Incident, extra: Extra) -> str | None:
    return incident.incident_key or extra.edges[incident.id].dedup_key


def _first(incident: Incident, extra: Extra) -> Ref | None:
    id = extra.edges[incident.id].first_trigger_id
    return None if id is None else Ref("log_entry", id)


def _teams(incident: Incident, extra: Extra) -> list[Ref]:
    team_id = extra.around.teams.get(incident.id)
    return [] if team_id is None else [Ref("team", team_id)]


def _resolve_reason(incident: Incident, extra: Extra) -> dict[str, Any] | None:
    if incident.merged_into is None:
        return None
    return {"type": "merge_resolve_reason", "incident": Ref("incident", incident.merged_into)}


def _counts(incident: Incident, extra: Extra) -> dict[str, int]:
    return {
        "all": incident.alert_count,
        "triggered": incident.open_alert_count,
        "resolved": incident.alert_count - incident.open_alert_count,
    }


def _assignments(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    held = extra.around.assignments.get(incident.id, {})
    return [{"at": at, "assignee": Ref("user", user_id)} for user_id, at in held.items()]


def _acknowledgements(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    return [
        {
            "at": one.at,
            "acknowledger": (
                Ref("service", incident.service_id)
                if one.user_id is None
                else Ref("user", one.user_id)
            ),
        }
        for one in extra.around.acknowledgements.get(incident.id, ())
    ]


def _fixed(name: str, type: Any, value: Any) -> Field:
    return Field(name=name, type=type, read=lambda incident, extra: value)


def _own(name: str, type: Any, attribute: str) -> Field:
    return Field(name=name, type=type, read=lambda incident, extra: getattr(incident, attribute))


INCIDENT = Resource(
    kind="incident",
    plural="incidents",
    path="/incidents",
    tag=TAG,
    summary=lambda incident: f"[#{incident.number}] {incident.title}",
    page=lambda incident: f"/app/incidents/{incident.id}",
    load=_load,
    prepare=_prepare,
    params=(
        Param(name="date_range"),
        Param(name="incident_key"),
        Param(name="service_ids", many=True),
        Param(name="since"),
        Param(name="sort_by"),
        Param(name="statuses", many=True),
        Param(name="team_ids", many=True),
        Param(name="time_zone"),
        Param(name="until"),
        Param(name="urgencies", many=True),
        Param(name="user_ids", many=True),
    ),
    fields=(
        _own("incident_number", int, "number"),
        Field(
            name="title",
            type=str,
            write=str | None,
            required=True,
            read=lambda incident, extra: incident.title,
        ),
        _own("description", str, "title"),
        _own("created_at", str, "created_at"),
        _own("updated_at", str, "changed_at"),
        _own("status", str, "status"),
        Field(name="incident_key", type=str | None, write=str | None, read=_key),
        Field(
            name="service",
            type=Reference,
            write=Given | None,
            required=True,
            include="services",
            read=lambda incident, extra: Ref("service", incident.service_id),
        ),
        Field(
            name="assignments",
            type=list[dict[str, Any]],
            write=list[AssignmentGiven] | None,
            include="assignees",
            read=_assignments,
        ),
        Field(name="assigned_via", type=str, read=_assigned_via),
        Field(
            name="acknowledgements",
            type=list[dict[str, Any]],
            include="acknowledgers",
            read=_acknowledgements,
        ),
        _own("last_status_change_at", str, "changed_at"),
        Field(name="last_status_change_by", type=Reference, include="agents", read=_last_mover),
        _own("resolved_at", str | None, "resolved_at"),
        Field(
            name="first_trigger_log_entry",
            type=Reference | None,
            include="first_trigger_log_entries",
            read=_first,
        ),
        Field(name="alert_counts", type=AlertCounts, read=_counts),
        Field(name="is_mergeable", type=bool, read=lambda incident, extra: incident.is_open),
        Field(
            name="escalation_policy",
            type=Reference,
            write=Given | None,
            include="escalation_policies",
            read=lambda incident, extra: Ref("escalation_policy", incident.escalation_policy_id),
        ),
        Field(name="teams", type=list[Reference], include="teams", read=_teams),
        Field(
            name="impacted_services",
            type=list[Reference],
            include="services",
            read=lambda incident, extra: [Ref("service", incident.service_id)],
        ),
        Field(name="pending_actions", type=list[dict[str, Any]], read=_pending),
        Field(name="priority", type=None, write=Any, read=lambda incident, extra: None),
        Field(name="resolve_reason", type=dict[str, Any] | None, read=_resolve_reason),
        Field(name="conference_bridge", type=None, write=Any, read=lambda incident, extra: None),
        _fixed("alert_grouping", None, None),
        _fixed("incidents_responders", list[Any], []),
        _fixed("responder_requests", list[Any], []),
        _fixed("subscriber_requests", list[Any], []),
        _fixed("incident_type", dict[str, str], {"name": "incident_default"}),
        Field(
            name="urgency",
            type=Urgency,
            write=Urgency | None,
            read=lambda incident, extra: incident.urgency,
        ),
        Field(
            name="body",
            type=Body | None,
            write=Body | None,
            read=lambda incident, extra: (
                None
                if incident.body is None
                else {"type": "incident_body", "details": incident.body}
            ),
        ),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    create_needs_from=True,
    update_needs_from=True,
)

OPERATIONS = (
    *operations.of(INCIDENT),
    Operation(
        method="PUT",
        path="/incidents",
        id="updateIncidents",
        summary="Change up to 250 incidents, all or none",
        tag=TAG,
        handle=manage,
        takes={"incidents": list[Change]},
        gives={"incidents": ["incident"]},
        needs_from=True,
        paged=True,
    ),
    Operation(
        method="PUT",
        path="/incidents/{id}/merge",
        id="mergeIncidents",
        summary="Merge other incidents into one",
        tag=TAG,
        handle=merge,
        takes={"source_incidents": list[Given]},
        gives={"incident": "incident"},
        needs_from=True,
    ),
    Operation(
        method="POST",
        path="/incidents/{id}/snooze",
        id="createIncidentSnooze",
        summary="Snooze an incident",
        tag=TAG,
        handle=snooze,
        ok=201,
        takes={"duration": int},
        gives={"incident": "incident"},
        needs_from=True,
    ),
)
