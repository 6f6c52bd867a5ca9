"""Shifts laid out over days: percentages for the SVG of lanes, the same for every schedule page.

Percentages follow elapsed time, so a day on which the clock is changed is 23 or 25 parts wide and
a hand-off at 09:00 stays at 09:00 of the wall clock. Pure.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tocsin.core.timezones import first_instant
from tocsin.schedules.model import Gap, Shift

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# A lane is at least a thousand pixels wide, and a letter takes about seven of them.
PIXELS_PER_PERCENT, LETTER, PADDING = 10.0, 6.8, 14.0


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One local day. `hours` is 23 or 25 when the clock is changed, with the instant of it."""

    start: datetime
    x: float
    width: float
    label: str
    today: bool
    weekend: bool
    hours: int
    change_x: float | None = None


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One shift as drawn. `text` is as long as there is room for; `title` is the whole of it."""

    x: float
    width: float
    user_id: str
    name: str
    text: str
    override: bool
    start: datetime
    end: datetime
    now: bool


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """One gap as drawn."""

    x: float
    width: float
    start: datetime
    end: datetime


class Axis:
    """The time from `since` to `until`, in the zone of the reader."""

    def __init__(self, since: datetime, until: datetime, tz: ZoneInfo) -> None:
        self.since, self.until, self.tz = since, until, tz
        self._length = (until - since) / timedelta(seconds=1)

    def x(self, at: datetime) -> float:
        """Where an instant lies, in percent; outside the range it is cut off."""
        share = (at - self.since) / timedelta(seconds=1) / self._length
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def days(self, now: datetime) -> list[Day]:
        """Each local day in the range."""
        found = []
        today = now.astimezone(self.tz).date()
        wall = self.since.astimezone(self.tz).replace(hour=0, minute=0, second=0, microsecond=0)
        date = wall.date()
        start = max(self.since, first_instant(datetime.combine(date, datetime.min.time()), self.tz))
        while start < self.until:
            date += timedelta(days=1)
            end = first_instant(datetime.combine(date, datetime.min.time()), self.tz)
            local = start.astimezone(self.tz)
            hours = round((end - start) / timedelta(hours=1))
            found.append(
                Day(
                    start=start,
                    x=self.x(start),
                    width=self.x(end) - self.x(start),
                    label=f"{DAYS[local.weekday()]} {local.day}",
                    today=local.date() == today,
                    weekend=local.weekday() >= 5,
                    hours=hours,
                    change_x=None if hours == 24 else self._change(start, end),
                )
            )
            start = end
        return found

    def bars(self, shifts: Iterable[Shift], names: dict[str, str], now: datetime) -> list[Bar]:
        """The shifts as bars."""
        return [self._bar(shift, names, now) for shift in shifts]

    def holes(self, gaps: Iterable[Gap]) -> list[Hole]:
        """The gaps as holes."""
        return [
            Hole(
                x=self.x(gap.start),
                width=max(self.x(gap.end) - self.x(gap.start), 0.2),
                start=gap.start,
                end=gap.end,
            )
            for gap in gaps
        ]

    def _bar(self, shift: Shift, names: dict[str, str], now: datetime) -> Bar:
        x = self.x(shift.start)
        width = max(self.x(shift.end) - x - 0.12, 0.1)
        name = names.get(shift.user_id, "somebody who is gone")
        return Bar(
            x=x,
            width=width,
            user_id=shift.user_id,
            name=name,
            text=_fitting(name, width),
            override=shift.reason == "override",
            start=shift.start,
            end=shift.end,
            now=shift.start <= now < shift.end,
        )

    def _change(self, start: datetime, end: datetime) -> float | None:
        offset = start.astimezone(self.tz).utcoffset()
        at = start
        while at < end and at.astimezone(self.tz).utcoffset() == offset:
            at += timedelta(minutes=15)
        return self.x(at) if at < end else None


def clock_changes(days: Sequence[Day]) -> list[Day]:
    """The days that have 23 or 25 hours."""
    return [day for day in days if day.change_x is not None]


def _fitting(name: str, width: float) -> str:
    """The longest of name, first name and initials that the bar has room for."""
    words = name.split()
    if not words:
        return ""
    letters = (width * PIXELS_PER_PERCENT - PADDING) / LETTER
    initials = (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
    return next((text for text in (name, words[0], initials) if len(text) <= letters), "")
