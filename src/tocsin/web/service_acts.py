"""What can be done to a service: its settings, its keys, a test event, disabling, deleting."""

from typing import Any

import msgspec
from starlette.responses import Response

from tocsin.accounts.access import Permission, require
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Integration, NewIntegration, ServiceChange
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.events import actions as events
from tocsin.events.model import Accepted, Destination, Format
from tocsin.web.page import Page, post
from tocsin.web.service_page import show
from tocsin.web.visit import Visit

MOST_MINUTES = 10_080
TEST_KEY = "tocsin-test"


def _back(visit: Visit, toast: str, part: str = "") -> Response:
    return visit.see_other(f"/app/services/{visit.path('id')}{part}", toast=toast)


async def save(visit: Visit) -> Response:
    """Change the settings. Timeouts of the form are in minutes; 0 turns one off."""
    values: dict[str, Any] = {
        name: visit.field(name)
        for name in ("name", "description", "escalation_policy_id", "urgency_rule")
    }
    shown = {
        **values,
        "acknowledgement_minutes": visit.field("acknowledgement_minutes"),
        "auto_resolve_minutes": visit.field("auto_resolve_minutes"),
    }
    try:
        change = ServiceChange(
            **values,
            acknowledgement_timeout=_seconds(visit, "acknowledgement_minutes"),
            auto_resolve_timeout=_seconds(visit, "auto_resolve_minutes"),
        )
        async with visit.tx() as tx:
            await catalog.update_service(tx, visit.actor, visit.path("id"), change, visit.now)
    except Invalid as error:
        return await show(visit, errors={error.field: error.message}, values=shown, status=422)
    return _back(visit, "The settings are saved.")


async def disable(visit: Visit) -> Response:
    """Stop working on its events; they are still accepted and recorded."""
    async with visit.tx() as tx:
        await catalog.set_enabled(tx, visit.actor, visit.path("id"), False, visit.now)
    return visit.see_other(
        f"/app/services/{visit.path('id')}",
        toast="Disabled. Events are recorded and open nothing.",
        undo=f"/app/services/{visit.path('id')}/enable",
    )


async def enable(visit: Visit) -> Response:
    """Work on its events again."""
    async with visit.tx() as tx:
        await catalog.set_enabled(tx, visit.actor, visit.path("id"), True, visit.now)
    return _back(visit, "Enabled. The next event pages again.")


async def delete(visit: Visit) -> Response:
    """Delete it and its keys; refused while incidents are open."""
    try:
        async with visit.tx() as tx:
            service = await catalog.get_service(tx, visit.actor, visit.path("id"))
            await catalog.delete_service(tx, visit.actor, service.id, visit.now)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return visit.see_other("/app/services", toast=f"{service.name} is deleted.")


async def add_integration(visit: Visit) -> Response:
    """Open another door; its key is in this answer."""
    new = NewIntegration(
        service_id=visit.path("id"), name=visit.field("integration_name"), kind=visit.field("kind")
    )
    try:
        async with visit.tx() as tx:
            one, key = await catalog.add_integration(
                tx, visit.actor, visit.deps.secret_box, new, visit.now
            )
    except Invalid as error:
        return await show(visit, errors={f"integration_{error.field}": error.message}, status=422)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return await show(visit, revealed={one.id: key})


async def reveal(visit: Visit) -> Response:
    """The key in clear, in this answer only."""
    async with visit.tx() as tx:
        one = await _own(tx, visit)
        key = await catalog.reveal_key(tx, visit.actor, visit.deps.secret_box, one.id)
    return await show(visit, revealed={one.id: key})


async def rotate(visit: Visit) -> Response:
    """Replace the key; the old one stops working at once."""
    async with visit.tx() as tx:
        one = await _own(tx, visit)
        key = await catalog.rotate_key(tx, visit.actor, visit.deps.secret_box, one.id, visit.now)
    return await show(visit, revealed={one.id: key})


async def remove(visit: Visit) -> Response:
    """Close a door; its key stops working at once."""
    async with visit.tx() as tx:
        one = await _own(tx, visit)
        await catalog.remove_integration(tx, visit.actor, one.id, visit.now)
    return _back(visit, f"{one.name} is removed. Its key works no more.", "#integrations")


async def send_test_event(visit: Visit) -> Response:
    """Put a real event into the inbox, as a machine would: it opens an incident and pages."""
    action = "resolve" if visit.field("action") == "resolve" else "trigger"
    async with visit.tx() as tx:
        service = await catalog.get_service(tx, visit.actor, visit.path("id"))
        require(visit.actor, Permission.MANAGE_SERVICES, service.team_id)
        one = await _own(tx, visit)
        to = Destination(
            service_id=service.id,
            integration_id=one.id,
            slice=service.slice,
            format=Format.PAGERDUTY_V2,
        )
        body = _test_body(action, visit.viewer.name)
        await events.accept(
            tx, [Accepted(destination=to, dedup_key=TEST_KEY, body=body)], visit.now
        )
    if action == "resolve":
        return _back(visit, "A resolve for the test event is accepted.", "#integrations")
    return _back(visit, "The test event is accepted. Its incident opens in a moment.")


def _test_body(action: str, name: str) -> bytes:
    return msgspec.json.encode(
        {
            "event_action": action,
            "dedup_key": TEST_KEY,
            "payload": {
                "summary": f"Test event, sent by {name} from the service’s page",
                "source": "Tocsin",
                "severity": "critical",
            },
        }
    )


async def _own(tx: Tx, visit: Visit) -> Integration:
    """The integration of the address, when it belongs to the service of the address."""
    one = await catalog.get_integration(tx, visit.actor, visit.path("integration_id"))
    if one.service_id != visit.path("id"):
        raise NotFound("integration", one.id)
    return one


def _seconds(visit: Visit, name: str) -> int | None:
    return visit.whole(name, 0, MOST_MINUTES) * 60 or None


_INTEGRATION = "/app/services/{id}/integrations/{integration_id}"
PAGES: tuple[Page, ...] = (
    post("/app/services/{id}", save),
    post("/app/services/{id}/disable", disable),
    post("/app/services/{id}/enable", enable),
    post("/app/services/{id}/delete", delete),
    post("/app/services/{id}/integrations", add_integration),
    post(f"{_INTEGRATION}/reveal", reveal),
    post(f"{_INTEGRATION}/rotate", rotate),
    post(f"{_INTEGRATION}/remove", remove),
    post(f"{_INTEGRATION}/test", send_test_event),
)
