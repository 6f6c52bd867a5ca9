"""A person's hand-off notification rules, below `/users/{id}/oncall_handoff_notification_rules`."""

from collections.abc import Sequence
from typing import Any

from tocsin.accounts import actions as accounts
from tocsin.core.errors import NotFound
from tocsin.handoffs import actions as handoffs
from tocsin.handoffs.actions import RuleDraft
from tocsin.handoffs.model import MAX_ADVANCE_SECONDS, Direction, HandoffRule
from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Ref, Reference, Resource, Slice

KIND = "oncall_handoff_notification_rule"


async def _no_load(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    # Whoever refers to one of these has it already.
    return {}


async def _their_methods(call: Call, rules: Sequence[HandoffRule]) -> dict[str, ContactMethod]:
    found: dict[str, ContactMethod] = {}
    for user_id in dict.fromkeys(rule.user_id for rule in rules):
        for method in await paging.contact_methods(call.tx, call.actor, user_id):
            found[method.id] = method
    return found


async def _rules(call: Call, wanted: Paging) -> Slice:
    user_id = call.path["user_id"]
    await accounts.get_user(call.tx, call.actor, user_id)
    return Slice(items=await handoffs.handoff_rules(call.tx, call.actor, user_id))


async def _rule(call: Call, id: str) -> HandoffRule:
    for rule in await handoffs.handoff_rules(call.tx, call.actor, call.path["user_id"]):
        if rule.id == id:
            return rule
    raise NotFound("hand-off rule", id)


async def _add(call: Call, given: dict[str, Any]) -> HandoffRule:
    draft = RuleDraft(
        user_id=call.path["user_id"],
        contact_method_id=given["contact_method"].id,
        direction=given["handoff_type"],
        advance_seconds=_seconds(given["notify_advance_in_minutes"]),
    )
    return await handoffs.add_rule(call.tx, call.actor, draft, call.now)


async def _change(call: Call, id: str, given: dict[str, Any]) -> HandoffRule:
    rule = await _rule(call, id)
    method, minutes = given.get("contact_method"), given.get("notify_advance_in_minutes")
    draft = RuleDraft(
        user_id=rule.user_id,
        contact_method_id=rule.contact_method_id if method is None else method.id,
        direction=given.get("handoff_type", rule.direction),
        advance_seconds=rule.advance_seconds if minutes is None else _seconds(minutes),
    )
    return await handoffs.change_rule(call.tx, call.actor, id, draft, call.now)


async def _remove(call: Call, id: str) -> None:
    await handoffs.remove_rule(call.tx, call.actor, call.path["user_id"], id, call.now)


def _seconds(minutes: int) -> int:
    most = MAX_ADVANCE_SECONDS // 60
    if not 0 <= minutes <= most:
        raise invalid(f"notify_advance_in_minutes must be 0 to {most}")
    return minutes * 60


HANDOFF_RULE = Resource(
    kind=KIND,
    plural=f"{KIND}s",
    path=f"/users/{{user_id}}/{KIND}s",
    tag="Users",
    summary=lambda rule: f"{rule.advance_seconds // 60} minutes before: {rule.direction}",
    location=lambda rule: f"/users/{rule.user_id}/{KIND}s/{rule.id}",
    load=_no_load,
    prepare=_their_methods,
    paged=False,
    fields=(
        Field(
            name="notify_advance_in_minutes",
            type=int,
            write=int,
            required=True,
            read=lambda rule, methods: rule.advance_seconds // 60,
        ),
        Field(
            name="handoff_type",
            type=Direction,
            write=Direction,
            required=True,
            read=lambda rule, methods: rule.direction,
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
    ),
    list=_rules,
    get=_rule,
    create=_add,
    update=_change,
    delete=_remove,
)

OPERATIONS = tuple(operations.of(HANDOFF_RULE))
