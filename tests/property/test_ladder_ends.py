"""Whatever the policy and whoever is there: a ladder ends, never silently, and always explains."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tocsin.escalations import ladder as rules
from tocsin.escalations.model import (
    Ladder,
    Level,
    Person,
    Progress,
    Reason,
    RunState,
    Scene,
    Strategy,
    Target,
    TargetKind,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NAMES = ["a", "b", "c", "d"]
SCHEDULES = ["s", "t"]

targets = st.one_of(
    st.builds(Target, kind=st.just(TargetKind.USER), id=st.sampled_from(NAMES)),
    st.builds(Target, kind=st.just(TargetKind.SCHEDULE), id=st.sampled_from(SCHEDULES)),
)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    shapes = draw(
        st.lists(
            st.tuples(
                st.integers(60, 86_400),
                st.sampled_from(Strategy),
                st.lists(targets, min_size=1, max_size=4),
            ),
            min_size=1,
            max_size=6,
        )
    )
    return Ladder(
        policy_id="P",
        policy_name="Policy",
        loops=draw(st.integers(0, 9)),
        levels=tuple(
            Level(id=f"L{n}", delay_seconds=delay, strategy=strategy, targets=tuple(whom))
            for n, (delay, strategy, whom) in enumerate(shapes)
        ),
    )


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    present = draw(st.dictionaries(st.sampled_from(NAMES), st.booleans()))
    people = {id: Person(id, id, reachable) for id, reachable in present.items()}
    people["boss"] = Person("boss", "boss", True)
    return Scene(
        people=people,
        on_call=draw(
            st.dictionaries(
                st.sampled_from(SCHEDULES),
                st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
            )
        ),
        catch_all="boss",
        turns=draw(st.dictionaries(st.sampled_from([f"L{n}" for n in range(6)]), st.integers(0))),
    )


@given(ladders(), st.lists(scenes(), min_size=1, max_size=8))
def test_a_ladder_always_ends_and_always_reaches_somebody(
    ladder: Ladder, world: list[Scene]
) -> None:
    """The world changes between the rungs as it likes."""
    decision = rules.begin(ladder, Progress(), world[0], NOW)
    assert decision.user_ids
    paged = 0
    while decision.due_at is not None:
        here = world[paged % len(world)]
        for user in decision.user_ids:
            assert user == "boss" or here.people[user].reachable
        before, at = decision.progress, decision.due_at
        paged += 1
        assert paged <= len(ladder.levels) * (ladder.loops + 1)
        decision = rules.advance(ladder, before, world[paged % len(world)], at)
        after = decision.progress
        if decision.state is RunState.RUNNING:
            assert (after.loop, after.level) > (before.loop, before.level)
            assert after.step == before.step + 1
            assert decision.due_at is not None
            assert decision.due_at > at
            assert after.loop <= ladder.loops
    assert decision.state is RunState.EXHAUSTED
    assert decision.reason is Reason.NOBODY_ANSWERED


@given(ladders(), scenes(), st.integers(0, 6), st.integers(0, 9), st.sets(st.sampled_from(NAMES)))
def test_resuming_is_never_silent(
    ladder: Ladder, scene: Scene, level: int, loop: int, assignees: set[str]
) -> None:
    progress = Progress(min(level, len(ladder.levels)), min(loop, ladder.loops), 3)
    decision = rules.resume(ladder, progress, scene, NOW, assignees=tuple(sorted(assignees)))
    assert decision.user_ids
    assert decision.progress.step == 4
    for user in assignees:
        if user in scene.people and scene.people[user].reachable:
            assert user in decision.user_ids


@given(ladders(), scenes())
def test_the_preview_is_what_happens(ladder: Ladder, scene: Scene) -> None:
    """With a world that stands still, the rungs foretold are the rungs climbed."""
    turns = dict(scene.turns)
    still = Scene(
        people=scene.people, on_call=scene.on_call, catch_all=scene.catch_all, turns=turns
    )
    decision = rules.begin(ladder, Progress(), still, NOW)
    if decision.turn is not None:
        turns[decision.turn] = turns.get(decision.turn, 0) + 1
    foretold = rules.preview(
        ladder,
        decision.progress,
        decision.due_at,
        still,
        lambda id, at: scene.on_call.get(id, ()),
    )
    for rung in foretold:
        at = decision.due_at
        assert at is not None
        decision = rules.advance(ladder, decision.progress, still, at)
        if decision.turn is not None:
            turns[decision.turn] = turns.get(decision.turn, 0) + 1
        assert (rung.at, rung.user_ids, rung.reason) == (at, decision.user_ids, decision.reason)
    assert decision.due_at is None or len(foretold) == rules.MAX_PREVIEW
