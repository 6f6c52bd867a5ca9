"""Shifts: the one resolver of who is on call, used by pages, API and pager alike.

The rule, in order: the most recently created override that covers the instant; else the latest
layer that is in force, within its restrictions, and whose turn belongs to a person; else nobody.

`on_call` answers for one instant by arithmetic alone, in O(layers + overrides). `final` renders a
range. They agree at every instant, and a range rendered in parts equals the range rendered whole
once the cut shifts are joined; both are tested as properties.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice, pairwise

import msgspec

from tocsin.core.timezones import first_instant, wall_clock, zone
from tocsin.schedules.model import (
    EARLIEST,
    LATEST,
    Handoff,
    InvalidRange,
    Layer,
    OnCall,
    Override,
    Schedule,
    Shift,
    ShiftReason,
)
from tocsin.schedules.restrictions import open_at, windows
from tocsin.schedules.rotation import member_at, turns

MAX_RANGE = timedelta(days=732)
MAX_ENTRIES = 20_000
HORIZON = timedelta(days=366)
# How far to look in one step for the next change: near first, because it is nearly always near.
_STEPS = (timedelta(days=2), timedelta(days=15), timedelta(days=92), HORIZON)

Ranked = tuple[int, Shift]


def on_call(schedule: Schedule, at: datetime) -> OnCall | None:
    """Who is on call at this instant, or None when nobody is."""
    covering = [o for o in schedule.overrides if o.start <= at < o.end]
    if covering:
        winner = max(covering, key=_by_creation)
        return OnCall(user_id=winner.user_id, source_id=winner.id, reason=ShiftReason.OVERRIDE)
    zone_name, wall = "", at
    for layer in reversed(schedule.layers):
        if at < layer.start or (layer.end is not None and layer.end <= at):
            continue
        if layer.time_zone != zone_name:
            zone_name = layer.time_zone
            wall = wall_clock(at, zone(zone_name))
        user_id = member_at(layer, at, wall)
        if user_id is not None and open_at(layer.restrictions, wall):
            return OnCall(user_id=user_id, source_id=layer.id, reason=ShiftReason.LAYER)
    return None


def shift_at(schedule: Schedule, at: datetime) -> Shift | None:
    """The whole final shift around this instant, or None when nobody is on call.

    A shift that goes on for more than a year to either side is cut off at `HORIZON` there.
    """
    found: Shift | None = None
    for step in _STEPS:
        low, high = max(at - step, EARLIEST), min(at + step, LATEST)
        found = next((s for s in _final(schedule, low, high) if s.start <= at < s.end), None)
        if found is None or (low < found.start and found.end < high):
            break
    return found


def next_handoff(schedule: Schedule, at: datetime, horizon: timedelta = HORIZON) -> Handoff | None:
    """The first change of person after `at`, or None when there is none before the horizon."""
    current = on_call(schedule, at)
    user_id = current.user_id if current else None
    last = min(at + horizon, LATEST)
    cursor = at
    for step in _STEPS:
        stop = min(at + step, last)
        for shift in _final(schedule, cursor, stop):
            if shift.start > cursor and user_id is not None:
                return Handoff(at=cursor, from_user_id=user_id, to_user_id=None)
            if shift.user_id != user_id:
                return Handoff(at=shift.start, from_user_id=user_id, to_user_id=shift.user_id)
            cursor = shift.end
        if cursor < stop and user_id is not None:
            return Handoff(at=cursor, from_user_id=user_id, to_user_id=None)
        cursor = stop
    return None


def final(schedule: Schedule, since: datetime, until: datetime) -> tuple[Shift, ...]:
    """The final schedule in [since, until): disjoint shifts in order of time, neighbours joined.

    Shifts are cut off at the bounds. Raises InvalidRange.
    """
    check_range(since, until)
    return tuple(_final(schedule, since, until, MAX_ENTRIES))


def layer_shifts(layer: Layer, since: datetime, until: datetime) -> tuple[Shift, ...]:
    """What one layer alone says in [since, until). Raises InvalidRange."""
    check_range(since, until)
    shifts = tuple(islice(_joined(_layer(layer, since, until)), MAX_ENTRIES + 1))
    _check_entries(len(shifts))
    return shifts


def override_shifts(schedule: Schedule, since: datetime, until: datetime) -> tuple[Shift, ...]:
    """What the overrides alone say in [since, until). Raises InvalidRange."""
    check_range(since, until)
    ranked = list(_overrides(schedule, since, until))
    _check_entries(len(ranked))
    return tuple(_flattened(ranked))


def check_range(since: datetime, until: datetime) -> None:
    """Refuse a range that is empty, out of the years we know, or longer than two years."""
    if until <= since:
        raise InvalidRange("until", "must be later than since")
    if since < EARLIEST or until > LATEST:
        raise InvalidRange("since", f"must lie between {EARLIEST.year} and {LATEST.year}")
    if until - since > MAX_RANGE:
        raise InvalidRange("until", "must be at most two years after since; ask for less at a time")


def _final(
    schedule: Schedule, since: datetime, until: datetime, limit: int | None = None
) -> Iterator[Shift]:
    ranked: list[Ranked] = []
    for rank, layer in reversed(list(enumerate(schedule.layers))):
        stop = None if limit is None else limit + 1
        shifts = list(islice(_layer(layer, since, until), stop))
        ranked += ((rank, shift) for shift in shifts)
        _check_entries(len(ranked), limit)
        if sum((shift.end - shift.start for shift in shifts), timedelta()) == until - since:
            # This layer leaves nothing uncovered, so none beneath it can be seen.
            break
    beneath = len(schedule.layers)
    ranked += ((beneath + rank, shift) for rank, shift in _overrides(schedule, since, until))
    _check_entries(len(ranked), limit)
    return _flattened(ranked)


def _layer(layer: Layer, since: datetime, until: datetime) -> Iterator[Shift]:
    low = max(since, layer.start)
    high = until if layer.end is None else min(until, layer.end)
    if high <= low:
        return
    opened = _open_intervals(layer, low, high)
    window = next(opened, None)
    for start, end, user_id in turns(layer, low, high):
        while window is not None and window[0] < end:
            if user_id is not None and max(start, window[0]) < min(end, window[1]):
                yield Shift(
                    user_id=user_id,
                    start=max(start, window[0]),
                    end=min(end, window[1]),
                    source_id=layer.id,
                    reason=ShiftReason.LAYER,
                )
            if window[1] > end:
                break
            window = next(opened, None)


def _open_intervals(
    layer: Layer, low: datetime, high: datetime
) -> Iterator[tuple[datetime, datetime]]:
    if not layer.restrictions:
        yield low, high
        return
    tz = zone(layer.time_zone)
    for opens, closes in windows(layer.restrictions, wall_clock(low, tz), wall_clock(high, tz)):
        start, end = max(low, first_instant(opens, tz)), min(high, first_instant(closes, tz))
        if start < end:
            yield start, end


def _overrides(schedule: Schedule, since: datetime, until: datetime) -> Iterator[Ranked]:
    for rank, override in enumerate(sorted(schedule.overrides, key=_by_creation)):
        start, end = max(since, override.start), min(until, override.end)
        if start < end:
            yield (
                rank,
                Shift(
                    user_id=override.user_id,
                    start=start,
                    end=end,
                    source_id=override.id,
                    reason=ShiftReason.OVERRIDE,
                ),
            )


def _by_creation(override: Override) -> tuple[datetime, str]:
    return override.created_at, override.id


def _flattened(ranked: Iterable[Ranked]) -> Iterator[Shift]:
    """Lay the shifts over one another, the highest rank on top, and yield what is seen."""
    return _joined(_visible(sorted(ranked, key=lambda item: item[1].start)))


def _visible(pending: list[Ranked]) -> Iterator[Shift]:
    bounds = sorted({bound for _, shift in pending for bound in (shift.start, shift.end)})
    heap: list[tuple[int, int]] = []
    arrived = 0
    for start, end in pairwise(bounds):
        while arrived < len(pending) and pending[arrived][1].start <= start:
            heapq.heappush(heap, (-pending[arrived][0], arrived))
            arrived += 1
        # A lower shift that has ended may stay in the heap until it comes to the top.
        while heap and pending[heap[0][1]][1].end <= start:
            heapq.heappop(heap)
        if heap:
            yield msgspec.structs.replace(pending[heap[0][1]][1], start=start, end=end)


def _joined(shifts: Iterable[Shift]) -> Iterator[Shift]:
    """Join neighbours that are the same person by the same layer or override."""
    held: Shift | None = None
    for shift in shifts:
        if held is None:
            held = shift
        elif (held.end, held.user_id, held.source_id) == (
            shift.start,
            shift.user_id,
            shift.source_id,
        ):
            held = msgspec.structs.replace(held, end=shift.end)
        else:
            yield held
            held = shift
    if held is not None:
        yield held


def _check_entries(count: int, limit: int | None = MAX_ENTRIES) -> None:
    if limit is not None and count > limit:
        raise InvalidRange(
            "until", f"this range has more than {limit} entries; ask for less at a time"
        )
