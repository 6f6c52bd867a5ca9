"""Put notices of hand-offs into the delivery ledger: one for each cause, ever. They demand nothing.

What a notice says is kept by the area that asks for it, under the id of the delivery.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.paging import delivery_store
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.model import DeliveryKind, DeliveryReason
from tocsin.timeline import feed


class NoticeDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A notice to be. `cause` says why it exists: a second one with it changes nothing."""

    cause: str
    user_id: str
    contact_method_id: str
    channel: str


async def queue_notices(tx: Tx, wanted: Sequence[NoticeDraft], now: datetime) -> list[str]:
    """Queue these; the ids that their deliveries have, or would have had if they are new."""
    drafts = [
        DeliveryDraft(
            id=ids.new("Q", now),
            kind=DeliveryKind.HANDOFF,
            cause=one.cause,
            user_id=one.user_id,
            contact_method_id=one.contact_method_id,
            channel=one.channel,
            reason=DeliveryReason.HANDOFF,
            due_at=now,
        )
        for one in wanted
    ]
    if drafts:
        await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params(drafts, now))
        tx.notify("tocsin_wake", "deliveries")
        feed.changed(tx, "deliveries")
    return [draft.id for draft in drafts]
