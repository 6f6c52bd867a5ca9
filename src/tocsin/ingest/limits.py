"""How much one integration may send: a sliding minute, counted in two buckets.

The rate at an instant is the count of the current minute plus the share of the previous one that
the sliding minute still covers. That is exact when traffic is even, needs two numbers a key, and
never lets through more than twice the limit in any minute.
"""

import math
from collections import OrderedDict

import msgspec

WINDOW_SECONDS = 60.0
KEYS = 10_000


class Window(msgspec.Struct, frozen=True, gc=False):
    """What was let through: in the minute that began at `start`, and in the one before."""

    start: float = 0.0
    current: int = 0
    previous: int = 0


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """`retry_after` is 0 when let through, else the whole seconds until it is worth trying."""

    window: Window
    retry_after: int = 0


def admit(window: Window, now: float, limit: int) -> Verdict:
    """Whether one more request at `now` (seconds, steady) stays within `limit` a minute."""
    window = _moved(window, now)
    elapsed = now - window.start
    carried = window.previous * (1.0 - elapsed / WINDOW_SECONDS)
    if carried + window.current + 1 <= limit:
        return Verdict(Window(window.start, window.current + 1, window.previous))
    return Verdict(window, max(1, math.ceil(_wait(window, elapsed, limit))))


def _moved(window: Window, now: float) -> Window:
    passed = int((now - window.start) // WINDOW_SECONDS)
    if passed <= 0:
        return window
    start = window.start + passed * WINDOW_SECONDS
    return Window(start, 0, window.current if passed == 1 else 0)


def _wait(window: Window, elapsed: float, limit: int) -> float:
    room = limit - 1 - window.current
    if room >= 0:
        # The previous minute fades until there is room for one more.
        return WINDOW_SECONDS * (1.0 - room / window.previous) - elapsed
    # Only when this minute has itself become the previous one does it begin to fade.
    return WINDOW_SECONDS - elapsed + WINDOW_SECONDS * (1.0 - (limit - 1) / window.current)


class RateLimiter:
    """The windows of the integrations heard from lately. `per_minute` of 0 turns it off."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def retry_after(self, integration_id: str, now: float) -> int:
        """0 to let one request through, which is then counted, else seconds to wait."""
        if self.per_minute <= 0:
            return 0
        window = self._windows.get(integration_id) or Window(now)
        verdict = admit(window, now, self.per_minute)
        self._windows[integration_id] = verdict.window
        self._windows.move_to_end(integration_id)
        if len(self._windows) > KEYS:
            self._windows.popitem(last=False)
        return verdict.retry_after
