"""Which changes may have to do with an incident, and why each of them.

The rule this module owns: a change counts when it happened on the incident's service, or on one
that this service depends on, in the day before the incident opened or while it was open. What is
near in time and in the graph comes first; each service between the change and the incident's
service makes it count as `STEP` further away.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.events.model import ChangeEvent

WITHIN = timedelta(days=1)
CLOSE = timedelta(hours=1)
STEP = timedelta(minutes=30)
# Further down the graph everything depends on everything.
MOST_DISTANCE = 5


class Reason(StrEnum):
    """Why a change is shown; the values are the wire's."""

    SAME_SERVICE = "most_recent"
    DEPENDENCY = "related_service"


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """One change that may matter. `before` is how long before the incident opened it happened,
    negative when it was after; `distance` how many dependencies away."""

    change: ChangeEvent
    reason: Reason
    distance: int
    before: timedelta

    @property
    def close(self) -> bool:
        """Whether it happened within the last hour before the incident opened."""
        return timedelta(0) <= self.before <= CLOSE


def related(
    opened_at: datetime,
    until: datetime | None,
    distances: Mapping[str, int],
    changes: Sequence[ChangeEvent],
) -> list[Related]:
    """The changes that count, likeliest first. `distances` holds the incident's service (0) and
    those that it depends on; `until` ends the window, None leaves it open."""
    found = []
    for change in changes:
        distance = distances.get(change.service_id)
        if distance is None or distance > MOST_DISTANCE:
            continue
        if change.at < opened_at - WITHIN or (until is not None and change.at >= until):
            continue
        found.append(
            Related(
                change=change,
                reason=Reason.DEPENDENCY if distance else Reason.SAME_SERVICE,
                distance=distance,
                before=opened_at - change.at,
            )
        )
    return sorted(found, key=_rank)


def _rank(one: Related) -> tuple[bool, timedelta, int, str]:
    # What happened afterwards is an answer to the incident more often than its cause.
    after = one.before < timedelta(0)
    return after, abs(one.before) + STEP * one.distance, one.distance, one.change.id
