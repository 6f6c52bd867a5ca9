"""Where each service stands on the map: in columns, what needs others left of what it needs.

The rule this module owns: an arrow always points to a column further right; boxes never overlap;
the same graph is always drawn the same way. Services that hang together are laid out together, one
group below the other, in the order they are given. A dependency that spans several columns keeps
its own lane between the boxes of those it passes.
"""

from collections.abc import Mapping, Sequence

import msgspec

from tocsin.catalog.graph import MOST_DEPTH, Edge, downwards, reach, upwards

BOX_WIDTH = 184
BOX_HEIGHT = 40
COLUMN = 264
ROW = 52
LANE = 20
GROUP_GAP = 28
MARGIN = 12
SWEEPS = 6

Slot = str | tuple[Edge, int]


class Box(msgspec.Struct, frozen=True):
    """One service: its upper left corner, in pixels."""

    id: str
    x: float
    y: float


class Line(msgspec.Struct, frozen=True):
    """One dependency, from the dependent's right side over its lanes to the supporting's left."""

    edge: Edge
    points: tuple[tuple[float, float], ...]


class Map(msgspec.Struct, frozen=True):
    """The whole drawing, in pixels."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def lay_out(ids: Sequence[str], edges: Sequence[Edge]) -> Map:
    """The drawing of these services; dependencies of others are left out."""
    known = set(ids)
    inside = [e for e in edges if e.supporting in known and e.dependent in known]
    boxes: list[Box] = []
    lines: list[Line] = []
    width, top = 0.0, float(MARGIN)
    for group in _groups(ids, inside):
        members = set(group)
        own = [e for e in inside if e.dependent in members]
        places, height = _places(_columns(group, own), own)
        for id in group:
            x, y = places[id]
            boxes.append(Box(id, x, top + y))
            width = max(width, x + BOX_WIDTH)
        lines += [Line(edge, _points(edge, places, top)) for edge in own]
        top += height + GROUP_GAP
    if not boxes:
        return Map((), (), 0, 0)
    return Map(tuple(boxes), tuple(lines), width + MARGIN, top - GROUP_GAP + MARGIN)


def columns_of(ids: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The column of each service: one right of the furthest that needs it. What is in a cycle,
    which should not be, stands where the walk found it."""
    up, down = upwards(edges), downwards(edges)
    waiting = {id: len(up.get(id, ())) for id in ids}
    column = dict.fromkeys(ids, 0)
    ready = [id for id in ids if not waiting[id]]
    done = set(ready)
    while ready or len(done) < len(column):
        if not ready:
            ready = [next(id for id in ids if id not in done)]
            done.add(ready[0])
        id = ready.pop(0)
        for other in down.get(id, ()):
            if other in done:
                continue
            column[other] = min(max(column[other], column[id] + 1), MOST_DEPTH)
            waiting[other] -= 1
            if waiting[other] <= 0:
                done.add(other)
                ready.append(other)
    return column


def _groups(ids: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    both = upwards(edges)
    for id, others in downwards(edges).items():
        both[id] = [*both.get(id, ()), *others]
    place = {id: number for number, id in enumerate(ids)}
    seen: set[str] = set()
    groups = []
    for id in ids:
        if id not in seen:
            group = sorted(reach([id], both, len(place)), key=place.__getitem__)
            seen.update(group)
            groups.append(group)
    return groups


def _columns(group: Sequence[str], edges: Sequence[Edge]) -> list[list[Slot]]:
    """The slots of each column from top to bottom, with few crossings: each column is sorted by
    where its neighbours stand, to and fro."""
    column = columns_of(group, edges)
    slots: list[list[Slot]] = [[] for _ in range(max(column.values()) + 1)]
    for id in group:
        slots[column[id]].append(id)
    right: dict[Slot, list[Slot]] = {}
    left: dict[Slot, list[Slot]] = {}
    for edge in edges:
        before: Slot = edge.dependent
        for number in range(column[edge.dependent] + 1, column[edge.supporting]):
            lane: Slot = (edge, number)
            slots[number].append(lane)
            right.setdefault(before, []).append(lane)
            left.setdefault(lane, []).append(before)
            before = lane
        right.setdefault(before, []).append(edge.supporting)
        left.setdefault(edge.supporting, []).append(before)
    for sweep in range(SWEEPS):
        if sweep % 2 == 0:
            for number in range(1, len(slots)):
                slots[number] = _sorted(slots[number], slots[number - 1], left)
        else:
            for number in range(len(slots) - 2, -1, -1):
                slots[number] = _sorted(slots[number], slots[number + 1], right)
    return slots


def _sorted(
    column: list[Slot], beside: list[Slot], neighbours: Mapping[Slot, Sequence[Slot]]
) -> list[Slot]:
    place = {slot: number for number, slot in enumerate(beside)}

    def middle(slot: Slot, own: int) -> float:
        found = [place[other] for other in neighbours.get(slot, ()) if other in place]
        # Without a neighbour there it stays about where it is.
        return sum(found) / len(found) if found else own * len(beside) / max(1, len(column))

    keys = {slot: middle(slot, number) for number, slot in enumerate(column)}
    return sorted(column, key=keys.__getitem__)


def _places(
    columns: Sequence[Sequence[Slot]], edges: Sequence[Edge]
) -> tuple[dict[Slot, tuple[float, float]], float]:
    heights = [sum(_height(slot) for slot in column) for column in columns]
    tallest = max(heights)
    places: dict[Slot, tuple[float, float]] = {}
    for number, column in enumerate(columns):
        # A short column stands in the middle of the tall ones.
        y = (tallest - heights[number]) / 2
        for slot in column:
            places[slot] = (MARGIN + number * COLUMN, y)
            y += _height(slot)
    return places, tallest - (ROW - BOX_HEIGHT)


def _height(slot: Slot) -> int:
    return ROW if isinstance(slot, str) else LANE


def _points(
    edge: Edge, places: Mapping[Slot, tuple[float, float]], top: float
) -> tuple[tuple[float, float], ...]:
    x, y = places[edge.dependent]
    points = [(x + BOX_WIDTH, top + y + BOX_HEIGHT / 2)]
    number = round((x - MARGIN) / COLUMN) + 1
    while (edge, number) in places:
        lane_x, lane_y = places[(edge, number)]
        middle = top + lane_y + LANE / 2
        points += [(lane_x, middle), (lane_x + BOX_WIDTH, middle)]
        number += 1
    x, y = places[edge.supporting]
    return (*points, (x, top + y + BOX_HEIGHT / 2))
