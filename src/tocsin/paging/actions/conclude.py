"""Write down how deliveries ended, and do what follows: the next method, the mark, the timeline.

The rows are held by the caller, who has checked that it may still speak for them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tocsin.accounts.model import ENGINE
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.paging import contact_rules, delivery_store, store
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.model import (
    Claim,
    ContactMethod,
    DeliveryKind,
    DeliveryReason,
    DeliveryState,
)
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

# A method proven a minute ago need not be written again for each message of a storm.
PROVEN_FOR = timedelta(minutes=1)
MAX_DETAIL = 500


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one delivery. `reason` None keeps the one it has, `due_at` None its time."""

    claim: Claim
    state: DeliveryState
    detail: str
    reason: DeliveryReason | None = None
    due_at: datetime | None = None
    provider_id: str | None = None
    next_method: bool = False
    dead: bool = False


class _Sibling(msgspec.Struct, frozen=True):
    page_id: str | None
    bundle_id: str | None
    contact_method_id: str
    id: str
    state: str
    attempts: int


class _Told(msgspec.Struct, frozen=True):
    delivery_id: str
    incident_id: str
    service_id: str


async def conclude(tx: Tx, conclusions: Sequence[Conclusion], now: datetime) -> None:
    """Apply the conclusions in a few statements, whatever their number."""
    if not conclusions:
        return
    await tx.execute(
        delivery_store.FINISH,
        {
            "ids": [c.claim.id for c in conclusions],
            "states": [str(c.state) for c in conclusions],
            "reasons": [None if c.reason is None else str(c.reason) for c in conclusions],
            "details": [c.detail[:MAX_DETAIL] for c in conclusions],
            "provider_ids": [c.provider_id for c in conclusions],
            "due_ats": [c.due_at for c in conclusions],
            "now": now,
        },
    )
    await _mark_methods(tx, conclusions, now)
    await _start_next_methods(tx, [c.claim for c in conclusions if c.next_method], now)
    await _tell_timeline(tx, conclusions, now)
    if any(c.state == DeliveryState.QUEUED for c in conclusions):
        tx.notify("tocsin_wake", "deliveries")
    feed.changed(tx, "deliveries")


async def _mark_methods(tx: Tx, conclusions: Sequence[Conclusion], now: datetime) -> None:
    proven = {c.claim.contact_method_id for c in conclusions if c.state == DeliveryState.SENT}
    proven.discard(None)
    if proven:
        await tx.execute(
            store.MARK_PROVEN, {"ids": sorted(proven), "now": now, "stale": now - PROVEN_FOR}
        )
    dead = {c.claim.contact_method_id: c.detail[:MAX_DETAIL] for c in conclusions if c.dead}
    dead.pop(None, None)
    if dead:
        await tx.execute(
            store.MARK_DEAD, {"ids": list(dead), "reasons": list(dead.values()), "now": now}
        )


async def _start_next_methods(tx: Tx, failed: Sequence[Claim], now: datetime) -> None:
    """Start another contact method at once for each delivery that did not get through."""
    if not failed:
        return
    methods: dict[str, list[ContactMethod]] = {}
    user_ids = sorted({claim.user_id for claim in failed})
    for method in await tx.all(ContactMethod, store.SELECT_METHODS, {"user_ids": user_ids}):
        methods.setdefault(method.user_id, []).append(method)
    siblings: dict[str, list[_Sibling]] = {}
    for row in await tx.all(
        _Sibling,
        delivery_store.SELECT_SIBLINGS,
        {
            "page_ids": [claim.page_id for claim in failed if claim.page_id],
            "bundle_ids": [claim.bundle_id for claim in failed if claim.bundle_id],
        },
    ):
        siblings.setdefault(_target(row), []).append(row)
    sooner: list[str] = []
    drafts: list[DeliveryDraft] = []
    for claim in failed:
        own = siblings.setdefault(_target(claim), [])
        chosen = contact_rules.next_method(methods.get(claim.user_id, []), _tried(own, claim), now)
        if chosen is None:
            continue
        waiting = [s.id for s in own if s.contact_method_id == chosen.id and s.state == "queued"]
        if waiting:
            sooner.append(waiting[0])
        else:
            drafts.append(_next_draft(claim, chosen, now))
        own.append(_started(claim, chosen))
    if sooner:
        await tx.execute(delivery_store.BRING_FORWARD, {"ids": sooner, "now": now})
    if drafts:
        await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params(drafts, now))
    tx.notify("tocsin_wake", "deliveries")


def _target(row: Claim | _Sibling) -> str:
    return row.page_id or row.bundle_id or ""


def _tried(siblings: Sequence[_Sibling], claim: Claim) -> frozenset[str]:
    """Methods that have had their chance. One that only waits for its time has not."""
    used = {
        s.contact_method_id
        for s in siblings
        if s.attempts > 0 or s.state in ("sending", "sent", "failed")
    }
    return frozenset(used | {claim.contact_method_id or ""})


def _started(claim: Claim, method: ContactMethod) -> _Sibling:
    return _Sibling(
        page_id=claim.page_id,
        bundle_id=claim.bundle_id,
        contact_method_id=method.id,
        id="",
        state="sending",
        attempts=1,
    )


def _next_draft(claim: Claim, method: ContactMethod, now: datetime) -> DeliveryDraft:
    return DeliveryDraft(
        id=ids.new("Q", now),
        kind=DeliveryKind(claim.kind),
        cause=f"{claim.kind}:{_target(claim)}:next:{method.id}",
        user_id=claim.user_id,
        contact_method_id=method.id,
        channel=method.channel,
        reason=DeliveryReason.NEXT_METHOD,
        due_at=now,
        page_id=claim.page_id,
        bundle_id=claim.bundle_id,
        incident_id=claim.incident_id,
    )


async def _tell_timeline(tx: Tx, conclusions: Sequence[Conclusion], now: datetime) -> None:
    ended = {
        c.claim.id: c
        for c in conclusions
        if c.state in (DeliveryState.SENT, DeliveryState.FAILED) and c.claim.pages
    }
    if not ended:
        return
    told = await tx.all(_Told, delivery_store.SELECT_TOLD, {"ids": list(ended)})
    await feed.append(tx, [_entry(row, ended[row.delivery_id], now) for row in told])


def _entry(row: _Told, conclusion: Conclusion, now: datetime) -> Entry:
    claim = conclusion.claim
    data: dict[str, Any] = {
        "user": {"id": claim.user_id, "name": claim.user_name},
        "channel": claim.channel,
        "contact_method": {
            "id": claim.contact_method_id,
            "label": claim.method_label,
            "address": claim.address_hint,
        },
        "outcome": str(conclusion.state),
        "detail": conclusion.detail[:MAX_DETAIL],
        "attempts": claim.attempt,
        "delivery_id": claim.id,
        "delivery_kind": claim.kind,
    }
    return Entry(
        incident_id=row.incident_id,
        service_id=row.service_id,
        kind=Kind.NOTIFY,
        reason=str(conclusion.reason or claim.reason),
        actor=ENGINE,
        at=now,
        data=data,
    )
