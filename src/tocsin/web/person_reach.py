"""How a person is reached: their contact methods, notification rules and hand-off rules."""

from typing import Any

from starlette.responses import HTMLResponse, Response

from tocsin.core.errors import Invalid, Problem, Refused
from tocsin.handoffs import actions as handoffs
from tocsin.handoffs.model import MAX_ADVANCE_SECONDS
from tocsin.paging import actions as paging
from tocsin.paging.model import MAX_DELAY_SECONDS
from tocsin.web.page import Page, post
from tocsin.web.person import show
from tocsin.web.visit import Visit


def _back(visit: Visit, toast: str, part: str = "contact-methods") -> Response:
    return visit.see_other(f"/app/people/{visit.path('id')}#{part}", toast=toast)


async def add_method(visit: Visit) -> Response:
    """Add a contact method and send a test to it at once: hope is no proof."""
    values = {name: visit.field(name) for name in ("channel", "label", "address")}
    kind = next((k for k in visit.deps.channels if k.name == values["channel"]), None)
    if kind is not None and not values["label"]:
        values["label"] = kind.label
    offered: dict[str, Any] = {kind.name: kind for kind in visit.deps.channels}
    draft = paging.ContactMethodDraft(
        user_id=visit.path("id"), secret=visit.field("secret") or None, **values
    )
    try:
        async with visit.tx() as tx:
            method = await paging.add_contact_method(
                tx,
                visit.actor,
                draft,
                visit.now,
                channels=offered,
                secret_box=visit.deps.secret_box,
            )
    except Invalid as error:
        return await show(
            visit, errors={f"method_{error.field}": error.message}, values=values, status=422
        )
    except Refused as refused:
        return await show(visit, problem=refused.message, values=values, status=409)
    try:
        async with visit.tx() as tx:
            await paging.send_test(tx, visit.actor, method.id, visit.now)
    except Refused as refused:
        return _back(visit, f"{method.label} is added. No test was sent: {refused.message}.")
    return _back(visit, f"{method.label} is added, and a test is on its way.")


async def check_address(visit: Visit) -> Response:
    """Whether an address would be taken, as a word below the field while it is typed."""
    kind = next((k for k in visit.deps.channels if k.name == visit.field("channel")), None)
    address = visit.field("address")
    if kind is None or not address:
        return HTMLResponse("")
    wrong = kind.check_address(address)
    return visit.render("people/address_check.html", wrong=wrong, kind=kind)


async def test_method(visit: Visit) -> Response:
    """Send a test; the outcome appears on the person's page as it arrives."""
    try:
        async with visit.tx() as tx:
            await paging.send_test(tx, visit.actor, visit.path("method_id"), visit.now)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return _back(visit, "A test is on its way. Its outcome appears here.")


async def remove_method(visit: Visit) -> Response:
    """Remove a contact method and the rules that name it."""
    async with visit.tx() as tx:
        await paging.remove_contact_method(tx, visit.actor, visit.path("method_id"), visit.now)
    return _back(visit, "The contact method is removed.")


async def add_rule(visit: Visit) -> Response:
    """Add a notification rule. The form counts in minutes."""
    try:
        minutes = visit.whole("delay_minutes", 0, MAX_DELAY_SECONDS // 60)
        urgency: Any = visit.field("urgency")
        draft = paging.RuleDraft(
            user_id=visit.path("id"),
            contact_method_id=visit.field("contact_method_id"),
            urgency=urgency,
            delay_seconds=minutes * 60,
        )
        async with visit.tx() as tx:
            await paging.add_rule(tx, visit.actor, draft, visit.now)
    except Problem as problem:
        if isinstance(problem, Invalid):
            return await show(visit, errors={f"rule_{problem.field}": problem.message}, status=422)
        if isinstance(problem, Refused):
            return await show(visit, problem=problem.message, status=409)
        raise
    return _back(visit, "The rule is added.", "rules")


async def remove_rule(visit: Visit) -> Response:
    """Remove a notification rule."""
    async with visit.tx() as tx:
        await paging.remove_rule(tx, visit.actor, visit.path("rule_id"), visit.now)
    return _back(visit, "The rule is removed.", "rules")


async def add_handoff_rule(visit: Visit) -> Response:
    """Ask to be told before a turn begins or ends. The form counts in minutes."""
    try:
        minutes = visit.whole("advance_minutes", 0, MAX_ADVANCE_SECONDS // 60)
        draft = handoffs.RuleDraft(
            user_id=visit.path("id"),
            contact_method_id=visit.field("contact_method_id"),
            direction=visit.field("direction"),
            advance_seconds=minutes * 60,
        )
        async with visit.tx() as tx:
            await handoffs.add_rule(tx, visit.actor, draft, visit.now)
    except Invalid as error:
        return await show(visit, errors={f"handoff_{error.field}": error.message}, status=422)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return _back(visit, "The rule is added.", "handoffs")


async def remove_handoff_rule(visit: Visit) -> Response:
    """No longer tell of hand-offs this way."""
    async with visit.tx() as tx:
        await handoffs.remove_rule(
            tx, visit.actor, visit.path("id"), visit.path("rule_id"), visit.now
        )
    return _back(visit, "The rule is removed.", "handoffs")


PAGES: tuple[Page, ...] = (
    post("/app/people/{id}/contact-methods", add_method),
    post("/app/people/{id}/contact-methods/check", check_address),
    post("/app/people/{id}/contact-methods/{method_id}/test", test_method),
    post("/app/people/{id}/contact-methods/{method_id}/remove", remove_method),
    post("/app/people/{id}/rules", add_rule),
    post("/app/people/{id}/rules/{rule_id}/remove", remove_rule),
    post("/app/people/{id}/handoff-rules", add_handoff_rule),
    post("/app/people/{id}/handoff-rules/{rule_id}/remove", remove_handoff_rule),
)
