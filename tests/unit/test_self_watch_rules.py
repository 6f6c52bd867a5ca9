"""When trouble in Tocsin itself is told, told again, and called over."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.engine import troubles
from tocsin.engine.auditor import Finding, FindingKind
from tocsin.engine.self_rules import Watched, decide
from tocsin.engine.troubles import ChannelRecord, Trouble

T = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STUCK = Trouble(key="deliveries_overdue", summary="late", advice="look")
LOCAL = Trouble(key="disk_full@one", summary="full", advice="free some")
PASS = 10


def told(
    pattern: str, trouble: Trouble = STUCK, node: str = "one", seconds: int = PASS
) -> list[tuple[int, str]]:
    """Run one pass a letter: `x` sees the trouble, `.` does not, `-` is no pass at all. What was
    done, as (seconds since the start, "raised" or "cleared")."""
    watched: dict[str, Watched] = {}
    said: list[tuple[int, str]] = []
    for place, letter in enumerate(pattern):
        if letter == "-":
            continue
        at = place * seconds
        decision = decide(
            watched, [trouble] if letter == "x" else [], T + timedelta(seconds=at), node=node
        )
        watched = decision.watched
        said += [(at, "raised") for _ in decision.raised]
        said += [(at, "cleared") for _ in decision.cleared]
    return said


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("......", []),
        # It must last a minute.
        ("xxxxxx", []),
        ("xxxxxxx", [(60, "raised")]),
        # Told once while it stays.
        ("x" * 100, [(60, "raised")]),
        # What passes by itself is not told, and nothing is resolved that was not raised.
        ("xxx.........", []),
        # Gone for a minute: over.
        ("xxxxxxx......", [(60, "raised"), (120, "cleared")]),
        ("xxxxxxx.....", [(60, "raised")]),
        # It flaps: one incident all the while.
        ("xxxxxxx..x..x..x......", [(60, "raised"), (210, "cleared")]),
        ("x.x.x.x", [(60, "raised")]),
        # It is over, and comes back: a new one, after a minute again.
        ("xxxxxxx......xxxxxxx", [(60, "raised"), (120, "cleared"), (190, "raised")]),
        # Nobody looked for a while: the wait starts again.
        ("x--------x", []),
        ("x--------xxxxxxx", [(150, "raised")]),
        # Nobody looked while it was raised: it is still the same.
        ("xxxxxxx--------x", [(60, "raised")]),
    ],
)
def test_it_is_told_once_and_called_over_once(
    pattern: str, expected: list[tuple[int, str]]
) -> None:
    assert told(pattern) == expected


def test_the_trigger_is_repeated_after_an_hour() -> None:
    assert told("x" * 800) == [(60, "raised"), (3660, "raised"), (7260, "raised")]


def test_some_trouble_need_not_be_waited_for() -> None:
    assert told("x", Trouble(key="channel_failing:a", summary="", advice="", hold_seconds=0)) == [
        (0, "raised")
    ]


def test_two_nodes_that_look_at_one_instant_tell_once() -> None:
    now = Trouble(key="channel_failing:a", summary="", advice="", hold_seconds=0)
    first = decide({}, [now], T, node="one")
    second = decide(first.watched, [now], T, node="two")
    assert (len(first.raised), len(second.raised)) == (1, 0)


def test_what_one_node_sees_another_does_not_call_over() -> None:
    seen = Watched(trouble=LOCAL, since=T, seen_at=T, raised_at=T)
    for seconds, node, cleared in (
        (59, "one", ()),
        (60, "one", (LOCAL.key,)),
        (60, "two", ()),
        (299, "two", ()),
        # The node that saw it has been silent for long: it is gone.
        (300, "two", (LOCAL.key,)),
    ):
        now = T + timedelta(seconds=seconds)
        assert decide({LOCAL.key: seen}, [], now, node=node).cleared == cleared, (seconds, node)


@pytest.mark.parametrize(
    ("failed", "since", "last", "counts"),
    [
        (9, 300, 1, True),
        (9, 299, 1, False),
        (2, 600, 1, False),
        (3, 600, 900, True),
        (3, 2000, 901, False),
    ],
)
def test_a_channel_fails_when_nothing_got_through_for_five_minutes(
    failed: int, since: int, last: int, counts: bool
) -> None:
    record = ChannelRecord(
        channel="ntfy",
        failed=failed,
        since=T - timedelta(seconds=since),
        last_at=T - timedelta(seconds=last),
        detail="HTTP 503",
    )
    found = troubles.of_channel(record, T)
    assert (found is not None) is counts
    if found is not None:
        assert "HTTP 503" in found.summary


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, None), (5.0, None), (-5.0, None), (5.1, "5.1 s ahead of"), (-7, "7.0 s behind")],
)
def test_clocks_may_be_five_seconds_apart(seconds: float, words: str | None) -> None:
    found = troubles.of_clock(seconds, "one")
    assert (found.summary if found else None) is None if words is None else found is not None
    if found is not None and words is not None:
        assert words in found.summary
        assert found.node == "one"


GIB = 1024**3


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (10 * GIB, 100 * GIB, False),
        (GIB, 10 * GIB, False),
        (GIB - 1, 10 * GIB, True),
        (19 * GIB, 1000 * GIB, True),
        (20 * GIB, 1000 * GIB, False),
    ],
)
def test_a_disk_is_nearly_full(free: int, total: int, full: bool) -> None:
    assert (troubles.of_disk(free, total, "one") is not None) is full


def test_people_nobody_reaches_are_named() -> None:
    assert troubles.of_mute([]) is None
    found = troubles.of_mute(list("abcdefg"))
    assert found is not None
    assert "a, b, c, d, e and 2 more" in found.summary
    assert found.hold_seconds > STUCK.hold_seconds


@pytest.mark.parametrize("kind", list(FindingKind))
def test_every_finding_has_a_way_on(kind: FindingKind) -> None:
    found = troubles.of_finding(Finding(kind=kind, count=3, since=T, example="x"))
    assert found.key == kind.value
    assert found.summary.startswith("3 ")
    many = troubles.of_finding(Finding(kind=kind, count=1000, since=T, example="x"))
    assert many.summary.startswith("1000 or more ")
    single = troubles.of_finding(Finding(kind=kind, count=1, since=T, example="x"))
    assert single.summary.startswith(("1 ", "A "))
    assert "{" not in found.summary + single.summary
    assert found.advice.endswith(".")
    assert found.href.startswith("/app/")
