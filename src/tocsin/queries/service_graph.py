"""Who is hit by what is open: services and business services over their dependencies.

Whether something is hit is worked out over the whole graph, so that nobody is told all is well
because they may not see the cause; what they may not see is counted and has no name. Each look-up
costs a fixed number of queries.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from tocsin.accounts.access import Permission, allowed, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.catalog import graph
from tocsin.catalog.graph import Edge
from tocsin.catalog.graph_model import PRIORITIES, Dependency, Node, NodeKind
from tocsin.core.database import Tx

COUNT_AT_MOST = 1000
INCIDENTS_OF_EACH = 10
MOST_CANDIDATES = 1000

SELECT_OPEN_ON = """
    select w.id,
        count(*) filter (where o.status = 'triggered') as triggered,
        count(*) filter (where o.status = 'acknowledged') as acknowledged,
        count(*) filter (where %(priorities)s::text[] is null
            or o.priority = any(%(priorities)s::text[])) as spreading,
        min(o.priority) as worst
    from unnest(%(ids)s::text[]) as w (id)
    cross join lateral (
        select status, priority from incidents i
        where i.service_id = w.id and i.status <> 'resolved' limit %(most)s
    ) o
    group by w.id
"""

# What a picker offers.
SELECT_CANDIDATES = """
    select kind, id, name from (
        select 'business_service' as kind, id, name, team_id from business_services
        where deleted_at is null
        union all
        select 'service', s.id, s.name, p.team_id
        from services s join escalation_policies p on p.id = s.escalation_policy_id
        where s.deleted_at is null
    ) every
    where (%(visible)s::text[] is null or team_id = any(%(visible)s::text[]))
        and id <> all(%(without)s::text[])
    order by kind, lower(name), id limit %(limit)s
"""

SELECT_OPEN_INCIDENTS = """
    select o.id, o.number, o.title, o.status, o.urgency, o.priority, o.service_id, o.created_at
    from unnest(%(ids)s::text[]) as w (id)
    cross join lateral (
        select i.* from incidents i
        where i.service_id = w.id and i.status <> 'resolved'
            and (%(priorities)s::text[] is null or i.priority = any(%(priorities)s::text[]))
        order by i.created_at desc, i.id desc limit %(each)s
    ) o
    order by o.created_at desc, o.id desc
"""


class State(StrEnum):
    """How a service is: by its own open incidents, else by those below it."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    HIT = "hit"
    QUIET = "quiet"


