"""Services: the list with the state of each, and making a new one."""

from typing import Any

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed_somewhere, require_somewhere
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import IntegrationKind, NewIntegration, NewService
from tocsin.core.errors import Invalid
from tocsin.escalations import actions as escalations
from tocsin.queries import choices, service_board
from tocsin.suppression import actions as suppression
from tocsin.web import rota
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

PAGE_SIZE = 25
SECTION = "services"
KINDS: tuple[tuple[str, str, str], ...] = (
    (
        IntegrationKind.EVENTS_V2,
        "Events API v2",
        "anything that speaks to PagerDuty, and your own scripts",
    ),
    (IntegrationKind.ALERTMANAGER, "Prometheus Alertmanager", "each alert of a group on its own"),
    (IntegrationKind.EVENTS_V1, "Events API v1", "older tools"),
)
URGENCY_RULES: tuple[tuple[str, str], ...] = (
    ("high", "High: pages, and climbs until somebody acknowledges"),
    ("low", "Low: tells one level and does not climb"),
    ("severity_based", "By severity: critical and error are high, the rest is low"),
)


async def services(visit: Visit) -> Response:
    """Every service the viewer may see, by name."""
    query, cursor = visit.query("q"), visit.query("cursor") or None
    async with visit.tx() as tx:
        found = await catalog.list_services(
            tx, visit.actor, query=query, cursor=cursor, limit=PAGE_SIZE
        )
        ids = [service.id for service in found.items]
        boards = await service_board.boards(tx, ids)
        in_maintenance = await suppression.verdicts(tx, ids, visit.now)
        policy_ids = sorted({service.escalation_policy_id for service in found.items})
        policies = await escalations.policies_by_ids(tx, policy_ids)
        on_call = await rota.read(tx, visit.now, policies=list(policies.values()))
    return visit.render(
        "services/list.html",
        page={"title": "Services", "section": SECTION},
        services=found.items,
        boards=boards,
        in_maintenance=in_maintenance,
        first={id: on_call.steps(policy)[0] for id, policy in policies.items() if policy.levels},
        turn=on_call.turn(),
        next=found.next,
        cursor=cursor,
        query=query,
        may_add=allowed_somewhere(visit.actor, Permission.MANAGE_SERVICES),
    )


async def new_service(visit: Visit) -> Response:
    """The form for a new service."""
    require_somewhere(visit.actor, Permission.MANAGE_SERVICES)
    return await _form(visit, {"urgency_rule": "high", "kind": IntegrationKind.EVENTS_V2}, {})


async def create_service(visit: Visit) -> Response:
    """Make the service with its first integration."""
    names = ("name", "description", "escalation_policy_id", "urgency_rule", "kind")
    values = {name: visit.field(name) for name in names}
    new = NewService(
        name=values["name"],
        description=values["description"],
        escalation_policy_id=values["escalation_policy_id"],
        urgency_rule=values["urgency_rule"],
    )
    try:
        async with visit.tx() as tx:
            service = await catalog.create_service(tx, visit.actor, new, visit.now)
            label = next((name for kind, name, _ in KINDS if kind == values["kind"]), "Events")
            first = NewIntegration(service_id=service.id, name=label, kind=values["kind"])
            await catalog.add_integration(tx, visit.actor, visit.deps.secret_box, first, visit.now)
    except Invalid as error:
        return await _form(visit, values, {error.field: error.message}, status=422)
    return visit.see_other(
        f"/app/services/{service.id}#integrations",
        toast=f"{service.name} is ready. Paste its key into your monitoring tool.",
    )


async def _form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    async with visit.tx() as tx:
        policies = await choices.policies(tx, visit.actor)
    return visit.render(
        "services/new.html",
        status=status,
        page={"title": "New service", "section": SECTION, "up": ("Services", "/app/services")},
        values=values,
        errors=errors,
        policies=policies,
        kinds=KINDS,
        urgency_rules=URGENCY_RULES,
    )


PAGES: tuple[Page, ...] = (
    get("/app/services", services),
    get("/app/services/new", new_service),
    post("/app/services/new", create_service),
)
