"""When many incidents hit one person: the first pages go out alone, the rest travel together.

The rule this module owns: within a window of a minute the first three pages of a person (of one
urgency) are sent at once as messages of their own; those that follow join one bundle, sent when
the window ends. A bundle never delays the first pages, and no page waits longer than the window.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

WINDOW = timedelta(seconds=60)
SINGLES = 3


class PlacingReason(StrEnum):
    """Why the pages go the way they go."""

    ALONE = "first_of_window"
    BUNDLED = "many_in_window"


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has had since `opened_at`. `bundle_id` is None while nothing is bundled, and
    again once the bundle has been sent."""

    opened_at: datetime
    singles: int
    bundle_id: str | None


class Placing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch of pages for one person goes: the first `singles` alone, the rest bundled.

    `window` is the window afterwards, `closes_at` when a bundle is due. `opens_bundle` says that
    a new bundle has to be made, whose id the caller puts into the window.
    """

    reason: PlacingReason
    window: Window
    singles: int
    bundled: int
    opens_bundle: bool
    closes_at: datetime


def place(window: Window | None, count: int, now: datetime) -> Placing:
    """Split `count` new pages of one person into single ones and bundled ones."""
    if window is None or now >= window.opened_at + WINDOW:
        window = Window(opened_at=now, singles=0, bundle_id=None)
    singles = min(count, max(0, SINGLES - window.singles))
    bundled = count - singles
    return Placing(
        reason=PlacingReason.BUNDLED if bundled else PlacingReason.ALONE,
        window=Window(
            opened_at=window.opened_at,
            singles=window.singles + singles,
            bundle_id=window.bundle_id,
        ),
        singles=singles,
        bundled=bundled,
        opens_bundle=bundled > 0 and window.bundle_id is None,
        # A window stored by a node whose time runs ahead must not hold a page any longer.
        closes_at=min(window.opened_at, now) + WINDOW,
    )
