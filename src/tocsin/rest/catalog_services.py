"""Services, with all their settings. What the server cannot do is refused by name: silence would be
taken for consent."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingSetting, GroupingType
from tocsin.catalog.model import Integration, NewService, Service, ServiceChange
from tocsin.core.errors import Invalid
from tocsin.queries import service_board
from tocsin.queries.service_board import Board
from tocsin.rest import operations, service_hours
from tocsin.rest.alert_grouping_settings import (
    Config,
    Parameters,
    minutes_of,
    parameters_of,
    wanted_of_service,
)
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Param, Ref, Reference, Resource, Slice
from tocsin.rest.service_hours import Pause, ScheduledAction, SupportHours, UrgencyRule
from tocsin.suppression import actions as suppression

AT_ONCE = 25
STATUSES = ("active", "disabled", "warning", "critical", "maintenance")


class Extra(msgspec.Struct):
    """What belongs to services and is kept elsewhere."""

    boards: dict[str, Board]
    integrations: dict[str, list[Integration]]
    in_maintenance: frozenset[str]
    groupings: dict[str, GroupingSetting]

    def grouping(self, service: Service) -> GroupingSetting | None:
        """How its alerts are grouped; None: they are not."""
        return self.groupings.get(service.grouping_setting_id or "")


async def _prepare(call: Call, services: Sequence[Service]) -> Extra:
    ids = list({service.id: None for service in services})
    integrations: dict[str, list[Integration]] = {}
    for start in range(0, len(ids), AT_ONCE):
        integrations |= await catalog.integrations_of(call.tx, ids[start : start + AT_ONCE])
    return Extra(
        boards=await service_board.boards(call.tx, ids),
        integrations=integrations,
        in_maintenance=frozenset(await suppression.verdicts(call.tx, ids, call.now)),
        groupings=await _groupings(call, services),
    )


async def _groupings(call: Call, services: Sequence[Service]) -> dict[str, GroupingSetting]:
    wanted = {one.grouping_setting_id for one in services if one.grouping_setting_id is not None}
    return await grouping.groupings_by_ids(call.tx, sorted(wanted))


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
    values = _values(given, None)
    service = await catalog.create_service(call.tx, call.actor, NewService(**values), call.now)
    return await _finished(call, service, given)


async def _update(call: Call, id: str, given: dict[str, Any]) -> Service:
    old = await catalog.get_service(call.tx, call.actor, id)
    found = _values(given, old)
    values = {n: v for n, v in found.items() if v is not None or n not in MUST_HAVE}
    service = await catalog.update_service(
        call.tx, call.actor, id, ServiceChange(**values), call.now
    )
    return await _finished(call, service, given)


async def _delete(call: Call, id: str) -> None:
    await catalog.delete_service(call.tx, call.actor, id, call.now)


ALERT_CREATION = "create_alerts_and_incidents"
OLD_GROUPINGS = (GroupingType.TIME.value, GroupingType.TEXT.value)
MUST_HAVE = ("name", "escalation_policy_id", "urgency_rule")


def _values(given: dict[str, Any], old: Service | None) -> dict[str, Any]:
    """The fields that the catalog knows, by its names; what cannot be done is refused."""
    if given.get("alert_creation") not in (None, ALERT_CREATION):
        raise invalid(
            f"alert_creation must be {ALERT_CREATION}: every incident here is made of alerts"
        )
    if given.get("response_play") is not None:
        raise invalid("response_play must be null: this server has no response plays")
    values: dict[str, Any] = {
        name: given[name]
        for name in ("name", "description", "acknowledgement_timeout", "auto_resolve_timeout")
        if name in given
    }
    if given.get("escalation_policy") is not None:
        values["escalation_policy_id"] = given["escalation_policy"].id
    return values | service_hours.values(given, old)


async def _finished(call: Call, service: Service, given: dict[str, Any]) -> Service:
    """What is kept beside the service: its grouping, and whether it works."""
    known = await _groupings(call, [service])
    current = known.get(service.grouping_setting_id or "")
    parameters = _grouping_given(given, current)
    changes, wanted = False, None
    if parameters is not None:
        changes, wanted = wanted_of_service(parameters, current, service.id)
    if changes:
        try:
            await grouping.group_service(call.tx, call.actor, service.id, wanted, call.now)
        except Invalid as wrong:
            raise invalid(f"alert_grouping_parameters.{wrong.field} {wrong.message}") from wrong
        service = await catalog.get_service(call.tx, call.actor, service.id)
    return await _switched(call, service, given)


def _grouping_given(given: dict[str, Any], current: GroupingSetting | None) -> Parameters | None:
    """The grouping that a request asks for, in the newer form or the older one; None: neither."""
    if "alert_grouping_parameters" in given or "alert_grouping" not in given:
        parameters: Parameters | None = given.get("alert_grouping_parameters")
        return parameters
    type = given["alert_grouping"]
    if type is None:
        # What the older form cannot name, it does not take away either.
        return Parameters() if _old_grouping(current) is not None else None
    if type not in OLD_GROUPINGS:
        raise invalid(f"alert_grouping must be one of {', '.join(OLD_GROUPINGS)}, or null")
    return Parameters(type=type, config=Config(timeout=given.get("alert_grouping_timeout")))


def _old_grouping(setting: GroupingSetting | None) -> str | None:
    return setting.type if setting is not None and setting.type in OLD_GROUPINGS else None


def _old_timeout(setting: GroupingSetting | None) -> int | None:
    by_time = setting is not None and setting.type == GroupingType.TIME
    return minutes_of(setting) if setting is not None and by_time else None


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
    team_of=lambda service: service.team_id,
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
            read=lambda service, extra: service_hours.rule_shown(service),
        ),
        Field(
            name="integrations",
            type=list[Reference],
            include="integrations",
            read=lambda service, extra: [
                Ref("integration", one.id, one) for one in extra.integrations[service.id]
            ],
        ),
        Field(
            name="support_hours",
            type=SupportHours | None,
            write=SupportHours | None,
            read=lambda service, extra: service_hours.hours_shown(service),
        ),
        Field(
            name="scheduled_actions",
            type=list[ScheduledAction],
            write=list[ScheduledAction] | None,
            read=lambda service, extra: service_hours.actions_shown(service),
        ),
        _off("addons", list[Any], None, []),
        _off("alert_creation", str, str | None, ALERT_CREATION),
        Field(
            name="alert_grouping",
            type=str | None,
            write=str | None,
            read=lambda service, extra: _old_grouping(extra.grouping(service)),
        ),
        Field(
            name="alert_grouping_timeout",
            type=int | None,
            write=int | None,
            read=lambda service, extra: _old_timeout(extra.grouping(service)),
        ),
        Field(
            name="alert_grouping_parameters",
            type=Parameters,
            write=Parameters | None,
            read=lambda service, extra: parameters_of(extra.grouping(service)),
        ),
        Field(
            name="auto_pause_notifications_parameters",
            type=Pause,
            write=Pause | None,
            read=lambda service, extra: service_hours.pause_shown(service),
        ),
        _off("response_play", None, Any, None),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)

OPERATIONS = tuple(operations.of(SERVICE))
