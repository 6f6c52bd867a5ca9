"""What hangs on what: ways, refusals, and where each service stands on the map."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.catalog import graph, layout
from tocsin.catalog.graph import Edge, No, Step, Why


def needs(*texts: str) -> list[Edge]:
    """ "a b" says that a needs b."""
    return [Edge(supporting=text.split()[1], dependent=text.split()[0]) for text in texts]


def added(edges: list[Edge], new: Edge) -> No | None:
    return graph.added(new, graph.upwards(edges), graph.downwards(edges), len(edges))


SHOP = needs("shop pay", "shop cart", "pay db", "cart db", "db disk")


def test_an_incident_spreads_to_what_needs_it_and_no_further() -> None:
    found = graph.reach(["db"], graph.upwards(SHOP))
    assert {id: step.distance for id, step in found.items()} == {
        "db": 0,
        "pay": 1,
        "cart": 1,
        "shop": 2,
    }
    assert graph.way(found, "shop") == ("db", "pay", "shop")


def test_a_walk_has_a_bound() -> None:
    found = graph.reach(["shop"], graph.downwards(SHOP), 1)
    assert found == {"shop": Step(0, None), "pay": Step(1, "shop"), "cart": Step(1, "shop")}


def test_a_walk_ends_in_a_circle() -> None:
    circle = needs("a b", "b c", "c a")
    assert set(graph.reach(["a"], graph.downwards(circle))) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("edges", "new", "said"),
    [
        (SHOP, "shop db", None),
        (SHOP, "mail disk", None),
        (SHOP, "db db", No(Why.ITSELF, ("db",))),
        (SHOP, "disk shop", No(Why.CYCLE, ("shop", "pay", "db", "disk", "shop"))),
        (SHOP, "db pay", No(Why.CYCLE, ("pay", "db", "pay"))),
        (
            [Edge(f"s{n}", "big") for n in range(graph.MOST_EACH)],
            "big more",
            No(Why.TOO_MANY, ("big",)),
        ),
        (
            [Edge("base", f"s{n}") for n in range(graph.MOST_EACH)],
            "more base",
            No(Why.TOO_MANY, ("base",)),
        ),
        (
            [Edge(f"s{n + 1}", f"s{n}") for n in range(graph.MOST_DEPTH)],
            "top s0",
            No(Why.TOO_DEEP, ("top", "s0")),
        ),
        ([Edge(f"s{n + 1}", f"s{n}") for n in range(graph.MOST_DEPTH - 1)], "top s0", None),
    ],
)
def test_what_may_be_added(edges: list[Edge], new: str, said: No | None) -> None:
    assert added(edges, needs(new)[0]) == said


def test_the_whole_is_bounded() -> None:
    assert graph.added(Edge("a", "b"), {}, {}, graph.MOST_IN_ALL) == No(Why.FULL, ())


NAMES = st.sampled_from("abcdefgh")
EDGES = st.lists(st.builds(Edge, NAMES, NAMES), max_size=30)


def grown(wanted: list[Edge]) -> list[Edge]:
    edges: list[Edge] = []
    for new in wanted:
        if new not in edges and added(edges, new) is None:
            edges.append(new)
    return edges


@given(EDGES)
def test_what_the_rule_lets_in_has_no_circle(wanted: list[Edge]) -> None:
    edges = grown(wanted)
    down = graph.downwards(edges)
    for edge in edges:
        assert edge.dependent not in graph.reach([edge.supporting], down)


@given(EDGES, NAMES)
def test_up_and_down_are_each_other_s_reverse(wanted: list[Edge], start: str) -> None:
    up, down = graph.upwards(wanted), graph.downwards(wanted)
    for id, step in graph.reach([start], up).items():
        assert graph.reach([id], down)[start].distance == step.distance
        way = graph.way(graph.reach([start], up), id)
        assert len(way) == step.distance + 1
        pairs = pairwise(way)
        assert all(Edge(below, above) in wanted for below, above in pairs)


@given(EDGES)
def test_the_map_keeps_its_word(wanted: list[Edge]) -> None:
    edges = grown(wanted)
    ids = sorted({end for edge in edges for end in (edge.supporting, edge.dependent)})
    drawn = layout.lay_out(ids, edges)
    boxes = {box.id: box for box in drawn.boxes}
    assert sorted(boxes) == ids
    assert drawn == layout.lay_out(ids, edges)
    assert sorted(map(repr, (line.edge for line in drawn.lines))) == sorted(map(repr, edges))
    for line in drawn.lines:
        assert boxes[line.edge.dependent].x < boxes[line.edge.supporting].x
        assert [x for x, _ in line.points] == sorted(x for x, _ in line.points)
    placed = list(boxes.values())
    for number, one in enumerate(placed):
        assert 0 <= one.x <= drawn.width - layout.BOX_WIDTH
        assert 0 <= one.y <= drawn.height - layout.BOX_HEIGHT
        for other in placed[number + 1 :]:
            apart = abs(one.x - other.x) >= layout.BOX_WIDTH
            assert apart or abs(one.y - other.y) >= layout.BOX_HEIGHT


@given(EDGES)
def test_the_map_draws_even_what_breaks_the_rule(wanted: list[Edge]) -> None:
    ids = sorted({end for edge in wanted for end in (edge.supporting, edge.dependent)})
    assert len(layout.lay_out(ids, wanted).boxes) == len(ids)


def test_nothing_is_drawn_of_nothing() -> None:
    assert layout.lay_out([], []) == layout.Map((), (), 0, 0)


def test_a_long_dependency_passes_between_the_others() -> None:
    drawn = layout.lay_out(["a", "b", "c"], needs("a b", "b c", "a c"))
    (long,) = [line for line in drawn.lines if line.edge == Edge("c", "a")]
    (box,) = [box for box in drawn.boxes if box.id == "b"]
    passing = [y for x, y in long.points if box.x <= x <= box.x + layout.BOX_WIDTH]
    assert len(passing) == 2
    assert all(y < box.y or y > box.y + layout.BOX_HEIGHT for y in passing)
