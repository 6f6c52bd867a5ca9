"""Fold what an outage made late into one summary for each person."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.paging import catch_up, delivery_store, store
from tocsin.paging.catch_up import Fold, FoldReason, Late
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.model import DeliveryKind, DeliveryReason
from tocsin.timeline import feed

FOLD_LOCK_KEY = 7_662_005
MAX_LATE = 2_000


class _Summary(msgspec.Struct, frozen=True):
    id: str
    user_id: str


async def fold_overdue(tx: Tx, now: datetime) -> int:
    """Fold late deliveries, whole persons at a time; how many deliveries were taken up.

    Does nothing while another node is folding.
    """
    if not await tx.value(delivery_store.TRY_FOLD_LOCK, {"key": FOLD_LOCK_KEY}):
        return 0
    late = await tx.all(
        Late,
        delivery_store.LOCK_LATE,
        {"now": now, "cutoff": catch_up.cutoff(now), "limit": MAX_LATE},
    )
    if not late:
        return 0
    folds = catch_up.fold(late)
    dropped = [id for fold in folds for id in fold.dropped]
    if dropped:
        await tx.execute(
            delivery_store.CANCEL_DELIVERIES,
            {"ids": dropped, "detail": str(FoldReason.NOTHING_OPEN), "now": now},
        )
    await _summarise(tx, [f for f in folds if f.reason == FoldReason.SUMMARY], now)
    tx.notify("tocsin_wake", "deliveries")
    feed.changed(tx, "deliveries")
    return len(late)


async def _summarise(tx: Tx, folds: Sequence[Fold], now: datetime) -> None:
    if not folds:
        return
    rows = await tx.all(
        _Summary, store.JOIN_SUMMARIES, {"user_ids": [fold.user_id for fold in folds]}
    )
    waiting = {row.user_id: row.id for row in rows}
    new = {fold.user_id: ids.new("Q", now) for fold in folds if fold.user_id not in waiting}
    if new:
        await tx.execute(
            store.INSERT_BUNDLES,
            {
                "ids": list(new.values()),
                "kinds": ["summary"] * len(new),
                "user_ids": list(new),
                "urgencies": [f.urgency for f in folds if f.user_id in new],
                "due_ats": [now] * len(new),
                "now": now,
            },
        )
    summaries = {**waiting, **new}
    pairs = [(id, summaries[fold.user_id]) for fold in folds for id in fold.folded]
    params = {"ids": [id for id, _ in pairs], "bundle_ids": [bundle for _, bundle in pairs]}
    await tx.execute(
        store.INSERT_SUMMARY_PAGES,
        {"delivery_ids": params["ids"], "bundle_ids": params["bundle_ids"]},
    )
    await tx.execute(
        delivery_store.FOLD_DELIVERIES,
        {**params, "reason": str(DeliveryReason.FOLDED), "now": now},
    )
    drafts = [draft for fold in folds for draft in _drafts(fold, summaries[fold.user_id], now)]
    await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params(drafts, now))


def _drafts(fold: Fold, bundle_id: str, now: datetime) -> list[DeliveryDraft]:
    return [
        DeliveryDraft(
            id=ids.new("Q", now),
            kind=DeliveryKind.SUMMARY,
            cause=f"summary:{bundle_id}:{method_id}",
            user_id=fold.user_id,
            contact_method_id=method_id,
            channel=channel,
            reason=DeliveryReason.SUMMARY,
            due_at=now,
            bundle_id=bundle_id,
        )
        for method_id, channel in fold.methods.items()
    ]
