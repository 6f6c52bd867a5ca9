"""What follows an attempt to tell somebody: done, again after a pause, given up, or disabled. Pure.

The rules this module owns:
- an answer of 2xx means taken; 5xx, 408, 425, 429 and no answer at all are tried again; 410 means
  never again; every other answer means that this event is not wanted as it is;
- pauses grow from 10 seconds to an hour, a Retry-After is honoured up to an hour and never shortens
  a pause, and after 48 hours the event is given up;
- three events in a row that were not wanted disable the subscription for a day; an event given up
  after 48 hours, and a 410, disable it until somebody enables it;
- a ping is tried once and disables nothing: somebody waits for its answer.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.webhooks.model import Outcome, State

PAUSES_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
MAX_RETRY_AFTER_SECONDS = 3600.0
GIVE_UP_AFTER = timedelta(hours=48)
REFUSALS_IN_A_ROW = 3
DISABLED_FOR = timedelta(hours=24)
AGAIN = frozenset({408, 425, 429})
GONE = 410


class Why(StrEnum):
    """Why a subscription was disabled."""

    GONE = "gone"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the delivery (`due_at` when it is queued again) and of its subscription:
    its refusals in a row, and whether it is disabled, why, and until when (None: for good)."""

    state: State
    due_at: datetime | None
    refusals: int
    disable: Why | None = None
    disabled_until: datetime | None = None


def outcome_of(status: int) -> Outcome:
    """What an HTTP status means."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == GONE:
        return Outcome.GONE
    return Outcome.RETRY if status >= 500 or status in AGAIN else Outcome.REFUSED


def after(
    outcome: Outcome,
    attempt: int,
    refusals: int,
    now: datetime,
    *,
    created_at: datetime,
    ping: bool = False,
    retry_after_seconds: float | None = None,
) -> Next:
    """What follows attempt number `attempt` (from 1), with so many refusals in a row before it."""
    match outcome:
        case Outcome.LAPSED:
            return Next(state=State.QUEUED, due_at=now, refusals=refusals)
        case Outcome.DELIVERED:
            done = refusals if ping else 0
            return Next(state=State.DELIVERED, due_at=None, refusals=done)
        case _ if ping:
            return Next(state=State.DROPPED, due_at=None, refusals=refusals)
        case Outcome.GONE:
            return Next(state=State.DROPPED, due_at=None, refusals=refusals + 1, disable=Why.GONE)
        case Outcome.REFUSED:
            full = refusals + 1 >= REFUSALS_IN_A_ROW
            return Next(
                state=State.DROPPED,
                due_at=None,
                refusals=refusals + 1,
                disable=Why.REFUSED if full else None,
                disabled_until=now + DISABLED_FOR if full else None,
            )
        case Outcome.RETRY:
            pause = PAUSES_SECONDS[min(max(attempt, 1), len(PAUSES_SECONDS)) - 1]
            asked = min(max(retry_after_seconds or 0.0, 0.0), MAX_RETRY_AFTER_SECONDS)
            if now >= created_at + GIVE_UP_AFTER:
                return Next(
                    state=State.EXPIRED, due_at=None, refusals=refusals, disable=Why.UNREACHABLE
                )
            # The last attempt comes when the time is over, not before.
            due_at = min(now + timedelta(seconds=max(pause, asked)), created_at + GIVE_UP_AFTER)
            return Next(state=State.QUEUED, due_at=due_at, refusals=refusals)
