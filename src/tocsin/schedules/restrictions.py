"""Restrictions: the hours of the day or week in which a layer counts.

The rule: windows are local wall-clock time, in the layer's zone. A window from 22:00 for ten hours
ends at 08:00 local on every day of the year, so it lasts nine or eleven real hours when the clock
is changed inside it. A window that opens in a skipped hour opens at the first instant after it; one
that lies wholly inside a skipped hour does not happen on that day; one that opens or closes in a
repeated hour does so at the first occurrence, and one through it covers all of it. Several
restrictions add up, and no restriction means always.

Both functions work on the wall times of `core.timezones.wall_clock`, where every day has 24 hours.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tocsin.schedules.model import Restriction

# A Monday at midnight, so that both the day and the week begin here.
_ORIGIN = datetime(2001, 1, 1)  # noqa: DTZ001 - wall times are naive by design.

WallWindow = tuple[datetime, datetime]


def open_at(restrictions: Sequence[Restriction], wall: datetime) -> bool:
    """Whether a layer with these restrictions counts when the local clock shows `wall`."""
    if not restrictions:
        return True
    since_origin = wall - _ORIGIN
    return any(
        (since_origin - restriction.phase) % restriction.period
        < timedelta(seconds=restriction.duration_seconds)
        for restriction in restrictions
    )


def windows(
    restrictions: Sequence[Restriction], low: datetime, high: datetime
) -> Iterator[WallWindow]:
    """The wall-clock windows that touch [low, high], in order, merged where they meet."""
    found = sorted(window for restriction in restrictions for window in _of(restriction, low, high))
    if not found:
        return
    start, end = found[0]
    for next_start, next_end in found[1:]:
        if next_start <= end:
            end = max(end, next_end)
            continue
        yield start, end
        start, end = next_start, next_end
    yield start, end


def _of(restriction: Restriction, low: datetime, high: datetime) -> Iterator[WallWindow]:
    length = timedelta(seconds=restriction.duration_seconds)
    # The first window that closes after `low`; a long one may have opened days ago.
    turn = (low - length - _ORIGIN - restriction.phase) // restriction.period + 1
    start = _ORIGIN + restriction.phase + turn * restriction.period
    while start <= high:
        yield start, start + length
        start += restriction.period
