"""The hours of the week in which a service has its support, on the wall clock of one time zone.

The rule this module owns: whether a moment lies within them, and when they next begin or end. A
day's hours begin on that day; an end that is not after the start lies on the next day. Wall times
are read as `core.timezones` reads them, so that a day without its start (the clock goes forward)
begins at the first moment after the gap, and one whose hours lie all within a gap has none.

Invariant: `within(hours, at)` changes exactly at the moments that `next_edge` gives.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Literal

import msgspec

from tocsin.core.timezones import first_instant, zone

Edge = Literal["support_hours_start", "support_hours_end"]
START: Edge = "support_hours_start"
END: Edge = "support_hours_end"
EDGES: tuple[Edge, ...] = (START, END)

_DAY = timedelta(days=1)
# A week has each day once, a skipped day may cost one more, and the first may lie in the past.
_DAYS_AHEAD = 16


class SupportHours(msgspec.Struct, frozen=True, kw_only=True):
    """`days` are 1 (Monday) to 7, in order. `start` and `end` differ and are to the second."""

    time_zone: str
    days: tuple[int, ...]
    start: time
    end: time


def within(hours: SupportHours, at: datetime) -> bool:
    """Whether `at` lies within the hours: the start counts, the end does not."""
    today = at.astimezone(zone(hours.time_zone)).date()
    return any(begin <= at < end for begin, end in _spans(hours, today - 2 * _DAY, 4))


def next_edge(hours: SupportHours, edges: tuple[str, ...], after: datetime) -> datetime | None:
    """The first start or end (as `edges` name them) that lies after `after`. None when there is
    none, because `edges` is empty."""
    today = after.astimezone(zone(hours.time_zone)).date()
    moments = [
        moment
        for begin, end in _spans(hours, today - 2 * _DAY, _DAYS_AHEAD)
        for edge, moment in ((START, begin), (END, end))
        if edge in edges and moment > after
    ]
    return min(moments, default=None)


def _spans(hours: SupportHours, first: date, count: int) -> Iterator[tuple[datetime, datetime]]:
    """The hours of `count` days from `first`, as moments."""
    place = zone(hours.time_zone)
    for offset in range(count):
        day = first + offset * _DAY
        if day.isoweekday() not in hours.days:
            continue
        last = day if hours.end > hours.start else day + _DAY
        begin = first_instant(datetime.combine(day, hours.start), place)
        end = first_instant(datetime.combine(last, hours.end), place)
        if begin < end:
            yield begin, end
