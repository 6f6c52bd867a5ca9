"""Webhook subscriptions. The address is shown whole to who manages a subscription and cut to its
host for everybody else; the values of its headers to nobody; its secret once, when it is made."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Resource, Slice
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.actions import Opened
from tocsin.webhooks.model import (
    REDACTED,
    FilterType,
    Header,
    NewSubscription,
    Subscription,
    SubscriptionChange,
)

TAG = "Webhooks"
METHOD = "http_delivery_method"
# In the notes of a call: the secret of the subscription that it made.
MADE = "webhook_secret"


class HeaderShown(msgspec.Struct):
    """A header that is sent along; its value is redacted in every answer."""

    name: str
    value: str


class MethodShown(msgspec.Struct):
    """Where events are sent. `secret` is only there in the answer that made the subscription."""

    id: str
    type: str
    url: str
    secret: str | None
    temporarily_disabled: bool
    custom_headers: list[HeaderShown]


class MethodGiven(msgspec.Struct):
    """Where events are to be sent. A header that is given redacted keeps its value."""

    url: str | None = None
    type: str | None = None
    custom_headers: list[HeaderShown] | None = None


class FilterShown(msgspec.Struct):
    """What a subscription listens to; the account has no id."""

    id: str | None
    type: str


class Extra(msgspec.Struct):
    """What is sealed of subscriptions, as far as the caller may see it."""

    opened: Mapping[str, Opened]
    now: datetime
    secrets: Mapping[str, str]


async def _prepare(call: Call, items: Sequence[Subscription]) -> Extra:
    own = [one for one in items if webhooks.manages(call.actor, one)]
    return Extra(
        opened=await webhooks.opened(call.tx, call.deps.secret_box, own),
        now=call.now,
        secrets=call.notes.get(MADE, {}),
    )


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Subscription]:
    return await webhooks.by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    text, filter_id = call.text("filter_type"), call.text("filter_id")
    filter_type = None if text is None else _filter_type(text, "filter_type")
    found = await webhooks.list_subscriptions(
        call.tx,
        call.actor,
        filter_type=filter_type,
        filter_id=filter_id,
        offset=wanted.offset,
        limit=wanted.limit + 1,
    )
    total = None
    if wanted.total:
        total = await webhooks.count_subscriptions(
            call.tx, call.actor, filter_type=filter_type, filter_id=filter_id
        )
    return Slice(items=found[: wanted.limit], more=len(found) > wanted.limit, total=total)


async def _get(call: Call, id: str) -> Subscription:
    return await webhooks.get(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Subscription:
    method: MethodGiven = given["delivery_method"]
    _check(method, given)
    if method.url is None:
        raise invalid("delivery_method.url is required")
    active = given.get("active")
    new = NewSubscription(
        url=method.url,
        headers=_headers(method.custom_headers),
        events=tuple(given["events"]),
        filter_type=_filter_type(given["filter"].type, "filter.type"),
        filter_id=given["filter"].id,
        description=given.get("description"),
        active=True if active is None else active,
    )
    made, secret = await webhooks.create(call.tx, call.actor, call.deps.secret_box, new, call.now)
    call.notes[MADE] = {made.id: secret}
    return made


async def _update(call: Call, id: str, given: dict[str, Any]) -> Subscription:
    method: MethodGiven = given.get("delivery_method") or MethodGiven()
    _check(method, given)
    values: dict[str, Any] = {}
    if method.url is not None:
        values["url"] = method.url
    if method.custom_headers is not None:
        values["headers"] = _headers(method.custom_headers)
    if given.get("events") is not None:
        values["events"] = tuple(given["events"])
    if given.get("active") is not None:
        values["active"] = given["active"]
    if "description" in given:
        values["description"] = given["description"]
    if given.get("filter") is not None:
        values["filter_type"] = _filter_type(given["filter"].type, "filter.type")
        values["filter_id"] = given["filter"].id
    change = SubscriptionChange(**values)
    return await webhooks.update(
        call.tx, call.actor, id, change, call.now, box=call.deps.secret_box
    )


async def _delete(call: Call, id: str) -> None:
    await webhooks.delete(call.tx, call.actor, id, call.now)


def _check(method: MethodGiven, given: dict[str, Any]) -> None:
    if method.type not in (None, METHOD):
        raise invalid(f"delivery_method.type must be {METHOD}")
    if given.get("oauth_client") is not None:
        raise invalid("oauth_client is not supported by this server: leave it out")


def _headers(given: Sequence[HeaderShown] | None) -> tuple[Header, ...]:
    return tuple(Header(one.name, one.value) for one in given or ())


def _filter_type(text: str | None, name: str) -> FilterType:
    kinds = {str(kind): kind for kind in FilterType}
    found = kinds.get((text or "").removesuffix("_reference"))
    if found is None:
        raise invalid(f"{name} must be one of {', '.join(f'{k}_reference' for k in kinds)}")
    return found


def _method(one: Subscription, extra: Extra) -> dict[str, Any]:
    opened = extra.opened.get(one.id)
    return {
        # It has none of its own: there is exactly one for each subscription.
        "id": one.id,
        "type": METHOD,
        "url": one.url_hint if opened is None else opened.url,
        "secret": extra.secrets.get(one.id),
        "temporarily_disabled": one.disabled(extra.now),
        "custom_headers": [{"name": name, "value": REDACTED} for name in one.header_names],
    }


class FilterGiven(msgspec.Struct):
    """What to listen to; the account needs no id."""

    type: str
    id: str | None = None


SUBSCRIPTION = Resource(
    kind="webhook_subscription",
    plural="webhook_subscriptions",
    path="/webhook_subscriptions",
    tag=TAG,
    summary=lambda one: one.description or one.url_hint,
    page=lambda one: f"/app/webhooks/{one.id}",
    load=_load,
    prepare=_prepare,
    params=(Param(name="filter_type"), Param(name="filter_id")),
    fields=(
        Field(
            name="active",
            type=bool,
            write=bool | None,
            read=lambda one, extra: one.active,
        ),
        Field(
            name="delivery_method",
            type=MethodShown,
            write=MethodGiven | None,
            required=True,
            read=_method,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda one, extra: one.description,
        ),
        Field(
            name="events",
            type=list[str],
            write=list[str] | None,
            required=True,
            read=lambda one, extra: one.events,
        ),
        Field(
            name="filter",
            type=FilterShown,
            write=FilterGiven | None,
            required=True,
            read=lambda one, extra: {
                "id": one.filter_id,
                "type": f"{one.filter_type}_reference",
            },
        ),
        Field(
            name="oauth_client",
            type=None,
            write=Given | None,
            read=lambda one, extra: None,
        ),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)


async def enable(call: Call) -> object:
    """Send again to a subscription that was disabled because sends failed."""
    found = await webhooks.enable(call.tx, call.actor, call.path["id"], call.now)
    return {"webhook_subscription": whole(SUBSCRIPTION, found)}


async def ping(call: Call) -> None:
    """Send a test event."""
    base_url = call.deps.base_url
    await webhooks.ping(call.tx, call.actor, call.path["id"], call.now, base_url=base_url)


OPERATIONS = (
    # One is made with 200: that is what clients know.
    *(
        dataclasses.replace(one, ok=200) if one.method == "POST" else one
        for one in operations.of(SUBSCRIPTION)
    ),
    Operation(
        method="POST",
        path="/webhook_subscriptions/{id}/enable",
        id="enableWebhookSubscription",
        summary="Send again to a subscription that was disabled",
        tag=TAG,
        handle=enable,
        gives={"webhook_subscription": "webhook_subscription"},
    ),
    Operation(
        method="POST",
        path="/webhook_subscriptions/{id}/ping",
        id="testWebhookSubscription",
        summary="Send a test event to a subscription",
        tag=TAG,
        handle=ping,
        ok=202,
    ),
)
