"""Incidents: list, find, open, and what people do to them, one or up to 250 at once.

A change of several things of one incident is made in the order in which it would be made by hand:
the title, the urgency, the priority, the bridge, who it is with, and the status last.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Reassignment
from tocsin.incidents.model import (
    MAX_BULK,
    Conference,
    Incident,
    NewIncident,
    Priority,
    Status,
    Urgency,
)
from tocsin.queries import incident_search
from tocsin.queries.incident_search import DEFAULT, KEYS, Wanted
from tocsin.rest import fixed, operations
from tocsin.rest.call import Call, Given, Paging, convert
from tocsin.rest.errors import INVALID, ApiError, invalid
from tocsin.rest.incident_fields import FIELDS, AssignmentGiven, BridgeGiven, prepare
from tocsin.rest.render import whole
from tocsin.rest.resource import Operation, Param, Resource, Slice

TAG = "Incidents"
LAST_MONTH = timedelta(days=30)
LONGEST = timedelta(days=184)
BAD_RANGE = 2004
BAD_PRIORITY = 1020
STATUSES = tuple(str(status) for status in Status)
URGENCIES = tuple(str(urgency) for urgency in Urgency)


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
    service: Given | None = None
    # These may be taken away: null is a wish of its own.
    priority: Given | msgspec.UnsetType | None = msgspec.UNSET
    conference_bridge: BridgeGiven | msgspec.UnsetType | None = msgspec.UNSET


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Incident]:
    return await incidents.by_ids(call.tx, ids)


async def _list(call: Call, paging: Paging) -> Slice:
    wanted = _wanted(call)
    order = call.sortings(*KEYS) or DEFAULT
    found = await incident_search.incident_ids(
        call.tx, call.actor, wanted, order, limit=paging.limit + 1, offset=paging.offset
    )
    total = None
    if paging.total:
        total = await incident_search.count_incidents(call.tx, call.actor, wanted)
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
        priority=_named_priority(given.get("priority")),
        conference=_conference(given.get("conference_bridge")),
    )
    return await incidents.create(call.tx, call.actor, new, call.now)


def _named_priority(given: Given | None) -> Priority | None:
    if given is None:
        return None
    found = fixed.PRIORITY_BY_ID.get(given.id)
    if found is None:
        raise ApiError(400, BAD_PRIORITY, "Invalid Priority", f"priority {given.id} is not one")
    return Priority(found.name)


def _conference(given: BridgeGiven | None) -> Conference | None:
    if given is None:
        return None
    return Conference(number=given.conference_number, url=given.conference_url)


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
    await _check_what_stays(call, ids, change)
    for id in ids if change.title is not None else ():
        await incidents.set_title(tx, actor, id, change.title or "", now)
    if change.urgency is not None:
        await incidents.set_urgency(tx, actor, ids, change.urgency, now)
    if not isinstance(change.priority, msgspec.UnsetType):
        await incidents.set_priority(tx, actor, ids, _named_priority(change.priority), now)
    if not isinstance(change.conference_bridge, msgspec.UnsetType):
        bridge = _conference(change.conference_bridge)
        await incidents.set_conference(tx, actor, ids, bridge, now)
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


async def _check_what_stays(call: Call, ids: list[str], change: Change) -> None:
    """What changes nothing may still name what is not there, or not to be seen; and an incident
    stays with its service, because its alerts are that service's."""
    unchanged = msgspec.structs.replace(
        change, id=None, resolution=None, assignments=None, service=None
    )
    if change.service is None and unchanged != Change():
        return
    for id in ids:
        incident = await incidents.get(call.tx, call.actor, id)
        if change.service is not None and change.service.id != incident.service_id:
            raise invalid("service of an incident cannot be changed: open one on the other service")


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


INCIDENT = Resource(
    kind="incident",
    plural="incidents",
    path="/incidents",
    tag=TAG,
    summary=lambda incident: f"[#{incident.number}] {incident.title}",
    page=lambda incident: f"/app/incidents/{incident.id}",
    load=_load,
    prepare=prepare,
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
    fields=FIELDS,
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
