"""Change events: what machines said was changed, and which of it may matter to an incident."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.catalog import actions as catalog
from tocsin.core.errors import NotFound
from tocsin.events import actions as events
from tocsin.events import change
from tocsin.events.model import ChangeEvent, ChangesWanted, Rejected
from tocsin.incidents import actions as incidents
from tocsin.queries import related_changes
from tocsin.queries.related_changes import RelatedChange
from tocsin.rest import operations
from tocsin.rest.call import Call, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

TAG = "Change Events"


class Known(msgspec.Struct):
    """What belongs to change events besides: the keys that the caller may see, and why each of them
    is shown."""

    keys: dict[str, str]
    why: dict[str, RelatedChange]


async def _prepare(call: Call, changes: Sequence[ChangeEvent]) -> Known:
    ids = list({one.integration_id: None for one in changes})
    found = await catalog.integrations_by_ids(call.tx, ids)
    living = [one for one in found.values() if one.deleted_at is None]
    keys = await catalog.keys_of(call.tx, call.actor, call.deps.secret_box, living)
    return Known(keys=keys, why=call.notes.get("related", {}))


async def _load(call: Call, ids: Sequence[str]) -> dict[str, ChangeEvent]:
    return await events.changes_by_ids(call.tx, ids)


def _wanted(call: Call, service_ids: list[str] | None = None) -> ChangesWanted:
    return ChangesWanted(
        service_ids=service_ids,
        team_ids=call.many("team_ids"),
        integration_ids=call.many("integration_ids"),
        since=call.instant("since"),
        until=call.instant("until"),
    )


async def _part(call: Call, wanted: ChangesWanted, paging: Paging) -> Slice:
    found, more = await events.list_changes(
        call.tx, call.actor, wanted, offset=paging.offset, limit=paging.limit
    )
    total = None
    if paging.total:
        total = await events.count_changes(call.tx, call.actor, wanted)
    return Slice(items=found, more=more, total=total)


async def _list(call: Call, paging: Paging) -> Slice:
    return await _part(call, _wanted(call), paging)


async def _get(call: Call, id: str) -> ChangeEvent:
    return await events.get_change(call.tx, call.actor, id)


async def _update(call: Call, id: str, given: dict[str, Any]) -> ChangeEvent:
    values = {"details" if n == "custom_details" else n: v for n, v in given.items()}
    return await events.update_change(call.tx, call.actor, id, values, call.now)


def _why(one: ChangeEvent, known: Known) -> dict[str, Any] | None:
    found = known.why.get(one.id)
    if found is None:
        return None
    related = found.related
    return {
        "reason": related.reason.value,
        "seconds_before": int(related.before.total_seconds()),
        "close_in_time": related.close,
        "distance": related.distance,
    }


class Correlation(msgspec.Struct):
    """Why a change is shown with an incident: `most_recent` is a change of the same service,
    `related_service` one of a service that it depends on, `distance` dependencies away."""

    reason: str
    seconds_before: int
    close_in_time: bool
    distance: int


class LinkShown(msgspec.Struct):
    """A page about the change."""

    href: str
    text: str | None = None


class ImageShown(msgspec.Struct):
    """A picture of the change."""

    src: str
    href: str | None = None
    alt: str | None = None


CHANGE_EVENT = Resource(
    kind="change_event",
    plural="change_events",
    path="/change_events",
    tag=TAG,
    summary=lambda one: one.summary,
    page=lambda one: f"/app/services/{one.service_id}",
    load=_load,
    prepare=_prepare,
    params=(
        Param(name="since"),
        Param(name="until"),
        Param(name="team_ids", many=True),
        Param(name="integration_ids", many=True),
    ),
    fields=(
        # The head shows it; only a request reads it from here.
        Field(name="summary", type=str, write=str | None, read=lambda one, known: one.summary),
        Field(name="timestamp", type=str, read=lambda one, known: one.at),
        Field(
            name="services",
            type=list[Reference],
            read=lambda one, known: [Ref("service", one.service_id)],
        ),
        Field(
            name="integration",
            type=Reference,
            read=lambda one, known: Ref("integration", one.integration_id),
        ),
        Field(
            name="routing_key",
            type=str | None,
            read=lambda one, known: known.keys.get(one.integration_id),
        ),
        Field(name="source", type=str | None, read=lambda one, known: one.source),
        Field(
            name="links",
            type=list[LinkShown],
            read=lambda one, known: [{"text": None, **link} for link in one.links],
        ),
        Field(
            name="images",
            type=list[ImageShown],
            read=lambda one, known: [{"href": None, "alt": None, **i} for i in one.images],
        ),
        Field(
            name="custom_details",
            type=Any,
            write=Any,
            read=lambda one, known: one.details,
        ),
        Field(name="correlation_reason", type=Correlation | None, read=_why),
    ),
    list=_list,
    get=_get,
    update=_update,
)


async def record(call: Call) -> object:
    """Keep a change event, in the form of the Events API."""
    message = change.read(msgspec.json.encode(call.body))
    if isinstance(message, Rejected):
        raise invalid(*message.errors)
    target = await catalog.target_for_key(call.tx, message.key)
    if target is None:
        raise invalid("routing_key is not the key of an integration of this server")
    try:
        await catalog.get_service(call.tx, call.actor, target.service_id)
    except NotFound:
        # Whoever may not see the service learns no more of it than that.
        raise invalid("routing_key is not the key of an integration of this server") from None
    await events.record_change(
        call.tx, target.service_id, target.integration_id, message.change, call.now
    )
    return {"status": "success", "message": "Change event processed"}


async def of_service(call: Call) -> object:
    """The change events of a service, newest first."""
    service = await catalog.get_service(call.tx, call.actor, call.path["id"])
    paging = call.paging()
    found = await _part(call, _wanted(call, [service.id]), paging)
    return {
        "change_events": [whole(CHANGE_EVENT, one) for one in found.items],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": found.total,
        "more": found.more,
    }


async def of_incident(call: Call) -> object:
    """What changed before an incident opened, on its service and on what that depends on; the
    likeliest first."""
    incident = await incidents.get(call.tx, call.actor, call.path["id"])
    paging = call.paging()
    end = paging.offset + paging.limit
    found = await related_changes.of(
        call.tx,
        call.actor,
        incident.service_id,
        incident.created_at,
        until=incident.created_at,
    )
    shown = found[paging.offset : end]
    call.notes["related"] = {one.related.change.id: one for one in shown}
    return {
        "change_events": [whole(CHANGE_EVENT, one.related.change) for one in shown],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": len(found) if paging.total else None,
        "more": len(found) > end,
    }


OPERATIONS = (
    *operations.of(CHANGE_EVENT),
    Operation(
        method="POST",
        path="/change_events",
        id="createChangeEvent",
        summary="Send a change event, as to /v2/change/enqueue",
        tag=TAG,
        handle=record,
        ok=202,
        takes={
            "routing_key": str,
            "payload": dict[str, Any],
            "links": list[LinkShown] | None,
            "images": list[ImageShown] | None,
        },
        gives={"status": str, "message": str},
    ),
    Operation(
        method="GET",
        path="/services/{id}/change_events",
        id="listServiceChangeEvents",
        summary="List the change events of a service",
        tag=TAG,
        handle=of_service,
        params=(*CHANGE_EVENT.params, *operations.PAGING),
        gives={"change_events": ["change_event"]},
        paged=True,
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/related_change_events",
        id="listIncidentRelatedChangeEvents",
        summary="List what changed before an incident, on its service and on what that needs",
        tag=TAG,
        handle=of_incident,
        params=operations.PAGING,
        gives={"change_events": ["change_event"]},
        paged=True,
    ),
)
