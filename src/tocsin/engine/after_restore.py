"""What a restored database may still do: nobody is paged twice, and nobody is forgotten.

The database comes back as it was at one instant, but the world went on: what was queued or being
sent then has most likely been sent since. So every delivery that was due is folded by the rule for
outages into one summary for each person of what is still open, and tests and mails of status
updates that wait are cancelled: nobody waits for them, and most have arrived.
Ladders, time-outs and pauses go on from where they stood with the time that was left, at least a
minute, so that the summary comes first; a snooze ends when its person said. Run while no engine
runs, before the first start.
"""

from datetime import datetime, timedelta

import msgspec

from tocsin.core.database import Tx
from tocsin.paging import actions as paging
from tocsin.paging.catch_up import OVERDUE

REASON = "restored"
LEAST_WAIT = timedelta(minutes=1)

CANCEL_TESTS = """
update deliveries
set state = 'cancelled', detail = %(reason)s, leased_until = null, finished_at = %(now)s
where kind in ('test', 'status_update', 'handoff') and state in ('queued', 'sending')
"""
# A summary tells what is open when it is sent, so it is as good now as it was then; one that was
# under way goes back to the queue. What is due later keeps its time: nobody has heard of it yet.
MAKE_OVERDUE = """
update deliveries
set state = 'queued', leased_until = null, leased_by = null, due_at = least(due_at, %(late)s)
where kind in ('page', 'bundle') and (state = 'sending' or state = 'queued' and due_at <= %(now)s)
"""
REQUEUE_SUMMARIES = """
update deliveries set state = 'queued', leased_until = null, leased_by = null
where kind = 'summary' and state = 'sending'
"""
MOVE_LADDERS = """
update escalation_runs
set due_at = %(now)s::timestamptz
    + greatest(due_at - %(backed_up_at)s::timestamptz, %(least)s::interval)
where state = 'running' and due_at <= %(now)s::timestamptz + %(least)s::interval
"""
MOVE_REQUESTS = """
update responder_targets
set due_at = %(now)s::timestamptz
    + greatest(due_at - %(backed_up_at)s::timestamptz, %(least)s::interval)
where due_at <= %(now)s::timestamptz + %(least)s::interval
"""
MOVE_TIMERS = """
update incident_timers
set due_at = %(now)s::timestamptz
    + greatest(due_at - %(backed_up_at)s::timestamptz, %(least)s::interval)
where kind <> 'snooze' and due_at <= %(now)s::timestamptz + %(least)s::interval
"""
# Alerts that waited before they open an incident: most have ended, and their tools say so soon.
MOVE_PAUSES = """
update pause_holds
set due_at = %(now)s::timestamptz
    + greatest(due_at - %(backed_up_at)s::timestamptz, %(least)s::interval)
where due_at <= %(now)s::timestamptz + %(least)s::interval
"""
FORGET_NODES = "delete from nodes"
FORGET_STAGES = "delete from stages"


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, in rows."""

    overdue: int
    folded: int
    cancelled: int
    ladders: int
    timers: int


async def settle(tx: Tx, backed_up_at: datetime, now: datetime) -> Settled:
    """Make a database of the instant `backed_up_at` fit to go on at `now`."""
    cancelled = await tx.execute(CANCEL_TESTS, {"reason": REASON, "now": now})
    late = now - OVERDUE - timedelta(seconds=1)
    overdue = await tx.execute(MAKE_OVERDUE, {"late": late, "now": now})
    await tx.execute(REQUEUE_SUMMARIES)
    times = {"now": now, "backed_up_at": backed_up_at, "least": LEAST_WAIT}
    ladders = await tx.execute(MOVE_LADDERS, times)
    ladders += await tx.execute(MOVE_REQUESTS, times)
    timers = await tx.execute(MOVE_TIMERS, times)
    timers += await tx.execute(MOVE_PAUSES, times)
    await tx.execute(FORGET_NODES)
    await tx.execute(FORGET_STAGES)
    folded = 0
    while taken := await paging.fold_overdue(tx, now):
        folded += taken
    return Settled(
        overdue=overdue, folded=folded, cancelled=cancelled, ladders=ladders, timers=timers
    )
