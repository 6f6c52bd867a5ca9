"""What depends on what: add, take away, look up.

A dependency is a statement about the dependent, so whoever manages that one makes it; the
supporting one need only be theirs to see. Additions take one lock for all, because the rule that
there is no cycle is about the whole graph.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, allowed, require
from tocsin.accounts.model import Actor
from tocsin.catalog import graph
from tocsin.catalog import graph_store as store
from tocsin.catalog.graph import Edge, No, Why
from tocsin.catalog.graph_model import Dependency, End, Node, NodeKind, Pair
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.timeline import feed

GRAPH_LOCK = 7_662_012
MOST_AT_ONCE = 250
SUBJECT = "service_dependency"


async def associate(tx: Tx, actor: Actor, pairs: Sequence[Pair], now: datetime) -> list[Dependency]:
    """Add dependencies; one that is there already stays as it is. All or none: a cycle, a chain too
    long or too many is Refused, and says which services it is about."""
    wanted = [_ends(number, pair) for number, pair in enumerate(pairs)]
    await tx.execute(store.LOCK_GRAPH, {"key": GRAPH_LOCK})
    nodes = await _nodes(tx, actor, [end for ends in wanted for end in ends])
    there = await all_dependencies(tx)
    known = {(one.supporting_id, one.dependent_id): one for one in there}
    up, down = graph.upwards(map(edge_of, there)), graph.downwards(map(edge_of, there))
    found = []
    for supporting, dependent in wanted:
        require(actor, Permission.MANAGE_SERVICES, nodes[dependent.id].team_id)
        key = (supporting.id, dependent.id)
        if key not in known:
            no = graph.added(Edge(*key), up, down, len(known))
            if no is not None:
                raise await _refusal(tx, actor, no)
            made = Dependency(
                id=ids.new("P", now),
                supporting_kind=supporting.kind,
                supporting_id=supporting.id,
                dependent_kind=dependent.kind,
                dependent_id=dependent.id,
            )
            values = msgspec.structs.asdict(made)
            await tx.execute(store.INSERT_DEPENDENCY, {**values, "now": now})
            await _changed(tx, actor, now, action="create", one=made, nodes=nodes)
            known[key] = made
            up.setdefault(supporting.id, []).append(dependent.id)
            down.setdefault(dependent.id, []).append(supporting.id)
        found.append(known[key])
    return found


async def disassociate(
    tx: Tx, actor: Actor, pairs: Sequence[Pair], now: datetime
) -> list[Dependency]:
    """Take dependencies away, by id or by both ends; those that were there. Others are no error."""
    if len(pairs) > MOST_AT_ONCE:
        raise Invalid("relationships", f"has at most {MOST_AT_ONCE} items")
    await tx.execute(store.LOCK_GRAPH, {"key": GRAPH_LOCK})
    there = await all_dependencies(tx)
    by_id = {one.id: one for one in there}
    by_ends = {(one.supporting_id, one.dependent_id): one for one in there}
    gone: dict[str, Dependency] = {}
    for pair in pairs:
        one = by_id.get(pair.id or "")
        if one is None and pair.supporting is not None and pair.dependent is not None:
            one = by_ends.get((pair.supporting.id, pair.dependent.id))
        elif one is None and pair.id is None:
            raise Invalid("relationships", "each needs a supporting_service and dependent_service")
        if one is not None:
            gone[one.id] = one
    nodes = await nodes_by_ids(tx, [id for one in gone.values() for id in _ids(one)])
    for one in gone.values():
        dependent, supporting = nodes.get(one.dependent_id), nodes.get(one.supporting_id)
        if dependent is None or not allowed(actor, Permission.VIEW, dependent.team_id):
            raise NotFound("service", one.dependent_id)
        # Who may not see the other end learns nothing of it, not even that it is needed.
        if supporting is None or not allowed(actor, Permission.VIEW, supporting.team_id):
            raise NotFound("service", one.supporting_id)
        require(actor, Permission.MANAGE_SERVICES, dependent.team_id)
        await _changed(tx, actor, now, action="delete", one=one, nodes=nodes)
    await tx.execute(store.DELETE_DEPENDENCIES, {"ids": list(gone)})
    return list(gone.values())


async def nodes_by_ids(tx: Tx, ids: Sequence[str]) -> dict[str, Node]:
    """Services and business services that are alive, by id."""
    found = await tx.all(Node, store.SELECT_NODES, {"ids": list(dict.fromkeys(ids))})
    return {node.id: node for node in found}


async def all_dependencies(tx: Tx) -> list[Dependency]:
    """The whole graph, oldest first."""
    return await tx.all(Dependency, store.SELECT_DEPENDENCIES, {"limit": graph.MOST_IN_ALL})


async def dependencies_of(tx: Tx, id: str) -> list[Dependency]:
    """What one service needs and what needs it, oldest first."""
    asked = {"id": id, "limit": 2 * graph.MOST_EACH}
    return await tx.all(Dependency, store.SELECT_DEPENDENCIES_OF, asked)


async def dependencies_seen(tx: Tx, actor: Actor, id: str) -> list[Dependency]:
    """Those of `dependencies_of` whose other end the actor may see."""
    found = await dependencies_of(tx, id)
    nodes = await nodes_by_ids(tx, [end for one in found for end in _ids(one)])
    seen = {n for n, node in nodes.items() if allowed(actor, Permission.VIEW, node.team_id)}
    return [one for one in found if seen.issuperset(_ids(one))]


async def dependencies_below(tx: Tx, ids: Sequence[str]) -> list[Dependency]:
    """Every dependency on the way down from these services: what they need, and what that needs."""
    asked = {"ids": list(ids), "limit": graph.MOST_IN_ALL}
    return await tx.all(Dependency, store.SELECT_BELOW, asked)


async def dependencies_above(tx: Tx, ids: Sequence[str]) -> list[Dependency]:
    """Every dependency on the way up from these services: what needs them, and what needs that."""
    asked = {"ids": list(ids), "limit": graph.MOST_IN_ALL}
    return await tx.all(Dependency, store.SELECT_ABOVE, asked)


def edge_of(one: Dependency) -> Edge:
    """As the rules see it."""
    return Edge(one.supporting_id, one.dependent_id)


def _ids(one: Dependency) -> tuple[str, str]:
    return one.supporting_id, one.dependent_id


def _ends(number: int, pair: Pair) -> tuple[End, End]:
    if number >= MOST_AT_ONCE:
        raise Invalid("relationships", f"has at most {MOST_AT_ONCE} items")
    for name, end in (("supporting", pair.supporting), ("dependent", pair.dependent)):
        field = f"relationships[{number}].{name}_service"
        if end is None:
            raise Invalid(field, "is required")
        if end.kind not in tuple(NodeKind):
            raise Invalid(field, f"type must be one of {', '.join(NodeKind)}")
    assert pair.supporting is not None
    assert pair.dependent is not None
    return pair.supporting, pair.dependent


async def _nodes(tx: Tx, actor: Actor, ends: Sequence[End]) -> dict[str, Node]:
    """What the ends name, held until the end of the transaction. NotFound when one is not there."""
    for statement, kind in (
        (store.HOLD_SERVICES, NodeKind.SERVICE),
        (store.HOLD_BUSINESS, NodeKind.BUSINESS),
    ):
        held = sorted({end.id for end in ends if end.kind == kind})
        if held:
            await tx.execute(statement, {"ids": held})
    nodes = await nodes_by_ids(tx, [end.id for end in ends])
    for end in ends:
        node = nodes.get(end.id)
        if (
            node is None
            or node.kind != end.kind
            or not allowed(actor, Permission.VIEW, node.team_id)
        ):
            raise NotFound(end.kind.replace("_", " "), end.id)
    return nodes


async def _refusal(tx: Tx, actor: Actor, no: No) -> Refused:
    nodes = await nodes_by_ids(tx, no.way)

    def name(id: str) -> str:
        node = nodes.get(id)
        seen = node is not None and allowed(actor, Permission.VIEW, node.team_id)
        return node.name if node is not None and seen else "another team's service"

    names = [name(id) for id in no.way]
    text = {
        Why.ITSELF: f"{names[0] if names else ''} cannot depend on itself.",
        Why.CYCLE: "This would close a circle, in which each needs the next: "
        + " → ".join(names)
        + ".",
        Why.TOO_DEEP: "The chain of dependencies through these services would be longer than "
        f"{graph.MOST_DEPTH}.",
        Why.TOO_MANY: f"{names[0] if names else ''} has {graph.MOST_EACH} dependencies already.",
        Why.FULL: f"There are {graph.MOST_IN_ALL} dependencies already: take some away first.",
    }
    return Refused(f"dependency_{no.why}", text[no.why])


async def _changed(
    tx: Tx, actor: Actor, now: datetime, *, action: str, one: Dependency, nodes: dict[str, Node]
) -> None:
    feed.changed(tx, "services")
    label = f"{nodes[one.dependent_id].name} depends on {nodes[one.supporting_id].name}"
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type=SUBJECT,
        subject_id=one.id,
        subject_label=label,
        before=one if action == "delete" else None,
        after=one if action == "create" else None,
    )
