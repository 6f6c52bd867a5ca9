"""How many requests one key may make: 960 in each minute that begins with its first request.

Counted by each web process for itself, because sharing the count would make a write of every read
(docs/decisions/0011). The limit protects the pages and the pager from a client that runs
wild; it never touches events.
"""

import math
from collections import OrderedDict

import msgspec

PER_MINUTE = 960
WINDOW_SECONDS = 60.0
KEYS = 10_000


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """What is left in this minute, and in how many whole seconds the next one begins."""

    limit: int
    remaining: int
    reset: int
    admitted: bool

    def headers(self) -> dict[str, str]:
        """The headers that tell a client."""
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(self.reset),
        }


class RequestLimiter:
    """The minutes of the keys heard from lately."""

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        self.per_minute = per_minute
        self._minutes: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admit(self, key: str, now: float) -> Allowance:
        """Count one request at `now` (seconds, steady), if there is room for it."""
        began, used = self._minutes.get(key, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, used = now, 0
        admitted = used < self.per_minute
        used += admitted
        self._minutes[key] = (began, used)
        self._minutes.move_to_end(key)
        if len(self._minutes) > KEYS:
            self._minutes.popitem(last=False)
        return Allowance(
            self.per_minute,
            self.per_minute - used,
            max(1, math.ceil(began + WINDOW_SECONDS - now)),
            admitted,
        )
