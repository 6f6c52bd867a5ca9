"""Subscriptions and their deliveries, for showing."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.crypto import SealBroken, SecretBox
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor
from tocsin.webhooks import delivery_store, store
from tocsin.webhooks.model import (
    MAX_SECRETS,
    Delivery,
    FilterType,
    Header,
    Secret,
    Subscription,
)
from tocsin.webhooks.places import header_context, url_context

MOST_DISABLED = 20


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed of a subscription, in clear: for who manages it and for sending."""

    url: str
    headers: tuple[Header, ...] = ()


class Disabled(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that is told nothing because sends kept failing."""

    id: str
    name: str
    url_hint: str
    disabled_at: datetime
    disabled_until: datetime | None
    disabled_reason: str


async def list_subscriptions(
    tx: Tx,
    actor: Actor,
    *,
    filter_type: FilterType | None = None,
    filter_id: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> list[Subscription]:
    """Those the actor may see, oldest first; `limit` is at most 101."""
    asked = _asked(actor, filter_type, filter_id)
    return await tx.all(
        Subscription,
        store.SELECT_SUBSCRIPTIONS,
        {**asked, "offset": offset, "limit": checked_limit(limit, 101)},
    )


async def count_subscriptions(
    tx: Tx, actor: Actor, *, filter_type: FilterType | None = None, filter_id: str | None = None
) -> int:
    """How many `list_subscriptions` would list in all."""
    return int(await tx.value(store.COUNT_SUBSCRIPTIONS, _asked(actor, filter_type, filter_id)))


def _asked(
    actor: Actor, filter_type: FilterType | None, filter_id: str | None
) -> dict[str, object]:
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    return {
        "filter_type": filter_type,
        "filter_id": filter_id,
        "visible": None if visible is None else list(visible),
    }


async def by_ids(tx: Tx, ids: Sequence[str]) -> dict[str, Subscription]:
    """Subscriptions by id, deleted ones too; no access check."""
    rows = await tx.all(Subscription, store.SELECT_SUBSCRIPTIONS_BY_IDS, {"ids": list(ids)})
    return {row.id: row for row in rows}


async def get(tx: Tx, actor: Actor, id: str) -> Subscription:
    """One subscription that the actor may see. Raises NotFound."""
    found = (await by_ids(tx, [id])).get(id)
    if found is None or found.deleted_at is not None:
        raise NotFound("webhook subscription", id)
    visible = visible_teams(actor)
    if visible is not None and found.team_id not in visible:
        raise NotFound("webhook subscription", id)
    return found


async def opened(
    tx: Tx, box: SecretBox, subscriptions: Sequence[Subscription]
) -> dict[str, Opened]:
    """Addresses and headers in clear, by id. One that does not open is left out. The caller
    checks who may see them."""
    rows = await tx.tuples(store.SELECT_SEALED, {"ids": [one.id for one in subscriptions]})
    found = {}
    for id, url, headers in rows:
        try:
            found[id] = open_sealed(box, id, url, headers)
        except SealBroken:
            continue
    return found


def open_sealed(box: SecretBox, id: str, url: bytes, headers: bytes | None) -> Opened:
    """What is sealed of one subscription. Raises SealBroken."""
    kept: tuple[Header, ...] = ()
    if headers is not None:
        raw = box.decrypt_bytes(headers, header_context(id))
        kept = msgspec.json.decode(raw, type=tuple[Header, ...])
    return Opened(url=box.decrypt(url, url_context(id)), headers=kept)


async def secrets(tx: Tx, subscription: Subscription) -> list[Secret]:
    """Its secrets without their values, newest first; check access with `get` first."""
    asked = {"subscription_id": subscription.id, "limit": MAX_SECRETS}
    return await tx.all(Secret, store.SELECT_SECRETS, asked)


async def deliveries(
    tx: Tx, subscription: Subscription, *, cursor: str | None = None, limit: int = 25
) -> Page[Delivery]:
    """What was and is to be sent to it, newest first; check access with `get` first."""
    (before,) = read_cursor(cursor, 1)
    if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise Invalid("cursor", "is not one this server gave out")
    rows = await tx.all(
        Delivery,
        delivery_store.SELECT_DELIVERIES,
        {
            "subscription_id": subscription.id,
            "before": None if before is None else int(before),
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda row: (str(row.position),))


async def disabled(tx: Tx, actor: Actor, now: datetime) -> list[Disabled]:
    """Subscriptions that sends have been stopped to, for the health page."""
    require(actor, Permission.VIEW)
    return await tx.all(Disabled, store.SELECT_DISABLED, {"now": now, "limit": MOST_DISABLED})
