"""What follows from an answer and from a move of a policy's ladder: tables, then anything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tocsin.escalations.model import Decision, Ladder, Progress, RunState
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents import status_updates
from tocsin.incidents.responders import (
    Asked,
    AskKind,
    Following,
    Reason,
    State,
    Target,
    following,
    rung,
)
from tocsin.incidents.status_updates import BURST, MAX_SUBJECT, MAX_UPDATES, Pace

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LADDER = Ladder(policy_id="P1", policy_name="Database", loops=0, levels=())
PERSON = Target(
    id="T",
    request_id="R",
    incident_id="I",
    kind=AskKind.USER,
    target_id="U",
    label="Ann",
    state=State.PENDING,
    reason="responder_asked",
    changed_at=NOW,
)
POLICY = structs.replace(
    PERSON,
    kind=AskKind.POLICY,
    ladder=LADDER,
    progress=Progress(1, 0, 1),
    due_at=NOW + timedelta(minutes=5),
)
RESTING = structs.replace(POLICY, due_at=None)


def asked(state: State, step: int = 0) -> Asked:
    return Asked(
        id="A",
        target_id="T",
        request_id="R",
        incident_id="I",
        user_id="U",
        step=step,
        level=step,
        state=state,
        reason="responder_asked",
        note=None,
        asked_at=NOW,
        changed_at=NOW,
    )


P, J, D = State.PENDING, State.JOINED, State.DECLINED


@pytest.mark.parametrize(
    ("target", "people", "wanted"),
    [
        (PERSON, [asked(J)], Following.JOINED),
        (PERSON, [asked(D)], Following.DECLINED),
        (POLICY, [asked(D, 1)], Following.CLIMB),
        (POLICY, [asked(D, 1), asked(P, 1)], Following.WAIT),
        (POLICY, [asked(D, 1), asked(J, 1)], Following.JOINED),
        # Who was asked on an earlier level may join, but does not hold up the next one.
        (POLICY, [asked(P, 0), asked(D, 1)], Following.CLIMB),
        (RESTING, [asked(P, 0), asked(D, 1)], Following.WAIT),
        (RESTING, [asked(D, 0), asked(D, 1)], Following.DECLINED),
        (RESTING, [asked(D, 0), asked(J, 1)], Following.JOINED),
    ],
)
def test_what_follows_an_answer(target: Target, people: list[Asked], wanted: Following) -> None:
    assert following(target, people) is wanted


def decision(state: RunState, *users: str, reason: LadderReason) -> Decision:
    due = NOW + timedelta(minutes=5) if state is RunState.RUNNING else None
    return Decision(
        state=state, reason=reason, progress=Progress(2, 0, 2), user_ids=users, due_at=due
    )


CLIMBS = decision(RunState.RUNNING, "bob", reason=LadderReason.NO_ANSWER)
ENDS = decision(RunState.EXHAUSTED, reason=LadderReason.NOBODY_ANSWERED)
EMPTY = decision(RunState.EXHAUSTED, reason=LadderReason.NOBODY_TO_PAGE)


def test_a_level_is_asked_and_the_one_before_is_left_in_peace() -> None:
    found = rung(POLICY, CLIMBS, joined=(), pending=True, now=NOW)
    assert found.user_ids == ("bob",)
    assert found.ends_earlier
    assert (found.target.state, found.target.reason) == (P, Reason.NEXT_LEVEL)
    first = structs.replace(POLICY, progress=Progress())
    assert rung(first, CLIMBS, joined=(), pending=False, now=NOW).target.reason == Reason.ASKED


@pytest.mark.parametrize(
    ("made", "joined", "pending", "state", "reason"),
    [
        (CLIMBS, {"bob"}, True, J, Reason.ALREADY_JOINED),
        (ENDS, set(), True, P, Reason.NOBODY_ANSWERED),
        (ENDS, set(), False, D, Reason.ALL_DECLINED),
        (EMPTY, set(), False, D, Reason.NOBODY_TO_ASK),
    ],
)
def test_a_ladder_asks_nobody_more(
    made: Decision, joined: set[str], pending: bool, state: State, reason: Reason
) -> None:
    found = rung(POLICY, made, joined=joined, pending=pending, now=NOW)
    assert found.user_ids == ()
    assert found.target.due_at is None
    assert (found.target.state, found.target.reason) == (state, reason)


@given(
    st.sampled_from([PERSON, POLICY, RESTING]),
    st.lists(st.builds(asked, st.sampled_from(State), st.integers(0, 2)), max_size=6),
)
def test_a_target_never_ends_as_declined_while_somebody_may_join(
    target: Target, people: list[Asked]
) -> None:
    found = following(target, people)
    states = {one.state for one in people}
    if found is Following.DECLINED:
        assert P not in states
        assert J not in states
    assert (found is Following.JOINED) == (J in states)
    if found is Following.CLIMB:
        assert target.due_at is not None


@given(
    st.sampled_from([CLIMBS, ENDS, EMPTY]),
    st.sets(st.sampled_from(["bob", "cid"])),
    st.booleans(),
)
def test_whoever_waits_is_a_person_or_a_time(
    made: Decision, joined: set[str], pending: bool
) -> None:
    found = rung(POLICY, made, joined=joined, pending=pending, now=NOW)
    waits = found.target.state is P
    assert waits == (bool(found.user_ids) or (pending and not set(made.user_ids) & joined))
    assert not set(found.user_ids) & joined
    if not waits:
        assert found.target.due_at is None


@pytest.mark.parametrize(
    ("recent", "total", "same", "wanted"),
    [
        (0, 0, False, Pace.FREE),
        (BURST - 1, BURST, False, Pace.FREE),
        (BURST, BURST, False, Pace.TOO_FAST),
        (1, 1, True, Pace.SAID_ALREADY),
        (0, MAX_UPDATES, False, Pace.TOO_MANY),
    ],
)
def test_the_pace_of_updates(recent: int, total: int, same: bool, wanted: Pace) -> None:
    assert status_updates.pace(recent, total, same=same) is wanted


@given(st.text() | st.none(), st.integers(1), st.text(max_size=1024))
def test_a_subject_is_one_bounded_line(given_: str | None, number: int, title: str) -> None:
    found = status_updates.subject(given_, number, title)
    assert 1 <= len(found) <= MAX_SUBJECT
    assert len(found.splitlines()) == 1
