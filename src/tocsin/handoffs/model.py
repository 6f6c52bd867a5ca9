"""The values of the hand-offs area: a person's rule, a turn, and a notice about its end or start.

A notice is no page: it demands nothing, wakes nobody twice, and has no link that acts.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import msgspec

MAX_RULES = 20
MAX_ADVANCE_SECONDS = 604_800
Direction = Literal["both", "oncall", "offcall"]


class Side(StrEnum):
    """Which end of a turn a notice is about."""

    ONCALL = "oncall"
    OFFCALL = "offcall"


class HandoffRule(msgspec.Struct, frozen=True, kw_only=True):
    """Tell this person over this contact method, so many seconds before a turn of theirs begins,
    ends, or both."""

    id: str
    user_id: str
    contact_method_id: str
    direction: Direction
    advance_seconds: int
    channel: str = ""

    @property
    def advance(self) -> timedelta:
        """How long before."""
        return timedelta(seconds=self.advance_seconds)

    def covers(self, side: Side) -> bool:
        """Whether it asks for notices about this end."""
        return self.direction in ("both", str(side))


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One person on call for a schedule without a break, by whatever layers and overrides.

    `start` and `end` are None where the turn goes on beyond what was looked at; `before` and
    `after` are who is on call next to it, None for nobody.
    """

    user_id: str
    start: datetime | None
    end: datetime | None
    before: str | None
    after: str | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One person is to be told of one end of one turn, because of one rule."""

    rule: HandoffRule
    schedule_id: str
    side: Side
    at: datetime
    ends_at: datetime | None
    other_user_id: str | None

    @property
    def cause(self) -> str:
        """The same for the same hand-off, however often it is looked at."""
        at = self.at.isoformat()
        return f"handoff:{self.rule.id}:{self.schedule_id}:{self.side}:{at}"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told now, and when to look again."""

    notices: tuple[Notice, ...]
    look_again_at: datetime
