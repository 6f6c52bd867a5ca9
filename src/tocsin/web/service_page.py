"""One service: its state, who is paged, its doors with their keys, what happened, its settings.

A key is shown masked; it is in clear only in the answer to the POST that asked for it.
"""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.queries import choices, service_board
from tocsin.web import alert_details, dependencies, rota, service_maintenance, service_rules
from tocsin.web.page import Page, get
from tocsin.web.service_list import KINDS, SECTION, URGENCY_RULES
from tocsin.web.snippets import snippets
from tocsin.web.visit import Visit

HISTORY = timedelta(days=28)
# An integration that spoke within this time is plainly alive.
QUIET_AFTER = timedelta(days=7)


async def page(visit: Visit) -> Response:
    """Everything about one service."""
    return await show(visit)


async def show(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    problem: str | None = None,
    revealed: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page, with what was wrong with a form of it, or keys in clear this one time."""
    keys = revealed or {}
    async with visit.tx() as tx:
        service = await catalog.get_service(tx, visit.actor, visit.path("id"))
        context = await _context(tx, visit, service)
    return visit.render(
        "services/page.html",
        status=status,
        page={"title": service.name, "section": SECTION, "up": ("Services", "/app/services")},
        service=service,
        errors=errors or {},
        values=values or {},
        problem=problem,
        revealed=keys,
        snippets={
            one.id: snippets(one.kind, visit.deps.base_url, keys.get(one.id))
            for one in context["integrations"]
        },
        base_url=visit.deps.base_url,
        kinds=KINDS,
        kind_names={kind: name for kind, name, _ in KINDS},
        urgency_rules=URGENCY_RULES,
        change_links=alert_details.links,
        quiet_since=visit.now - QUIET_AFTER,
        **context,
    )


async def _context(tx: Tx, visit: Visit, service: Service) -> dict[str, Any]:
    manages = allowed(visit.actor, Permission.MANAGE_SERVICES, service.team_id)
    policy = (await escalations.policies_by_ids(tx, [service.escalation_policy_id]))[
        service.escalation_policy_id
    ]
    on_call = await rota.read(tx, visit.now, policies=[policy])
    return {
        "manages": manages,
        "policy": policy,
        "steps": on_call.steps(policy),
        "turn": on_call.turn(),
        "board": (await service_board.boards(tx, [service.id]))[service.id],
        "recent": await service_board.incidents_since(tx, service.id, visit.now - HISTORY),
        "incidents": await service_board.recent_incidents(tx, service.id),
        "changes": await service_board.recent_changes(tx, service.id),
        "integrations": (await catalog.integrations_of(tx, [service.id]))[service.id],
        "last_events": await service_board.last_events(tx, service.id),
        **await service_maintenance.context(tx, visit, service),
        **await service_rules.context(tx, visit, service, manages),
        **await dependencies.context(tx, visit, service.id, manages),
        "policies": (await choices.policies(tx, visit.actor, keep=[policy.id]) if manages else []),
    }


PAGES: tuple[Page, ...] = (get("/app/services/{id}", page),)
