"""What depends on what. A service is written as `service`, and answered as `technical_service`, the
way clients expect."""

from typing import Any

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import Dependency, End, NodeKind, Pair
from tocsin.rest.call import Call, Given
from tocsin.rest.catalog_services import SERVICE
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Operation, Ref, Reference, Resource

TAG = "Service Dependencies"
TECHNICAL = "technical_service"
KINDS = {
    "service": NodeKind.SERVICE,
    TECHNICAL: NodeKind.SERVICE,
    "business_service": NodeKind.BUSINESS,
}
WIRE = {NodeKind.SERVICE.value: TECHNICAL, NodeKind.BUSINESS.value: "business_service"}

# Only its reference is ever shown.
TECHNICAL_SERVICE = Resource(
    kind=TECHNICAL,
    plural="technical_services",
    path=SERVICE.path,
    tag=TAG,
    summary=SERVICE.summary,
    page=SERVICE.page,
    load=SERVICE.load,
    fields=(),
)


class RelationshipGiven(msgspec.Struct):
    """A relationship of a request; one that is to go may be named by its id alone."""

    supporting_service: Given | None = None
    dependent_service: Given | None = None
    id: str | None = None


class Relationship(msgspec.Struct):
    """A relationship of an answer: the dependent service needs the supporting one."""

    id: str
    type: str
    supporting_service: Reference
    dependent_service: Reference


def _shown(one: Dependency) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": "service_dependency",
        "supporting_service": Ref(WIRE[one.supporting_kind], one.supporting_id),
        "dependent_service": Ref(WIRE[one.dependent_kind], one.dependent_id),
    }


def _pairs(call: Call) -> list[Pair]:
    return [
        Pair(
            id=one.id,
            supporting=_end(f"relationships[{n}].supporting_service", one.supporting_service),
            dependent=_end(f"relationships[{n}].dependent_service", one.dependent_service),
        )
        for n, one in enumerate(call.list_of("relationships", RelationshipGiven))
    ]


def _end(field: str, given: Given | None) -> End | None:
    if given is None:
        return None
    kind = KINDS.get((given.type or "").removesuffix("_reference"))
    if kind is None:
        raise invalid(f"{field} type must be one of {', '.join(KINDS)}")
    return End(kind.value, given.id)


async def associate(call: Call) -> object:
    """Add relationships; those that are there stay."""
    found = await catalog.associate(call.tx, call.actor, _pairs(call), call.now)
    return {"relationships": [_shown(one) for one in found]}


async def disassociate(call: Call) -> object:
    """Take relationships away; the answer has those that were there."""
    found = await catalog.disassociate(call.tx, call.actor, _pairs(call), call.now)
    return {"relationships": [_shown(one) for one in found]}


async def of_service(call: Call) -> object:
    """The relationships of a service, on either side."""
    service = await catalog.get_service(call.tx, call.actor, call.path["id"])
    return await _of(call, service.id)


async def of_business_service(call: Call) -> object:
    """The relationships of a business service, on either side."""
    business = await catalog.get_business_service(call.tx, call.actor, call.path["id"])
    return await _of(call, business.id)


async def _of(call: Call, id: str) -> dict[str, Any]:
    found = await catalog.dependencies_seen(call.tx, call.actor, id)
    return {"relationships": [_shown(one) for one in found]}


GIVES = {"relationships": list[Relationship]}
TAKES = {"relationships": list[RelationshipGiven]}
OPERATIONS = (
    Operation(
        method="POST",
        path="/service_dependencies/associate",
        id="associateServiceDependencies",
        summary="Add dependencies between services",
        tag=TAG,
        handle=associate,
        takes=TAKES,
        gives=GIVES,
    ),
    Operation(
        method="POST",
        path="/service_dependencies/disassociate",
        id="disassociateServiceDependencies",
        summary="Take dependencies between services away",
        tag=TAG,
        handle=disassociate,
        takes=TAKES,
        gives=GIVES,
    ),
    Operation(
        method="GET",
        path="/service_dependencies/technical_services/{id}",
        id="listServiceDependencies",
        summary="List the dependencies of a service",
        tag=TAG,
        handle=of_service,
        gives=GIVES,
    ),
    Operation(
        method="GET",
        path="/service_dependencies/business_services/{id}",
        id="listBusinessServiceDependencies",
        summary="List the dependencies of a business service",
        tag=TAG,
        handle=of_business_service,
        gives=GIVES,
    ),
)
