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
    """Of these services, those whose alerts are held back now. One query; the windows that decided
    stay as they are until the end of the transaction."""
    wanted = sorted(set(service_ids))
    windows = await store.windows(tx, store.LOCK_ONGOING, {"now": now, "service_ids": wanted})
    return decide(windows, wanted, now) if windows else {}


async def hold(tx: Tx, until: Mapping[str, datetime]) -> None:
    """Let these services' held alerts be looked at again, at the latest at the time given."""
    if until:
        rows = sorted(until.items())
        await tx.execute(store.HOLD, _rows(rows))


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, int]]:
    """Services whose held alerts are to be looked at, each with its slice of the intake."""
    rows = await tx.tuples(store.DUE, {"now": now, "limit": limit})
    return [(str(id), int(slice)) for id, slice in rows]


async def claim(tx: Tx, service_ids: Sequence[str], now: datetime) -> list[str]:
    """Those of these services that are still due, locked."""
    rows = await tx.tuples(store.CLAIM, {"service_ids": list(service_ids), "now": now})
    return [str(id) for (id,) in rows]


async def wait(tx: Tx, until: Mapping[str, datetime]) -> None:
    """Look at these services again at the time given."""
    if until:
        await tx.execute(store.WAIT, _rows(sorted(until.items())))


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


def _rows(until: Sequence[tuple[str, datetime]]) -> dict[str, list[object]]:
    return {"service_ids": [id for id, _ in until], "due_ats": [at for _, at in until]}
