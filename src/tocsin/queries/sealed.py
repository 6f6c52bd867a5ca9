"""Every value that is sealed under the master key, for the doctor and after a restore."""

from collections.abc import AsyncIterator

import msgspec

from tocsin.core.database import Tx
from tocsin.paging.actions import address_context, secret_context
from tocsin.webhooks import places

PIECE = 500

SELECT_SEALED_METHODS = """
select m.id, u.name || ' / ' || m.label as label, m.address_sealed, m.secret_sealed
from contact_methods m join users u on u.id = m.user_id
where m.deleted_at is null and m.id > %(after)s
order by m.id limit %(limit)s
"""
SELECT_SEALED_KEYS = """
select i.id, s.name || ' / ' || i.name as label, i.key_sealed
from integrations i join services s on s.id = i.service_id
where i.deleted_at is null and i.id > %(after)s
order by i.id limit %(limit)s
"""
SELECT_SEALED_SUBSCRIPTIONS = """
select id, 'webhook ' || coalesce(description, url_hint) as label, url_sealed, headers_sealed
from webhook_subscriptions where deleted_at is null and id > %(after)s
order by id limit %(limit)s
"""
SELECT_SEALED_SECRETS = """
select s.id, 'secret of webhook ' || coalesce(w.description, w.url_hint) as label, s.secret_sealed
from webhook_secrets s join webhook_subscriptions w on w.id = s.subscription_id
where w.deleted_at is null and s.id > %(after)s
order by s.id limit %(limit)s
"""


class Sealed(msgspec.Struct, frozen=True):
    """One sealed value: what it is for people, its place, and its bytes."""

    label: str
    context: str
    value: bytes


async def sealed_values(tx: Tx) -> AsyncIterator[Sealed]:
    """Contact methods' addresses and secrets, integration keys, and what webhook subscriptions
    keep, a piece at a time."""
    after = ""
    while rows := await tx.rows(SELECT_SEALED_METHODS, {"after": after, "limit": PIECE}):
        for row in rows:
            yield Sealed(row["label"], address_context(row["id"]), bytes(row["address_sealed"]))
            if row["secret_sealed"] is not None:
                yield Sealed(row["label"], secret_context(row["id"]), bytes(row["secret_sealed"]))
        after = rows[-1]["id"]
    after = ""
    while rows := await tx.rows(SELECT_SEALED_KEYS, {"after": after, "limit": PIECE}):
        for row in rows:
            yield Sealed(row["label"], f"integrations/{row['id']}/key", bytes(row["key_sealed"]))
        after = rows[-1]["id"]
    async for sealed in _webhooks(tx):
        yield sealed


async def _webhooks(tx: Tx) -> AsyncIterator[Sealed]:
    after = ""
    while rows := await tx.rows(SELECT_SEALED_SUBSCRIPTIONS, {"after": after, "limit": PIECE}):
        for row in rows:
            id = row["id"]
            yield Sealed(row["label"], places.url_context(id), bytes(row["url_sealed"]))
            if row["headers_sealed"] is not None:
                kept = bytes(row["headers_sealed"])
                yield Sealed(row["label"], places.header_context(id), kept)
        after = rows[-1]["id"]
    after = ""
    while rows := await tx.rows(SELECT_SEALED_SECRETS, {"after": after, "limit": PIECE}):
        for row in rows:
            context = places.secret_context(row["id"])
            yield Sealed(row["label"], context, bytes(row["secret_sealed"]))
        after = rows[-1]["id"]
