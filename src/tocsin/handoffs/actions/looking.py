"""The engine's look at schedules: who is to be told of a hand-off now, once.

The schedule's row says when it is due and is the lock; the cause of a delivery says what was told
already, so that two nodes, a restart, and a second look tell nobody twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.handoffs import store
from tocsin.handoffs.model import HandoffRule, Notice
from tocsin.handoffs.notices import GRACE, decide, turns
from tocsin.paging import actions as paging
from tocsin.paging.actions import NoticeDraft
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import EARLIEST, LATEST

# Beyond the longest advance, so that a notice can say when the turn ends.
FARTHER = timedelta(days=35)
EDGE = timedelta(minutes=1)
PUSH_BACK = timedelta(minutes=10)


async def look(tx: Tx, now: datetime, limit: int, only: Sequence[str] | None = None) -> int:
    """Look at schedules that are due, and queue what is to be told; how many there were.

    A schedule counts while a policy in use names it: one with services, or one that says "always".
    """
    longest: int | None = await tx.value(store.LONGEST_ADVANCE)
    if longest is None:
        return 0
    due = await schedules.claim_handoffs(tx, now, limit, only)
    if not due:
        return 0
    used = await escalations.schedules_told_of(tx, due)
    since = max(now - GRACE - EDGE, EARLIEST)
    until = min(now + timedelta(seconds=longest) + FARTHER, LATEST)
    shifts = await schedules.final_shifts(tx, sorted(used), since, until)
    found = {id: turns(own, since, until) for id, own in shifts.items()}
    people = sorted({turn.user_id for own in found.values() for turn in own})
    rules: dict[str, list[HandoffRule]] = {}
    for rule in await tx.all(HandoffRule, store.SELECT_RULES, {"user_ids": people}):
        rules.setdefault(rule.user_id, []).append(rule)
    decisions = {id: decide(id, found.get(id, ()), rules, now) for id in due}
    await _tell(tx, [n for decision in decisions.values() for n in decision.notices], now)
    again = {id: decision.look_again_at for id, decision in decisions.items()}
    await schedules.put_off_handoffs(tx, again)
    return len(due)


async def due_handoffs(tx: Tx, now: datetime, limit: int) -> list[str]:
    """The schedules that are due."""
    return await schedules.due_handoffs(tx, now, limit)


async def push_back(tx: Tx, schedule_id: str, error: str, now: datetime) -> None:
    """Keep what went wrong with a schedule, and look at it again later."""
    await schedules.put_off_handoffs(tx, {schedule_id: now + PUSH_BACK}, error)


async def _tell(tx: Tx, notices: Sequence[Notice], now: datetime) -> None:
    if not notices:
        return
    delivery_ids = await paging.queue_notices(
        tx,
        [
            NoticeDraft(
                cause=notice.cause,
                user_id=notice.rule.user_id,
                contact_method_id=notice.rule.contact_method_id,
                channel=notice.rule.channel,
            )
            for notice in notices
        ],
        now,
    )
    await tx.execute(
        store.INSERT_NOTICES,
        {
            "delivery_ids": delivery_ids,
            "schedule_ids": [notice.schedule_id for notice in notices],
            "directions": [str(notice.side) for notice in notices],
            "ats": [notice.at for notice in notices],
            "ends_ats": [notice.ends_at for notice in notices],
            "other_user_ids": [notice.other_user_id for notice in notices],
        },
    )
