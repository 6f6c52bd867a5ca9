"""Delivery rows about to be written, and the arrays their insert wants. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tocsin.core import ids
from tocsin.paging.contact_rules import Planned, Skipped
from tocsin.paging.model import DeliveryKind, DeliveryReason, DeliveryState


class DeliveryDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger before it is written. `cause` says why it exists, once and for all:
    a second draft with the same cause changes nothing."""

    id: str
    kind: DeliveryKind
    cause: str
    user_id: str
    contact_method_id: str | None
    channel: str
    reason: DeliveryReason
    due_at: datetime
    state: DeliveryState = DeliveryState.QUEUED
    page_id: str | None = None
    bundle_id: str | None = None
    incident_id: str | None = None
    status_update_id: str | None = None

    @classmethod
    def planned(
        cls,
        planned: Planned,
        *,
        kind: DeliveryKind,
        user_id: str,
        base: datetime,
        now: datetime,
        page_id: str | None = None,
        bundle_id: str | None = None,
        incident_id: str | None = None,
    ) -> "DeliveryDraft":
        """A delivery that the contact rules ask for, `delay_seconds` after `base`."""
        return cls(
            id=ids.new("Q", now),
            kind=kind,
            cause=f"{kind}:{page_id or bundle_id}:{planned.key}",
            user_id=user_id,
            contact_method_id=planned.contact_method_id,
            channel=planned.channel,
            reason=planned.reason,
            due_at=base + timedelta(seconds=planned.delay_seconds),
            page_id=page_id,
            bundle_id=bundle_id,
            incident_id=incident_id,
        )

    @classmethod
    def skipped(
        cls,
        skipped: Skipped,
        *,
        kind: DeliveryKind,
        user_id: str,
        now: datetime,
        page_id: str | None = None,
        bundle_id: str | None = None,
        incident_id: str | None = None,
    ) -> "DeliveryDraft":
        """The record that a method was left out, so that the ledger shows it."""
        return cls(
            id=ids.new("Q", now),
            kind=kind,
            cause=f"{kind}:{page_id or bundle_id}:skipped:{skipped.contact_method_id}",
            user_id=user_id,
            contact_method_id=skipped.contact_method_id,
            channel=skipped.channel,
            reason=skipped.reason,
            due_at=now,
            state=DeliveryState.CANCELLED,
            page_id=page_id,
            bundle_id=bundle_id,
            incident_id=incident_id,
        )


def insert_params(drafts: Sequence[DeliveryDraft], now: datetime) -> dict[str, Any]:
    """Parameters of INSERT_DELIVERIES."""
    return {
        "ids": [draft.id for draft in drafts],
        "kinds": [str(draft.kind) for draft in drafts],
        "causes": [draft.cause for draft in drafts],
        "page_ids": [draft.page_id for draft in drafts],
        "bundle_ids": [draft.bundle_id for draft in drafts],
        "incident_ids": [draft.incident_id for draft in drafts],
        "user_ids": [draft.user_id for draft in drafts],
        "contact_method_ids": [draft.contact_method_id for draft in drafts],
        "channels": [draft.channel for draft in drafts],
        "states": [str(draft.state) for draft in drafts],
        "reasons": [str(draft.reason) for draft in drafts],
        "due_ats": [draft.due_at for draft in drafts],
        "status_update_ids": [draft.status_update_id for draft in drafts],
        "now": now,
    }
