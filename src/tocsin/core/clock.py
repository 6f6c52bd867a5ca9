"""The one clock. Nothing else in the product reads time; SQL never says ``now()``.

In production time is logical: it starts at the highest time the database has stored or the
database's own clock, whichever is later, and is carried forward by the machine's boot-time clock,
which no operator and no NTP step can move. A wall clock that jumps back an hour therefore stalls
nothing, and one that jumps forward fires nothing early. Differences of up to two seconds are
slewed away slowly; larger ones are reported, never followed.

Invariants: ``now()`` never goes backwards within a process; it is aware and in UTC.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tocsin.core import planted_defects

# CLOCK_BOOTTIME keeps counting while a laptop or a virtual machine is suspended; CLOCK_MONOTONIC
# does not, and a pager that slept through the night would believe it is still evening.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
SLEW_LIMIT_SECONDS = 2.0
SLEW_PER_SECOND = 0.005


def _steady() -> float:
    if _BOOT_CLOCK is not None:
        return time.clock_gettime(_BOOT_CLOCK)
    return time.monotonic()  # noqa: TID251 - this module is the clock


class Clock(Protocol):
    """What the rest of the product knows of time."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def steady(self) -> float:
        """Seconds on a scale that only moves forward; for durations, not for dates."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        ...


class LogicalClock:
    """Production time. Starts at the machine's wall clock until :meth:`anchor` is called."""

    def __init__(self) -> None:
        self._base = datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251
        self._start = _steady()
        self._last = self._base
        self.drift_seconds = 0.0

    def now(self) -> datetime:
        """Logical time; never earlier than any answer given before."""
        if planted_defects.WALL_CLOCK:
            return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251
        reading = self._base + timedelta(seconds=_steady() - self._start)
        self._last = max(self._last, reading)
        return self._last

    def steady(self) -> float:
        """Seconds since an arbitrary start, on the boot-time clock."""
        return _steady()

    async def sleep(self, seconds: float) -> None:
        """Really wait."""
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251

    def anchor(self, at: datetime) -> None:
        """Start logical time at `at`; called once, before anything is decided."""
        self._base = at.astimezone(UTC)
        self._start = _steady()
        self._last = self._base

    def observe(self, reference: datetime, since_last: float) -> float:
        """Compare with the database's clock, slew a small difference, report a large one.

        `since_last` is the number of seconds since the previous call. Returns the difference in
        seconds (positive when the reference is ahead), which is also kept in `drift_seconds`.
        """
        difference = (reference - self.now()).total_seconds()
        self.drift_seconds = difference
        if abs(difference) <= SLEW_LIMIT_SECONDS:
            # At most the whole of it: after a long break a part for each second would be far more.
            step = difference * min(1.0, SLEW_PER_SECOND * since_last / max(1.0, abs(difference)))
            self._base += timedelta(seconds=step)
        return difference


class ManualClock:
    """Time that moves only when told to: for simulations, replays and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._start = self._now

    def now(self) -> datetime:
        """The instant last set."""
        return self._now

    def steady(self) -> float:
        """Seconds since the clock was made."""
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Yield without moving time: whoever holds the clock moves it."""
        await asyncio.sleep(0)  # noqa: TID251

    def move_to(self, at: datetime) -> None:
        """Set the time; moving backwards is an error."""
        if at < self._now:
            raise ValueError(f"time cannot move back from {self._now} to {at}")
        self._now = at.astimezone(UTC)

    def advance(self, delta: timedelta) -> None:
        """Move forward by `delta`."""
        self.move_to(self._now + delta)
