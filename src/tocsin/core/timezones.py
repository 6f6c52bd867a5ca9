"""Time zones: looking one up, and reading local wall-clock time without surprises.

The rule this module owns: **what a local time means when the clock is changed.** Two functions are
exact inverses of each other and everything that follows a wall clock is written with them:

* `first_instant(wall, zone)` is the first instant at which a clock in the zone shows `wall` *or
  later*. A local time that does not exist (spring, a skipped day) therefore means the first instant
  after the gap, and a local time that occurs twice (autumn) means its first occurrence.
* `wall_clock(instant, zone)` is the latest local time a clock in the zone has shown up to that
  instant. It never runs backwards: during a repeated hour it stands just before the hour's end.

Invariants, for every zone, wall time `w` and instant `t`:

* `first_instant` is monotone, so two windows that touch on the wall also touch in real time and
  nothing is ever covered twice or left out.
* `first_instant(w) <= t` is the same as `w <= wall_clock(t)`, so a point query may compare wall
  times and still agree with a rendered range to the microsecond.
"""

import difflib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_MAX_NAME = 64
# These files stand beside the real zones on some hosts: one means "whatever this machine is set to"
# and would differ between nodes, the others name no place at all.
_NOT_A_PLACE = frozenset({"localtime", "posixrules", "Factory"})


class UnknownTimeZone(ValueError):
    """The name is not in the IANA time zone database; the message proposes the nearest one."""

    def __init__(self, name: str, suggestion: str | None) -> None:
        hint = f" Did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(
            f"{name[:_MAX_NAME]!r} is not a known time zone.{hint}"
            " Use a name from the IANA database such as 'Europe/Berlin' or 'Etc/UTC'."
        )
        self.name = name
        self.suggestion = suggestion


@cache
def zone_names() -> frozenset[str]:
    """Every IANA name this installation knows, without the host's own aliases."""
    return frozenset(available_timezones()) - _NOT_A_PLACE


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone with exactly this IANA name, else UnknownTimeZone.

    The name is checked against the list of names, not only opened as a file: that refuses paths,
    folders such as "America", and the "right/" zones whose clocks count leap seconds.
    """
    if name in zone_names():
        return ZoneInfo(name)
    raise UnknownTimeZone(name, _nearest(name))


def first_instant(wall: datetime, tz: ZoneInfo) -> datetime:
    """The first instant (UTC) at which a clock in the zone shows the naive time `wall` or later."""
    before = _offset(wall.replace(tzinfo=tz, fold=0))
    after = _offset(wall.replace(tzinfo=tz, fold=1))
    if before >= after:
        # An ordinary time, or one that occurs twice: the earlier reading has the larger offset.
        return (wall - before).replace(tzinfo=UTC)
    # The time was skipped. Read with the offset from after the gap it lies before the change, and
    # read with the offset from before the gap it lies at or after it.
    return _change_between(
        (wall - after).replace(tzinfo=UTC), (wall - before).replace(tzinfo=UTC), tz
    )


def wall_clock(instant: datetime, tz: ZoneInfo) -> datetime:
    """The latest naive local time shown in the zone up to and including this instant."""
    local = instant.astimezone(tz)
    if not local.fold:
        return local.replace(tzinfo=None)
    before = _offset(local.replace(fold=0))
    repeated = before - _offset(local)
    change = _change_between(instant - repeated, instant, tz)
    return change.astimezone(UTC).replace(tzinfo=None) + before - _TICK


def _change_between(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the offset changes; changes fall on whole seconds."""
    old = _offset(low.astimezone(tz))
    low = low.replace(microsecond=0)
    if high.microsecond:
        high = high.replace(microsecond=0) + _SECOND
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if _offset(middle.astimezone(tz)) == old:
            low = middle
        else:
            high = middle
    return high


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    if offset is None:
        raise ValueError("a local time needs its zone")
    return offset


def _nearest(name: str) -> str | None:
    folded = {known.casefold(): known for known in zone_names()}
    wanted = name[:_MAX_NAME].strip().replace(" ", "_").casefold()
    if wanted in folded:
        return folded[wanted]
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.75)
    if close:
        return folded[close[0]]
    # "Berlin" alone: people often write the city without its continent.
    cities = sorted(known for known in folded.values() if known.casefold().endswith("/" + wanted))
    return cities[0] if cities else None