class OpenOn(msgspec.Struct, frozen=True, kw_only=True):
    """How many incidents are open on a service, and how many of them matter enough to hit those
    that depend on it; the figures stop at a thousand. `worst` is the highest priority of them."""

    id: str
    triggered: int
    acknowledged: int
    spreading: int
    worst: str | None


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that hits something."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    priority: str | None
    service_id: str
    created_at: datetime


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A service with open incidents below something. `way` leads there, from what is hit; a service
    that the viewer may not see is None in it. `incidents` are the newest ones that they may see."""

    service_id: str
    way: tuple[Node | None, ...]
    number: int
    worst: str | None
    incidents: tuple[OpenIncident, ...]


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What hits one service or business service, nearest first."""

    id: str
    hits: tuple[Hit, ...]

    @property
    def impacted(self) -> bool:
        """Whether anything does."""
        return bool(self.hits)

    @property
    def incidents(self) -> list[OpenIncident]:
        """The newest incidents that the viewer may see, newest first."""
        found = [one for hit in self.hits for one in hit.incidents]
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    @property
    def cut(self) -> bool:
        """Whether there are more incidents than it carries."""
        return any(hit.number > len(hit.incidents) for hit in self.hits)

    @property
    def worst(self) -> str | None:
        """The highest priority of the incidents that hit it; None when none has one."""
        return min((hit.worst for hit in self.hits if hit.worst is not None), default=None)

    @property
    def number(self) -> int:
        """How many incidents hit it, seen or not; stops at a thousand for each service."""
        return sum(hit.number for hit in self.hits)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A service as the map and its neighbours show it."""

    node: Node
    state: State
    open: int
    dependency_id: str = ""

    @property
    def path(self) -> str:
        """Its page."""
        business = self.node.kind == NodeKind.BUSINESS
        return f"/app/{'business-services' if business else 'services'}/{self.node.id}"


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """The neighbours of one service, and what hits it or is hit by it."""

    depends_on: tuple[Place, ...]
    used_by: tuple[Place, ...]
    impact: Impact
    spreads_to: tuple[Place, ...]


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """Every service that has a dependency, as far as the viewer may see them, worst first; `hidden`
    is how many they may not see. `hot` are the dependencies over which an open incident spreads."""

    places: tuple[Place, ...]
    edges: tuple[Edge, ...]
    hot: frozenset[Edge]
    hidden: int


async def _open_on(tx: Tx, ids: Iterable[str], matter: list[str] | None) -> dict[str, OpenOn]:
    """What is open on these services; those with nothing open are left out."""
    asked = {"ids": list(ids), "most": COUNT_AT_MOST, "priorities": matter}
    return {one.id: one for one in await tx.all(OpenOn, SELECT_OPEN_ON, asked)}


async def _matter(tx: Tx) -> list[str] | None:
    """The priorities that hit business services; None when every open incident does."""
    least = await catalog.impact_threshold(tx)
    return None if least is None else [name for name in PRIORITIES if name <= least]


async def impacts(tx: Tx, actor: Actor, ids: Sequence[str]) -> dict[str, Impact]:
    """What hits each of these services or business services. Five queries."""
    edges = [catalog.edge_of(one) for one in await catalog.dependencies_below(tx, ids)]
    down = graph.downwards(edges)
    everything = list(graph.reach(ids, down))
    nodes = await catalog.nodes_by_ids(tx, everything)
    matter = await _matter(tx)
    found = await _open_on(tx, nodes, matter)
    incidents = await _incidents(tx, actor, [nodes[id] for id in found], matter)
    return {
        id: _impact(actor, id, down=down, nodes=nodes, open=found, incidents=incidents)
        for id in ids
    }


def _impact(
    actor: Actor,
    id: str,
    *,
    down: graph.Neighbours,
    nodes: Mapping[str, Node],
    open: Mapping[str, OpenOn],
    incidents: Mapping[str, list[OpenIncident]],
) -> Impact:
    reached = graph.reach([id], down)
    return Impact(
        id=id,
        hits=tuple(
            Hit(
                service_id=one,
                way=tuple(_seen(actor, nodes.get(step)) for step in graph.way(reached, one)),
                number=open[one].spreading,
                worst=open[one].worst,
                incidents=tuple(incidents.get(one, ())),
            )
            for one in reached
            if one in open and open[one].spreading
        ),
    )


async def around(tx: Tx, actor: Actor, id: str) -> Around:
    """What one service needs, what needs it, what hits it, and whom it hits. Six queries."""
    above = [catalog.edge_of(one) for one in await catalog.dependencies_above(tx, [id])]
    spreads = list(graph.reach([id], graph.upwards(above)))
    # Those above may be hit by others below them: their own state needs all that they need.
    known = await catalog.dependencies_below(tx, spreads)
    edges = [catalog.edge_of(one) for one in known]
    down, up = graph.downwards(edges), graph.upwards(edges)
    nodes = await catalog.nodes_by_ids(tx, list(graph.reach(spreads, down)))
    matter = await _matter(tx)
    found = await _open_on(tx, nodes, matter)
    incidents = await _incidents(tx, actor, [nodes[one] for one in found], matter)
    places = _Places(actor, nodes, found, set(graph.reach(_origins(found), up)))
    return Around(
        depends_on=places.of((d.supporting_id, d) for d in known if d.dependent_id == id),
        used_by=places.of((d.dependent_id, d) for d in known if d.supporting_id == id),
        impact=_impact(actor, id, down=down, nodes=nodes, open=found, incidents=incidents),
        spreads_to=places.of((one, None) for one in spreads if one != id),
    )


async def whole(tx: Tx, actor: Actor) -> Whole:
    """The whole graph. Four queries."""
    require_somewhere(actor, Permission.VIEW)
    edges = [catalog.edge_of(one) for one in await catalog.all_dependencies(tx)]
    ids = list(dict.fromkeys(end for e in edges for end in (e.dependent, e.supporting)))
    nodes = await catalog.nodes_by_ids(tx, ids)
    found = await _open_on(tx, ids, await _matter(tx))
    hit = set(graph.reach(_origins(found), graph.upwards(edges)))
    places = _Places(actor, nodes, found, hit).of((id, None) for id in ids)
    seen = {place.node.id for place in places}
    shown = tuple(e for e in edges if e.dependent in seen and e.supporting in seen)
    return Whole(
        places=places,
        edges=shown,
        hot=frozenset(e for e in shown if e.supporting in hit),
        hidden=len(nodes) - len(seen),
    )


async def hit(tx: Tx) -> set[str]:
    """The ids of all that open incidents hit, and of the services they are on. Three queries."""
    edges = [catalog.edge_of(one) for one in await catalog.all_dependencies(tx)]
    supporting = {edge.supporting for edge in edges}
    found = await _open_on(tx, sorted(supporting), await _matter(tx))
    return set(graph.reach(_origins(found), graph.upwards(edges)))


async def candidates(tx: Tx, actor: Actor, without: Sequence[str]) -> list[tuple[str, str, str]]:
    """(kind, id, name) of what the actor may see and could be needed, business services first; at
    most a thousand."""
    visible = visible_teams(actor)
    asked = {
        "visible": None if visible is None else list(visible),
        "without": list(without),
        "limit": MOST_CANDIDATES,
    }
    return [(kind, id, name) for kind, id, name in await tx.tuples(SELECT_CANDIDATES, asked)]


async def hit_business(tx: Tx, actor: Actor, service_id: str, priority: str | None) -> list[Place]:
    """The business services that an open incident of this priority hits, nearest first. At most
    three queries."""
    matter = await _matter(tx)
    if matter is not None and priority not in matter:
        return []
    edges = [catalog.edge_of(one) for one in await catalog.dependencies_above(tx, [service_id])]
    reached = list(graph.reach([service_id], graph.upwards(edges)))
    nodes = await catalog.nodes_by_ids(tx, reached)
    places = _Places(actor, nodes, {}, set(reached))
    order = {id: number for number, id in enumerate(reached)}
    found = [p for p in places.of((id, None) for id in reached) if p.node.kind == NodeKind.BUSINESS]
    return sorted(found, key=lambda place: order[place.node.id])


def _origins(open: Mapping[str, OpenOn]) -> list[str]:
    return [id for id, one in open.items() if one.spreading]


class _Places:
    """Puts services into places, those that the viewer may see, what is worst first."""

    def __init__(
        self,
        actor: Actor,
        nodes: Mapping[str, Node],
        open: Mapping[str, OpenOn],
        hit: set[str],
    ) -> None:
        self.actor = actor
        self.nodes = nodes
        self.open = open
        self.hit = hit

    def of(self, wanted: Iterable[tuple[str, Dependency | None]]) -> tuple[Place, ...]:
        """The places of these ids, with the dependency that leads to each."""
        found = []
        for id, dependency in wanted:
            node = _seen(self.actor, self.nodes.get(id))
            if node is None:
                continue
            own = self.open.get(id)
            number = 0 if own is None else own.triggered + own.acknowledged
            place = Place(
                node=node,
                state=self._state(id, own),
                open=number,
                dependency_id="" if dependency is None else dependency.id,
            )
            found.append(place)
        worst = tuple(State)
        found.sort(key=lambda place: (worst.index(place.state), place.node.name.lower()))
        return tuple(found)

    def _state(self, id: str, own: OpenOn | None) -> State:
        if own is not None and own.triggered:
            return State.TRIGGERED
        if own is not None and own.acknowledged:
            return State.ACKNOWLEDGED
        return State.HIT if id in self.hit else State.QUIET


def _seen(actor: Actor, node: Node | None) -> Node | None:
    visible = node is not None and allowed(actor, Permission.VIEW, node.team_id)
    return node if visible else None


async def _incidents(
    tx: Tx, actor: Actor, nodes: Iterable[Node], matter: list[str] | None
) -> dict[str, list[OpenIncident]]:
    seen = [node.id for node in nodes if _seen(actor, node) is not None]
    if not seen:
        return {}
    found: dict[str, list[OpenIncident]] = {}
    asked = {"ids": seen, "each": INCIDENTS_OF_EACH, "priorities": matter}
    for one in await tx.all(OpenIncident, SELECT_OPEN_INCIDENTS, asked):
        found.setdefault(one.service_id, []).append(one)
    return found
