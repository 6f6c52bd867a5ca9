"""Rotation: whose turn it is in one layer.

The rule: turn number n belongs to member `n mod len(members)`, counted from the virtual start and
backwards before it. A turn whose length is a whole number of days is counted on the wall clock of
the layer's zone: a weekly hand-off at 09:00 stays at 09:00 local for ever, and the turn itself
lasts an hour more or less when the clock is changed. Any other turn is counted in elapsed time: 12
hours are always 12 hours. Nothing but the length of its turn decides which of the two a layer
follows.

Invariant: the turns of a layer cover all time, each instant exactly once. A turn that falls wholly
into skipped local time (a day left out at the date line) is empty and is not reported.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tocsin.core.timezones import first_instant, wall_clock, zone
from tocsin.schedules.model import Layer

_DAY_SECONDS = 86_400

Turn = tuple[datetime, datetime, str | None]


def follows_wall_clock(layer: Layer) -> bool:
    """True for turns of whole days (by local time), false for others (by elapsed time)."""
    return layer.rotation_turn_length_seconds % _DAY_SECONDS == 0


def member_at(layer: Layer, at: datetime, wall: datetime) -> str | None:
    """Whose turn it is at the instant `at`, when the layer's clock shows `wall`."""
    members = layer.members
    if not members:
        return None
    return members[_turn_at(layer, at, wall) % len(members)]


def turns(layer: Layer, since: datetime, until: datetime) -> Iterator[Turn]:
    """The turns within [since, until), in order and cut off at both bounds."""
    members = layer.members
    if len(set(members)) <= 1:
        # One person for ever has no hand-offs, so there is nothing to count.
        if members and since < until:
            yield since, until, members[0]
        return
    number = _turn_at(layer, since, wall_clock(since, zone(layer.time_zone)))
    start = since
    while start < until:
        number += 1
        end = min(turn_start(layer, number), until)
        if start < end:
            yield start, end, members[(number - 1) % len(members)]
            start = end


def turn_start(layer: Layer, number: int) -> datetime:
    """The instant at which the turn with this number begins; number 0 is at the virtual start."""
    ahead = number * timedelta(seconds=layer.rotation_turn_length_seconds)
    if not follows_wall_clock(layer):
        return layer.rotation_virtual_start + ahead
    tz = zone(layer.time_zone)
    return first_instant(_wall_anchor(layer) + ahead, tz)


def _turn_at(layer: Layer, at: datetime, wall: datetime) -> int:
    length = timedelta(seconds=layer.rotation_turn_length_seconds)
    if follows_wall_clock(layer):
        return (wall - _wall_anchor(layer)) // length
    return (at - layer.rotation_virtual_start) // length


def _wall_anchor(layer: Layer) -> datetime:
    """The local time of every hand-off: what a clock on the wall shows at the virtual start."""
    return layer.rotation_virtual_start.astimezone(zone(layer.time_zone)).replace(tzinfo=None)
