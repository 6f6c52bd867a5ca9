"""The life of an incident, as one table: what may happen in each status, and what follows.

Theory of operation. An incident is triggered, acknowledged or resolved; snoozed is acknowledged
with a time to return. `decide` looks the act up: the answer is a `Step` (the status after it and
the effects that the caller carries out in the same transaction), a `Refusal` in the words of the
REST API's error, or `Stale`, which a timer that lost a race simply drops.

Invariant: every (status, act) pair is in the table, and every way out of `triggered` stops the
ladder and the pages.
"""

from enum import StrEnum

import msgspec

from tocsin.incidents.model import Status


class Act(StrEnum):
    """What can be done to an incident."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    REASSIGN = "reassign"
    ESCALATE = "escalate"
    CHANGE_URGENCY = "change_urgency"
    MERGE_AWAY = "merge_away"
    TAKE_ALERTS = "take_alerts"
    TIME_OUT = "time_out"
    END_SNOOZE = "end_snooze"
    AUTO_RESOLVE = "auto_resolve"


class Effect(StrEnum):
    """What goes with a change of status."""

    STOP = "stop"
    """The ladder stops and the open pages die."""
    FORGET_ACKNOWLEDGEMENTS = "forget_acknowledgements"
    WAIT_FOR_PROGRESS = "wait_for_progress"
    """Start the acknowledgement timeout, if the service has one."""
    PAGE_AGAIN = "page_again"
    """The ladder restarts where it was, or the assignees are paged."""
    END = "end"
    """Resolve what is left of it: alerts, timers, assignments."""


class Step(msgspec.Struct, frozen=True):
    """The act is allowed. `to` is the status after it."""

    to: Status
    effects: frozenset[Effect] = frozenset()


class Refusal(msgspec.Struct, frozen=True):
    """The act is refused; `reason` is stable, `message` is for people."""

    reason: str
    message: str


class Stale(msgspec.Struct, frozen=True):
    """The timer came too late: what it waited for is over."""


T, A, R = Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED

ALREADY_RESOLVED = Refusal("already_resolved", "Incident Already Resolved")
NOT_ACKNOWLEDGED = Refusal("not_acknowledged", "Incident Not Acknowledged")
ALREADY_MERGED = Refusal("already_merged", "Incident Already Merged")
CANNOT_ESCALATE = Refusal("cannot_escalate", "Incident Cannot Be Escalated")
NOBODY_ON_CALL = Refusal("nobody_on_call", "Nobody Is On Call At That Level Or Above It")
DUPLICATE_KEY = Refusal(
    "duplicate_incident_key", "Open incident with matching dedup key already exists"
)
STALE = Stale()

_ENDING = frozenset({Effect.STOP, Effect.END})
_RETURNING = frozenset({Effect.FORGET_ACKNOWLEDGEMENTS, Effect.PAGE_AGAIN})

TABLE: dict[tuple[Status, Act], Step | Refusal | Stale] = {
    (T, Act.ACKNOWLEDGE): Step(A, frozenset({Effect.STOP, Effect.WAIT_FOR_PROGRESS})),
    (A, Act.ACKNOWLEDGE): Step(A),
    (R, Act.ACKNOWLEDGE): ALREADY_RESOLVED,
    (T, Act.RESOLVE): Step(R, _ENDING),
    (A, Act.RESOLVE): Step(R, _ENDING),
    (R, Act.RESOLVE): ALREADY_RESOLVED,
    (T, Act.UNACKNOWLEDGE): NOT_ACKNOWLEDGED,
    (A, Act.UNACKNOWLEDGE): Step(T, _RETURNING),
    (R, Act.UNACKNOWLEDGE): ALREADY_RESOLVED,
    (T, Act.SNOOZE): Step(A, frozenset({Effect.STOP})),
    (A, Act.SNOOZE): Step(A),
    (R, Act.SNOOZE): ALREADY_RESOLVED,
    (T, Act.REASSIGN): Step(T, frozenset({Effect.STOP})),
    (A, Act.REASSIGN): Step(T, frozenset({Effect.FORGET_ACKNOWLEDGEMENTS})),
    (R, Act.REASSIGN): ALREADY_RESOLVED,
    (T, Act.ESCALATE): Step(T, frozenset({Effect.STOP})),
    (A, Act.ESCALATE): Step(T, frozenset({Effect.FORGET_ACKNOWLEDGEMENTS})),
    (R, Act.ESCALATE): ALREADY_RESOLVED,
    (T, Act.CHANGE_URGENCY): Step(T, frozenset({Effect.STOP, Effect.PAGE_AGAIN})),
    (A, Act.CHANGE_URGENCY): Step(A),
    (R, Act.CHANGE_URGENCY): ALREADY_RESOLVED,
    (T, Act.MERGE_AWAY): Step(R, _ENDING),
    (A, Act.MERGE_AWAY): Step(R, _ENDING),
    (R, Act.MERGE_AWAY): ALREADY_RESOLVED,
    (T, Act.TAKE_ALERTS): Step(T),
    (A, Act.TAKE_ALERTS): Step(A),
    (R, Act.TAKE_ALERTS): ALREADY_RESOLVED,
    (T, Act.TIME_OUT): STALE,
    (A, Act.TIME_OUT): Step(T, _RETURNING),
    (R, Act.TIME_OUT): STALE,
    (T, Act.END_SNOOZE): STALE,
    (A, Act.END_SNOOZE): Step(T, _RETURNING),
    (R, Act.END_SNOOZE): STALE,
    (T, Act.AUTO_RESOLVE): Step(R, _ENDING),
    (A, Act.AUTO_RESOLVE): Step(R, _ENDING),
    (R, Act.AUTO_RESOLVE): STALE,
}


def decide(status: Status, act: Act) -> Step | Refusal | Stale:
    """What follows when `act` meets an incident in `status`."""
    return TABLE[(status, act)]
