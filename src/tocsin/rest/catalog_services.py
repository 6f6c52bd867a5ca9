"""Services. What the server cannot do yet (support hours, grouping, pauses) reads as off, and a
request that wants it is refused by name: silence would be taken for consent."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Integration, NewService, Service, ServiceChange
from tocsin.queries import service_board
from tocsin.queries.service_board import Board
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Param, Ref, Reference, Resource, Slice
from tocsin.suppression import actions as suppression

AT_ONCE = 25
STATUSES = ("active", "disabled", "warning", "critical", "maintenance")


class UrgencyRule(msgspec.Struct):
    """How urgent the service's incidents are."""

    type: str = "constant"
    urgency: Literal["high", "low", "severity_based"] | None = "high"


class Grouping(msgspec.Struct):
    """How alerts are grouped: not yet, so only "not at all" is accepted."""

    type: str | None = None


class Pause(msgspec.Struct):
    """Whether notifications wait for transient alerts: not yet."""

    enabled: bool = False
    timeout: int | None = None


class Extra(msgspec.Struct):
    """What belongs to services and is kept elsewhere."""

    boards: dict[str, Board]
    integrations: dict[str, list[Integration]]
    in_maintenance: frozenset[str]


async def _prepare(call: Call, services: Sequence[Service]) -> Extra:
    ids = list({service.id: None for service in services})
    integrations: dict[str, list[Integration]] = {}
    for start in range(0, len(ids), AT_ONCE):
        integrations |= await catalog.integrations_of(call.tx, ids[start : start + AT_ONCE])
    return Extra(
        boards=await service_board.boards(call.tx, ids),
        integrations=integrations,
        in_maintenance=frozenset(await suppression.verdicts(call.tx, ids, call.now)),
    )


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Service]:
    return await catalog.services_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    sorting = call.sorting("name")
    query, name = call.text("query"), call.text("name")
    team_ids = call.many("team_ids")
    found = await catalog.list_services(
        call.tx,
        call.actor,
        query=query,
        name=name,
        team_ids=team_ids,
        descending=sorting is not None and sorting[1],
        offset=wanted.offset,
        limit=wanted.limit,
    )
    total = None
    if wanted.total:
        total = await catalog.count_services(
            call.tx, call.actor, query=query, name=name, team_ids=team_ids
        )
    return Slice(items=found.items, more=found.next is not None, total=total)


