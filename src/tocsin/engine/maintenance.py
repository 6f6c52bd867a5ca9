"""The stage that looks again at what maintenance windows held back, when they end or change.

It writes in the same slices as the intake, so it waits for its turn as their one writer: an event
that resolves an alert and the end of its window never cross.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.engine import intake_store
from tocsin.engine.isolate import DueWork
from tocsin.incidents import actions as incidents
from tocsin.suppression import actions as suppression


async def _run(tx: Tx, now: datetime, limit: int, only: Sequence[str] | None) -> int:
    found = await suppression.due(tx, now, limit)
    if only is not None:
        found = [(id, slice) for id, slice in found if id in only]
    if not found:
        return 0
    await intake_store.wait_for_slices(tx, (slice for _, slice in found))
    ids = [id for id, _ in found]
    return await incidents.release_held(tx, now, ids, alone=only is not None)


async def _due(tx: Tx, now: datetime, limit: int) -> list[str]:
    return [id for id, _ in await suppression.due(tx, now, limit)]


WORK = DueWork(name="maintenance", run=_run, due=_due, push_back=suppression.push_back, limit=50)
