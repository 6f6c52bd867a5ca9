"""After an outage, no flood: what is long overdue is folded into one summary for each person.

The rule this module owns: a delivery that nobody tried for more than ten minutes after it was due
is not sent as it is. All such deliveries of a person become one summary of what is still open,
sent at once on each method they were meant for. What was acknowledged meanwhile is not in it.

Invariant: every late delivery ends in exactly one summary, or is dropped because nothing it was
about is open.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.paging.model import Urgency

OVERDUE = timedelta(minutes=10)


class FoldReason(StrEnum):
    """What becomes of a person's late deliveries."""

    SUMMARY = "summary_after_outage"
    NOTHING_OPEN = "nothing_open"


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery long overdue. `is_open` says whether any page it carries is still open."""

    id: str
    user_id: str
    urgency: Urgency
    contact_method_id: str
    channel: str
    is_open: bool


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one person's late deliveries."""

    reason: FoldReason
    user_id: str
    urgency: Urgency
    # Contact method id to its channel, in the order the deliveries were due.
    methods: dict[str, str]
    folded: tuple[str, ...]
    dropped: tuple[str, ...]


def cutoff(now: datetime) -> datetime:
    """Deliveries due before this instant and never tried since are late."""
    return now - OVERDUE


def is_late(due_at: datetime, first_due_at: datetime, attempts: int, now: datetime) -> bool:
    """Whether a queued delivery is folded rather than sent."""
    return due_at < cutoff(now) or (attempts == 0 and first_due_at < cutoff(now))


def fold(late: Sequence[Late]) -> tuple[Fold, ...]:
    """One decision for each person, persons in the order of their first late delivery."""
    by_person: dict[str, list[Late]] = {}
    for delivery in late:
        by_person.setdefault(delivery.user_id, []).append(delivery)
    folds = []
    for user_id, own in by_person.items():
        still_open = [delivery for delivery in own if delivery.is_open]
        high = any(delivery.urgency == "high" for delivery in still_open)
        folds.append(
            Fold(
                reason=FoldReason.SUMMARY if still_open else FoldReason.NOTHING_OPEN,
                user_id=user_id,
                urgency="high" if high else "low",
                methods={d.contact_method_id: d.channel for d in still_open},
                folded=tuple(delivery.id for delivery in still_open),
                dropped=tuple(delivery.id for delivery in own if not delivery.is_open),
            )
        )
    return tuple(folds)
