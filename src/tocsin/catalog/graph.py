"""What hangs on what: who is reached from a service over its dependencies, by which way, and
whether a dependency may be added.

The rule this module owns: the graph has no cycle, no chain of more than `MOST_DEPTH` services, and
no service with more than `MOST_EACH` dependencies in either direction. A walk visits each service
once, so it ends and costs no more than the graph, even over rows that break the rule.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

MOST_DEPTH = 100
MOST_EACH = 2000
MOST_IN_ALL = 20_000

Neighbours = Mapping[str, Sequence[str]]


class Edge(msgspec.Struct, frozen=True):
    """One dependency: `dependent` needs `supporting`. Both are ids."""

    supporting: str
    dependent: str


class Step(msgspec.Struct, frozen=True):
    """How a service was reached: how many dependencies away, and over which neighbour (None: it is
    where the walk began)."""

    distance: int
    over: str | None


class Why(StrEnum):
    """Why a dependency may not be added."""

    ITSELF = "itself"
    CYCLE = "cycle"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    FULL = "full"


class No(msgspec.Struct, frozen=True):
    """A refusal. `way` is the chain of ids that says so: the cycle, or whoever has too many."""

    why: Why
    way: tuple[str, ...]


def upwards(edges: Iterable[Edge]) -> dict[str, list[str]]:
    """By service: what needs it. An incident spreads this way."""
    found: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        found[edge.supporting].append(edge.dependent)
    return found


def downwards(edges: Iterable[Edge]) -> dict[str, list[str]]:
    """By service: what it needs. A cause is looked for this way."""
    found: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        found[edge.dependent].append(edge.supporting)
    return found


def reach(start: Iterable[str], neighbours: Neighbours, depth: int = MOST_DEPTH) -> dict[str, Step]:
    """Everything within `depth` of `start`, nearest first, each with its shortest way. Of several
    shortest ways the one that comes first in the neighbours' order is taken."""
    found = {id: Step(0, None) for id in start}
    waiting = deque(found)
    while waiting:
        id = waiting.popleft()
        distance = found[id].distance
        if distance >= depth:
            continue
        for other in neighbours.get(id, ()):
            if other not in found:
                found[other] = Step(distance + 1, id)
                waiting.append(other)
    return found


def way(found: Mapping[str, Step], id: str) -> tuple[str, ...]:
    """From where the walk began to `id`, both included."""
    back = [id]
    while (over := found[back[-1]].over) is not None:
        back.append(over)
    return tuple(reversed(back))


def added(new: Edge, up: Neighbours, down: Neighbours, number: int) -> No | None:
    """Whether `new` may join a graph of `number` dependencies, given in both directions, that
    follows the rule; None when it may."""
    if new.supporting == new.dependent:
        return No(Why.ITSELF, (new.supporting,))
    if number >= MOST_IN_ALL:
        return No(Why.FULL, ())
    for id, one_way in ((new.dependent, down), (new.supporting, up)):
        if len(one_way.get(id, ())) >= MOST_EACH:
            return No(Why.TOO_MANY, (id,))
    below = reach([new.supporting], down)
    if new.dependent in below:
        return No(Why.CYCLE, (*way(below, new.dependent), new.supporting))
    if _longest(new.dependent, up) + 1 + _longest(new.supporting, down) > MOST_DEPTH:
        return No(Why.TOO_DEEP, (new.dependent, new.supporting))
    return None


def _longest(id: str, neighbours: Neighbours) -> int:
    """How many dependencies the longest chain from `id` has. `neighbours` have no cycle."""
    inside = reach([id], neighbours)
    coming: dict[str, int] = defaultdict(int)
    for one in inside:
        for other in neighbours.get(one, ()):
            coming[other] += 1
    length = {id: 0}
    ready = [id]
    while ready:
        one = ready.pop()
        for other in neighbours.get(one, ()):
            length[other] = max(length.get(other, 0), length[one] + 1)
            coming[other] -= 1
            if not coming[other]:
                ready.append(other)
    return max(length.values())
