"""Lease due deliveries to a node, look once more before the send, take back what was abandoned.

A lease is a time and a fence: the time says when another node may take over, the fence says whose
receipt still counts. Both are on the row, so nodes need know nothing of each other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.core import planted_defects
from tocsin.core.database import Tx
from tocsin.paging import catch_up, delivery_store, retry, throttle
from tocsin.paging.actions.conclude import Conclusion, conclude
from tocsin.paging.model import Claim, DeliveryReason, DeliveryState, Outcome

MAX_TAKEN_BACK = 500
MAX_STRAYS = 100
# A node that has the channel would have taken the delivery well within this time.
STRAY_AFTER = timedelta(seconds=10)


class Claimed(msgspec.Struct, frozen=True):
    """What a claim came to: deliveries to send, out of `taken` rows that were due. The others
    were ended or put off in the same transaction, which may have made new ones due."""

    claims: list[Claim]
    taken: int


class _Recent(msgspec.Struct, frozen=True):
    id: str
    recent: int
    oldest: datetime


class Wanted(msgspec.Struct, frozen=True):
    id: str
    fence: int
    state: str
    wanted: bool


class _Expired(msgspec.Struct, frozen=True):
    id: str
    attempts: int
    fence: int
    started_at: datetime
    leased_by: str


async def claim_due(
    tx: Tx,
    now: datetime,
    *,
    node: str,
    lease_seconds: float,
    free: Mapping[str, int],
    updates: int = 0,
) -> Claimed:
    """Lease what is due, at most `free[channel]` deliveries of each channel, most overdue first,
    and at most `updates` status updates beside them.

    What is no longer about anything open is cancelled here, a removed method gives way to the
    person's next one, and a method that had too much within the minute waits.
    """
    left = {channel: places for channel, places in free.items() if places > 0}
    if not left and updates <= 0:
        return Claimed(claims=[], taken=0)
    lease = {
        "now": now,
        "until": now + timedelta(seconds=0 if planted_defects.NO_LEASE else lease_seconds),
        "node": node,
        "cutoff": catch_up.cutoff(now),
    }
    claimed: list[str] = []
    # Bundles are few, and first pages by the hundred must not keep them waiting.
    for statement in (delivery_store.CLAIM_GATHERED, delivery_store.CLAIM_SINGLES):
        lanes = [channel for channel, places in left.items() if places > 0]
        if not lanes:
            break
        rows = await tx.tuples(
            statement, {**lease, "channels": lanes, "free": [left[lane] for lane in lanes]}
        )
        for id, channel in rows:
            claimed.append(id)
            left[channel] -= 1
    if updates > 0:
        rows = await tx.tuples(
            delivery_store.CLAIM_UPDATES, {**lease, "channels": list(free), "limit": updates}
        )
        claimed += [id for id, _ in rows]
    if not claimed:
        return Claimed(claims=[], taken=0)
    await tx.execute(delivery_store.CLOSE_BUNDLES, {"ids": claimed, "now": now})
    return Claimed(claims=await _sift(tx, claimed, now), taken=len(claimed))


async def claim_strays(
    tx: Tx, now: datetime, *, node: str, lease_seconds: float, channels: Sequence[str]
) -> int:
    """Fail what is due on a channel that no node has, and start the person's next method.

    Returns how many there were.
    """
    rows = await tx.tuples(
        delivery_store.CLAIM_STRAYS,
        {
            "now": now,
            "before": now - STRAY_AFTER,
            "until": now + timedelta(seconds=lease_seconds),
            "node": node,
            "channels": list(channels),
            "limit": MAX_STRAYS,
        },
    )
    claims = await _claimed(tx, [id for (id,) in rows])
    await conclude(
        tx,
        [
            _not_open(claim)
            if not claim.wanted
            else _missing(claim, DeliveryReason.CHANNEL_MISSING)
            for claim in claims
        ],
        now,
    )
    return len(claims)


async def still_wanted(tx: Tx, claims: Sequence[Claim]) -> frozenset[str]:
    """The ids of the claims that are still ours and still about something open."""
    rows = await tx.all(Wanted, delivery_store.SELECT_WANTED, {"ids": [c.id for c in claims]})
    fences = {claim.id: claim.fence for claim in claims}
    return frozenset(
        row.id
        for row in rows
        if row.wanted and row.state == DeliveryState.SENDING and row.fence == fences[row.id]
    )


async def take_back(tx: Tx, now: datetime) -> int:
    """Queue again what a node leased and never reported on; how many there were.

    Each such attempt is kept as lapsed. A delivery that lapsed too often is given up, since it
    may be what stops the nodes.
    """
    rows = await tx.all(_Expired, delivery_store.TAKE_BACK, {"now": now, "limit": MAX_TAKEN_BACK})
    if not rows:
        return 0
    await tx.execute(
        delivery_store.INSERT_ATTEMPTS,
        {
            "delivery_ids": [row.id for row in rows],
            "numbers": [row.attempts for row in rows],
            "fences": [row.fence for row in rows],
            "nodes": [row.leased_by for row in rows],
            "started_ats": [row.started_at for row in rows],
            "finished_ats": [now] * len(rows),
            "outcomes": [str(Outcome.LAPSED)] * len(rows),
            "details": ["the node did not report within its lease"] * len(rows),
        },
    )
    worn = [row.id for row in rows if row.attempts >= retry.MAX_ATTEMPTS]
    await conclude(tx, [_given_up(claim) for claim in await _claimed(tx, worn)], now)
    tx.notify("tocsin_wake", "deliveries")
    return len(rows)


async def next_due(tx: Tx, channels: Sequence[str]) -> datetime | None:
    """When there is next something to claim on these channels, or a lease to take back."""
    at: datetime | None = await tx.value(
        delivery_store.SELECT_NEXT_DUE, {"channels": list(channels)}
    )
    return at


async def _claimed(tx: Tx, ids: Sequence[str]) -> list[Claim]:
    if not ids:
        return []
    return await tx.all(Claim, delivery_store.SELECT_CLAIMED, {"ids": list(ids)})


async def _sift(tx: Tx, ids: Sequence[str], now: datetime) -> list[Claim]:
    claims = await _claimed(tx, ids)
    ended = [_not_open(claim) for claim in claims if not claim.wanted]
    ended += [
        _missing(claim, DeliveryReason.METHOD_REMOVED)
        for claim in claims
        if claim.wanted and claim.removed
    ]
    await conclude(tx, ended, now)
    good = [claim for claim in claims if claim.wanted and not claim.removed]
    return await _throttled(tx, good, now)


async def _throttled(tx: Tx, claims: Sequence[Claim], now: datetime) -> list[Claim]:
    """The claims that may go now; the others are put back until their method has room."""
    by_method: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.pages and claim.contact_method_id is not None:
            by_method.setdefault(claim.contact_method_id, []).append(claim)
    recent: dict[str, _Recent] = {}
    if by_method:
        params = {
            "ids": list(by_method),
            "claimed": [claim.id for claim in claims],
            "since": now - throttle.SPAN,
            "now": now,
        }
        recent = {
            row.id: row for row in await tx.all(_Recent, delivery_store.SELECT_RECENT, params)
        }
    later: dict[str, datetime] = {}
    for method_id, own in by_method.items():
        row = recent.get(method_id)
        slots = throttle.slots(row.recent if row else 0, row.oldest if row else None, len(own), now)
        later.update(
            {claim.id: slot.at for claim, slot in zip(own, slots, strict=True) if slot.at > now}
        )
    if later:
        await tx.execute(
            delivery_store.PUT_BACK,
            {
                "ids": list(later),
                "due_ats": list(later.values()),
                "details": [str(throttle.ThrottleReason.BUSY)] * len(later),
            },
        )
    return [claim for claim in claims if claim.id not in later]


def _not_open(claim: Claim) -> Conclusion:
    return Conclusion(
        claim=claim,
        state=DeliveryState.CANCELLED,
        detail=str(DeliveryReason.NOTHING_OPEN),
    )


def _missing(claim: Claim, reason: DeliveryReason) -> Conclusion:
    return Conclusion(
        claim=claim,
        state=DeliveryState.FAILED,
        reason=reason,
        detail=str(reason),
        next_method=claim.pages,
    )


def _given_up(claim: Claim) -> Conclusion:
    return Conclusion(
        claim=claim,
        state=DeliveryState.FAILED,
        reason=DeliveryReason.GAVE_UP,
        detail="no node ever reported on it",
        next_method=claim.pages and claim.wanted,
    )
