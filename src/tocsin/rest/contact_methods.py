"""How people are reached: their contact methods and notification rules, below `/users/{id}`.

A contact method's type is the name of its channel with `_contact_method` behind it. Addresses are
shown in clear to their owner and to whoever manages people, and masked to everybody else.
"""

from collections.abc import Sequence
from typing import Any, Literal

from tocsin.accounts import actions as accounts
from tocsin.core.errors import NotFound
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft, RuleDraft
from tocsin.paging.model import MAX_DELAY_SECONDS, ContactMethod, NotificationRule
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Param, Ref, Reference, Resource, Slice

TAG = "Users"
SUFFIX = "_contact_method"
Urgency = Literal["high", "low"]


async def _no_load(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    # Whoever refers to one of these has it already.
    return {}


# Contact methods


async def _addresses(call: Call, methods: Sequence[ContactMethod]) -> dict[str, str]:
    return await paging.addresses(call.tx, call.actor, call.deps.secret_box, methods)


async def _methods(call: Call, wanted: Paging) -> Slice:
    user_id = call.path["user_id"]
    await accounts.get_user(call.tx, call.actor, user_id)
    return Slice(items=await paging.contact_methods(call.tx, call.actor, user_id))


async def _method(call: Call, id: str) -> ContactMethod:
    found = await paging.contact_methods(call.tx, call.actor, call.path["user_id"])
    for method in found:
        if method.id == id:
            return method
    raise NotFound("contact method", id)


async def _add_method(call: Call, given: dict[str, Any]) -> ContactMethod:
    channel = given["type"].removesuffix("_reference").removesuffix(SUFFIX)
    draft = ContactMethodDraft(
        user_id=call.path["user_id"],
        channel=channel,
        label=given.get("label") or channel.title(),
        address=given["address"],
        secret=given.get("secret"),
    )
    if channel not in call.deps.channels:
        known = ", ".join(f"{name}{SUFFIX}" for name in sorted(call.deps.channels))
        raise invalid(f"type must be one of {known}")
    return await paging.add_contact_method(
        call.tx,
        call.actor,
        draft,
        call.now,
        channels=call.deps.channels,
        secret_box=call.deps.secret_box,
    )


async def _change_method(call: Call, id: str, given: dict[str, Any]) -> ContactMethod:
    method = await _method(call, id)
    address = given.get("address")
    if address == method.address_hint:
        # A caller who sees the masked address sends that back; it is no new address.
        address = None
    if address is not None:
        current = await _addresses(call, [method])
        address = None if current.get(id) == address else address
    return await paging.change_contact_method(
        call.tx,
        call.actor,
        id,
        call.now,
        channels=call.deps.channels,
        secret_box=call.deps.secret_box,
        label=given.get("label"),
        address=address,
        secret=given.get("secret"),
    )


async def _remove_method(call: Call, id: str) -> None:
    await _method(call, id)
    await paging.remove_contact_method(call.tx, call.actor, id, call.now)


CONTACT_METHOD = Resource(
    kind="contact_method",
    plural="contact_methods",
    path="/users/{user_id}/contact_methods",
    tag=TAG,
    summary=lambda method: method.label,
    type_of=lambda method: method.channel + SUFFIX,
    location=lambda method: f"/users/{method.user_id}/contact_methods/{method.id}",
    load=_no_load,
    prepare=_addresses,
    paged=False,
    fields=(
        # The head shows the type; only a request reads it from here.
        Field(
            name="type",
            type=str,
            write=str,
            required=True,
            read=lambda method, clear: method.channel + SUFFIX,
        ),
        Field(
            name="label",
            type=str,
            write=str | None,
            read=lambda method, clear: method.label,
        ),
        Field(
            name="address",
            type=str,
            write=str,
            required=True,
            read=lambda method, clear: clear.get(method.id, method.address_hint),
        ),
        Field(name="secret", type=None, write=str | None, read=lambda method, clear: None),
        Field(name="blacklisted", type=bool, read=lambda method, clear: False),
        Field(name="enabled", type=bool, read=lambda method, clear: method.dead_since is None),
        Field(name="send_short_email", type=bool, read=lambda method, clear: False),
        Field(name="send_html_email", type=bool, read=lambda method, clear: False),
        Field(name="country_code", type=int | None, read=lambda method, clear: None),
    ),
    list=_methods,
    get=_method,
    create=_add_method,
    update=_change_method,
    delete=_remove_method,
)

# Notification rules


async def _their_methods(call: Call, rules: Sequence[NotificationRule]) -> dict[str, ContactMethod]:
    people = list({rule.user_id: None for rule in rules})
    found: dict[str, ContactMethod] = {}
    for user_id in people:
        for method in await paging.contact_methods(call.tx, call.actor, user_id):
            found[method.id] = method
    return found


async def _rules(call: Call, wanted: Paging) -> Slice:
    user_id = call.path["user_id"]
    await accounts.get_user(call.tx, call.actor, user_id)
    found = await paging.notification_rules(call.tx, call.actor, user_id)
    urgency = call.text("urgency")
    if urgency not in (None, "high", "low"):
        raise invalid("urgency must be high or low")
    return Slice(items=[rule for rule in found if urgency in (None, rule.urgency)])


async def _rule(call: Call, id: str) -> NotificationRule:
    for rule in await paging.notification_rules(call.tx, call.actor, call.path["user_id"]):
        if rule.id == id:
            return rule
    raise NotFound("notification rule", id)


async def _add_rule(call: Call, given: dict[str, Any]) -> NotificationRule:
    draft = RuleDraft(
        user_id=call.path["user_id"],
        contact_method_id=given["contact_method"].id,
        urgency=given["urgency"],
        delay_seconds=_seconds(given["start_delay_in_minutes"]),
    )
    return await paging.add_rule(call.tx, call.actor, draft, call.now)


async def _change_rule(call: Call, id: str, given: dict[str, Any]) -> NotificationRule:
    rule = await _rule(call, id)
    method, minutes = given.get("contact_method"), given.get("start_delay_in_minutes")
    draft = RuleDraft(
        user_id=rule.user_id,
        contact_method_id=rule.contact_method_id if method is None else method.id,
        urgency=given.get("urgency", rule.urgency),
        delay_seconds=rule.delay_seconds if minutes is None else _seconds(minutes),
    )
    return await paging.change_rule(call.tx, call.actor, id, draft, call.now)


async def _remove_rule(call: Call, id: str) -> None:
    await _rule(call, id)
    await paging.remove_rule(call.tx, call.actor, id, call.now)


def _seconds(minutes: int) -> int:
    if not 0 <= minutes <= MAX_DELAY_SECONDS // 60:
        raise invalid(f"start_delay_in_minutes must be 0 to {MAX_DELAY_SECONDS // 60}")
    return minutes * 60


def _minutes(rule: NotificationRule) -> int | float:
    minutes, rest = divmod(rule.delay_seconds, 60)
    return minutes + rest / 60 if rest else minutes


NOTIFICATION_RULE = Resource(
    kind="notification_rule",
    plural="notification_rules",
    path="/users/{user_id}/notification_rules",
    tag=TAG,
    summary=lambda rule: f"{_minutes(rule)} minutes: {rule.urgency} urgency",
    type_of=lambda rule: "assignment_notification_rule",
    location=lambda rule: f"/users/{rule.user_id}/notification_rules/{rule.id}",
    load=_no_load,
    prepare=_their_methods,
    params=(Param(name="urgency"),),
    paged=False,
    fields=(
        Field(
            name="start_delay_in_minutes",
            type=int,
            write=int,
            required=True,
            read=lambda rule, methods: _minutes(rule),
        ),
        Field(
            name="contact_method",
            type=Reference,
            write=Given,
            required=True,
            include="contact_methods",
            read=lambda rule, methods: Ref(
                "contact_method", rule.contact_method_id, methods.get(rule.contact_method_id)
            ),
        ),
        Field(
            name="urgency",
            type=Urgency,
            write=Urgency,
            required=True,
            read=lambda rule, methods: rule.urgency,
        ),
    ),
    list=_rules,
    get=_rule,
    create=_add_rule,
    update=_change_rule,
    delete=_remove_rule,
)

OPERATIONS = (*operations.of(CONTACT_METHOD), *operations.of(NOTIFICATION_RULE))
