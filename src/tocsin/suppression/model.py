"""What a maintenance window is, and what it decides about an alert.

A window covers [starts_at, ends_at): at its end it is over. Windows may overlap, one service may
be in many and one window may cover many services. Times are aware UTC.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

MAX_SERVICES = 250
MAX_DESCRIPTION = 1024
LONGEST = timedelta(days=366)
FURTHEST = timedelta(days=5 * 366)
MAX_OPEN = 1000
"""How many windows of an installation may be ongoing or still to come."""


class State(StrEnum):
    """Where a window stands."""

    FUTURE = "future"
    ONGOING = "ongoing"
    PAST = "past"


class Filter(StrEnum):
    """Which windows a list shows; `open` is ongoing or future."""

    PAST = "past"
    FUTURE = "future"
    ONGOING = "ongoing"
    OPEN = "open"
    ALL = "all"


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the services' new alerts open no incident and page nobody."""

    id: str
    sequence_number: int
    description: str
    service_ids: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str | None
    created_at: datetime
    deleted_at: datetime | None = None


class NewWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window to be made."""

    service_ids: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    description: str = ""


class WindowChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a window; what is UNSET stays."""

    service_ids: tuple[str, ...] | UnsetType = UNSET
    starts_at: datetime | UnsetType = UNSET
    ends_at: datetime | UnsetType = UNSET
    description: str | UnsetType = UNSET


class Reason(StrEnum):
    """Why an alert is held back."""

    MAINTENANCE = "suppressed_by_maintenance"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A service's alerts are held back: by which window, and until when to ask again."""

    reason: Reason
    window_id: str
    until: datetime
