"""What windows hold back, for the intake and for the engine: no roles are checked here.

A hold is one row for a service whose alerts wait, due when to look again. The intake makes it in
the transaction that keeps the alert; only the engine removes it, when no alert waits any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.suppression import store
from tocsin.suppression.model import Verdict
from tocsin.suppression.verdict import verdicts as decide


async def verdicts(tx: Tx, service_ids: Iterable[str], now: datetime) -> dict[str, Verdict]:
    """Of these services, those whose alerts are held back now, in one query."""
    wanted = sorted(set(service_ids))
    windows = await store.windows(tx, store.SELECT_ONGOING, {"now": now, "service_ids": wanted})
    return decide(windows, wanted, now) if windows else {}


async def hold(tx: Tx, service_ids: Iterable[str], now: datetime) -> None:
    """Alerts of these services are held back: let them be looked at again, first at once, because
    the window may have been ended since it was read."""
    wanted = sorted(set(service_ids))
    if wanted:
        await tx.execute(store.HOLD, {"service_ids": wanted, "now": now})


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, int]]:
    """Services whose held alerts are to be looked at, each with its slice of the intake."""
    rows = await tx.tuples(store.DUE, {"now": now, "limit": limit})
    return [(str(id), int(slice)) for id, slice in rows]


async def claim(tx: Tx, service_ids: Sequence[str], now: datetime) -> list[str]:
    """Those of these services that are still due, locked."""
    rows = await tx.tuples(store.CLAIM, {"service_ids": list(service_ids), "now": now})
    return [str(id) for (id,) in rows]


async def wait(tx: Tx, until: Mapping[str, datetime]) -> None:
    """Look at these claimed services again at the time given."""
    if until:
        ids = sorted(until)
        values = {"service_ids": ids, "due_ats": [until[id] for id in ids]}
        await tx.execute(store.WAIT, values)


async def done(tx: Tx, service_ids: Sequence[str]) -> None:
    """Nothing of these services waits any more."""
    if service_ids:
        await tx.execute(store.DONE, {"service_ids": list(service_ids)})


async def next_due(tx: Tx) -> datetime | None:
    """When held alerts are next to be looked at."""
    found: datetime | None = await tx.value(store.NEXT_DUE)
    return found


async def push_back(tx: Tx, service_id: str, error: str, now: datetime) -> None:
    """Note why letting a service's alerts go failed, and try again later (5 s, doubling up to
    5 min), so that it blocks nobody else."""
    await tx.execute(store.PUSH_BACK, {"service_id": service_id, "error": error, "now": now})