async def _get(call: Call, id: str) -> Service:
    return await catalog.get_service(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Service:
    values = _values(given)
    service = await catalog.create_service(call.tx, call.actor, NewService(**values), call.now)
    return await _switched(call, service, given)


async def _update(call: Call, id: str, given: dict[str, Any]) -> Service:
    values = {n: v for n, v in _values(given).items() if v is not None or n not in MUST_HAVE}
    service = await catalog.update_service(
        call.tx, call.actor, id, ServiceChange(**values), call.now
    )
    return await _switched(call, service, given)


async def _delete(call: Call, id: str) -> None:
    await catalog.delete_service(call.tx, call.actor, id, call.now)


MUST_HAVE = ("name", "escalation_policy_id", "urgency_rule")


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """The fields that the catalog knows, by its names; what cannot be done is refused."""
    _refuse_what_is_missing(given)
    values: dict[str, Any] = {
        name: given[name]
        for name in ("name", "description", "acknowledgement_timeout", "auto_resolve_timeout")
        if name in given
    }
    if given.get("escalation_policy") is not None:
        values["escalation_policy_id"] = given["escalation_policy"].id
    rule = given.get("incident_urgency_rule")
    if rule is not None:
        if rule.type != "constant" or rule.urgency is None:
            raise invalid("incident_urgency_rule type must be constant: there are no support hours")
        values["urgency_rule"] = rule.urgency
    return values


def _refuse_what_is_missing(given: dict[str, Any]) -> None:
    grouping, pause = (
        given.get("alert_grouping_parameters"),
        given.get("auto_pause_notifications_parameters"),
    )
    wanted = {
        "support_hours": given.get("support_hours"),
        "scheduled_actions": given.get("scheduled_actions"),
        "alert_grouping": given.get("alert_grouping"),
        "alert_grouping_parameters": grouping is not None and grouping.type,
        "auto_pause_notifications_parameters": pause is not None and pause.enabled,
    }
    for name, value in wanted.items():
        if value:
            raise invalid(f"{name} is not supported by this server: leave it out")


async def _switched(call: Call, service: Service, given: dict[str, Any]) -> Service:
    status = given.get("status")
    if status is None:
        return service
    if status not in STATUSES:
        raise invalid(f"status must be one of {', '.join(STATUSES)}")
    enabled = status != "disabled"
    return await catalog.set_enabled(call.tx, call.actor, service.id, enabled, call.now)


def _status(service: Service, extra: Extra) -> str:
    if service.disabled_at is not None:
        return "disabled"
    if service.id in extra.in_maintenance:
        return "maintenance"
    board = extra.boards.get(service.id)
    if board is None:
        return "active"
    return "critical" if board.triggered else "warning" if board.acknowledged else "active"


def _off(name: str, type: Any, write: Any, value: Any) -> Field:
    return Field(name=name, type=type, write=write, read=lambda service, extra: value)


SERVICE = Resource(
    kind="service",
    plural="services",
    path="/services",
    tag="Services",
    summary=lambda service: service.name,
    page=lambda service: f"/app/services/{service.id}",
    load=_load,
    prepare=_prepare,
    params=(
        Param(name="query"),
        Param(name="name"),
        Param(name="team_ids", many=True),
        Param(name="sort_by"),
        Param(name="time_zone"),
    ),
    fields=(
        Field(
            name="name",
            type=str,
            write=str | None,
            required=True,
            read=lambda service, extra: service.name,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda service, extra: service.description,
        ),
        Field(name="created_at", type=str, read=lambda service, extra: service.created_at),
        Field(name="status", type=str, write=str | None, read=_status),
        Field(
            name="auto_resolve_timeout",
            type=int | None,
            write=int | None,
            read=lambda service, extra: service.auto_resolve_timeout,
        ),
        Field(
            name="acknowledgement_timeout",
            type=int | None,
            write=int | None,
            read=lambda service, extra: service.acknowledgement_timeout,
        ),
        Field(
            name="last_incident_timestamp",
            type=str | None,
            read=lambda service, extra: service.last_incident_at,
        ),
        Field(
            name="teams",
            type=list[Reference],
            include="teams",
            read=lambda service, extra: (
                [] if service.team_id is None else [Ref("team", service.team_id)]
            ),
        ),
        Field(
            name="escalation_policy",
            type=Reference,
            write=Given | None,
            required=True,
            include="escalation_policies",
            read=lambda service, extra: Ref("escalation_policy", service.escalation_policy_id),
        ),
        Field(
            name="incident_urgency_rule",
            type=UrgencyRule,
            write=UrgencyRule | None,
            read=lambda service, extra: {"type": "constant", "urgency": service.urgency_rule},
        ),
        Field(
            name="integrations",
            type=list[Reference],
            include="integrations",
            read=lambda service, extra: [
                Ref("integration", one.id, one) for one in extra.integrations[service.id]
            ],
        ),
        _off("support_hours", None, Any, None),
        _off("scheduled_actions", list[Any], list[Any] | None, []),
        _off("addons", list[Any], None, []),
        _off("alert_creation", str, None, "create_alerts_and_incidents"),
        _off("alert_grouping", None, str | None, None),
        _off("alert_grouping_timeout", None, None, None),
        _off("alert_grouping_parameters", Grouping, Grouping | None, {"type": None}),
        _off(
            "auto_pause_notifications_parameters",
            Pause,
            Pause | None,
            {"enabled": False, "timeout": None},
        ),
        _off("response_play", None, None, None),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)

OPERATIONS = tuple(operations.of(SERVICE))
