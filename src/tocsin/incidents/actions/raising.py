"""When support hours begin or end: open incidents of low urgency become urgent, where the service
says so. Called by the engine.

What is due is a service. Its incidents are claimed with SKIP LOCKED, so that this waits for nobody;
the service stays due until none is left of those that were open at that moment.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts.model import ENGINE
from tocsin.catalog import actions as catalog
from tocsin.core.database import Tx
from tocsin.incidents import urgency
from tocsin.incidents.actions.work import Work
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import Reason, Urgency
from tocsin.incidents.store import raises as store
from tocsin.timeline.model import Kind

MOST_INCIDENTS = 250


async def due_raises(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Services whose open incidents are to become urgent."""
    rows = await tx.tuples(store.DUE, {"now": now, "limit": limit})
    return [str(row[0]) for row in rows]


async def raise_urgencies(
    tx: Tx, now: datetime, limit: int, only: Sequence[str] | None = None
) -> int:
    """Raise what is due; how many incidents and services were dealt with. `only` restricts to these
    services."""
    rows = await tx.tuples(store.DUE, {"now": now, "limit": limit})
    due = {str(id): due_at for id, due_at in rows if only is None or id in only}
    if not due:
        return 0
    services = await catalog.services_by_ids(tx, list(due))
    reasons: dict[str, Reason] = {}
    for id, due_at in due.items():
        hours = services[id].support_hours
        reason = None if hours is None else urgency.edge(hours, due_at, now)
        if reason is not None:
            reasons[id] = reason
    raised = await _raise(tx, now, reasons)
    left: set[str] = set()
    if reasons:
        found = await tx.tuples(store.LEFT, {"service_ids": list(reasons)})
        left = {str(row[0]) for row in found}
    done = [id for id in due if id not in left]
    for id in done:
        await catalog.raise_done(tx, id, now)
    return raised + len(done)


async def push_back_raise(tx: Tx, service_id: str, error: str, now: datetime) -> None:
    """Note why a service's raise failed, and try again later (5 s, doubling up to 5 min), so that
    it blocks nobody else."""
    await tx.execute(store.PUSH_BACK, {"service_id": service_id, "error": error, "now": now})


async def _raise(tx: Tx, now: datetime, reasons: dict[str, Reason]) -> int:
    if not reasons:
        return 0
    values = {"service_ids": list(reasons), "limit": MOST_INCIDENTS}
    claimed = [str(row[0]) for row in await tx.tuples(store.CLAIM, values)]
    if not claimed:
        return 0
    work = Work(tx, now)
    await work.load(claimed)
    for draft in work.drafts.values():
        reason = reasons[draft.incident.service_id].value
        work.apply(draft, Act.CHANGE_URGENCY, reason, ENGINE)
        draft.set(urgency=Urgency.HIGH)
        data = {"from": Urgency.LOW.value, "to": Urgency.HIGH.value}
        work.tell(draft, Kind.URGENCY_CHANGE, reason, ENGINE, data)
    await work.flush()
    return len(claimed)
