"""Business services, and what hits them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import BusinessService, BusinessServiceChange, NewBusinessService
from tocsin.incidents import actions as incidents
from tocsin.queries import service_graph
from tocsin.queries.service_graph import Impact
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging, convert
from tocsin.rest.errors import invalid
from tocsin.rest.fixed import PRIORITY_BY_ID, PRIORITY_NAMED
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

TAG = "Business Services"
MOST_IMPACTS = 200
EXTRAS = ("services.highest_impacting_priority", "total_impacted_count")


async def _load(call: Call, ids: Sequence[str]) -> dict[str, BusinessService]:
    return await catalog.business_services_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    found = await catalog.list_business_services(
        call.tx, call.actor, offset=wanted.offset, limit=wanted.limit
    )
    total = None
    if wanted.total:
        total = await catalog.count_business_services(call.tx, call.actor)
    return Slice(items=found.items, more=found.next is not None, total=total)


async def _get(call: Call, id: str) -> BusinessService:
    return await catalog.get_business_service(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> BusinessService:
    new = NewBusinessService(**_values(given))
    return await catalog.create_business_service(call.tx, call.actor, new, call.now)


async def _update(call: Call, id: str, given: dict[str, Any]) -> BusinessService:
    change = BusinessServiceChange(**_values(given))
    return await catalog.update_business_service(call.tx, call.actor, id, change, call.now)


async def _delete(call: Call, id: str) -> None:
    await catalog.delete_business_service(call.tx, call.actor, id, call.now)


def _values(given: dict[str, Any]) -> dict[str, Any]:
    values = {n: v for n, v in given.items() if n != "team" and (v is not None or n != "name")}
    if "team" in given:
        team = given["team"]
        values["team_id"] = None if team is None or not team.id else team.id
    return values


BUSINESS_SERVICE = Resource(
    kind="business_service",
    plural="business_services",
    path="/business_services",
    tag=TAG,
    summary=lambda one: one.name,
    page=lambda one: f"/app/business-services/{one.id}",
    load=_load,
    fields=(
        Field(
            name="name",
            type=str,
            write=str | None,
            required=True,
            read=lambda one, extra: one.name,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda one, extra: one.description,
        ),
        Field(
            name="point_of_contact",
            type=str | None,
            write=str | None,
            read=lambda one, extra: one.point_of_contact,
        ),
        Field(
            name="team",
            type=Reference | None,
            write=Given | None,
            read=lambda one, extra: None if one.team_id is None else Ref("team", one.team_id),
        ),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)


class PriorityOrder(msgspec.Struct):
    """A priority by its id and its rank; more is more important."""

    id: str
    order: int


class ThresholdGiven(msgspec.Struct):
    """The lowest priority with which an incident hits business services."""

    id: str
    order: int | None = None


class ImpactFields(msgspec.Struct):
    """What else is known of an impact."""

    highest_impacting_priority: PriorityOrder | None


class Impacted(msgspec.Struct):
    """Whether a business service is hit: `impacted` or `not_impacted`."""

    id: str
    name: str
    type: str
    status: str
    additional_fields: ImpactFields


def _priority(name: str | None) -> dict[str, Any] | None:
    priority = PRIORITY_NAMED.get(name or "")
    return None if priority is None else {"id": priority.id, "order": priority.order}


def _impacted(one: BusinessService, impacted: bool, worst: str | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": "business_service",
        "status": "impacted" if impacted else "not_impacted",
        "additional_fields": {"highest_impacting_priority": _priority(worst) if impacted else None},
    }


async def _wanted(call: Call) -> list[BusinessService]:
    """Those that `ids[]` names, else all."""
    wanted = call.many("ids")
    if wanted is not None:
        return await catalog.business_services_seen(call.tx, call.actor, wanted)
    return await catalog.all_business_services(call.tx, call.actor)


async def _hit_first(
    call: Call, found: Sequence[BusinessService]
) -> tuple[list[BusinessService], dict[str, Impact], int]:
    """As many as are shown, those that are hit first and of these the latest; what hits each of
    them; and how many of all are hit."""
    hit = await service_graph.hit(call.tx)
    first = sorted(found, key=lambda one: (one.id not in hit, one.name.lower()))[:MOST_IMPACTS]
    impacts = await service_graph.impacts(call.tx, call.actor, [one.id for one in first])

    def rank(one: BusinessService) -> tuple[bool, float, str]:
        impact = impacts[one.id]
        newest = max((i.created_at.timestamp() for i in impact.incidents), default=0.0)
        return not impact.impacted, -newest, one.name.lower()

    return sorted(first, key=rank), impacts, sum(1 for one in found if one.id in hit)


async def _answer(call: Call, found: Sequence[BusinessService]) -> dict[str, Any]:
    call.many("additional_fields", EXTRAS)
    shown, impacts, number = await _hit_first(call, found)
    return {
        "services": [
            _impacted(one, impacts[one.id].impacted, impacts[one.id].worst) for one in shown
        ],
        "limit": MOST_IMPACTS,
        "more": len(found) > len(shown),
        "additional_fields": {"total_impacted_count": number},
    }


async def list_impacts(call: Call) -> object:
    """Business services, those that are hit first."""
    return await _answer(call, await _wanted(call))


async def list_supporting_impacts(call: Call) -> object:
    """The business services that one depends on, those that are hit first."""
    one = await _get(call, call.path["id"])
    below = await catalog.dependencies_seen(call.tx, call.actor, one.id)
    ids = [d.supporting_id for d in below if d.dependent_id == one.id]
    return await _answer(call, await catalog.business_services_seen(call.tx, call.actor, ids))


async def list_impactors(call: Call) -> object:
    """The incidents that hit business services, newest first."""
    _, impacts, number = await _hit_first(call, await _wanted(call))
    by_id = {one.id: one for impact in impacts.values() for one in impact.incidents}
    newest = sorted(by_id.values(), key=lambda one: (one.created_at, one.id), reverse=True)
    return {
        "impactors": [Ref("incident", one.id) for one in newest[:MOST_IMPACTS]],
        "limit": MOST_IMPACTS,
        "more": len(newest) > MOST_IMPACTS
        or number > MOST_IMPACTS
        or any(one.cut for one in impacts.values()),
    }


async def list_incident_impacts(call: Call) -> object:
    """The business services that an incident hits, nearest first."""
    incident = await incidents.get(call.tx, call.actor, call.path["id"])
    places = []
    if incident.status != "resolved":
        priority = None if incident.priority is None else str(incident.priority)
        places = await service_graph.hit_business(
            call.tx, call.actor, incident.service_id, priority
        )
    ids = [place.node.id for place in places[:MOST_IMPACTS]]
    found = await catalog.business_services_by_ids(call.tx, ids)
    hit = await service_graph.impacts(call.tx, call.actor, ids)
    return {
        "services": [_impacted(found[id], True, hit[id].worst) for id in ids],
        "limit": MOST_IMPACTS,
        "more": len(places) > MOST_IMPACTS,
    }


async def get_threshold(call: Call) -> object:
    """The lowest priority with which an incident hits business services."""
    return {"global_threshold": _priority(await catalog.impact_threshold(call.tx))}


async def set_threshold(call: Call) -> object:
    """Set it, by the id of a priority."""
    given = convert("global_threshold", call.wrapped("global_threshold"), ThresholdGiven)
    priority = PRIORITY_BY_ID.get(given.id)
    if priority is None:
        raise invalid("global_threshold.id must be the id of a priority: see /priorities")
    await catalog.set_impact_threshold(call.tx, call.actor, priority.name, call.now)
    return await get_threshold(call)


async def remove_threshold(call: Call) -> None:
    """Let every open incident count again."""
    await catalog.set_impact_threshold(call.tx, call.actor, None, call.now)


GIVES = {
    "services": list[Impacted],
    "limit": int,
    "more": bool,
    "additional_fields": dict[str, int] | None,
}
IMPACT_PARAMS = (Param(name="ids", many=True), Param(name="additional_fields", many=True))
THRESHOLD = {"global_threshold": PriorityOrder | None}


def _two_hundred(one: Operation) -> Operation:
    """A business service that was created is answered with 200."""
    return dataclasses.replace(one, ok=200) if one.method == "POST" else one


OPERATIONS = (
    *(_two_hundred(one) for one in operations.of(BUSINESS_SERVICE)),
    Operation(
        method="GET",
        path="/business_services/impacts",
        id="listBusinessServiceImpacts",
        summary="List business services, those that open incidents hit first",
        tag=TAG,
        handle=list_impacts,
        params=IMPACT_PARAMS,
        gives=GIVES,
    ),
    Operation(
        method="GET",
        path="/business_services/impactors",
        id="listBusinessServiceImpactors",
        summary="List the incidents that hit business services",
        tag=TAG,
        handle=list_impactors,
        params=(Param(name="ids", many=True),),
        gives={"impactors": list[Reference], "limit": int, "more": bool},
    ),
    Operation(
        method="GET",
        path="/business_services/{id}/supporting_services/impacts",
        id="listSupportingServiceImpacts",
        summary="List the business services that one depends on, those that are hit first",
        tag=TAG,
        handle=list_supporting_impacts,
        params=(Param(name="additional_fields", many=True),),
        gives=GIVES,
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/business_services/impacts",
        id="listIncidentImpacts",
        summary="List the business services that an incident hits",
        tag="Incidents",
        handle=list_incident_impacts,
        gives={"services": list[Impacted], "limit": int, "more": bool},
    ),
    Operation(
        method="GET",
        path="/business_services/priority_thresholds",
        id="getBusinessServiceThreshold",
        summary="Get the lowest priority with which an incident hits business services",
        tag=TAG,
        handle=get_threshold,
        gives=THRESHOLD,
    ),
    Operation(
        method="PUT",
        path="/business_services/priority_thresholds",
        id="updateBusinessServiceThreshold",
        summary="Set the lowest priority with which an incident hits business services",
        tag=TAG,
        handle=set_threshold,
        takes={"global_threshold": ThresholdGiven},
        gives=THRESHOLD,
    ),
    Operation(
        method="DELETE",
        path="/business_services/priority_thresholds",
        id="deleteBusinessServiceThreshold",
        summary="Let incidents of every priority hit business services again",
        tag=TAG,
        handle=remove_threshold,
        ok=204,
    ),
)
