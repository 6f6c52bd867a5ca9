"""The queue between what happened and who is told: put in, lease, record, take back, forget.

Every change of a queue holds the subscriptions' rows first, in order of their ids; only the claim
does not, because it takes rows one by one and changes no order.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.model import ENGINE
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.timeline import feed
from tocsin.webhooks import delivery_store, retry, store
from tocsin.webhooks.actions.reading import by_ids
from tocsin.webhooks.model import (
    MAX_SUBSCRIPTIONS,
    Claim,
    Finished,
    Listener,
    Outcome,
    State,
    Told,
)
from tocsin.webhooks.retry import Next, Why

MOST_TAKEN_BACK = 200
MOST_CANCELLED = 1000
MOST_FORGOTTEN = 1000
KEPT_FOR = timedelta(days=7)
MAX_DETAIL = 300
REASONS = {
    Why.GONE: "it answered 410 Gone",
    Why.REFUSED: "it refused three events in a row",
    Why.UNREACHABLE: "it could not be reached for 48 hours",
}


async def listeners(tx: Tx) -> list[Listener]:
    """Every subscription that is to be told of what happens."""
    return await tx.all(Listener, store.SELECT_LISTENERS, {"limit": MAX_SUBSCRIPTIONS})


async def tell(tx: Tx, told: Sequence[Told], now: datetime) -> int:
    """Queue these events for their subscriptions, in order; how many deliveries were made. An event
    that was queued before, by whatever node, is left out."""
    if not told:
        return 0
    wanted = sorted({id for one in told for id in one.listeners})
    await tx.execute(store.LOCK_SUBSCRIPTIONS, {"ids": wanted})
    still = {id for (id,) in await tx.tuples(store.SELECT_STILL_LISTENING, {"ids": wanted})}
    new = await tx.tuples(
        delivery_store.INSERT_EVENTS,
        {
            "ids": [one.id for one in told],
            "types": [one.happening.type for one in told],
            "sources": [one.happening.source for one in told],
            "resource_ids": [one.happening.resource_id for one in told],
            "bodies": [one.body for one in told],
            "occurred_ats": [one.happening.at for one in told],
            "now": now,
        },
    )
    fresh = {id for (id,) in new}
    pairs = [
        (one, listener)
        for one in told
        if one.id in fresh
        for listener in one.listeners
        if listener in still
    ]
    if pairs:
        await tx.execute(
            delivery_store.INSERT_DELIVERIES,
            {
                "ids": [ids.new("Q", now) for _ in pairs],
                "subscription_ids": [listener for _, listener in pairs],
                "event_ids": [one.id for one, _ in pairs],
                "resource_ids": [one.happening.resource_id for one, _ in pairs],
                "failures": [one.failure for one, _ in pairs],
                "ping": False,
                "now": now,
            },
        )
        tx.notify("tocsin_wake", "webhooks")
    return len(pairs)


async def claim(
    tx: Tx,
    now: datetime,
    *,
    node: str,
    lease_seconds: float,
    places: int,
    limit: int,
    busy: Mapping[str, int],
) -> list[Claim]:
    """Lease what is due: at most `limit`, and of each subscription as many as fit in `places`
    beside the `busy` sends that are under way here."""
    taken = await tx.tuples(
        delivery_store.CLAIM,
        {
            "now": now,
            "until": now + timedelta(seconds=lease_seconds),
            "node": node,
            "places": places,
            "limit": limit,
            "busy_ids": list(busy),
            "busy": list(busy.values()),
        },
    )
    if not taken:
        return []
    claims = await tx.all(Claim, delivery_store.SELECT_CLAIMED, {"ids": [id for (id,) in taken]})
    secrets: dict[str, dict[str, bytes]] = defaultdict(dict)
    whose = list({claim.subscription_id for claim in claims})
    for subscription_id, id, sealed in await tx.tuples(store.SELECT_SEALED_SECRETS, {"ids": whose}):
        secrets[subscription_id][id] = bytes(sealed)
    return [msgspec.structs.replace(one, secrets=secrets[one.subscription_id]) for one in claims]


class _Standing(msgspec.Struct):
    """What a batch of receipts says about one subscription."""

    refusals: int
    well: bool = False
    reason: Why | None = None
    until: datetime | None = None


async def record(tx: Tx, finished: Sequence[Finished], now: datetime) -> None:
    """Write how attempts ended: deliveries, those that waited behind them, and the standing of
    their subscriptions. An attempt whose lease another holder has taken over writes nothing."""
    whose = sorted({one.claim.subscription_id for one in finished})
    await tx.execute(store.LOCK_SUBSCRIPTIONS, {"ids": whose})
    held = {
        id: (fence, refusals)
        for id, fence, refusals in await tx.tuples(
            delivery_store.SELECT_HELD, {"ids": [one.claim.id for one in finished]}
        )
    }
    standings: dict[str, _Standing] = {}
    ended: list[tuple[Finished, Next]] = []
    for one in finished:
        fence, refusals = held.get(one.claim.id, (None, 0))
        if fence != one.claim.fence:
            continue
        standing = standings.setdefault(one.claim.subscription_id, _Standing(refusals=refusals))
        following = retry.after(
            one.outcome,
            one.claim.attempt,
            standing.refusals,
            now,
            created_at=one.claim.created_at,
            ping=one.claim.ping,
            retry_after_seconds=one.retry_after_seconds,
        )
        _note(standing, one, following)
        ended.append((one, following))
    if not ended:
        return
    await _finish(tx, ended, now)
    await _set_standings(tx, standings, now)


def _note(standing: _Standing, one: Finished, following: Next) -> None:
    standing.refusals = following.refusals
    if one.claim.ping:
        return
    if one.outcome is Outcome.DELIVERED:
        standing.well = True
    for_good = following.disabled_until is None
    if following.disable is not None and (standing.reason is None or for_good):
        standing.reason, standing.until = following.disable, following.disabled_until


async def _finish(tx: Tx, ended: Sequence[tuple[Finished, Next]], now: datetime) -> None:
    await tx.execute(
        delivery_store.FINISH,
        {
            "ids": [one.claim.id for one, _ in ended],
            "states": [following.state for _, following in ended],
            "due_ats": [following.due_at for _, following in ended],
            "statuses": [one.status for one, _ in ended],
            "details": [one.detail[:MAX_DETAIL] for one, _ in ended],
            "unsents": [one.outcome is Outcome.LAPSED for one, _ in ended],
            "now": now,
        },
    )
    over = {
        (one.claim.subscription_id, one.claim.resource_id)
        for one, following in ended
        if following.state is not State.QUEUED
    }
    promoted = 0
    if over:
        chains = sorted(over)
        promoted = await tx.execute(
            delivery_store.PROMOTE,
            {
                "subscription_ids": [subscription_id for subscription_id, _ in chains],
                "resource_ids": [resource_id for _, resource_id in chains],
                "now": now,
            },
        )
    if promoted or any(one.outcome is Outcome.LAPSED for one, _ in ended):
        tx.notify("tocsin_wake", "webhooks")


async def _set_standings(tx: Tx, standings: Mapping[str, _Standing], now: datetime) -> None:
    before = await by_ids(tx, list(standings))
    # Who was switched off or deleted meanwhile is not disabled on top of that.
    for id, standing in standings.items():
        if before[id].deleted_at is not None or (
            before[id].disabled_at is not None and before[id].disabled_until is None
        ):
            standing.reason = standing.until = None
    await tx.execute(
        store.SET_STANDING,
        {
            "ids": list(standings),
            "refusals": [one.refusals for one in standings.values()],
            "wells": [one.well for one in standings.values()],
            "reasons": [one.reason and REASONS[one.reason] for one in standings.values()],
            "untils": [one.until for one in standings.values()],
            "now": now,
        },
    )
    disabled = [id for id, standing in standings.items() if standing.reason is not None]
    if not disabled:
        return
    after = await by_ids(tx, disabled)
    for id in disabled:
        await audit.record(
            tx,
            ENGINE,
            now,
            action="disable",
            subject_type="webhook_subscription",
            subject_id=id,
            subject_label=after[id].description or after[id].url_hint,
            before=before[id],
            after=after[id],
        )
    feed.changed(tx, "config")


async def take_back(tx: Tx, now: datetime) -> int:
    """Queue again what a node that died left leased; how many."""
    return await tx.execute(delivery_store.TAKE_BACK, {"now": now, "limit": MOST_TAKEN_BACK})


async def cancel_unwanted(tx: Tx, now: datetime) -> int:
    """Cancel what waits for subscriptions that are switched off for good, a piece at a time."""
    off = await _off(tx)
    if not off:
        return 0
    await tx.execute(store.LOCK_SUBSCRIPTIONS, {"ids": off})
    # Looked at again under the lock: somebody may have switched one on.
    still = set(await _off(tx))
    asked = {"ids": [id for id in off if id in still], "now": now, "limit": MOST_CANCELLED}
    return await tx.execute(delivery_store.CANCEL_UNWANTED, asked)


async def _off(tx: Tx) -> list[str]:
    asked = {"limit": MAX_SUBSCRIPTIONS}
    return [id for (id,) in await tx.tuples(delivery_store.SELECT_OFF_WITH_QUEUE, asked)]


async def forget_old(tx: Tx, now: datetime) -> int:
    """Remove events whose deliveries were finished a week ago, and subscriptions that were deleted
    before that; how many, at most 1,000 of each."""
    asked = {"before": now - KEPT_FOR, "limit": MOST_FORGOTTEN}
    events = await tx.execute(delivery_store.DELETE_OLD, asked)
    return events + await tx.execute(store.FORGET_DELETED, asked)


async def next_due(tx: Tx) -> datetime | None:
    """When there is next something to send or to take back."""
    found: datetime | None = await tx.value(delivery_store.SELECT_NEXT_DUE)
    return found
