"""Maintenance windows: times in which services open no incident and page nobody."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Param, Ref, Reference, Resource, Slice
from tocsin.suppression import actions as suppression
from tocsin.suppression.actions import Listed
from tocsin.suppression.model import Filter, NewWindow, Window, WindowChange

FILTERS = tuple(str(one) for one in Filter)
NAMES = {"start_time": "starts_at", "end_time": "ends_at"}


class Extra(msgspec.Struct):
    """The teams of the windows' services, by service."""

    teams: dict[str, str | None]


async def _prepare(call: Call, windows: Sequence[Window]) -> Extra:
    ids = sorted({id for window in windows for id in window.service_ids})
    services = await catalog.services_by_ids(call.tx, ids)
    return Extra(teams={id: service.team_id for id, service in services.items()})


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Window]:
    return await suppression.by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    chosen = call.text("filter") or Filter.ALL
    if chosen not in FILTERS:
        raise invalid(f"filter must be one of {', '.join(FILTERS)}")
    asked = Listed(
        filter=Filter(chosen),
        query=call.text("query"),
        service_ids=call.many("service_ids"),
        team_ids=call.many("team_ids"),
    )
    found = await suppression.page(
        call.tx, call.actor, asked, call.now, limit=wanted.limit + 1, offset=wanted.offset
    )
    total = None
    if wanted.total:
        total = await suppression.count(call.tx, call.actor, asked, call.now)
    return Slice(items=found[: wanted.limit], more=len(found) > wanted.limit, total=total)


async def _get(call: Call, id: str) -> Window:
    return await suppression.get(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Window:
    new = NewWindow(
        service_ids=_ids(given["services"]),
        starts_at=given["start_time"],
        ends_at=given["end_time"],
        description=given.get("description") or "",
    )
    return await suppression.create(call.tx, call.actor, new, call.now)


async def _update(call: Call, id: str, given: dict[str, Any]) -> Window:
    values = {NAMES.get(name, name): value for name, value in given.items() if value is not None}
    if "services" in values:
        values["service_ids"] = _ids(values.pop("services"))
    if given.get("description", "") is None:
        values["description"] = ""
    return await suppression.update(call.tx, call.actor, id, WindowChange(**values), call.now)


async def _delete(call: Call, id: str) -> None:
    await suppression.remove(call.tx, call.actor, id, call.now)


def _ids(given: Sequence[Given]) -> tuple[str, ...]:
    return tuple(one.id for one in given)


def _teams(window: Window, extra: Extra) -> list[Ref]:
    teams = {extra.teams.get(id): None for id in window.service_ids}
    return [Ref("team", id) for id in teams if id is not None]


MAINTENANCE_WINDOW = Resource(
    kind="maintenance_window",
    plural="maintenance_windows",
    path="/maintenance_windows",
    tag="Maintenance Windows",
    summary=lambda window: window.description or f"Maintenance window {window.sequence_number}",
    page=lambda window: f"/app/maintenance/{window.id}",
    load=_load,
    prepare=_prepare,
    params=(
        Param(name="filter"),
        Param(name="query"),
        Param(name="service_ids", many=True),
        Param(name="team_ids", many=True),
    ),
    fields=(
        Field(name="sequence_number", type=int, read=lambda window, extra: window.sequence_number),
        Field(
            name="start_time",
            type=str,
            write=datetime | None,
            required=True,
            read=lambda window, extra: window.starts_at,
        ),
        Field(
            name="end_time",
            type=str,
            write=datetime | None,
            required=True,
            read=lambda window, extra: window.ends_at,
        ),
        Field(
            name="description",
            type=str,
            write=str | None,
            read=lambda window, extra: window.description,
        ),
        Field(
            name="created_by",
            type=Reference | None,
            include="users",
            read=lambda window, extra: (
                None if window.created_by is None else Ref("user", window.created_by)
            ),
        ),
        Field(
            name="services",
            type=list[Reference],
            write=list[Given] | None,
            required=True,
            include="services",
            read=lambda window, extra: [Ref("service", id) for id in window.service_ids],
        ),
        Field(name="teams", type=list[Reference], include="teams", read=_teams),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
    create_needs_from=True,
)

OPERATIONS = tuple(operations.of(MAINTENANCE_WINDOW))
