"""Put status updates into the delivery ledger: one mail for each person and update, ever.

They go to the address of the person's profile, through the e-mail channel, and demand nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.paging import delivery_store
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.model import DeliveryKind, DeliveryReason, StatusMail
from tocsin.timeline import feed

CHANNEL = "email"


async def mail_updates(tx: Tx, mails: Sequence[StatusMail], now: datetime) -> None:
    """Queue these mails. One queued before for the same update and person changes nothing."""
    if not mails:
        return
    drafts = [
        DeliveryDraft(
            id=ids.new("Q", now),
            kind=DeliveryKind.STATUS_UPDATE,
            cause=f"{DeliveryKind.STATUS_UPDATE}:{mail.update_id}:{mail.user_id}",
            user_id=mail.user_id,
            contact_method_id=None,
            channel=CHANNEL,
            reason=DeliveryReason.SUBSCRIBED,
            due_at=now,
            incident_id=mail.incident_id,
            status_update_id=mail.update_id,
        )
        for mail in mails
    ]
    await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params(drafts, now))
    tx.notify("tocsin_wake", "deliveries")
    feed.changed(tx, "deliveries")
