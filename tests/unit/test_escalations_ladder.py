"""The ladder, case by case."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.escalations import ladder as rules
from tocsin.escalations.model import (
    Ladder,
    Level,
    Person,
    Progress,
    Reason,
    RunState,
    Scene,
    Skip,
    SkipReason,
    Strategy,
    Target,
    TargetKind,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def user(id: str) -> Target:
    return Target(kind=TargetKind.USER, id=id)


def schedule(id: str) -> Target:
    return Target(kind=TargetKind.SCHEDULE, id=id)


def ladder(*levels: tuple[Target, ...], loops: int = 0, in_turn: bool = False) -> Ladder:
    strategy = Strategy.ROUND_ROBIN if in_turn else Strategy.EVERYONE
    return Ladder(
        policy_id="P",
        policy_name="Policy",
        loops=loops,
        levels=tuple(
            Level(id=f"L{n}", delay_seconds=60 * n, strategy=strategy, targets=targets)
            for n, targets in enumerate(levels, 1)
        ),
    )


def scene(*present: str, mute: tuple[str, ...] = (), **fields: object) -> Scene:
    people = {id: Person(id, id.title(), True) for id in present}
    people.update({id: Person(id, id.title(), False) for id in mute})
    return Scene(people=people, **fields)  # type: ignore[arg-type]


def test_begins_with_everyone_of_level_one_once_each() -> None:
    steps = ladder((user("a"), user("b"), schedule("s")))
    decision = rules.begin(steps, Progress(), scene("a", "b", on_call={"s": ("b",)}), NOW)
    assert decision.user_ids == ("a", "b")
    assert decision.progress == Progress(1, 0, 1)
    assert decision.due_at == NOW + timedelta(seconds=60)
    assert (decision.state, decision.reason) == (RunState.RUNNING, Reason.OPENED)


def test_low_urgency_pages_level_one_and_stops() -> None:
    decision = rules.begin(ladder((user("a"),)), Progress(), scene("a"), NOW, climbs=False)
    assert (decision.state, decision.due_at, decision.user_ids) == (
        RunState.STOPPED,
        None,
        ("a",),
    )


def test_each_skip_has_its_reason() -> None:
    steps = ladder((schedule("s"), user("gone"), user("mute")), (user("a"),))
    decision = rules.begin(steps, Progress(), scene("a", mute=("mute",)), NOW)
    assert decision.progress == Progress(2, 0, 1)
    assert decision.skips == (
        Skip(1, schedule("s"), SkipReason.NOBODY_ON_CALL),
        Skip(1, user("gone"), SkipReason.USER_GONE, "gone"),
        Skip(1, user("mute"), SkipReason.NO_CONTACT_METHOD, "mute"),
    )
    assert decision.due_at == NOW + timedelta(seconds=120)


def test_climbs_loops_and_ends_and_the_last_level_waits_too() -> None:
    steps = ladder((user("a"),), (user("b"),), loops=1)
    here = scene("a", "b")
    seen = []
    at = NOW
    decision = rules.begin(steps, Progress(), here, at)
    while decision.due_at is not None:
        seen.append((decision.user_ids, decision.progress, decision.reason, decision.repeated))
        at = decision.due_at
        decision = rules.advance(steps, decision.progress, here, at)
    assert seen == [
        (("a",), Progress(1, 0, 1), Reason.OPENED, False),
        (("b",), Progress(2, 0, 2), Reason.NO_ANSWER, False),
        (("a",), Progress(1, 1, 3), Reason.REPEATED, True),
        (("b",), Progress(2, 1, 4), Reason.NO_ANSWER, False),
    ]
    assert (decision.state, decision.reason) == (RunState.EXHAUSTED, Reason.NOBODY_ANSWERED)
    assert at == NOW + timedelta(seconds=60 + 120 + 60 + 120)


def test_nobody_at_any_level_pages_the_catch_all_and_then_ends() -> None:
    steps = ladder((schedule("s"),), (schedule("t"),))
    here = scene("boss", catch_all="boss")
    decision = rules.begin(steps, Progress(), here, NOW)
    assert (decision.user_ids, decision.reason) == (("boss",), Reason.NOBODY_ON_CALL)
    assert len(decision.skips) == 2
    assert decision.due_at is not None
    last = rules.advance(steps, decision.progress, here, decision.due_at)
    assert last.state is RunState.EXHAUSTED


def test_the_catch_all_is_paged_even_without_a_contact_method() -> None:
    here = scene(mute=("boss",), catch_all="boss")
    assert rules.begin(ladder((schedule("s"),)), Progress(), here, NOW).user_ids == ("boss",)


def test_without_even_a_catch_all_the_run_says_so() -> None:
    decision = rules.begin(ladder((schedule("s"),)), Progress(), scene(), NOW)
    assert (decision.state, decision.reason) == (RunState.EXHAUSTED, Reason.NOBODY_TO_PAGE)


def test_empty_upper_levels_end_the_pass_after_somebody_was_paged() -> None:
    steps = ladder((user("a"),), (schedule("s"),))
    decision = rules.advance(steps, Progress(1, 0, 1), scene("a", catch_all="boss"), NOW)
    assert (decision.state, decision.reason) == (RunState.EXHAUSTED, Reason.NOBODY_ANSWERED)
    again = rules.advance(
        ladder((user("a"),), (schedule("s"),), loops=1), Progress(1, 0, 1), scene("a"), NOW
    )
    assert (again.user_ids, again.progress, again.reason) == (
        ("a",),
        Progress(1, 1, 2),
        Reason.REPEATED,
    )


@pytest.mark.parametrize(
    ("turn", "mute", "expected"),
    [(0, (), "a"), (1, (), "b"), (5, (), "c"), (1, ("b",), "c"), (2, ("c",), "a")],
)
def test_round_robin_takes_the_turn_or_the_next_who_can_be_reached(
    turn: int, mute: tuple[str, ...], expected: str
) -> None:
    steps = ladder((user("a"), user("b"), user("c")), in_turn=True)
    present = tuple(id for id in "abc" if id not in mute)
    here = scene(*present, mute=mute, turns={"L1": turn})
    decision = rules.begin(steps, Progress(), here, NOW)
    assert (decision.user_ids, decision.turn) == ((expected,), "L1")


def test_moving_to_a_level_by_hand() -> None:
    steps = ladder((user("a"),), (user("b"),), loops=0)
    here = scene("a", "b", catch_all="boss")
    up = rules.move_to(steps, Progress(1, 0, 1), None, here, NOW)
    assert up is not None
    assert (up.user_ids, up.reason) == (("b",), Reason.MOVED)
    down = rules.move_to(steps, Progress(2, 0, 2), 1, here, NOW)
    assert down is not None
    assert (down.user_ids, down.progress) == (("a",), Progress(1, 0, 3))
    assert rules.move_to(steps, Progress(2, 0, 2), None, here, NOW) is None
    assert rules.move_to(steps, Progress(1, 0, 1), 3, here, NOW) is None
    assert rules.move_to(steps, Progress(1, 0, 1), 2, scene("a", catch_all="boss"), NOW) is None


def test_next_level_wraps_while_loops_are_left() -> None:
    steps = ladder((user("a"),), (user("b"),), loops=1)
    assert rules.next_level(steps, Progress(1, 0, 1)) == 2
    assert rules.next_level(steps, Progress(2, 0, 2)) == 1
    assert rules.next_level(steps, Progress(2, 1, 4)) is None


def test_resuming_pages_the_level_and_those_it_is_with() -> None:
    steps = ladder((user("a"),), (user("b"),))
    decision = rules.resume(
        steps, Progress(2, 0, 2), scene("a", "b", "c"), NOW, assignees=("c", "ghost")
    )
    assert decision.user_ids == ("b", "c")
    assert decision.progress == Progress(2, 0, 3)
    assert decision.due_at == NOW + timedelta(seconds=120)


def test_resuming_where_nobody_is_left_climbs_and_never_stays_silent() -> None:
    steps = ladder((user("a"),), (user("b"),), (user("c"),))
    up = rules.resume(steps, Progress(2, 0, 2), scene("c", catch_all="boss"), NOW)
    assert (up.user_ids, up.progress.level) == (("c",), 3)
    alone = rules.resume(steps, Progress(3, 0, 3), scene("boss", catch_all="boss"), NOW)
    assert alone.user_ids == ("boss",)


def test_resuming_a_round_robin_level_stays_with_its_person() -> None:
    steps = ladder((user("a"), user("b")), in_turn=True)
    here = scene("a", "b", turns={"L1": 1})
    decision = rules.resume(steps, Progress(1, 0, 1), here, NOW, assignees=("a",))
    assert (decision.user_ids, decision.turn) == (("a",), None)


def test_preview_asks_who_is_on_call_at_each_instant() -> None:
    steps = ladder((user("a"),), (schedule("s"),), (user("c"),))
    asked = []

    def on_call_at(schedule_id: str, at: datetime) -> tuple[str, ...]:
        asked.append((schedule_id, at))
        return ("late",) if at > NOW + timedelta(minutes=5) else ("early",)

    due = NOW + timedelta(minutes=4)
    here = scene("a", "c", "early", "late")
    rungs = rules.preview(steps, Progress(1, 0, 1), due, here, on_call_at)
    assert [(rung.user_ids, rung.at) for rung in rungs] == [
        (("early",), due),
        (("c",), due + timedelta(minutes=2)),
        ((), due + timedelta(minutes=5)),
    ]
    assert rungs[-1].reason is Reason.NOBODY_ANSWERED
    assert asked[0] == ("s", due)
    assert rules.preview(steps, Progress(1, 0, 1), None, here, on_call_at) == ()
