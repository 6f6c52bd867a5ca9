"""When a maintenance window ends: the alerts that it held back and that still hold go on.

Called by the engine, which is the only writer of the services' slices meanwhile. What is due is a
service; its fate is `suppression.verdict.release`. A pass opens a bounded number of alerts, and a
service stays due until none of its alerts is held back. When a pass fails the engine asks again for
each service `alone`: then each alert stands for itself, and one that cannot be opened holds up no
other.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core.database import Retry, Tx, Unavailable
from tocsin.incidents.actions.recording import open_held
from tocsin.incidents.store import alerts
from tocsin.incidents.store import incidents as store
from tocsin.incidents.store.alerts import HeldAlert
from tocsin.suppression import actions as suppression
from tocsin.suppression.verdict import Fate, release

MOST_ALERTS = 500
MOST_ERROR = 500


async def release_held(
    tx: Tx,
    now: datetime,
    service_ids: Sequence[str],
    *,
    alone: bool = False,
    most: int = MOST_ALERTS,
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
        held = await alerts.held(tx, opening, most)
        error = None
        if alone:
            error = await _one_by_one(tx, held, now)
        elif held:
            await open_held(tx, held, now)
        if error is not None:
            for service_id in opening:
                await suppression.push_back(tx, service_id, error, now)
        else:
            await _settle(tx, opening, held, most)
    return len(claimed)


async def _one_by_one(tx: Tx, held: Sequence[HeldAlert], now: datetime) -> str | None:
    """Open each alert on its own; the first error, when there was one."""
    failed = None
    for one in held:
        try:
            async with tx.savepoint():
                await open_held(tx, [one], now)
        except (Unavailable, Retry):
            raise
        except Exception as error:
            failed = failed or f"alert {one.id}: {error!r}"[:MOST_ERROR]
    return failed


async def _settle(tx: Tx, service_ids: Sequence[str], held: Sequence[HeldAlert], most: int) -> None:
    """Nothing waits any more of the services that are through."""
    if len(held) < most:
        await suppression.done(tx, service_ids)
        return
    # They come in the order of the services, so all before the last one's are through.
    await suppression.done(tx, [id for id in service_ids if id < held[-1].service_id])
