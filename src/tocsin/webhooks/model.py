"""What a webhook subscription, an event to be told and a delivery are.

Invariants, kept by `actions`:
- the subscription's row is the lock of its queue: whoever adds, finishes or cancels deliveries of
  a subscription holds it first, several in id order;
- of the unfinished deliveries of a subscription about one resource only the oldest is queued or
  sending, so a later event is never sent before an earlier one was delivered or given up;
- a subscription has at least one secret as long as it exists.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

MAX_SUBSCRIPTIONS = 1000
MAX_DESCRIPTION = 1024
MAX_URL = 2048
MAX_HEADERS = 10
MAX_HEADER_NAME = 128
MAX_HEADER_VALUE = 2048
MAX_SECRETS = 5
SECRET_LENGTH = 64
REDACTED = "<redacted>"
PING = "pagey.ping"


class FilterType(StrEnum):
    """What a subscription is told of: everything, one service, or one team's services."""

    ACCOUNT = "account"
    SERVICE = "service"
    TEAM = "team"


class State(StrEnum):
    """Where a delivery stands. `waiting` is behind another about the same resource."""

    WAITING = "waiting"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    DROPPED = "dropped"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to be told of what, and whether sends work. The address and the values of the
    headers are secrets and are only opened for those who manage it."""

    id: str
    description: str | None
    filter_type: FilterType
    filter_id: str | None
    events: list[str]
    url_hint: str
    header_names: list[str]
    active: bool
    disabled_at: datetime | None
    disabled_until: datetime | None
    disabled_reason: str | None
    refusals: int
    starts_at: datetime
    created_at: datetime
    # The team that owns the service or is the team of the filter; None for the account.
    team_id: str | None = None
    deleted_at: datetime | None = None

    def disabled(self, now: datetime) -> bool:
        """Whether the engine has stopped sending to it because sends kept failing."""
        over = self.disabled_until is not None and self.disabled_until <= now
        return self.disabled_at is not None and not over


class Header(msgspec.Struct, frozen=True):
    """One header of a subscription's own that is sent along."""

    name: str
    value: str


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription to be made."""

    url: str
    events: tuple[str, ...]
    filter_type: FilterType = FilterType.ACCOUNT
    filter_id: str | None = None
    description: str | None = None
    headers: tuple[Header, ...] = ()
    active: bool = True


class SubscriptionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a subscription; what is UNSET stays, and so does the value of a header
    that is given as it was shown, redacted."""

    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET
    filter_type: FilterType | UnsetType = UNSET
    filter_id: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    headers: tuple[Header, ...] | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """One secret that signs what is sent; the secret itself is shown once."""

    id: str
    subscription_id: str
    created_at: datetime


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a subscription as deciding what it is told takes."""

    id: str
    filter_type: FilterType
    filter_id: str | None
    events: list[str]
    starts_at: datetime


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that webhooks may tell, before it is put into words. `status` is what the incident
    was then, where the event itself says so; `data` is what the log entry holds."""

    source: str
    type: str
    data_type: str
    resource_id: str
    service_id: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    label: str
    status: str | None = None
    data: dict[str, Any] = {}

    @property
    def resource_type(self) -> str:
        """The leftmost part of the event's type."""
        return self.type.partition(".")[0]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event in its final words and who is to be told. `failure` says why there are no words."""

    happening: Happening
    id: str
    body: str
    listeners: tuple[str, ...]
    failure: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one subscription, as people see it."""

    id: str
    position: int
    subscription_id: str
    event_id: str
    type: str
    resource_id: str
    state: State
    due_at: datetime
    attempts: int
    status: int | None
    detail: str | None
    body: str
    occurred_at: datetime
    created_at: datetime
    finished_at: datetime | None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A leased delivery with all that sending it takes."""

    id: str
    subscription_id: str
    type: str
    resource_id: str
    ping: bool
    attempt: int
    fence: int
    created_at: datetime
    body: str
    url_sealed: bytes
    headers_sealed: bytes | None
    # Sealed secrets by id, newest first.
    secrets: dict[str, bytes] = {}


class Outcome(StrEnum):
    """How an attempt ended. `lapsed` was never sent: the lease was too old to send safely."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    GONE = "gone"
    LAPSED = "lapsed"


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that ended, to be recorded under its fence."""

    claim: Claim
    outcome: Outcome
    detail: str
    status: int | None = None
    retry_after_seconds: float | None = None
