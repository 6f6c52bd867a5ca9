"""Which hand-offs of a schedule are to be told now, and when to look at it next. Pure.

The rule: a notice is due its rule's advance before the turn begins or ends. One whose time passed
while nobody looked, or before the schedule was changed so, is told at once as long as the hand-off
itself is not more than `GRACE` old: later it is no news, and after an outage there is no flood.
Turns of one person that touch are one turn, so that nobody is told of a hand-off to themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tocsin.handoffs.model import Decision, HandoffRule, Notice, Side, Turn
from tocsin.schedules.model import Shift

GRACE = timedelta(minutes=10)
# Rules, policies and people change without a word to the schedule: so it is looked at this often.
LOOK_AGAIN = timedelta(minutes=5)


def turns(shifts: Sequence[Shift], since: datetime, until: datetime) -> tuple[Turn, ...]:
    """The turns of a final schedule that was rendered for [since, until)."""
    merged: list[tuple[str, datetime, datetime]] = []
    for shift in shifts:
        if merged and merged[-1][0] == shift.user_id and merged[-1][2] == shift.start:
            merged[-1] = (shift.user_id, merged[-1][1], shift.end)
        else:
            merged.append((shift.user_id, shift.start, shift.end))
    found = []
    for index, (user_id, start, end) in enumerate(merged):
        before = merged[index - 1] if index else None
        after = merged[index + 1] if index + 1 < len(merged) else None
        found.append(
            Turn(
                user_id=user_id,
                start=start if start > since else None,
                end=end if end < until else None,
                before=before[0] if before and before[2] == start else None,
                after=after[0] if after and after[1] == end else None,
            )
        )
    return tuple(found)


def decide(
    schedule_id: str,
    found: Sequence[Turn],
    rules: Mapping[str, Sequence[HandoffRule]],
    now: datetime,
) -> Decision:
    """See the module. `rules` are those of each person, by user id."""
    notices: list[Notice] = []
    look = now + LOOK_AGAIN
    for turn in found:
        for rule in rules.get(turn.user_id, ()):
            for notice in _of_turn(schedule_id, turn, rule):
                due = notice.at - rule.advance
                if due > now:
                    look = min(look, due)
                elif notice.at > now - GRACE:
                    notices.append(notice)
    return Decision(notices=tuple(notices), look_again_at=look)


def _of_turn(schedule_id: str, turn: Turn, rule: HandoffRule) -> list[Notice]:
    found = []
    if turn.start is not None and rule.covers(Side.ONCALL):
        found.append(
            Notice(
                rule=rule,
                schedule_id=schedule_id,
                side=Side.ONCALL,
                at=turn.start,
                ends_at=turn.end,
                other_user_id=turn.before,
            )
        )
    if turn.end is not None and rule.covers(Side.OFFCALL):
        found.append(
            Notice(
                rule=rule,
                schedule_id=schedule_id,
                side=Side.OFFCALL,
                at=turn.end,
                ends_at=None,
                other_user_id=turn.after,
            )
        )
    return found
