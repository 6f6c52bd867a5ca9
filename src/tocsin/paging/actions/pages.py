"""Open and stop pages. Both run in the caller's transaction, which holds the incident rows.

Lock order: incidents (the caller), then the paging windows of the people in order of their id,
then the bundle rows. A page therefore joins a bundle or finds it closed, whatever a clock says.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from tocsin.accounts.model import ENGINE
from tocsin.core import ids, planted_defects
from tocsin.core.database import Tx
from tocsin.paging import bundle, contact_rules, delivery_store, store
from tocsin.paging.contact_rules import Plan
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.model import (
    Ask,
    ContactMethod,
    DeliveryKind,
    DeliveryReason,
    NotificationRule,
    Paged,
    Urgency,
)
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Person = tuple[str, Urgency]


class _WindowRow(msgspec.Struct, frozen=True):
    user_id: str
    urgency: Urgency
    opened_at: datetime
    singles: int
    bundle_id: str | None


class _BundleRow(msgspec.Struct, frozen=True):
    id: str
    due_at: datetime


class _Placed(msgspec.Struct):
    """The asks of one person: which page goes alone, and which into the bundle."""

    placing: bundle.Placing
    bundle_id: str | None


async def page(tx: Tx, asks: Sequence[Ask], now: datetime) -> Paged:
    """Demand that these people act. Repeats of an (incident, person, step) change nothing.

    Call it once in a transaction and last, after every incident row is locked: it locks the
    paging window of each person, and those locks are held until the commit.
    """
    asks = await _new(tx, asks)
    if not asks:
        return Paged(opened=0)
    by_person: dict[Person, list[Ask]] = {}
    for ask in asks:
        by_person.setdefault((ask.user_id, ask.urgency), []).append(ask)
    people = sorted(by_person)
    plans = await _plans(tx, people, now)
    placed = await _place(tx, people, by_person, plans, now)
    rows = _page_rows(people, by_person, placed, now)
    fresh = await _insert_pages(tx, rows, now)
    drafts = _single_deliveries(rows, fresh, plans, now)
    await _insert_deliveries(tx, drafts, now)
    unreachable = [
        ask for id, ask, _ in rows if id in fresh and not plans[ask.user_id, ask.urgency].planned
    ]
    await feed.append(tx, [_told_nobody(ask, now) for ask in unreachable])
    if fresh:
        tx.notify("tocsin_wake", "deliveries")
        feed.changed(tx, "deliveries")
    return Paged(opened=len(fresh), unreachable=tuple(unreachable))


async def stop(tx: Tx, incident_ids: Sequence[str], reason: str, now: datetime) -> int:
    """Stop every open page of these incidents' ladders and cancel what is queued for them.

    Returns how many pages were open. Safe to call for incidents without any. A bundle looks at
    its members when it is sent; a delivery being sent at this moment is looked at once more.
    """
    if not incident_ids:
        return 0
    stopped = await tx.tuples(
        store.STOP_PAGES, {"incident_ids": list(incident_ids), "reason": str(reason), "now": now}
    )
    await _cancel(tx, stopped, str(reason), now)
    return len(stopped)


async def stop_asking(tx: Tx, reasons: Mapping[tuple[str, str], str], now: datetime) -> int:
    """Stop the open pages by which people were asked to join incidents, and cancel what is queued
    for them: `reasons` by (incident, person). Returns how many pages were open."""
    if not reasons:
        return 0
    stopped = await tx.tuples(
        store.STOP_ASKING,
        {
            "incident_ids": [incident_id for incident_id, _ in reasons],
            "user_ids": [user_id for _, user_id in reasons],
            "reasons": list(reasons.values()),
            "now": now,
        },
    )
    await _cancel(tx, stopped, next(iter(reasons.values())), now)
    return len(stopped)


async def _cancel(
    tx: Tx, stopped: Sequence[tuple[str, str | None]], reason: str, now: datetime
) -> None:
    alone = [id for id, bundle_id in stopped if bundle_id is None]
    if alone:
        await tx.execute(
            delivery_store.CANCEL_OF_PAGES, {"page_ids": alone, "reason": reason, "now": now}
        )
    if stopped:
        feed.changed(tx, "deliveries")


async def _new(tx: Tx, asks: Sequence[Ask]) -> list[Ask]:
    """The asks without a page yet, once each: a repeat must not use up a person's single pages.

    The caller holds the incidents, so nobody can ask the same in between; the index says so too.
    """
    by_cause = {(ask.incident_id, ask.user_id, ask.step): ask for ask in asks}
    if by_cause:
        for cause in await tx.tuples(
            store.SELECT_KNOWN_PAGES,
            {
                "incident_ids": [cause[0] for cause in by_cause],
                "user_ids": [cause[1] for cause in by_cause],
                "steps": [cause[2] for cause in by_cause],
            },
        ):
            del by_cause[cause]
    return list(by_cause.values())


async def _plans(tx: Tx, people: Sequence[Person], now: datetime) -> dict[Person, Plan]:
    user_ids = sorted({user_id for user_id, _ in people})
    methods: dict[str, list[ContactMethod]] = {}
    for method in await tx.all(ContactMethod, store.SELECT_METHODS, {"user_ids": user_ids}):
        methods.setdefault(method.user_id, []).append(method)
    rules: dict[str, list[NotificationRule]] = {}
    for rule in await tx.all(NotificationRule, store.SELECT_RULES, {"user_ids": user_ids}):
        rules.setdefault(rule.user_id, []).append(rule)
    return {
        (user_id, urgency): contact_rules.plan(
            methods.get(user_id, []), rules.get(user_id, []), urgency, now
        )
        for user_id, urgency in people
    }


async def _place(
    tx: Tx,
    people: Sequence[Person],
    by_person: dict[Person, list[Ask]],
    plans: dict[Person, Plan],
    now: datetime,
) -> dict[Person, _Placed]:
    """Lock each reachable person's window, split the asks, and make the bundles that are new."""
    reachable = [person for person in people if plans[person].planned]
    windows = await _lock_windows(tx, reachable)
    placed: dict[Person, _Placed] = {}
    made: list[Person] = []
    for person in reachable:
        placing = bundle.place(windows[person], len(by_person[person]), now)
        bundle_id = placing.window.bundle_id
        if placing.opens_bundle:
            bundle_id = ids.new("Q", now)
            made.append(person)
        placed[person] = _Placed(placing=placing, bundle_id=bundle_id)
    await _store_windows(tx, placed)
    await _insert_bundles(tx, made, placed, now)
    drafts = [draft for person in made for draft in _bundle_drafts(person, placed, plans, now)]
    await _insert_deliveries(tx, drafts, now)
    return placed


