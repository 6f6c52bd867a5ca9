"""What every server of ours has alike: priorities, vendors, and the one licence.

None of it is stored. The ids never change, because clients keep them in their own files.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Role
from tocsin.catalog.model import IntegrationKind
from tocsin.core.errors import NotFound
from tocsin.rest import operations
from tocsin.rest.call import Call, Paging
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Resource, Slice


class Priority(msgspec.Struct, frozen=True):
    """How much an incident matters to the business. `order` is higher for what matters more."""

    id: str
    name: str
    description: str
    color: str
    order: int


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind an integration."""

    id: str
    name: str
    kind: IntegrationKind
    service_type: str
    description: str
    website_url: str | None = None


class License(msgspec.Struct, frozen=True):
    """The right to use the server; there is one, without a limit."""

    id: str
    name: str
    description: str


PRIORITIES = (
    Priority("PPRIORITY1", "P1", "Everybody is affected", "a8171c", 16_000_000),
    Priority("PPRIORITY2", "P2", "Many are affected", "eb6016", 8_000_000),
    Priority("PPRIORITY3", "P3", "Some are affected", "f9b406", 4_000_000),
    Priority("PPRIORITY4", "P4", "Few are affected", "555555", 2_000_000),
    Priority("PPRIORITY5", "P5", "Nobody notices", "555555", 1_000_000),
)
PRIORITY_BY_ID = {priority.id: priority for priority in PRIORITIES}
PRIORITY_NAMED = {priority.name: priority for priority in PRIORITIES}
VENDORS = (
    Vendor(
        id="PVENDOREVENTS2",
        name="Events API V2",
        kind=IntegrationKind.EVENTS_V2,
        service_type="events_api_v2_inbound_integration",
        description="Whatever sends events in the form of the Events API v2",
    ),
    Vendor(
        id="PVENDOREVENTS1",
        name="Events API V1",
        kind=IntegrationKind.EVENTS_V1,
        service_type="generic_events_api_inbound_integration",
        description="Whatever sends events in the form of the Events API v1",
    ),
    Vendor(
        id="PVENDORALERTM",
        name="Prometheus Alertmanager",
        kind=IntegrationKind.ALERTMANAGER,
        service_type="events_api_v2_inbound_integration",
        description="Alertmanager's webhook or its PagerDuty receiver",
        website_url="https://prometheus.io/docs/alerting/latest/alertmanager/",
    ),
)
LICENSE = License("PLICENSE1", "Tocsin", "Every role, for everybody, without a limit")
VENDOR_OF = {vendor.kind: vendor for vendor in VENDORS}


def _paged(items: Sequence[Any], wanted: Paging) -> Slice:
    part = items[wanted.offset : wanted.offset + wanted.limit]
    return Slice(
        items=part,
        more=wanted.offset + wanted.limit < len(items),
        total=len(items) if wanted.total else None,
    )


def _by_id(items: Iterable[Any], ids: Sequence[str]) -> dict[str, Any]:
    return {item.id: item for item in items if item.id in ids}


def _plain(name: str, type: Any) -> Field:
    return Field(name=name, type=type, read=lambda item, extra: getattr(item, name))


def _constant(name: str, type: Any, value: Any) -> Field:
    return Field(name=name, type=type, read=lambda item, extra: value)


async def _priorities(call: Call, wanted: Paging) -> Slice:
    return _paged(PRIORITIES, wanted)


async def _load_priorities(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    return _by_id(PRIORITIES, ids)


PRIORITY = Resource(
    kind="priority",
    plural="priorities",
    path="/priorities",
    tag="Priorities",
    summary=lambda priority: priority.name,
    location=lambda priority: f"/priorities/{priority.id}",
    load=_load_priorities,
    fields=(
        _plain("name", str),
        _plain("description", str),
        _plain("color", str),
        _plain("order", int),
        _constant("account_id", str, "PACCOUNT1"),
        _constant("schema_version", int, 0),
    ),
    list=_priorities,
)


async def _vendors(call: Call, wanted: Paging) -> Slice:
    return _paged(VENDORS, wanted)


async def _load_vendors(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    return _by_id(VENDORS, ids)


async def _vendor(call: Call, id: str) -> Vendor:
    for vendor in VENDORS:
        if vendor.id == id:
            return vendor
    raise NotFound("vendor", id)


VENDOR = Resource(
    kind="vendor",
    plural="vendors",
    path="/vendors",
    tag="Vendors",
    summary=lambda vendor: vendor.name,
    load=_load_vendors,
    fields=(
        _plain("name", str),
        Field(name="long_name", type=str, read=lambda vendor, extra: vendor.name),
        _plain("description", str),
        _plain("website_url", str | None),
        _constant("logo_url", str | None, None),
        _constant("thumbnail_url", str | None, None),
        _constant("integration_guide_url", str | None, None),
        _constant("alert_creation_default", str, "create_alerts_and_incidents"),
        _constant("alert_creation_editable", bool, False),
        _constant("connectable", bool, False),
        _constant("generic", bool, True),
        Field(
            name="generic_service_type",
            type=str,
            read=lambda vendor, extra: vendor.service_type,
        ),
        _constant("is_pd_cef", bool, True),
    ),
    list=_vendors,
    get=_vendor,
)


async def _seats(call: Call, items: Sequence[Any]) -> int:
    return await accounts.count_users(call.tx, call.actor)


async def _licenses(call: Call, wanted: Paging) -> Slice:
    return Slice(items=[LICENSE])


async def _load_licenses(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    return _by_id([LICENSE], ids)


LICENSES = Resource(
    kind="license",
    plural="licenses",
    path="/licenses",
    tag="Licenses",
    summary=lambda license: license.name,
    load=_load_licenses,
    prepare=_seats,
    location=lambda license: None,
    paged=False,
    fields=(
        _plain("name", str),
        _plain("description", str),
        _constant("valid_roles", list[str], [str(role) for role in Role]),
        _constant("role_group", str, "FullUser"),
        Field(name="current_value", type=int, read=lambda license, seats: seats),
        _constant("allocations_available", int | None, None),
    ),
    list=_licenses,
)


async def license_of_user(call: Call) -> object:
    """The licence that a person uses: there is only one."""
    await accounts.get_user(call.tx, call.actor, call.path["id"])
    return {"license": whole(LICENSES, LICENSE)}


OPERATIONS = (
    *operations.of(PRIORITY),
    *operations.of(VENDOR),
    *operations.of(LICENSES),
    Operation(
        method="GET",
        path="/users/{id}/license",
        id="getUserLicense",
        summary="Get the licence of a person",
        tag="Licenses",
        handle=license_of_user,
        gives={"license": "license"},
    ),
)
