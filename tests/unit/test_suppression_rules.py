"""The rules of maintenance windows, as tables: what is held back, and what may be changed when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.errors import Invalid, Refused
from tocsin.suppression import lifecycle
from tocsin.suppression.lifecycle import Removal
from tocsin.suppression.model import (
    FURTHEST,
    LONGEST,
    MAX_DESCRIPTION,
    MAX_SERVICES,
    NewWindow,
    State,
    Window,
    WindowChange,
)
from tocsin.suppression.verdict import Fate, Release, release, state, verdicts

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def window(start: float, end: float, *services: str, id: str = "W", **more: Any) -> Window:
    return Window(
        id=id,
        sequence_number=1,
        description="",
        service_ids=services or ("shop",),
        starts_at=at(start),
        ends_at=at(end),
        created_by=None,
        created_at=at(-600),
        **more,
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1, 2, State.FUTURE),
        (0, 2, State.ONGOING),
        (-1, 2, State.ONGOING),
        (-2, 0, State.PAST),
        (-2, -1, State.PAST),
        # Ended at the moment it began.
        (0, 0, State.PAST),
    ],
)
def test_a_window_has_begun_at_its_start_and_is_over_at_its_end(
    start: float, end: float, expected: State
) -> None:
    assert state(window(start, end), NOW) is expected


@pytest.mark.parametrize(
    ("windows", "held"),
    [
        ([], {}),
        ([window(-1, 5)], {"shop": ("W", 5)}),
        ([window(1, 5)], {}),
        ([window(-5, 0)], {}),
        ([window(-1, 5, "other")], {}),
        ([window(-1, 5, "shop", "bank", "other")], {"shop": ("W", 5), "bank": ("W", 5)}),
        ([window(-1, 5, deleted_at=at(-1))], {}),
        # Of several the one that ends last, whatever their order.
        ([window(-1, 5, id="A"), window(-3, 9, id="B")], {"shop": ("B", 9)}),
        ([window(-3, 9, id="B"), window(-1, 5, id="A")], {"shop": ("B", 9)}),
        ([window(-1, 5, id="A"), window(-1, 5, id="B")], {"shop": ("B", 5)}),
        # One that follows without a gap counts from its own beginning.
        ([window(-5, 0, id="A"), window(0, 9, id="B")], {"shop": ("B", 9)}),
        ([window(-5, 5, id="A"), window(5, 9, id="B")], {"shop": ("A", 5)}),
        # Each service by its own windows.
        (
            [window(-1, 5, "shop", "bank", id="A"), window(-1, 9, "bank", id="B")],
            {"shop": ("A", 5), "bank": ("B", 9)},
        ),
    ],
)
def test_what_is_held_back(windows: list[Window], held: dict[str, tuple[str, float]]) -> None:
    found = verdicts(windows, ["shop", "bank"], NOW)
    assert {id: (v.window_id, v.until) for id, v in found.items()} == {
        id: (by, at(end)) for id, (by, end) in held.items()
    }
    assert {v.reason.value for v in found.values()} <= {"suppressed_by_maintenance"}


SPANS = st.tuples(st.integers(-50, 50), st.integers(0, 60))


@given(st.lists(SPANS, max_size=6), st.integers(-60, 120))
def test_whoever_asks_again_when_told_to_finds_the_first_moment_without_a_window(
    spans: list[tuple[int, int]], asked: int
) -> None:
    windows = [window(a, a + b, id=f"W{n}") for n, (a, b) in enumerate(spans)]
    moment = at(asked)
    for _ in range(len(windows) + 1):
        verdict = verdicts(windows, ["shop"], moment).get("shop")
        if verdict is None:
            break
        assert verdict.until > moment
        moment = verdict.until
    free = asked
    while any(a <= free < a + b for a, b in spans):
        free += 1
    assert moment == at(free)


HELD = verdicts([window(-1, 5)], ["shop"], NOW)["shop"]


@pytest.mark.parametrize(
    ("verdict", "deleted", "disabled", "expected"),
    [
        (None, False, False, Release(Fate.OPEN)),
        (HELD, False, False, Release(Fate.WAIT, at(5))),
        (None, False, True, Release(Fate.WAIT, at(0.5))),
        (HELD, False, True, Release(Fate.WAIT, at(5))),
        (None, True, True, Release(Fate.LET_GO)),
        (HELD, True, True, Release(Fate.LET_GO)),
        (None, True, False, Release(Fate.LET_GO)),
    ],
)
def test_what_becomes_of_held_alerts(
    verdict: Any, deleted: bool, disabled: bool, expected: Release
) -> None:
    assert release(verdict, deleted=deleted, disabled=disabled, now=NOW) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1, 5, Removal.DELETED_FUTURE),
        (0, 5, Removal.ENDED_NOW),
        (-1, 5, Removal.ENDED_NOW),
        (-5, 0, Removal.REFUSED_PAST),
        (-5, -1, Removal.REFUSED_PAST),
    ],
)
def test_taking_one_back(start: float, end: float, expected: Removal) -> None:
    assert lifecycle.removal(window(start, end), NOW) is expected


def new(start: float = 0, end: float = 60, **fields: Any) -> NewWindow:
    return NewWindow(
        **{"service_ids": ("shop",), "starts_at": at(start), "ends_at": at(end), **fields}
    )


def test_one_that_would_begin_in_the_past_begins_now() -> None:
    assert lifecycle.begun(new(-30, 30), NOW).starts_at == NOW
    assert lifecycle.begun(new(30, 60), NOW).starts_at == at(30)


def test_services_count_once_and_words_are_trimmed() -> None:
    made = lifecycle.begun(new(service_ids=("a", "b", "a"), description=" disks "), NOW)
    assert (made.service_ids, made.description) == (("a", "b"), "disks")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (new(-60, 0), "end_time"),
        (new(-60, -30), "end_time"),
        (new(30, 30), "end_time"),
        (new(30, 20), "end_time"),
        (new(ends_at=NOW + LONGEST + timedelta(seconds=1)), "end_time"),
        (new(starts_at=NOW + FURTHEST + timedelta(days=1), ends_at=NOW + FURTHEST * 2), "end_time"),
        (
            new(
                starts_at=NOW + FURTHEST + timedelta(days=1),
                ends_at=NOW + FURTHEST + timedelta(days=2),
            ),
            "start_time",
        ),
        (new(service_ids=()), "services"),
        (new(service_ids=tuple(f"s{n}" for n in range(MAX_SERVICES + 1))), "services"),
        (new(description="x" * (MAX_DESCRIPTION + 1)), "description"),
        (new(description="a\x00b"), "description"),
        (new(starts_at=datetime(2026, 3, 2, 9)), "start_time"),  # noqa: DTZ001 - what is refused
        (new(ends_at=datetime(2026, 3, 2, 10)), "end_time"),  # noqa: DTZ001 - what is refused
    ],
)
def test_what_cannot_be_made_names_its_field(wanted: NewWindow, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        lifecycle.begun(wanted, NOW)
    assert refusal.value.field == field


FUTURE, ONGOING = window(10, 60), window(-10, 60)


@pytest.mark.parametrize(
    ("before", "change", "start", "end"),
    [
        (FUTURE, {}, 10, 60),
        (FUTURE, {"starts_at": at(20)}, 20, 60),
        (FUTURE, {"starts_at": at(-20)}, 0, 60),
        (FUTURE, {"starts_at": at(100), "ends_at": at(200)}, 100, 200),
        (ONGOING, {"ends_at": at(90)}, -10, 90),
        (ONGOING, {"ends_at": at(1)}, -10, 1),
        # What a client was shown and sends back, to the second.
        (ONGOING, {"starts_at": at(-10), "ends_at": at(60)}, -10, 60),
    ],
)
def test_what_a_change_makes(
    before: Window, change: dict[str, Any], start: float, end: float
) -> None:
    after = lifecycle.changed(before, WindowChange(**change), NOW)
    assert (after.starts_at, after.ends_at) == (at(start), at(end))


def test_parts_of_a_second_that_clients_never_saw_stay() -> None:
    kept = msgspec.structs.replace(ONGOING, starts_at=at(-10) + timedelta(milliseconds=250))
    assert lifecycle.changed(kept, WindowChange(starts_at=at(-10)), NOW) == kept


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        (ONGOING, {"starts_at": at(5)}, "start_time"),
        (ONGOING, {"starts_at": at(-20)}, "start_time"),
        (ONGOING, {"ends_at": NOW}, "end_time"),
        (ONGOING, {"ends_at": at(-5)}, "end_time"),
        (FUTURE, {"ends_at": at(5)}, "end_time"),
        (FUTURE, {"starts_at": at(60)}, "end_time"),
        (ONGOING, {"service_ids": ()}, "services"),
        (ONGOING, {"description": "x" * (MAX_DESCRIPTION + 1)}, "description"),
    ],
)
def test_what_cannot_be_changed_names_its_field(
    before: Window, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        lifecycle.changed(before, WindowChange(**change), NOW)
    assert refusal.value.field == field


def test_what_is_over_is_not_changed() -> None:
    with pytest.raises(Refused) as refusal:
        lifecycle.changed(window(-10, -5), WindowChange(description="later"), NOW)
    assert refusal.value.reason == "maintenance_over"
