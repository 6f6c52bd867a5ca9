"""When the hand-offs of a schedule are next looked at: kept on its row, for the area above.

Every change of a schedule says "now". These have no actor: the engine asks, on the product's own
behalf.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.schedules import store


async def look_at_handoffs(
    tx: Tx, now: datetime, schedule_ids: Sequence[str] | None = None
) -> None:
    """Have these schedules, or all, looked at as soon as may be."""
    ids = None if schedule_ids is None else list(schedule_ids)
    await tx.execute(store.LOOK_AT_HANDOFFS, {"now": now, "ids": ids})
    tx.notify("tocsin_wake", "handoffs")


async def claim_handoffs(
    tx: Tx, now: datetime, limit: int, only: Sequence[str] | None
) -> list[str]:
    """Schedules that are due, held until the transaction ends; `only` narrows it to those named."""
    params = {"now": now, "limit": limit, "only": None if only is None else list(only)}
    return [id for (id,) in await tx.tuples(store.CLAIM_HANDOFFS, params)]


async def due_handoffs(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Schedules that are due, held by nobody."""
    rows = await tx.tuples(store.DUE_HANDOFFS, {"now": now, "limit": limit})
    return [id for (id,) in rows]


async def put_off_handoffs(tx: Tx, until: Mapping[str, datetime], error: str | None = None) -> None:
    """Look at each of these again at its time; `error` is what went wrong this time."""
    params = {"ids": list(until), "ats": list(until.values()), "error": error}
    await tx.execute(store.PUT_OFF_HANDOFFS, params)
