"""Responders: who was asked to join an incident, what they said, and what follows from it.

A request names people and escalation policies. A person is asked once; a policy climbs a ladder of
its own until somebody joins, someone declines or it has nobody left. An acknowledgement of the
incident ends nothing here: responders are asked for because somebody works on it already.

Invariants:
- an answer is about the incident, so it answers every open ask of that person there;
- who has joined is not asked again;
- a target is pending exactly while somebody may still join through it;
- what is cancelled, answered or over sends nothing afterwards.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import structs

from tocsin.escalations.model import Decision, Ladder, Progress, RunState
from tocsin.escalations.model import Reason as LadderReason

MAX_TARGETS = 20
MAX_REQUESTS = 100
MAX_MESSAGE = 1000
MAX_ANSWER_NOTE = 300


class AskKind(StrEnum):
    """Whom a request may name."""

    USER = "user"
    POLICY = "escalation_policy"


class State(StrEnum):
    """Where a person or a target of a request stands. All but the first are final."""

    PENDING = "pending"
    JOINED = "joined"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Answer(StrEnum):
    """What an asked person can say."""

    JOIN = "join"
    DECLINE = "decline"


class Reason(StrEnum):
    """Why a request, one of its targets or one of its people is as it is."""

    ASKED = "responder_asked"
    JOINED = "responder_joined"
    JOINED_BY_ACKNOWLEDGING = "joined_by_acknowledging"
    ALREADY_JOINED = "already_joined"
    DECLINED = "responder_declined"
    SOMEBODY_JOINED = "somebody_joined"
    NEXT_LEVEL = "responder_next_level"
    ALL_DECLINED = "all_declined"
    NOBODY_ANSWERED = "nobody_joined"
    NOBODY_TO_ASK = "nobody_to_ask"
    NO_CONTACT_METHOD = "responder_not_reachable"
    CANCELLED = "request_cancelled"
    OVER = "incident_over"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for responders, when and with what words."""

    id: str
    incident_id: str
    requester_id: str | None
    requester_label: str
    message: str
    at: datetime


class Wanted(msgspec.Struct, frozen=True):
    """One target as a caller names it."""

    kind: AskKind
    id: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One person or policy of a request. Only a policy has a ladder, progress and `due_at`."""

    id: str
    request_id: str
    incident_id: str
    kind: AskKind
    target_id: str
    label: str
    state: State
    reason: str
    changed_at: datetime
    ladder: Ladder | None = None
    progress: Progress = Progress()
    due_at: datetime | None = None
    attempts: int = 0
    error: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One person who was asked for one target. `note` is what they said with their answer."""

    id: str
    target_id: str
    request_id: str
    incident_id: str
    user_id: str
    step: int
    level: int
    state: State
    reason: str
    note: str | None
    asked_at: datetime
    changed_at: datetime


class Following(StrEnum):
    """What a target does after one of its people answered."""

    WAIT = "wait"
    CLIMB = "climb"
    """Everybody on this level declined, so the next one is asked now."""
    JOINED = "joined"
    DECLINED = "declined"


def following(target: Target, people: Sequence[Asked]) -> Following:
    """What follows, given all people of the target as they are after the answer."""
    states = {one.state for one in people}
    if State.JOINED in states:
        return Following.JOINED
    if target.due_at is not None:
        here = [one for one in people if one.step == target.progress.step]
        waits = any(one.state is State.PENDING for one in here)
        return Following.WAIT if waits else Following.CLIMB
    return Following.WAIT if State.PENDING in states else Following.DECLINED


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """What one move of a policy's ladder means for a target: the target after it, and whom to ask.
    `ends_earlier` says that whoever was asked before is not reminded any more."""

    target: Target
    user_ids: tuple[str, ...] = ()
    ends_earlier: bool = False


def rung(
    target: Target,
    decision: Decision,
    *,
    joined: Collection[str],
    pending: bool,
    now: datetime,
) -> Rung:
    """Follow the ladder's decision. `joined` are people who are responders of the incident already,
    `pending` says whether somebody asked earlier may still join."""
    moved = structs.replace(
        target, progress=decision.progress, due_at=decision.due_at, attempts=0, error=None
    )
    if any(user in joined for user in decision.user_ids):
        return Rung(target=_ended(moved, State.JOINED, Reason.ALREADY_JOINED, now))
    if decision.state is RunState.RUNNING and decision.user_ids:
        first = target.progress.step == 0
        reason = Reason.ASKED if first else Reason.NEXT_LEVEL
        asks = structs.replace(moved, reason=reason.value, changed_at=now)
        return Rung(target=asks, user_ids=decision.user_ids, ends_earlier=not first)
    if pending:
        reason = Reason.NOBODY_ANSWERED
        rests = structs.replace(moved, due_at=None, reason=reason.value, changed_at=now)
        return Rung(target=rests)
    nobody = decision.reason is LadderReason.NOBODY_TO_PAGE
    reason = Reason.NOBODY_TO_ASK if nobody else Reason.ALL_DECLINED
    return Rung(target=_ended(moved, State.DECLINED, reason, now))


def ended(target: Target, state: State, reason: Reason, now: datetime) -> Target:
    """The target with its last word."""
    return _ended(target, state, reason, now)


def _ended(target: Target, state: State, reason: Reason, now: datetime) -> Target:
    return structs.replace(target, state=state, reason=reason.value, due_at=None, changed_at=now)


def answered(asked: Asked, state: State, reason: Reason, now: datetime, note: str | None) -> Asked:
    """A person with their last word."""
    return structs.replace(asked, state=state, reason=reason.value, changed_at=now, note=note)
