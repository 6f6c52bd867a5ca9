"""The logical clock: it never goes back, follows small differences slowly and large ones never."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.clock import SLEW_LIMIT_SECONDS, SLEW_PER_SECOND, LogicalClock, ManualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def anchored(at: datetime = START) -> LogicalClock:
    clock = LogicalClock()
    clock.anchor(at)
    return clock


def test_time_is_aware_and_in_utc() -> None:
    now = LogicalClock().now()
    assert now.tzinfo is UTC


def test_time_starts_where_it_is_anchored_in_whatever_zone() -> None:
    elsewhere = datetime.fromisoformat("2026-03-02T18:00:00+09:00")
    now = anchored(elsewhere).now()
    assert START <= now < START + timedelta(minutes=1)
    assert now.tzinfo is UTC


@given(st.lists(st.floats(-7200, 7200), max_size=30))
def test_no_reference_ever_turns_time_back(differences: list[float]) -> None:
    clock = anchored()
    last = clock.now()
    for difference in differences:
        clock.observe(clock.now() + timedelta(seconds=difference), since_last=1.0)
        now = clock.now()
        assert now >= last
        last = now


@pytest.mark.parametrize("difference", [SLEW_LIMIT_SECONDS + 1, -3600.0, 3600.0])
def test_a_large_difference_is_told_and_not_followed(difference: float) -> None:
    clock = anchored()
    before = clock.now()
    told = clock.observe(before + timedelta(seconds=difference), since_last=1.0)
    assert told == pytest.approx(difference, abs=0.5)
    assert clock.drift_seconds == told
    assert abs((clock.now() - before).total_seconds()) < 1.0


def test_a_small_difference_is_slewed_away_slowly() -> None:
    clock = anchored()
    base = clock._base
    clock.observe(clock.now() + timedelta(seconds=1.5), since_last=10.0)
    step = (clock._base - base).total_seconds()
    assert step == pytest.approx(SLEW_PER_SECOND * 10.0)


@pytest.mark.parametrize("difference", [1.5, -1.5, 0.001])
def test_after_a_long_break_a_difference_is_made_up_for_and_not_overdone(difference: float) -> None:
    clock = anchored()
    base = clock._base
    # A database that was away for hours, or a machine that slept through the night.
    clock.observe(clock.now() + timedelta(seconds=difference), since_last=8 * 3600.0)
    step = (clock._base - base).total_seconds()
    assert step == pytest.approx(difference, abs=0.01)


def test_a_manual_clock_moves_only_forward() -> None:
    clock = ManualClock(START)
    clock.advance(timedelta(minutes=5))
    assert clock.now() == START + timedelta(minutes=5)
    assert clock.steady() == 300
    with pytest.raises(ValueError, match="cannot move back"):
        clock.move_to(START)
    assert clock.now() == START + timedelta(minutes=5)


async def test_sleeping_on_a_manual_clock_does_not_move_it() -> None:
    clock = ManualClock(START)
    await clock.sleep(3600)
    assert clock.now() == START
