"""Record how sends ended. Only the holder of the lease may speak: the fence decides.

A stale receipt is kept as an attempt, for the record, and changes nothing else; except that a
late "sent" for a delivery nobody has claimed again since is the truth, and saves a second message.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core import planted_defects
from tocsin.core.database import Tx
from tocsin.paging import delivery_store, retry
from tocsin.paging.actions.claims import Wanted
from tocsin.paging.actions.conclude import MAX_DETAIL, Conclusion, conclude
from tocsin.paging.model import DeliveryKind, DeliveryReason, DeliveryState, Finished, Outcome


class _Held(msgspec.Struct, frozen=True):
    id: str
    fence: int
    state: str


async def record_receipt(tx: Tx, finished: Finished, now: datetime) -> bool:
    """Record one receipt; whether it still counted."""
    return await record_receipts(tx, [finished], now) == 1


async def record_receipts(tx: Tx, finished: Sequence[Finished], now: datetime) -> int:
    """Record many receipts in a few statements; how many still counted."""
    if not finished:
        return 0
    held = {
        row.id: row
        for row in await tx.all(
            _Held, delivery_store.LOCK_DELIVERIES, {"ids": [f.claim.id for f in finished]}
        )
    }
    await _keep_attempts(tx, [f for f in finished if f.outcome != Outcome.UNWANTED])
    valid = [f for f in finished if _counts(f, held.get(f.claim.id))]
    wanted = await _wanted(tx, valid)
    await conclude(tx, [_conclusion(f, f.claim.id in wanted, now) for f in valid], now)
    return len(valid)


def _counts(finished: Finished, held: _Held | None) -> bool:
    if held is None:
        return False
    if held.fence != finished.claim.fence and not planted_defects.NO_FENCE:
        return False
    if held.state == DeliveryState.SENDING:
        return True
    late = (DeliveryState.QUEUED, DeliveryState.CANCELLED)
    return finished.outcome == Outcome.SENT and held.state in late


async def _wanted(tx: Tx, valid: Sequence[Finished]) -> frozenset[str]:
    """Which of those that did not get through are still about something open."""
    ids = [f.claim.id for f in valid if f.outcome in (Outcome.RETRY, Outcome.DEAD)]
    if not ids:
        return frozenset()
    rows = await tx.all(Wanted, delivery_store.SELECT_WANTED, {"ids": ids})
    return frozenset(row.id for row in rows if row.wanted)


async def _keep_attempts(tx: Tx, finished: Sequence[Finished]) -> None:
    if not finished:
        return
    await tx.execute(
        delivery_store.INSERT_ATTEMPTS,
        {
            "delivery_ids": [f.claim.id for f in finished],
            "numbers": [f.claim.attempt for f in finished],
            "fences": [f.claim.fence for f in finished],
            "nodes": [f.node for f in finished],
            "started_ats": [f.claim.started_at for f in finished],
            "finished_ats": [f.finished_at for f in finished],
            "outcomes": [str(f.outcome) for f in finished],
            "details": [f.detail[:MAX_DETAIL] for f in finished],
        },
    )


def _conclusion(finished: Finished, wanted: bool, now: datetime) -> Conclusion:
    claim = finished.claim
    outcome = finished.outcome
    if outcome == Outcome.SENT:
        return Conclusion(
            claim=claim,
            state=DeliveryState.SENT,
            detail=finished.detail,
            provider_id=finished.provider_id,
        )
    if outcome == Outcome.LAPSED:
        return Conclusion(claim=claim, state=DeliveryState.QUEUED, detail=finished.detail)
    if outcome == Outcome.DEAD:
        return Conclusion(
            claim=claim,
            state=DeliveryState.FAILED,
            reason=DeliveryReason.DEAD,
            detail=finished.detail,
            next_method=wanted and claim.pages,
            dead=True,
        )
    if outcome == Outcome.UNWANTED or not wanted:
        return Conclusion(
            claim=claim,
            state=DeliveryState.CANCELLED,
            detail=f"{DeliveryReason.NOTHING_OPEN}: {finished.detail}",
        )
    return _after_failure(finished, now)


def _after_failure(finished: Finished, now: datetime) -> Conclusion:
    claim = finished.claim
    if planted_defects.UNLIMITED_RETRY:
        return Conclusion(claim=claim, state=DeliveryState.QUEUED, detail="", due_at=now)
    test = claim.kind == DeliveryKind.TEST
    decision = retry.after(
        claim.attempt,
        claim.first_due_at,
        finished.retry_after_seconds,
        now,
        retry.MAX_TEST_AGE if test else retry.MAX_AGE,
    )
    if decision.due_at is None:
        return Conclusion(
            claim=claim,
            state=DeliveryState.FAILED,
            reason=DeliveryReason.GAVE_UP,
            detail=f"{decision.reason}: {finished.detail}",
            next_method=decision.next_method and claim.pages,
        )
    return Conclusion(
        claim=claim,
        state=DeliveryState.QUEUED,
        detail=finished.detail,
        due_at=decision.due_at,
        next_method=decision.next_method and claim.pages,
    )
