"""Overrides: what adding or removing one may do.

The rule: the past is never rewritten. An override that would begin in the past begins now; one that
would end in the past is refused. Removing one that is over is refused, one under way ends now, and
only one that has not begun disappears.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from tocsin.schedules.model import EARLIEST, LATEST, InvalidSchedule, Override


class Removal(StrEnum):
    """What removing an override comes to, and why."""

    REFUSED_PAST = "refused_past"
    ENDED_NOW = "ended_now"
    DELETED_FUTURE = "deleted_future"


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The time an override gets; `moved` says that its start was in the past and is now `now`."""

    start: datetime
    end: datetime
    moved: bool


def window(start: datetime, end: datetime, now: datetime) -> Window:
    """The time a new override for [start, end) may take. Raises InvalidSchedule."""
    for field, value in (("start", start), ("end", end)):
        if value.tzinfo is None:
            raise InvalidSchedule(field, "needs a time zone offset, such as 2030-01-31T09:00:00Z")
        if not EARLIEST <= value <= LATEST:
            raise InvalidSchedule(
                field, f"must lie between the years {EARLIEST.year} and {LATEST.year}"
            )
    if end <= start:
        raise InvalidSchedule("end", "must be later than start")
    if end <= now:
        raise InvalidSchedule("end", "must be in the future; the past cannot be changed")
    return Window(start=max(start, now), end=end, moved=start < now)


def removal(override: Override, now: datetime) -> Removal:
    """What removing this override at `now` does."""
    if override.end <= now:
        return Removal.REFUSED_PAST
    if override.start < now:
        return Removal.ENDED_NOW
    return Removal.DELETED_FUTURE
