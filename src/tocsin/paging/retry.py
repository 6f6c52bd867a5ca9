"""What follows a failed attempt: again after a pause, or the end.

The rule this module owns: pauses of 5, 15, 30 and then 60 seconds; a provider's Retry-After is
honoured up to five minutes and never shortens a pause; the end comes with the fortieth attempt or
after half an hour, whichever is first. Once a method has failed three times, or its provider asks
for a long pause, the person's next method starts while this one goes on trying.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

BACK_OFF_SECONDS = (5.0, 15.0, 30.0, 60.0)
MAX_ATTEMPTS = 40
MAX_AGE = timedelta(minutes=30)
# A test is looked at by somebody who waits for the outcome.
MAX_TEST_AGE = timedelta(minutes=1)
MAX_RETRY_AFTER_SECONDS = 300.0
NEXT_METHOD_AT_ATTEMPT = 3
LONG_PAUSE_SECONDS = 30.0


class RetryReason(StrEnum):
    """Why there is another attempt, or none."""

    BACK_OFF = "back_off"
    PROVIDER_ASKED = "provider_asked_to_wait"
    TOO_MANY = "too_many_attempts"
    TOO_OLD = "too_old"


class Retrying(msgspec.Struct, frozen=True, kw_only=True):
    """`due_at` is None when this was the last attempt. `next_method` says to start another
    contact method of the person at once."""

    reason: RetryReason
    due_at: datetime | None
    next_method: bool


def after(
    attempt: int,
    first_due_at: datetime,
    retry_after_seconds: float | None,
    now: datetime,
    max_age: timedelta = MAX_AGE,
) -> Retrying:
    """What to do after attempt number `attempt` (from 1) failed in a way that may pass."""
    if attempt >= MAX_ATTEMPTS:
        return Retrying(reason=RetryReason.TOO_MANY, due_at=None, next_method=True)
    own = BACK_OFF_SECONDS[min(max(attempt, 1), len(BACK_OFF_SECONDS)) - 1]
    asked = min(max(retry_after_seconds or 0.0, 0.0), MAX_RETRY_AFTER_SECONDS)
    due_at = now + timedelta(seconds=max(own, asked))
    if due_at > first_due_at + max_age:
        return Retrying(reason=RetryReason.TOO_OLD, due_at=None, next_method=True)
    long_pause = attempt < NEXT_METHOD_AT_ATTEMPT and asked >= LONG_PAUSE_SECONDS
    return Retrying(
        reason=RetryReason.PROVIDER_ASKED if asked > own else RetryReason.BACK_OFF,
        due_at=due_at,
        next_method=long_pause or attempt == NEXT_METHOD_AT_ATTEMPT,
    )
