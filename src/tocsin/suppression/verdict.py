"""Whether a service's alerts are held back now, and what becomes of them when that is over.

The rule: an alert is held back while any window that names its service is ongoing; of several, the
one that ends last is named and decides when to ask again. Asking again is what makes edits, early
ends, windows that follow one another and deleted ones all the same case. What was held back is
never dropped for time: it waits until somebody can be paged, and only a deleted service, which
nobody owns any more, lets go of it unopened.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.suppression.model import Reason, State, Verdict, Window

ASK_AGAIN = timedelta(seconds=30)
"""How soon a disabled service is looked at again: enabling it lets its alerts go."""


def state(window: Window, now: datetime) -> State:
    """Where the window stands at `now`."""
    if now >= window.ends_at:
        return State.PAST
    return State.ONGOING if now >= window.starts_at else State.FUTURE


def ongoing(window: Window, now: datetime) -> bool:
    """Whether it holds something back at `now`."""
    return window.deleted_at is None and state(window, now) is State.ONGOING


def verdicts(
    windows: Sequence[Window], service_ids: Iterable[str], now: datetime
) -> dict[str, Verdict]:
    """Of these services, those whose alerts are held back at `now`, each with why."""
    wanted = set(service_ids)
    found: dict[str, Window] = {}
    for window in windows:
        if not ongoing(window, now):
            continue
        for service_id in wanted.intersection(window.service_ids):
            known = found.get(service_id)
            if known is None or (window.ends_at, window.id) > (known.ends_at, known.id):
                found[service_id] = window
    return {
        service_id: Verdict(reason=Reason.MAINTENANCE, window_id=window.id, until=window.ends_at)
        for service_id, window in found.items()
    }


class Fate(StrEnum):
    """What becomes of a service's alerts that were held back."""

    WAIT = "wait"
    OPEN = "open"
    LET_GO = "let_go"


class Release(msgspec.Struct, frozen=True):
    """The fate, and for WAIT when to ask again."""

    fate: Fate
    until: datetime | None = None


def release(verdict: Verdict | None, *, deleted: bool, disabled: bool, now: datetime) -> Release:
    """What becomes of the held alerts of a service at `now`.

    A disabled service opens nothing, so its alerts wait for it to be enabled.
    """
    if deleted:
        return Release(Fate.LET_GO)
    if verdict is not None:
        return Release(Fate.WAIT, verdict.until)
    if disabled:
        return Release(Fate.WAIT, now + ASK_AGAIN)
    return Release(Fate.OPEN)