async def _lock_windows(tx: Tx, people: Sequence[Person]) -> dict[Person, bundle.Window]:
    if not people:
        return {}
    params = {"user_ids": [p[0] for p in people], "urgencies": [p[1] for p in people]}
    rows = await tx.all(_WindowRow, store.LOCK_WINDOWS, params)
    if len(rows) < len(people):
        await tx.execute(store.ENSURE_WINDOWS, {**params, "long_ago": LONG_AGO})
        rows = await tx.all(_WindowRow, store.LOCK_WINDOWS, params)
    named = [row.bundle_id for row in rows if row.bundle_id is not None]
    joined: set[str] = set()
    if named:
        joined = {row.id for row in await tx.all(_BundleRow, store.JOIN_BUNDLES, {"ids": named})}
    return {
        (row.user_id, row.urgency): bundle.Window(
            opened_at=row.opened_at,
            singles=row.singles,
            bundle_id=row.bundle_id if row.bundle_id in joined else None,
        )
        for row in rows
    }


async def _store_windows(tx: Tx, placed: dict[Person, _Placed]) -> None:
    if not placed:
        return
    await tx.execute(
        store.UPDATE_WINDOWS,
        {
            "user_ids": [person[0] for person in placed],
            "urgencies": [person[1] for person in placed],
            "opened_ats": [one.placing.window.opened_at for one in placed.values()],
            "singles": [one.placing.window.singles for one in placed.values()],
            "bundle_ids": [one.bundle_id for one in placed.values()],
        },
    )


async def _insert_bundles(
    tx: Tx, made: Sequence[Person], placed: dict[Person, _Placed], now: datetime
) -> None:
    if not made:
        return
    await tx.execute(
        store.INSERT_BUNDLES,
        {
            "ids": [placed[person].bundle_id for person in made],
            "kinds": ["bundle"] * len(made),
            "user_ids": [person[0] for person in made],
            "urgencies": [person[1] for person in made],
            "due_ats": [placed[person].placing.closes_at for person in made],
            "now": now,
        },
    )


