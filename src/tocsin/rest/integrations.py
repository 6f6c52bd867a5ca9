"""The doors into a service, below `/services/{id}`. A key is shown to whoever manages the service
and is null for everybody else."""

from collections.abc import Sequence
from typing import Any

from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Integration, IntegrationKind, NewIntegration
from tocsin.core.errors import NotFound
from tocsin.rest import operations
from tocsin.rest.call import Call, Given
from tocsin.rest.errors import invalid
from tocsin.rest.fixed import VENDOR_OF, VENDORS
from tocsin.rest.resource import Field, Ref, Reference, Resource

KINDS = {
    "events_api_v2_inbound_integration": IntegrationKind.EVENTS_V2,
    "generic_events_api_inbound_integration": IntegrationKind.EVENTS_V1,
}


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Integration]:
    return await catalog.integrations_by_ids(call.tx, ids)


async def _keys(call: Call, integrations: Sequence[Integration]) -> dict[str, str]:
    return await catalog.keys_of(call.tx, call.actor, call.deps.secret_box, integrations)


async def _get(call: Call, id: str) -> Integration:
    found = await catalog.get_integration(call.tx, call.actor, id)
    if found.service_id != call.path["service_id"]:
        raise NotFound("integration", id)
    return found


async def _create(call: Call, given: dict[str, Any]) -> Integration:
    kind = _kind(given)
    new = NewIntegration(
        service_id=call.path["service_id"],
        name=given.get("name") or VENDOR_OF[kind].name,
        kind=kind,
    )
    made, _ = await catalog.add_integration(
        call.tx, call.actor, call.deps.secret_box, new, call.now
    )
    return made


async def _update(call: Call, id: str, given: dict[str, Any]) -> Integration:
    found = await _get(call, id)
    if given.get("type") is not None and given["type"] != _type(found):
        raise invalid("type cannot be changed: add another integration instead")
    if given.get("name") is None:
        return found
    return await catalog.rename_integration(call.tx, call.actor, id, given["name"], call.now)


def _kind(given: dict[str, Any]) -> IntegrationKind:
    vendor = given.get("vendor")
    if vendor is not None:
        for known in VENDORS:
            if known.id == vendor.id:
                return known.kind
        raise invalid(f"vendor {vendor.id} is not known: see /vendors")
    type = (given.get("type") or "").removesuffix("_reference")
    if type not in KINDS:
        raise invalid(f"type must be one of {', '.join(KINDS)}")
    return KINDS[type]


def _type(integration: Integration) -> str:
    return VENDOR_OF[IntegrationKind(integration.kind)].service_type


INTEGRATION = Resource(
    kind="integration",
    plural="integrations",
    path="/services/{service_id}/integrations",
    tag="Services",
    summary=lambda integration: integration.name,
    page=lambda integration: f"/app/services/{integration.service_id}",
    type_of=_type,
    location=lambda integration: (
        None
        if integration.deleted_at is not None
        else f"/services/{integration.service_id}/integrations/{integration.id}"
    ),
    load=_load,
    prepare=_keys,
    fields=(
        # The head shows the type; only a request reads it from here.
        Field(
            name="type",
            type=str,
            write=str | None,
            read=lambda integration, keys: _type(integration),
        ),
        Field(
            name="name",
            type=str,
            write=str | None,
            read=lambda integration, keys: integration.name,
        ),
        Field(
            name="service",
            type=Reference,
            include="services",
            read=lambda integration, keys: Ref("service", integration.service_id),
        ),
        Field(name="created_at", type=str, read=lambda integration, keys: integration.created_at),
        Field(
            name="vendor",
            type=Reference,
            write=Given | None,
            include="vendors",
            read=lambda integration, keys: Ref(
                "vendor", VENDOR_OF[IntegrationKind(integration.kind)].id
            ),
        ),
        Field(
            name="integration_key",
            type=str | None,
            read=lambda integration, keys: keys.get(integration.id),
        ),
        Field(name="integration_email", type=str | None, read=lambda integration, keys: None),
    ),
    get=_get,
    create=_create,
    update=_update,
)

OPERATIONS = tuple(operations.of(INTEGRATION))
