"""Where each service stands on the map: in columns, what needs others left of what it needs.

The rule this module owns: an arrow always points to a column further right; boxes never overlap;
the same graph is always drawn the same way. Services that hang together are laid out together, one
group below the other, in the order they are given. A dependency that spans several columns keeps
its own lane between the boxes of those it passes.
"""

from collections.abc import Iterator, Mapping, Sequence

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
Beside = dict[Slot, list[Slot]]


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
        places, height = _places(*_columns(group, own))
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


def _columns(
    group: Sequence[str], edges: Sequence[Edge]
) -> tuple[list[list[Slot]], Beside, Beside]:
    """The slots of each column from top to bottom, with few crossings: each column is sorted by
    where its neighbours stand, to and fro. And the neighbours of each slot, left and right."""
    column = columns_of(group, edges)
    slots: list[list[Slot]] = [[] for _ in range(max(column.values()) + 1)]
    for id in group:
        slots[column[id]].append(id)
    right: Beside = {}
    left: Beside = {}
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
    for number, other, neighbours in _to_and_fro(len(slots), left, right):
        slots[number] = _sorted(slots[number], slots[other], neighbours)
    return slots, left, right


def _to_and_fro(columns: int, left: Beside, right: Beside) -> Iterator[tuple[int, int, Beside]]:
    """Each column with the one beside it that it is put in line with, from left to right and back,
    several times."""
    for sweep in range(SWEEPS):
        if sweep % 2 == 0:
            yield from ((number, number - 1, left) for number in range(1, columns))
        else:
            yield from ((number, number + 1, right) for number in range(columns - 2, -1, -1))


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
    columns: Sequence[Sequence[Slot]], left: Beside, right: Beside
) -> tuple[dict[Slot, tuple[float, float]], float]:
    """The upper left corner of each slot, and the height of all: as high as the tallest column."""
    tallest = float(max(sum(map(_height, column)) for column in columns))
    tops: dict[Slot, float] = {}
    for column in columns:
        tops |= _stacked(column, {}, tallest)
    for number, _, neighbours in _to_and_fro(len(columns), left, right):
        wanted = {
            slot: sum(tops[one] + _height(one) / 2 for one in found) / len(found)
            for slot in columns[number]
            if (found := neighbours.get(slot))
        }
        tops |= _stacked(columns[number], wanted, tallest)
    places = {
        slot: (float(MARGIN + number * COLUMN), tops[slot])
        for number, column in enumerate(columns)
        for slot in column
    }
    return places, tallest - (ROW - BOX_HEIGHT)


def _stacked(
    column: Sequence[Slot], wanted: Mapping[Slot, float], tallest: float
) -> dict[Slot, float]:
    """The tops of a column's slots in their order, without overlap, each as near as can be to the
    middle that it wants; what wants none stays with the one above it.

    With the heights above taken off, the tops may be any that never fall. Neighbours that want to
    pass each other meet at their mean.
    """
    above = 0.0
    blocks: list[tuple[float, int]] = []
    heights = [_height(slot) for slot in column]
    for slot, height in zip(column, heights, strict=True):
        middle = wanted.get(slot)
        last = blocks[-1][0] / blocks[-1][1] if blocks else (tallest - sum(heights)) / 2
        total, count = (last if middle is None else middle - height / 2 - above), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            more, number = blocks.pop()
            total, count = total + more, count + number
        blocks.append((total, count))
        above += height
    tops: dict[Slot, float] = {}
    slots = iter(zip(column, heights, strict=True))
    used = 0.0
    for total, count in blocks:
        free = min(max(total / count, 0.0), tallest - above)
        for _ in range(count):
            slot, height = next(slots)
            tops[slot] = free + used
            used += height
    return tops


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
