"""What a service or business service depends on: shown on its page, added and taken away there."""

from typing import Any

from starlette.responses import Response

from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import End, NodeKind, Pair
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.queries import service_graph
from tocsin.web.page import Handler, Page, post
from tocsin.web.visit import Visit


async def context(tx: Tx, visit: Visit, id: str, manages: bool) -> dict[str, Any]:
    """What services/dependencies.html shows of one."""
    around = await service_graph.around(tx, visit.actor, id)
    there = [id, *(place.node.id for place in around.depends_on)]
    candidates = await service_graph.candidates(tx, visit.actor, there) if manages else []
    return {"around": around, "candidates": candidates, "node_id": id}


def _adding(kind: NodeKind, base: str) -> Handler:
    async def add(visit: Visit) -> Response:
        other, _, id = visit.field("supporting").partition(":")
        if not id:
            raise Invalid("supporting", "must be a service: choose one of the list")
        pair = Pair(supporting=End(other, id), dependent=End(kind.value, visit.path("id")))
        async with visit.tx() as tx:
            await catalog.associate(tx, visit.actor, [pair], visit.now)
        return _back(visit, base, "The dependency is added.")

    return add


def _removing(base: str) -> Handler:
    async def remove(visit: Visit) -> Response:
        async with visit.tx() as tx:
            own = await catalog.dependencies_of(tx, visit.path("id"))
            mine = {one.id for one in own if one.dependent_id == visit.path("id")}
            if visit.field("id") in mine:
                await catalog.disassociate(tx, visit.actor, [Pair(id=visit.field("id"))], visit.now)
        return _back(visit, base, "The dependency is taken away.")

    return remove


def _back(visit: Visit, base: str, toast: str) -> Response:
    return visit.see_other(f"{base}/{visit.path('id')}#dependencies", toast=toast)


_KINDS = ((NodeKind.SERVICE, "/app/services"), (NodeKind.BUSINESS, "/app/business-services"))
PAGES: tuple[Page, ...] = (
    *(post(f"{base}/{{id}}/dependencies", _adding(kind, base)) for kind, base in _KINDS),
    *(post(f"{base}/{{id}}/dependencies/remove", _removing(base)) for _, base in _KINDS),
)
