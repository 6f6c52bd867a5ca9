"""When a hand-off is told: a table of cases, and that nothing due is ever left for later."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.handoffs.model import HandoffRule, Side, Turn
from tocsin.handoffs.notices import GRACE, LOOK_AGAIN, decide, turns
from tocsin.schedules.model import Shift, ShiftReason

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINCE, UNTIL = NOON - 4 * HOUR, NOON + 4 * HOUR


def shift(user: str, start: int, end: int, source: str = "L") -> Shift:
    """From and to in hours from noon."""
    return Shift(
        user_id=user,
        start=NOON + start * HOUR,
        end=NOON + end * HOUR,
        source_id=source,
        reason=ShiftReason.LAYER,
    )


def rule(direction: str = "both", minutes: int = 60) -> HandoffRule:
    return HandoffRule(
        id="R",
        user_id="ann",
        contact_method_id="M",
        direction=direction,  # type: ignore[arg-type]
        advance_seconds=minutes * 60,
    )


def test_turns_that_touch_are_one() -> None:
    found = turns(
        [shift("ann", -4, -1), shift("ann", -1, 1, "O"), shift("bob", 1, 4)], SINCE, UNTIL
    )
    assert [(turn.user_id, turn.start, turn.end) for turn in found] == [
        ("ann", None, NOON + HOUR),
        ("bob", NOON + HOUR, None),
    ]
    assert (found[0].after, found[1].before) == ("bob", "ann")


def test_a_gap_has_nobody_next_to_it() -> None:
    first, second = turns([shift("ann", -3, -1), shift("ann", 1, 3)], SINCE, UNTIL)
    assert (first.start, first.end) == (NOON - 3 * HOUR, NOON - HOUR)
    assert (first.before, first.after, second.before, second.after) == (None,) * 4


@pytest.mark.parametrize(
    ("direction", "minutes", "start", "now", "sides", "next_look"),
    [
        # Ann is on call from `start` for two hours.
        ("both", 60, 2, 0, [], 5),
        ("both", 60, 1, 0, ["oncall"], 5),
        ("oncall", 120, 1, 0, ["oncall"], 5),
        ("offcall", 120, 1, 0, [], 5),
        ("offcall", 180, 1, 0, ["offcall"], 5),
        ("both", 240, 1, 0, ["oncall", "offcall"], 5),
        ("both", 0, 0, 0, ["oncall"], 5),
        ("both", 0, 0, 9, ["oncall"], 5),
        ("both", 0, 0, 10, [], 5),
        ("both", 58, 1, 0, [], 2),
    ],
)
def test_what_is_told_now(
    direction: str, minutes: int, start: int, now: int, sides: list[str], next_look: int
) -> None:
    found = turns([shift("ann", start, start + 2)], SINCE, UNTIL)
    at = NOON + timedelta(minutes=now)
    decision = decide("S", found, {"ann": [rule(direction, minutes)]}, at)
    assert [str(notice.side) for notice in decision.notices] == sides
    assert decision.look_again_at == at + timedelta(minutes=next_look)


def test_nobody_else_is_told() -> None:
    found = turns([shift("bob", 1, 2)], SINCE, UNTIL)
    assert decide("S", found, {"ann": [rule()]}, NOON).notices == ()


@given(
    start=st.integers(-600, 600),
    length=st.integers(1, 600),
    advance=st.integers(0, 300),
    steps=st.lists(st.integers(1, 400), max_size=30),
)
def test_every_notice_is_told_once_and_in_time(
    start: int, length: int, advance: int, steps: list[int]
) -> None:
    """However often one looks in between, as long as one looks when told to."""
    turn = Turn(
        user_id="ann",
        start=NOON + timedelta(minutes=start),
        end=NOON + timedelta(minutes=start + length),
        before=None,
        after=None,
    )
    now, last = NOON - timedelta(minutes=1000), NOON + timedelta(minutes=1300)
    told: dict[str, datetime] = {}
    more = iter(steps)
    while now < last:
        decision = decide("S", [turn], {"ann": [rule("both", advance)]}, now)
        for notice in decision.notices:
            told.setdefault(notice.cause, now)
        assert now < decision.look_again_at <= now + LOOK_AGAIN
        earlier = now + timedelta(seconds=next(more, 10_000))
        now = min(decision.look_again_at, earlier)
    assert turn.start is not None
    assert turn.end is not None
    ahead = timedelta(minutes=advance)
    assert sorted(told.values()) == sorted([turn.start - ahead, turn.end - ahead])
    assert {cause.split(":")[3] for cause in told} == {Side.ONCALL, Side.OFFCALL}


def test_late_is_not_for_ever() -> None:
    turn = Turn(user_id="ann", start=NOON, end=None, before=None, after=None)
    late = decide("S", [turn], {"ann": [rule()]}, NOON + GRACE)
    assert late.notices == ()
