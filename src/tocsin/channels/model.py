"""What a channel takes and gives: `Message` in, `Receipt` out.

A receipt says what the provider said and nothing kinder: an answer that is not a plain yes is never
`Sent`. `delivery_id` stays the same over retries, so a provider can drop a repeat and a person can
see that it is one.
"""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

Kind = Literal["page", "bundle", "summary", "test", "notice", "status_update"]


class IncidentLine(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as a message tells it. `conference_*` is where its people talk."""

    incident_id: str
    number: int
    title: str
    service: str
    urgency: str
    status: str
    created_at: datetime
    alert_count: int = 1
    priority: str | None = None
    conference_number: str | None = None
    conference_url: str | None = None


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What a status update says: `text` as its author wrote it, `html` made safe to show."""

    subject: str
    text: str
    html: str
    author: str
    at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one person is to be told over one channel.

    `incidents` holds one line for a page and several for a bundle or summary; `more` counts those
    left out. `now` is when the message was composed, so that ages in it are right. `asked_by` names
    the person who asks for a responder; then `acknowledge_url` leads to the question. `update` is
    only there in a status update.
    """

    kind: Kind
    delivery_id: str
    now: datetime
    person: str
    incidents: tuple[IncidentLine, ...] = ()
    more: int = 0
    reason: str = ""
    acknowledge_url: str | None = None
    incident_url: str | None = None
    attempt: int = 1
    is_drill: bool = False
    asked_by: str | None = None
    update: Update | None = None

    @property
    def act_label(self) -> str:
        """What `acknowledge_url` lets the person do."""
        return "Join or decline" if self.asked_by else "Acknowledge"


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag="sent"):
    """The provider took it. `detail` is what it said, `provider_id` its name for the message."""

    detail: str
    provider_id: str | None = None


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag="retry"):
    """It may work later; not before `after_seconds` when the provider said so."""

    detail: str
    after_seconds: float | None = None


class Dead(msgspec.Struct, frozen=True, kw_only=True, tag="dead"):
    """It will not work again with this address or this set-up."""

    detail: str


Receipt = Sent | Retry | Dead


class Channel(Protocol):
    """One kind of provider."""

    name: str
    label: str
    address_label: str
    address_hint: str
    needs_secret: bool

    def check_address(self, address: str) -> str | None:
        """What is wrong with an address, with the fix, or None."""
        ...

    def missing(self) -> str | None:
        """What the operator has to set before this channel works, or None."""
        ...

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        """Hand the message over. Never raises for what a provider or a network may do."""
        ...
