"""What making, changing and taking back a window may do.

The rule: the past is never rewritten. A window that would begin in the past begins now; one that
would end in the past is refused. Once it has begun its beginning stays, its end may move within the
future and its services may change. Taking back one that is over is refused, one under way ends now,
and only one that has not begun disappears.
"""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import UNSET

from tocsin.core.errors import Invalid, Refused
from tocsin.suppression.model import (
    FURTHEST,
    LONGEST,
    MAX_DESCRIPTION,
    MAX_SERVICES,
    NewWindow,
    State,
    Window,
    WindowChange,
)
from tocsin.suppression.verdict import state

OVER = "maintenance_over"
PAST = "maintenance_past"


class Removal(StrEnum):
    """What taking a window back comes to."""

    REFUSED_PAST = "refused_past"
    ENDED_NOW = "ended_now"
    DELETED_FUTURE = "deleted_future"


def removal(window: Window, now: datetime) -> Removal:
    """What taking this window back at `now` does."""
    return {
        State.PAST: Removal.REFUSED_PAST,
        State.ONGOING: Removal.ENDED_NOW,
        State.FUTURE: Removal.DELETED_FUTURE,
    }[state(window, now)]


def begun(new: NewWindow, now: datetime) -> NewWindow:
    """The window as it may be made at `now`. Raises Invalid, which names the field."""
    start = max(_instant("start_time", new.starts_at), now)
    end = _instant("end_time", new.ends_at)
    _check_span(start, end, now)
    return NewWindow(
        service_ids=_services(new.service_ids),
        starts_at=start,
        ends_at=end,
        description=_description(new.description),
    )


def changed(window: Window, change: WindowChange, now: datetime) -> Window:
    """The window as it is after the change. Raises Invalid, or Refused for one that is over."""
    stands = state(window, now)
    if stands is State.PAST:
        raise Refused(OVER, "This maintenance window is over: make another one instead")
    start, end = window.starts_at, window.ends_at
    if change.starts_at is not UNSET:
        start = _start(window, _instant("start_time", change.starts_at), stands, now)
    if change.ends_at is not UNSET and not _same(change.ends_at, end):
        end = _instant("end_time", change.ends_at)
    _check_span(start, end, now)
    return msgspec.structs.replace(
        window,
        starts_at=start,
        ends_at=end,
        service_ids=(
            window.service_ids if change.service_ids is UNSET else _services(change.service_ids)
        ),
        description=(
            window.description if change.description is UNSET else _description(change.description)
        ),
    )


def _start(window: Window, given: datetime, stands: State, now: datetime) -> datetime:
    if _same(given, window.starts_at):
        return window.starts_at
    if stands is State.ONGOING:
        raise Invalid("start_time", "cannot be changed: this maintenance window has begun")
    return max(given, now)


def _same(given: datetime, kept: datetime) -> bool:
    # Clients are shown whole seconds and send back what they were shown.
    return given.replace(microsecond=0) == kept.replace(microsecond=0)


def _check_span(start: datetime, end: datetime, now: datetime) -> None:
    if end <= max(start, now):
        raise Invalid("end_time", "must be later than start_time, and in the future")
    if end - start > LONGEST:
        raise Invalid("end_time", f"must be at most {LONGEST.days} days after start_time")
    if start - now > FURTHEST:
        raise Invalid("start_time", f"must be at most {FURTHEST.days} days from now")


def _instant(field: str, value: datetime) -> datetime:
    if value.tzinfo is None:
        raise Invalid(field, "needs a time zone offset, such as 2030-01-31T09:00:00Z")
    return value


def _services(ids: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(ids))
    if not 1 <= len(found) <= MAX_SERVICES:
        raise Invalid("services", f"must name 1 to {MAX_SERVICES} services")
    return found


def _description(text: str) -> str:
    text = text.strip()
    if len(text) > MAX_DESCRIPTION or "\x00" in text:
        raise Invalid("description", f"must be at most {MAX_DESCRIPTION} characters of text")
    return text
