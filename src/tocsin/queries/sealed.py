"""Every value that is sealed under the master key, for the doctor and after a restore."""

from collections.abc import AsyncIterator

import msgspec

from tocsin.core.database import Tx
from tocsin.paging.actions import address_context, secret_context

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


class Sealed(msgspec.Struct, frozen=True):
    """One sealed value: what it is for people, its place, and its bytes."""

    label: str
    context: str
    value: bytes


async def sealed_values(tx: Tx) -> AsyncIterator[Sealed]:
    """Contact methods' addresses and secrets, and integration keys, a piece at a time."""
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
