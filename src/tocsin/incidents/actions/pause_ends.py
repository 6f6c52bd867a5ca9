"""When alerts have waited long enough: what still stands goes on as if it came now.

Called by the engine, which is the only writer of the services' slices meanwhile. A maintenance
window that has begun takes over from the pause; a service that was disabled or deleted lets go.
A pass opens a bounded number of alerts, and a service stays due until none has waited too long.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core.database import Tx
from tocsin.incidents.actions.recording import open_held
from tocsin.incidents.store import incidents as store
from tocsin.incidents.store import pauses
from tocsin.incidents.store.alerts import HeldAlert
from tocsin.suppression import actions as suppression

MOST_ALERTS = 500


async def due_pauses(tx: Tx, now: datetime, limit: int) -> list[tuple[str, int]]:
    """Services with alerts that have waited long enough, each with its slice of the intake."""
    rows = await tx.tuples(pauses.DUE, {"now": now, "limit": limit})
    return [(str(id), int(slice)) for id, slice in rows]


async def end_pauses(tx: Tx, now: datetime, service_ids: Sequence[str]) -> int:
    """Let alerts of these services go on that have waited long enough; how many services were
    looked at."""
    # A window that ends meanwhile is no loss: the hold that is made below is due at once.
    windows = await suppression.verdicts(tx, service_ids, now)
    asked = {"service_ids": list(service_ids), "now": now}
    claimed = [str(id) for (id,) in await tx.tuples(pauses.CLAIM, asked)]
    if not claimed:
        return 0
    settings = await store.settings(tx, claimed)
    off = [id for id in claimed if id not in settings or settings[id].disabled]
    held = {id: windows[id] for id in claimed if id in windows and id not in off}
    if off:
        await tx.execute(pauses.LET_GO, {"service_ids": off, "now": now})
    if held:
        ids, window_ids = list(held), [window.window_id for window in held.values()]
        values = {"service_ids": ids, "window_ids": window_ids, "now": now}
        await tx.execute(pauses.SUPPRESS, values)
        await suppression.hold(tx, held, now)
    opening = [id for id in claimed if id not in off and id not in held]
    if opening:
        values = {"service_ids": opening, "now": now, "limit": MOST_ALERTS}
        rows = await tx.rows(pauses.SELECT_DUE_ALERTS, values)
        await open_held(tx, [msgspec.convert(row, HeldAlert) for row in rows], now)
    await tx.execute(pauses.WAIT, {"service_ids": claimed})
    await tx.execute(pauses.DONE, {"service_ids": claimed})
    return len(claimed)


async def push_back_pause(tx: Tx, service_id: str, error: str, now: datetime) -> None:
    """Note why ending a service's pauses failed, and try again later (5 s, doubling up to 5 min),
    so that it blocks nobody else."""
    await tx.execute(pauses.PUSH_BACK, {"service_id": service_id, "error": error, "now": now})
