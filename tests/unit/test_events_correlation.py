"""Which changes may have to do with an incident."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.postgres import START
from tocsin.events import correlation
from tocsin.events.correlation import Reason
from tocsin.events.model import ChangeEvent


def change(id: str, service: str, before: timedelta) -> ChangeEvent:
    return ChangeEvent(
        id=id,
        service_id=service,
        team_id=None,
        integration_id="PI",
        summary=id,
        source=None,
        at=START - before,
        received_at=START,
        links=[],
        images=[],
        details=None,
    )


DISTANCES = {"shop": 0, "pay": 1, "db": 2, "far": correlation.MOST_DISTANCE + 1}


def ids(*changes: ChangeEvent) -> list[str]:
    return [one.change.id for one in correlation.related(START, None, DISTANCES, changes)]


def test_what_is_near_in_time_and_in_the_graph_comes_first() -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    assert ids(
        change("old", "shop", 20 * hour),
        change("own", "shop", 50 * minute),
        change("below", "pay", 10 * minute),
        change("deep", "db", 10 * minute),
    ) == ["below", "own", "deep", "old"]


def test_what_happened_afterwards_comes_last() -> None:
    minute = timedelta(minutes=1)
    assert ids(change("fix", "shop", -minute), change("old", "shop", timedelta(hours=23))) == [
        "old",
        "fix",
    ]


def test_what_does_not_count() -> None:
    assert ids(change("far", "far", timedelta(0)), change("other", "mail", timedelta(0))) == []
    day = timedelta(days=1)
    assert ids(change("old", "shop", day + timedelta(seconds=1))) == []
    assert ids(change("edge", "shop", day)) == ["edge"]
    late = [change("late", "shop", timedelta(minutes=-5))]
    assert correlation.related(START, START, DISTANCES, late) == []


def test_each_says_why() -> None:
    own, below = correlation.related(
        START,
        None,
        DISTANCES,
        [change("a", "shop", timedelta(hours=1)), change("b", "pay", timedelta(hours=2))],
    )
    assert (own.reason, own.distance, own.close) == (Reason.SAME_SERVICE, 0, True)
    assert (below.reason, below.distance, below.close) == (Reason.DEPENDENCY, 1, False)
    assert below.before == timedelta(hours=2)


@given(st.lists(st.tuples(st.sampled_from(sorted(DISTANCES)), st.integers(-90_000, 90_000))))
def test_nothing_comes_twice_and_only_from_the_window(rows: list[tuple[str, int]]) -> None:
    given = [
        change(str(number), service, timedelta(seconds=seconds))
        for number, (service, seconds) in enumerate(rows)
    ]
    found = correlation.related(START, None, DISTANCES, given)
    assert len({one.change.id for one in found}) == len(found)
    for one in found:
        assert one.before <= correlation.WITHIN
        assert one.distance <= correlation.MOST_DISTANCE
