"""What happens to incidents when time passes: timers and ladders. Called by the engine.

Each call claims due incidents with SKIP LOCKED, so nodes share the work and one that a person holds
is taken up a moment later. A batch fails as a whole; the engine then calls again with `only` for
each incident that is due, and pushes back the one that still fails.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

from tocsin.accounts.model import ENGINE
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Move, RunState
from tocsin.incidents.actions.work import Draft, Question, Work
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import Reason, TimerKind
from tocsin.incidents.store import incidents as store
from tocsin.suppression import actions as suppression
from tocsin.timeline.model import Kind


async def due_timers(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Incidents with a timer that is due."""
    rows = await tx.tuples(store.DUE_TIMERS, {"now": now, "limit": limit})
    return [row[0] for row in rows]


async def due_escalations(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Incidents whose ladder is due to move."""
    rows = await tx.tuples(store.DUE_ESCALATIONS, {"now": now, "limit": limit})
    return [row[0] for row in rows]


async def next_due(tx: Tx) -> datetime | None:
    """When the next ladder, timer or held alert is due."""
    due = (await tx.value(store.NEXT_DUE), await suppression.next_due(tx))
    return min((at for at in due if at is not None), default=None)


async def run_timers(tx: Tx, now: datetime, limit: int, only: Sequence[str] | None = None) -> int:
    """Let due timers act; how many incidents were worked on. `only` restricts to these."""
    work = await _claim(tx, store.CLAIM_TIMERS, now, limit, only)
    for draft in work.drafts.values():
        for kind, due_at in sorted(draft.timers.items()):
            # An earlier timer of this very turn may have ended the incident and its timers.
            if due_at <= now and kind in draft.timers:
                del draft.timers[kind]
                _act(work, draft, kind)
    await work.flush()
    return len(work.drafts)


async def advance_escalations(
    tx: Tx, now: datetime, limit: int, only: Sequence[str] | None = None
) -> int:
    """Let due ladders move; how many incidents were worked on. `only` restricts to these."""
    work = await _claim(tx, store.CLAIM_ESCALATIONS, now, limit, only)
    for draft in work.drafts.values():
        due_at = draft.run.due_at
        if draft.run.state is RunState.RUNNING and due_at is not None and due_at <= now:
            draft.question = Question(Move.ADVANCE, Kind.ESCALATE, ENGINE)
    await work.flush()
    return len(work.drafts)


async def push_back(tx: Tx, incident_id: str, error: str, now: datetime) -> None:
    """Note why an incident's due ladder or timers failed, and try again later (5 s, doubling up to
    5 min), so that it blocks nobody else."""
    await store.lock(tx, [incident_id])
    await escalations.push_back(tx, incident_id, error, now)
    await tx.execute(store.PUSH_BACK_TIMERS, {"id": incident_id, "error": error, "now": now})


async def _claim(
    tx: Tx, statement: LiteralString, now: datetime, limit: int, only: Sequence[str] | None
) -> Work:
    values = {"now": now, "limit": limit, "only": None if only is None else list(only)}
    rows = await tx.tuples(statement, values)
    work = Work(tx, now)
    if rows:
        await work.load([row[0] for row in rows])
    return work


def _act(work: Work, draft: Draft, kind: TimerKind) -> None:
    if kind is TimerKind.AUTO_RESOLVE:
        _auto_resolve(work, draft)
        return
    act, reason = {
        TimerKind.ACKNOWLEDGEMENT_TIMEOUT: (Act.TIME_OUT, Reason.ACKNOWLEDGEMENT_TIMEOUT),
        TimerKind.SNOOZE: (Act.END_SNOOZE, Reason.SNOOZE_ENDED),
    }[kind]
    if work.apply(draft, act, reason.value, ENGINE):
        work.tell(draft, Kind.UNACKNOWLEDGE, reason.value, ENGINE)
        if kind is TimerKind.SNOOZE:
            work.wait_for_auto_resolve(draft)


def _auto_resolve(work: Work, draft: Draft) -> None:
    timeout = draft.settings.auto_resolve_timeout
    if timeout is None or not draft.incident.is_open:
        return
    last = draft.incident.last_alert_at or draft.incident.created_at
    rests_until = last + timedelta(seconds=timeout)
    if rests_until > work.now:
        # It fired again since the timer was set: it rests from then on.
        draft.timers[TimerKind.AUTO_RESOLVE] = rests_until
        return
    work.apply(draft, Act.AUTO_RESOLVE, Reason.AUTO_RESOLVED.value, ENGINE)
    work.tell(draft, Kind.RESOLVE, Reason.AUTO_RESOLVED.value, ENGINE, {"seconds": timeout})
