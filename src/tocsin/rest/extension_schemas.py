"""Ways to tell other programs of incidents, as clients look them up: there is one, the webhook
subscription, and it is fixed."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.core.errors import NotFound
from tocsin.rest import operations
from tocsin.rest.call import Call, Paging
from tocsin.rest.resource import Field, Resource, Slice


class ExtensionSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One way to tell other programs. `send_types` are what it can tell of an incident."""

    id: str
    key: str
    label: str
    description: str
    send_types: tuple[str, ...]


SCHEMAS = (
    ExtensionSchema(
        id="PSCHEMAWEBHOOK3",
        key="generic_v3_webhook",
        label="Generic V3 Webhook",
        description="Sends events to an address of yours. Make one under /webhook_subscriptions.",
        send_types=(
            "trigger",
            "acknowledge",
            "resolve",
            "delegate",
            "escalate",
            "unacknowledge",
            "assign",
        ),
    ),
)


async def _list(call: Call, wanted: Paging) -> Slice:
    end = wanted.offset + wanted.limit
    return Slice(
        items=SCHEMAS[wanted.offset : end],
        more=end < len(SCHEMAS),
        total=len(SCHEMAS) if wanted.total else None,
    )


async def _load(call: Call, ids: Sequence[str]) -> dict[str, ExtensionSchema]:
    return {schema.id: schema for schema in SCHEMAS if schema.id in ids}


async def _get(call: Call, id: str) -> ExtensionSchema:
    found = (await _load(call, [id])).get(id)
    if found is None:
        raise NotFound("extension schema", id)
    return found


def _plain(name: str, type: Any) -> Field:
    return Field(name=name, type=type, read=lambda schema, extra: getattr(schema, name))


def _nothing(name: str) -> Field:
    return Field(name=name, type=str | None, read=lambda schema, extra: None)


EXTENSION_SCHEMA = Resource(
    kind="extension_schema",
    plural="extension_schemas",
    path="/extension_schemas",
    tag="Extension Schemas",
    summary=lambda schema: schema.label,
    page=lambda schema: "/app/webhooks",
    load=_load,
    fields=(
        _plain("key", str),
        _plain("label", str),
        _plain("description", str),
        _plain("send_types", list[str]),
        _nothing("icon_url"),
        _nothing("logo_url"),
        _nothing("guide_url"),
        _nothing("url"),
    ),
    list=_list,
    get=_get,
)

OPERATIONS = tuple(operations.of(EXTENSION_SCHEMA))
