"""Rendering: all that a page or an API answer shows of a schedule in a time range.

One pass of the same resolver that answers the pager, so that what is shown is what will happen.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from tocsin.schedules.coverage import Coverage, coverage_of
from tocsin.schedules.model import EARLIEST, LATEST, Schedule, Shift
from tocsin.schedules.shifts import MAX_RANGE, check_range, final, layer_shifts, override_shifts


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the picture: a layer alone, the overrides alone, or the final schedule."""

    id: str
    name: str
    shifts: tuple[Shift, ...]
    coverage: Coverage


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule in [since, until); `layers` from the lowest to the highest, one for each layer."""

    schedule: Schedule
    since: datetime
    until: datetime
    layers: tuple[Lane, ...]
    overrides: Lane
    final: Lane


def render(
    schedule: Schedule, since: datetime, until: datetime, *, overflow: bool = False
) -> Rendered:
    """The picture of a schedule. The versions of one layer share a lane. Raises InvalidRange.

    Shifts are cut off at the bounds; with `overflow` those that cross a bound keep their own start
    and end, as far as the longest turn or override reaches and `MAX_RANGE` allows.
    """
    check_range(since, until)
    low, high = _widened(since, until, _reach(schedule)) if overflow else (since, until)

    def lane(id: str, name: str, shifts: Iterable[Shift]) -> Lane:
        shown = tuple(s for s in shifts if s.start < until and since < s.end)
        return Lane(id=id, name=name, shifts=shown, coverage=coverage_of(shown, since, until))

    parts: dict[str, list[Shift]] = {}
    names: dict[str, str] = {}
    for layer in schedule.layers:
        parts.setdefault(layer.id, []).extend(layer_shifts(layer, low, high))
        names[layer.id] = layer.name
    return Rendered(
        schedule=schedule,
        since=since,
        until=until,
        layers=tuple(
            lane(id, names[id], sorted(shifts, key=lambda shift: shift.start))
            for id, shifts in parts.items()
        ),
        overrides=lane("", "Overrides", override_shifts(schedule, low, high)),
        final=lane("", "Final Schedule", final(schedule, low, high)),
    )


def range_to_load(
    since: datetime, until: datetime, *, overflow: bool = False
) -> tuple[datetime, datetime]:
    """The time for which layers and overrides must be known to render this range."""
    check_range(since, until)
    return _widened(since, until, MAX_RANGE) if overflow else (since, until)


def _reach(schedule: Schedule) -> timedelta:
    turns = (timedelta(seconds=x.rotation_turn_length_seconds) for x in schedule.layers)
    lengths = (override.end - override.start for override in schedule.overrides)
    return max((*turns, *lengths), default=timedelta())


def _widened(since: datetime, until: datetime, reach: timedelta) -> tuple[datetime, datetime]:
    reach = min(reach, (MAX_RANGE - (until - since)) / 2)
    return max(since - reach, EARLIEST), min(until + reach, LATEST)
