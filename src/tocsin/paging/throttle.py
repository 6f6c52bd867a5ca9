"""How much one contact method takes in a minute. It slows down and never refuses a page.

The rule this module owns: at most thirty messages a minute to one contact method; a further one
waits until the oldest of the last minute is a minute old. Test messages are asked for by hand, so
there a limit may refuse: five in ten minutes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

SPAN = timedelta(seconds=60)
LIMIT = 30
TEST_SPAN = timedelta(minutes=10)
TEST_LIMIT = 5


class ThrottleReason(StrEnum):
    """Why a message goes now or later."""

    FREE = "free"
    BUSY = "too_many_in_a_minute"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """When the message may go."""

    reason: ThrottleReason
    at: datetime


def slots(recent: int, oldest: datetime | None, wanted: int, now: datetime) -> Sequence[Slot]:
    """A slot for each of `wanted` messages to one method.

    `recent` messages went to it within the last :data:`SPAN`, the oldest at `oldest`.
    """
    free = max(0, LIMIT - recent)
    wait_until = max(now + timedelta(seconds=1), (oldest or now) + SPAN)
    return [
        Slot(reason=ThrottleReason.FREE, at=now)
        if position < free
        else Slot(reason=ThrottleReason.BUSY, at=min(wait_until, now + SPAN))
        for position in range(wanted)
    ]


def may_test(recent_tests: int) -> bool:
    """Whether another test may be sent, after so many within :data:`TEST_SPAN`."""
    return recent_tests < TEST_LIMIT
