"""When a maintenance window ends: the alerts that it held back and that still hold go on.

Called by the engine, which is the only writer of the services' slices meanwhile. What is due is a
service; its fate is `suppression.verdict.release`. A pass opens a bounded number of alerts, and a
service stays due until none of its alerts is held back.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.incidents.actions.recording import open_held
from tocsin.incidents.store import alerts
from tocsin.incidents.store import incidents as store
from tocsin.suppression import actions as suppression
from tocsin.suppression.verdict import Fate, release

MOST_ALERTS = 500


async def release_held(
    tx: Tx, now: datetime, service_ids: Sequence[str], most: int = MOST_ALERTS
) -> int:
    """Look again at these services' held alerts; how many services were looked at."""
    claimed = await suppression.claim(tx, service_ids, now)
    if not claimed:
        return 0
    # Read once the holds are locked: whoever changes a window later makes them due again.
    verdicts = await suppression.verdicts(tx, claimed, now)
    settings = await store.settings(tx, claimed)
    waiting: dict[str, datetime] = {}
    gone: list[str] = []
    opening: list[str] = []
    for service_id in claimed:
        service = settings.get(service_id)
        decision = release(
            verdicts.get(service_id),
            deleted=service is None or service.deleted,
            disabled=service is not None and service.disabled,
            now=now,
        )
        if decision.fate is Fate.OPEN:
            opening.append(service_id)
        elif decision.fate is Fate.LET_GO:
            gone.append(service_id)
        else:
            assert decision.until is not None
            waiting[service_id] = decision.until
    await suppression.wait(tx, waiting)
    if gone:
        await tx.execute(alerts.LET_GO, {"service_ids": gone, "now": now})
        await suppression.done(tx, gone)
    if opening:
        await _open(tx, opening, now, most)
    return len(claimed)


async def _open(tx: Tx, service_ids: Sequence[str], now: datetime, most: int) -> None:
    held = await alerts.held(tx, service_ids, most)
    if held:
        await open_held(tx, held, now)
    if len(held) < most:
        await suppression.done(tx, service_ids)
        return
    # They come in the order of the services, so all before the last one's are through.
    await suppression.done(tx, [id for id in service_ids if id < held[-1].service_id])
