"""Schedules: the list, with who is on call, who is next, and how much is covered."""

from datetime import timedelta

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed_somewhere
from tocsin.queries import policies as policy_queries
from tocsin.schedules import actions as schedules
from tocsin.schedules.coverage import coverage_of
from tocsin.web import rota
from tocsin.web.page import Page, get
from tocsin.web.visit import Visit

PAGE_SIZE = 25
SECTION = "schedules"


async def schedule_list(visit: Visit) -> Response:
    """Every schedule the viewer may see, by name."""
    query, cursor = visit.query("q"), visit.query("cursor") or None
    async with visit.tx() as tx:
        found = await schedules.page(
            tx, visit.actor, query=query or None, cursor=cursor, limit=PAGE_SIZE
        )
        ids = [head.id for head in found.items]
        on_call = await rota.read(tx, visit.now, schedule_ids=ids)
        uses = await policy_queries.policies_using(tx, ids)
    horizon = visit.now + timedelta(days=14)
    return visit.render(
        "schedules/list.html",
        page={"title": "Schedules", "section": SECTION},
        lines=[
            {
                "schedule": head,
                "person": on_call.person(head.id),
                "reachable": on_call.reached(head.id),
                "following": on_call.following(head.id),
                "coverage": coverage_of(on_call.shifts.get(head.id, ()), visit.now, horizon),
                "uses": uses[head.id],
            }
            for head in found.items
        ],
        turn=on_call.turn(),
        next=found.next,
        cursor=cursor,
        query=query,
        may_add=allowed_somewhere(visit.actor, Permission.MANAGE_SCHEDULES),
    )


PAGES: tuple[Page, ...] = (get("/app/schedules", schedule_list),)
