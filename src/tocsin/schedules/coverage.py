"""Coverage: how much of a time range somebody is on call for, and where nobody is.

Counted in elapsed time, so a day on which the clock is changed weighs 23 or 25 hours.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from tocsin.schedules.model import Gap, Schedule, Shift
from tocsin.schedules.shifts import check_range, final


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """`percentage` is from 0 to 100, and is 100 only when there is no gap at all."""

    percentage: float
    covered: timedelta
    gaps: tuple[Gap, ...]


def coverage(schedule: Schedule, since: datetime, until: datetime) -> Coverage:
    """The coverage of the final schedule in [since, until). Raises InvalidRange."""
    return coverage_of(final(schedule, since, until), since, until)


def coverage_of(shifts: Iterable[Shift], since: datetime, until: datetime) -> Coverage:
    """The coverage of [since, until) by shifts that are in order of time and do not overlap."""
    check_range(since, until)
    gaps: list[Gap] = []
    cursor = since
    for shift in shifts:
        start, end = max(shift.start, since), min(shift.end, until)
        if start >= end:
            continue
        if cursor < start:
            gaps.append(Gap(start=cursor, end=start))
        cursor = end
    if cursor < until:
        gaps.append(Gap(start=cursor, end=until))
    uncovered = sum((gap.end - gap.start for gap in gaps), timedelta())
    covered = until - since - uncovered
    return Coverage(
        percentage=100.0 * (covered / (until - since)), covered=covered, gaps=tuple(gaps)
    )
