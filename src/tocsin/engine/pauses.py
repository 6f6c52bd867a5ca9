"""The stage that opens incidents for alerts that have waited out their service's pause.

It writes in the same slices as the intake, so it waits for its turn as their one writer: an event
that resolves an alert and the end of its pause never cross.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.engine import intake_store
from tocsin.engine.isolate import DueWork
from tocsin.incidents import actions as incidents


async def _run(tx: Tx, now: datetime, limit: int, only: Sequence[str] | None) -> int:
    found = await incidents.due_pauses(tx, now, limit)
    if only is not None:
        found = [(id, slice) for id, slice in found if id in only]
    if not found:
        return 0
    await intake_store.wait_for_slices(tx, (slice for _, slice in found))
    return await incidents.end_pauses(tx, now, [id for id, _ in found])


async def _due(tx: Tx, now: datetime, limit: int) -> list[str]:
    return [id for id, _ in await incidents.due_pauses(tx, now, limit)]


WORK = DueWork(name="pauses", run=_run, due=_due, push_back=incidents.push_back_pause, limit=50)
