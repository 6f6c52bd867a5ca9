"""Alert grouping settings: the list with its cursors, one, and their changes; and the older form
that stands inside a service."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import (
    BY_CONTENT,
    BY_TEXT,
    RECOMMENDED_WINDOW,
    GroupingInput,
    GroupingSetting,
    GroupingType,
)
from tocsin.rest import operations
from tocsin.rest.call import DEFAULT_LIMIT, MAX_LIMIT, Call, Given
from tocsin.rest.errors import invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource


class Config(msgspec.Struct):
    """What a type is set to: each type looks at its own members."""

    timeout: int | None = None
    time_window: int | None = None
    aggregate: str | None = None
    fields: list[str] | None = None
    iag_fields: list[str] | None = None


class Parameters(msgspec.Struct):
    """The grouping of one service, inside the service. `timeout` is in minutes."""

    type: str | None = None
    config: Config | None = None


def config_of(setting: GroupingSetting) -> dict[str, Any]:
    """The config of a setting as it stands on the wire, by its type."""
    if setting.type == GroupingType.TIME:
        return {"timeout": setting.timeout}
    config: dict[str, Any] = {
        "time_window": setting.time_window,
        "recommended_time_window": RECOMMENDED_WINDOW,
    }
    if setting.type in BY_CONTENT:
        config |= {"aggregate": setting.aggregate, "fields": list(setting.fields)}
    if setting.type in BY_TEXT:
        config["iag_fields"] = list(setting.text_fields)
    return config


def parameters_of(setting: GroupingSetting | None) -> dict[str, Any]:
    """The grouping of a service as it stands inside the service."""
    if setting is None:
        return {"type": None, "config": None}
    config = config_of(setting)
    if setting.type == GroupingType.TIME:
        config["timeout"] = minutes_of(setting)
    return {"type": setting.type, "config": config}


def minutes_of(setting: GroupingSetting) -> int:
    """The timeout of a setting by time, rounded up."""
    return -(-setting.timeout // 60)


def input_of(
    type: str, config: Config, service_ids: Sequence[str], *, minutes: bool = False
) -> GroupingInput:
    """What is asked for, from a type and a config as they stand on the wire."""
    timeout = config.timeout or 0
    return GroupingInput(
        type=type,
        service_ids=service_ids,
        timeout=timeout * 60 if minutes else timeout,
        time_window=config.time_window or 0,
        aggregate=config.aggregate,
        fields=config.fields or (),
        text_fields=config.iag_fields or (),
    )


def wanted_of_service(
    parameters: Parameters, current: GroupingSetting | None, service_id: str
) -> tuple[bool, GroupingInput | None]:
    """Whether a service's grouping is to change, and to what. What a client sends back as it read
    it changes nothing, so that a service stays in a setting that it shares."""
    if parameters.type is None:
        return current is not None, None
    config = parameters.config or Config()
    if parameters.type == GroupingType.TIME and (config.timeout or 0) > 1440:
        raise invalid("alert_grouping_parameters.config.timeout must be at most 1440 minutes")
    wanted = input_of(parameters.type, config, [service_id], minutes=True)
    same = current is not None and msgspec.to_builtins(parameters) == msgspec.to_builtins(
        msgspec.convert(parameters_of(current), Parameters)
    )
    return not same, wanted


async def _load(call: Call, ids: Sequence[str]) -> dict[str, GroupingSetting]:
    return await grouping.groupings_by_ids(call.tx, ids)


async def _get(call: Call, id: str) -> GroupingSetting:
    return await grouping.get_grouping(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> GroupingSetting:
    if given.get("config") is None:
        raise invalid("config is required")
    wanted = input_of(given["type"], given["config"], _ids(given["services"]))
    return await grouping.create_grouping(call.tx, call.actor, _named(wanted, given), call.now)


async def _update(call: Call, id: str, given: dict[str, Any]) -> GroupingSetting:
    old = await grouping.get_grouping(call.tx, call.actor, id)
    type = given.get("type") or old.type
    config = given.get("config")
    if config is None:
        if type != old.type:
            raise invalid("config is required with another type")
        config = msgspec.convert(config_of(old), Config)
    services = given.get("services")
    wanted = input_of(type, config, old.service_ids if services is None else _ids(services))
    kept = {"name": old.name, "description": old.description, **given}
    return await grouping.update_grouping(call.tx, call.actor, id, _named(wanted, kept), call.now)


async def _delete(call: Call, id: str) -> None:
    await grouping.delete_grouping(call.tx, call.actor, id, call.now)


def _ids(services: Sequence[Given]) -> list[str]:
    return [service.id for service in services]


def _named(wanted: GroupingInput, given: dict[str, Any]) -> GroupingInput:
    return msgspec.structs.replace(
        wanted, name=given.get("name"), description=given.get("description")
    )


async def list_settings(call: Call) -> object:
    """A part of the list, with the cursors of the parts before and after it."""
    limit = min(call.whole("limit", DEFAULT_LIMIT, 1, 999_999_999), MAX_LIMIT)
    after, before = call.text("after"), call.text("before")
    if after is not None and before is not None:
        raise invalid("after must not be given together with before")
    service_ids = call.many("service_ids")
    found = await grouping.list_groupings(
        call.tx, call.actor, service_ids=service_ids, after=after, before=before, limit=limit
    )
    total = None
    if call.flag("total"):
        total = await grouping.count_groupings(call.tx, call.actor, service_ids=service_ids)
    items = found.items
    return {
        "alert_grouping_settings": [whole(SETTING, item) for item in items],
        "after": items[-1].id if items and found.later else None,
        "before": items[0].id if items and found.earlier else None,
        "limit": limit,
        "total": total,
    }


SETTING = Resource(
    kind="alert_grouping_setting",
    plural="alert_grouping_settings",
    path="/alert_grouping_settings",
    tag="Alert Grouping Settings",
    summary=lambda setting: setting.name or setting.type,
    page=lambda setting: (
        f"/app/services/{setting.service_ids[0]}#grouping" if setting.service_ids else None
    ),
    load=_load,
    fields=(
        Field(
            name="name",
            type=str | None,
            write=str | None,
            read=lambda setting, extra: setting.name,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda setting, extra: setting.description,
        ),
        Field(
            name="type",
            type=str,
            write=str | None,
            required=True,
            read=lambda setting, extra: setting.type,
        ),
        Field(
            name="config",
            type=dict[str, Any],
            write=Config | None,
            read=lambda setting, extra: config_of(setting),
        ),
        Field(
            name="services",
            type=list[Reference],
            write=list[Given] | None,
            required=True,
            read=lambda setting, extra: [Ref("service", id) for id in setting.service_ids],
        ),
        Field(name="created_at", type=str, read=lambda setting, extra: setting.created_at),
        Field(name="updated_at", type=str, read=lambda setting, extra: setting.updated_at),
    ),
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/alert_grouping_settings",
        id="listAlertGroupingSettings",
        summary="List alert grouping settings",
        tag=SETTING.tag,
        handle=list_settings,
        params=(
            Param(name="after"),
            Param(name="before"),
            Param(name="limit", type=int),
            Param(name="total", type=bool),
            Param(name="service_ids", many=True),
        ),
        gives={
            "alert_grouping_settings": ["alert_grouping_setting"],
            "after": str | None,
            "before": str | None,
            "limit": int,
            "total": int | None,
        },
    ),
    *operations.of(SETTING),
)
