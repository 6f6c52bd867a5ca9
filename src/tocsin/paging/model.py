"""What reaching a person is made of: contact methods, their rules, pages, bundles and deliveries.

A page is a demand that one person act on one incident. A delivery is one message to one contact
method; its row is the outbox and the ledger in one. A bundle gathers the pages of one person that
arrive faster than a person can read, and a summary those that an outage made late.

Invariants: one page for each (incident, person, step); one delivery for each `cause`; a page is
carried by its own deliveries or by those of its bundle, never by both.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

Urgency = Literal["high", "low"]
MAX_CONTACT_METHODS = 20
MAX_RULES = 50
MAX_DELAY_SECONDS = 86_400


class DeliveryKind(StrEnum):
    """What a delivery carries."""

    PAGE = "page"
    BUNDLE = "bundle"
    SUMMARY = "summary"
    TEST = "test"
    STATUS_UPDATE = "status_update"
    HANDOFF = "handoff"


class DeliveryState(StrEnum):
    """Where a delivery stands. The last four are final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BUNDLED = "bundled"


class DeliveryReason(StrEnum):
    """Why a delivery was made, or why it ended the way it did."""

    RULE = "notification_rule"
    NO_RULE = "no_rule_all_methods"
    LAST_RESORT = "all_methods_dead"
    NEXT_METHOD = "next_method"
    BUNDLE = "bundle"
    SUMMARY = "summary_after_outage"
    TEST = "test"
    SUBSCRIBED = "subscribed"
    HANDOFF = "handoff_rule"
    METHOD_DEAD = "method_dead"
    METHOD_REMOVED = "method_removed"
    CHANNEL_MISSING = "channel_missing"
    FOLDED = "folded_into_summary"
    NOTHING_OPEN = "nothing_open"
    GAVE_UP = "gave_up"
    DEAD = "dead"
    THROTTLED = "throttled"


class Outcome(StrEnum):
    """What one attempt came to."""

    SENT = "sent"
    RETRY = "retry"
    DEAD = "dead"
    LAPSED = "lapsed"
    # Nothing was sent, because nothing it was about was open any more. Not kept as an attempt.
    UNWANTED = "unwanted"


class ContactMethod(msgspec.Struct, frozen=True, kw_only=True):
    """A way to reach a person. The address is sealed in the store; `address_hint` is masked."""

    id: str
    user_id: str
    channel: str
    label: str
    address_hint: str
    created_at: datetime
    proven_at: datetime | None
    dead_since: datetime | None
    dead_reason: str | None


class NotificationRule(msgspec.Struct, frozen=True, kw_only=True):
    """Use this contact method, so many seconds after the page, for pages of this urgency."""

    id: str
    user_id: str
    contact_method_id: str
    urgency: Urgency
    delay_seconds: int


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the ladder asks for: page this person for this incident. `step` is the rung that asked,
    so that each rung asks each person once; `reason` is the ladder's own and is kept. One with a
    `responder_request_id` is asked by a person, outside the ladder: its step is below zero."""

    incident_id: str
    service_id: str
    user_id: str
    step: int
    urgency: Urgency
    reason: str
    number: int
    title: str
    responder_request_id: str | None = None


class StatusMail(msgspec.Struct, frozen=True, kw_only=True):
    """A status update to be mailed to one person, once."""

    update_id: str
    incident_id: str
    user_id: str


class Paged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch of asks. `unreachable` are those whose person has no contact method:
    nobody was told, and the caller should move on at once."""

    opened: int
    unreachable: tuple[Ask, ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger. `first_due_at` stays when a retry moves `due_at`, so that lateness
    is honest."""

    id: str
    kind: str
    cause: str
    page_id: str | None
    bundle_id: str | None
    incident_id: str | None
    user_id: str
    contact_method_id: str | None
    channel: str
    state: str
    reason: str
    due_at: datetime
    first_due_at: datetime
    attempts: int
    detail: str | None
    provider_id: str | None
    created_at: datetime
    finished_at: datetime | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one delivery, as it ended."""

    delivery_id: str
    number: int
    fence: int
    node: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    detail: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery leased to one node: what it takes to compose and send it. `attempt` counts from
    1, and only a receipt with the same `fence` may still speak for it. A status update goes to
    `email`, the address of the person's profile, and has no contact method."""

    id: str
    kind: str
    cause: str
    page_id: str | None
    bundle_id: str | None
    incident_id: str | None
    user_id: str
    user_name: str
    contact_method_id: str | None
    method_label: str
    address_hint: str
    address_sealed: bytes | None
    secret_sealed: bytes | None
    channel: str
    reason: str
    attempt: int
    fence: int
    first_due_at: datetime
    started_at: datetime
    removed: bool
    wanted: bool
    email: str | None = None
    status_update_id: str | None = None

    @property
    def pages(self) -> bool:
        """Whether it demands something, so that another way is tried when this one fails."""
        return not self.is_news and self.kind != DeliveryKind.TEST

    @property
    def is_news(self) -> bool:
        """Whether it only tells something, and goes beside the lanes of the pages."""
        return self.kind in (DeliveryKind.STATUS_UPDATE, DeliveryKind.HANDOFF)


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended, as the pump saw it."""

    claim: Claim
    node: str
    outcome: Outcome
    detail: str
    finished_at: datetime
    provider_id: str | None = None
    retry_after_seconds: float | None = None
