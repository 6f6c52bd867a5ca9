"""The map of services: a drawing of what depends on what, red where an incident spreads, and the
same as a list, which is what a phone shows.

A map of more than `MOST_DRAWN` services would be a carpet: then only what is hit, what has open
incidents and what these depend on or serve directly is drawn, and the page says so. Any service can
be put in the middle, with all it needs and all that needs it.
"""

from collections.abc import Iterable, Sequence

import msgspec
from starlette.responses import Response

from tocsin.catalog import graph, layout
from tocsin.catalog.graph import Edge
from tocsin.core.errors import NotFound
from tocsin.queries import service_graph
from tocsin.queries.service_graph import Place, State, Whole
from tocsin.web.page import Page, get
from tocsin.web.service_list import SECTION
from tocsin.web.visit import Visit

MOST_DRAWN = 400


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A box of the drawing."""

    place: Place
    x: float
    y: float


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A service in the list, with the names of what it needs."""

    place: Place
    needs: tuple[Place, ...]


async def page(visit: Visit) -> Response:
    """The map, of everything or around one service."""
    async with visit.tx() as tx:
        whole = await service_graph.whole(tx, visit.actor)
    places = {place.node.id: place for place in whole.places}
    focus = visit.query("focus")
    if focus and focus not in places:
        # It has no dependency (any more): the whole map says more than an empty one.
        if not focus.isalnum():
            raise NotFound("service", focus)
        focus = ""
    shown, cut = _chosen(whole, focus)
    edges = [e for e in whole.edges if e.dependent in shown and e.supporting in shown]
    ordered = [place.node.id for place in whole.places if place.node.id in shown]
    drawing = layout.lay_out(ordered, edges)
    hot = whole.hot
    lines = [(curve(line.points), line.edge in hot) for line in drawing.lines]
    return visit.render(
        "services/map.html",
        page={"title": "Service map", "section": SECTION, "up": ("Services", "/app/services")},
        boxes=[Drawn(place=places[box.id], x=box.x, y=box.y) for box in drawing.boxes],
        # What is hit is drawn last, so that nothing covers it.
        lines=sorted(lines, key=lambda line: line[1]),
        width=drawing.width,
        height=drawing.height,
        box=(layout.BOX_WIDTH, layout.BOX_HEIGHT),
        listed=_listed(ordered, edges, places),
        focus=places.get(focus),
        cut=cut,
        number=len(places),
        hidden=whole.hidden,
        troubled=sum(1 for place in whole.places if place.state != State.QUIET),
    )


def _chosen(whole: Whole, focus: str) -> tuple[set[str], bool]:
    everything = {place.node.id for place in whole.places}
    if focus:
        down = graph.reach([focus], graph.downwards(whole.edges))
        up = graph.reach([focus], graph.upwards(whole.edges))
        return {*down, *up}, False
    if len(everything) <= MOST_DRAWN:
        return everything, False
    troubled = {place.node.id for place in whole.places if place.state != State.QUIET}
    near = {
        end
        for edge in whole.edges
        if edge.dependent in troubled or edge.supporting in troubled
        for end in (edge.dependent, edge.supporting)
    }
    first = [place.node.id for place in whole.places if place.node.id in near][:MOST_DRAWN]
    return set(first), True


def _listed(ids: Sequence[str], edges: Iterable[Edge], places: dict[str, Place]) -> list[Listed]:
    down = graph.downwards(edges)
    return [
        Listed(place=places[id], needs=tuple(places[other] for other in down.get(id, ())))
        for id in ids
    ]


def curve(points: Sequence[tuple[float, float]]) -> str:
    """The points as an SVG path: straight along a lane, bent between columns."""
    (x, y), *rest = points
    parts = [f"M{x:g} {y:g}"]
    for next_x, next_y in rest:
        middle = (x + next_x) / 2
        if abs(next_y - y) < 0.5:
            parts.append(f"L{next_x:g} {next_y:g}")
        else:
            parts.append(f"C{middle:g} {y:g} {middle:g} {next_y:g} {next_x:g} {next_y:g}")
        x, y = next_x, next_y
    return " ".join(parts)


PAGES: tuple[Page, ...] = (get("/app/service-map", page),)
