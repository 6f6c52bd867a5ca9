"""Business services: which of them open incidents hit and through what, and their pages."""

from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, allowed_somewhere, require_somewhere
from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import (
    PRIORITIES,
    BusinessService,
    BusinessServiceChange,
    NewBusinessService,
)
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.core.pages import Page as CursorPage
from tocsin.queries import choices, service_graph
from tocsin.web import dependencies
from tocsin.web.page import Page, get, post
from tocsin.web.service_list import SECTION
from tocsin.web.visit import Visit

PAGE_SIZE = 50
MOST_HIT = 200
BASE = "/app/business-services"
UP = ("Business services", BASE)


async def listed(visit: Visit) -> Response:
    """Every business service that the viewer may see, by name, with what hits it; or only those
    that are hit."""
    query, cursor = visit.query("q"), visit.query("cursor") or None
    only_hit = visit.query("hit") == "1"
    async with visit.tx() as tx:
        if only_hit:
            found = await _hit(tx, visit)
        else:
            found = await catalog.list_business_services(
                tx, visit.actor, query=query, cursor=cursor, limit=PAGE_SIZE
            )
        impacts = await service_graph.impacts(tx, visit.actor, [one.id for one in found.items])
        team_ids = sorted({one.team_id for one in found.items if one.team_id is not None})
        teams = await accounts.teams_by_ids(tx, team_ids)
        threshold = await catalog.impact_threshold(tx)
    return visit.render(
        "business/list.html",
        page={"title": "Business services", "section": SECTION},
        services=found.items,
        impacts=impacts,
        teams=teams,
        next=found.next,
        cursor=cursor,
        query=query,
        only_hit=only_hit,
        threshold=threshold,
        thresholds=[("", "Every open incident"), *((p, f"{p} and higher") for p in PRIORITIES)],
        may_add=allowed_somewhere(visit.actor, Permission.MANAGE_SERVICES),
        may_set=allowed(visit.actor, Permission.MANAGE_SERVICES),
    )


async def _hit(tx: Tx, visit: Visit) -> CursorPage[BusinessService]:
    hit = await service_graph.hit(tx)
    every = await catalog.all_business_services(tx, visit.actor)
    return CursorPage(items=tuple(one for one in every if one.id in hit)[:MOST_HIT], next=None)


async def set_threshold(visit: Visit) -> Response:
    """Say which incidents hit business services."""
    async with visit.tx() as tx:
        await catalog.set_impact_threshold(
            tx, visit.actor, visit.field("priority") or None, visit.now
        )
    return visit.see_other(BASE, toast="The setting is saved.")


async def new(visit: Visit) -> Response:
    """The form for a new one."""
    require_somewhere(visit.actor, Permission.MANAGE_SERVICES)
    return await _form(visit, {}, {})


async def create(visit: Visit) -> Response:
    """Make it; what it depends on is said on its page."""
    values = _values(visit)
    try:
        async with visit.tx() as tx:
            one = await catalog.create_business_service(
                tx, visit.actor, NewBusinessService(**values), visit.now
            )
    except Invalid as error:
        return await _form(visit, values, {error.field: error.message}, status=422)
    return visit.see_other(
        f"{BASE}/{one.id}#dependencies", toast=f"{one.name} is made. Say what it depends on."
    )


def _values(visit: Visit) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: visit.field(name) for name in ("name", "description", "point_of_contact")
    }
    return {**values, "team_id": visit.field("team_id") or None}


async def _form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    async with visit.tx() as tx:
        teams = await choices.teams(tx, visit.actor)
    return visit.render(
        "business/new.html",
        status=status,
        page={"title": "New business service", "section": SECTION, "up": UP},
        values=values,
        errors=errors,
        teams=teams,
    )


async def page(visit: Visit) -> Response:
    """One business service."""
    return await _show(visit)


async def _show(
    visit: Visit,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    async with visit.tx() as tx:
        one = await catalog.get_business_service(tx, visit.actor, visit.path("id"))
        manages = allowed(visit.actor, Permission.MANAGE_SERVICES, one.team_id)
        keep = [one.team_id] if one.team_id else []
        context = {
            **await dependencies.context(tx, visit, one.id, manages),
            "teams": await choices.teams(tx, visit.actor, keep=keep),
        }
    return visit.render(
        "business/page.html",
        status=status,
        page={"title": one.name, "section": SECTION, "up": UP},
        one=one,
        manages=manages,
        values=values or {},
        errors=errors or {},
        **context,
    )


async def save(visit: Visit) -> Response:
    """Change it."""
    values = _values(visit)
    try:
        async with visit.tx() as tx:
            one = await catalog.update_business_service(
                tx, visit.actor, visit.path("id"), BusinessServiceChange(**values), visit.now
            )
    except Invalid as error:
        return await _show(visit, values=values, errors={error.field: error.message}, status=422)
    return visit.see_other(f"{BASE}/{one.id}", toast="The business service is saved.")


async def delete(visit: Visit) -> Response:
    """Delete it and its dependencies."""
    async with visit.tx() as tx:
        one = await catalog.get_business_service(tx, visit.actor, visit.path("id"))
        await catalog.delete_business_service(tx, visit.actor, one.id, visit.now)
    return visit.see_other(BASE, toast=f"{one.name} is deleted.")


PAGES: tuple[Page, ...] = (
    get(BASE, listed),
    get(f"{BASE}/new", new),
    post(f"{BASE}/new", create),
    post(f"{BASE}/threshold", set_threshold),
    get(f"{BASE}/{{id}}", page),
    post(f"{BASE}/{{id}}", save),
    post(f"{BASE}/{{id}}/delete", delete),
)