def _bundle_drafts(
    person: Person, placed: dict[Person, _Placed], plans: dict[Person, Plan], now: datetime
) -> list[DeliveryDraft]:
    one, plan = placed[person], plans[person]
    return [
        DeliveryDraft.planned(
            # That it is a bundle says more than that a rule asked for it.
            msgspec.structs.replace(planned, reason=DeliveryReason.BUNDLE)
            if planned.reason == DeliveryReason.RULE
            else planned,
            kind=DeliveryKind.BUNDLE,
            user_id=person[0],
            bundle_id=one.bundle_id,
            base=one.placing.closes_at,
            now=now,
        )
        for planned in plan.planned
    ] + [
        DeliveryDraft.skipped(
            skipped,
            kind=DeliveryKind.BUNDLE,
            user_id=person[0],
            bundle_id=one.bundle_id,
            now=now,
        )
        for skipped in plan.skipped
    ]


def _page_rows(
    people: Sequence[Person],
    by_person: dict[Person, list[Ask]],
    placed: dict[Person, _Placed],
    now: datetime,
) -> list[tuple[str, Ask, str | None]]:
    rows: list[tuple[str, Ask, str | None]] = []
    for person in people:
        one = placed.get(person)
        for position, ask in enumerate(by_person[person]):
            bundled = one is not None and position >= one.placing.singles
            bundle_id = one.bundle_id if one is not None and bundled else None
            rows.append((ids.new("Q", now), ask, bundle_id))
    return rows


async def _insert_pages(
    tx: Tx, rows: Sequence[tuple[str, Ask, str | None]], now: datetime
) -> set[str]:
    fresh = await tx.tuples(
        store.INSERT_PAGES,
        {
            "ids": [id for id, _, _ in rows],
            "incident_ids": [ask.incident_id for _, ask, _ in rows],
            "service_ids": [ask.service_id for _, ask, _ in rows],
            "user_ids": [ask.user_id for _, ask, _ in rows],
            "steps": [ask.step for _, ask, _ in rows],
            "urgencies": [str(ask.urgency) for _, ask, _ in rows],
            "reasons": [str(ask.reason) for _, ask, _ in rows],
            "bundle_ids": [bundle_id for _, _, bundle_id in rows],
            "request_ids": [ask.responder_request_id for _, ask, _ in rows],
            "now": now,
        },
    )
    return {id for (id,) in fresh}


def _single_deliveries(
    rows: Sequence[tuple[str, Ask, str | None]],
    fresh: set[str],
    plans: dict[Person, Plan],
    now: datetime,
) -> list[DeliveryDraft]:
    drafts: list[DeliveryDraft] = []
    for id, ask, bundle_id in rows:
        if bundle_id is not None or id not in fresh:
            continue
        plan = plans[ask.user_id, ask.urgency]
        for planned in plan.planned:
            drafts.append(
                DeliveryDraft.planned(
                    planned,
                    kind=DeliveryKind.PAGE,
                    user_id=ask.user_id,
                    page_id=id,
                    incident_id=ask.incident_id,
                    base=now,
                    now=now,
                )
            )
        for skipped in plan.skipped:
            drafts.append(
                DeliveryDraft.skipped(
                    skipped,
                    kind=DeliveryKind.PAGE,
                    user_id=ask.user_id,
                    page_id=id,
                    incident_id=ask.incident_id,
                    now=now,
                )
            )
    return drafts


async def _insert_deliveries(tx: Tx, drafts: Sequence[DeliveryDraft], now: datetime) -> None:
    if drafts and planted_defects.PUBLISH_AFTER_COMMIT:
        insert = delivery_store.INSERT_DELIVERIES
        planted_defects.write_later(tx, insert, insert_params(drafts, now))
    elif drafts:
        await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params(drafts, now))


def _told_nobody(ask: Ask, now: datetime) -> Entry:
    return Entry(
        incident_id=ask.incident_id,
        service_id=ask.service_id,
        kind=Kind.NOTIFY,
        reason=contact_rules.PlanReason.NO_METHOD,
        actor=ENGINE,
        at=now,
        data={"user": {"id": ask.user_id}, "outcome": "failed", "reason": DeliveryReason.RULE},
    )
