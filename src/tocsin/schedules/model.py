"""The values of the schedules area: schedule, layer, restriction, override, and what they yield.

Invariants: every datetime is aware and in UTC; a half-open interval `[start, end)` is meant
everywhere; `Schedule.layers` runs from the lowest to the highest, and a later layer wins.

A hand-off is never stored. A layer keeps one anchor (`rotation_virtual_start`) and the length of a
turn, and every hand-off is worked out from these in the layer's own time zone. The zone stands on
the layer, not only on the schedule, because a layer version that has ended must keep answering
"who was on call then" after the schedule moved to another zone.
"""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

import msgspec

from tocsin.core.errors import Invalid

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

MIN_TURN_SECONDS = 3_600
MAX_TURN_SECONDS = 31_536_000
MAX_RESTRICTION_SECONDS = 604_800
MAX_LAYERS = 32
MAX_MEMBERS = 250
MAX_RESTRICTIONS = 50
MAX_NAME = 255
MAX_DESCRIPTION = 4_096
# Instants outside these years are typing errors or another program's zero value.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)


class DailyRestriction(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="daily_restriction"
):
    """Each day from a local time, for so many seconds of wall-clock time."""

    start_time_of_day: time
    duration_seconds: int

    @property
    def period(self) -> timedelta:
        """How often the window opens, in wall-clock time."""
        return DAY

    @property
    def phase(self) -> timedelta:
        """Wall-clock time from the start of the period to the opening of the window."""
        return _since_midnight(self.start_time_of_day)


class WeeklyRestriction(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="weekly_restriction"
):
    """Each week from a local weekday (1 = Monday) and time, for so many wall-clock seconds."""

    start_day_of_week: int
    start_time_of_day: time
    duration_seconds: int

    @property
    def period(self) -> timedelta:
        """How often the window opens, in wall-clock time."""
        return WEEK

    @property
    def phase(self) -> timedelta:
        """Wall-clock time from the start of the period to the opening of the window."""
        return DAY * (self.start_day_of_week - 1) + _since_midnight(self.start_time_of_day)


Restriction = DailyRestriction | WeeklyRestriction


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a layer: it is in force in [start, end) and turns through its members.

    A member that is None is an empty slot: the layer has nobody then, and the layer beneath shows
    through, so that an empty slot alone can never silence a schedule that has somebody else.
    """

    id: str
    name: str
    time_zone: str
    start: datetime
    end: datetime | None = None
    rotation_virtual_start: datetime
    rotation_turn_length_seconds: int
    members: tuple[str | None, ...]
    restrictions: tuple[Restriction, ...] = ()


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """One person takes [start, end) whatever the layers say.

    Where overrides overlap the most recently created wins; ids grow with time and settle a tie.
    """

    id: str
    user_id: str
    start: datetime
    end: datetime
    created_at: datetime


class ScheduleHead(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule without its layers and overrides, for lists and for edits."""

    id: str
    name: str
    description: str | None
    time_zone: str
    team_id: str | None
    created_at: datetime


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule with the layer versions and overrides that matter for the time asked about."""

    id: str
    name: str
    description: str | None = None
    time_zone: str
    team_id: str | None = None
    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...] = ()


class ShiftReason(StrEnum):
    """Why this person and nobody else."""

    LAYER = "layer"
    OVERRIDE = "override"


class OnCall(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call at one instant, and by which layer or override (`source_id`)."""

    user_id: str
    source_id: str
    reason: ShiftReason


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """One person on call without a break in [start, end), by one layer or override."""

    user_id: str
    start: datetime
    end: datetime
    source_id: str
    reason: ShiftReason


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """The instant at which another person, or nobody (None), is on call."""

    at: datetime
    from_user_id: str | None
    to_user_id: str | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which nobody is on call."""

    start: datetime
    end: datetime


class InvalidSchedule(Invalid):
    """Something asked of a schedule cannot be done; `field` names the input to mend."""


class InvalidRange(InvalidSchedule):
    """The time range asked for is empty, too long, or yields too many entries."""


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
