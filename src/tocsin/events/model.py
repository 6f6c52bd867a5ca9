"""What a machine said, in the product's own words: `Event`, and what becomes of one.

An `Event` is made by a pure parser from the bytes of one wire format. Every text in it is safe to
store: no NUL, no lone surrogate, bounded in length. `dedup_key` is always present, because the
front door makes one up when the sender leaves it out.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

Action = Literal["trigger", "acknowledge", "resolve"]
Severity = Literal["critical", "error", "warning", "info"]


class Format(StrEnum):
    """The wire formats; the value is what `events.format` keeps."""

    PAGERDUTY_V2 = "pagerduty_v2"
    PAGERDUTY_V1 = "pagerduty_v1"
    ALERTMANAGER = "alertmanager"


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page worth opening: a runbook, a graph, the rule's source."""

    href: str
    text: str | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture to show with the alert; `href` is where a click leads."""

    src: str
    href: str | None = None
    alt: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a machine said about one condition.

    An acknowledge or resolve may carry nothing but its key; `summary` is then empty. `class_` and
    `grouping` are the wire's `class` and `group`. `details` is any JSON value. `occurred_at` is the
    sender's own time, when it gave one that could be read.
    """

    action: Action
    dedup_key: str
    severity: Severity = "critical"
    summary: str = ""
    source: str | None = None
    component: str | None = None
    grouping: str | None = None
    class_: str | None = None
    client: str | None = None
    client_url: str | None = None
    details: Any = None
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    occurred_at: datetime | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change event: a deployment, a merge, a flag turned. It never notifies anybody."""

    summary: str
    source: str | None = None
    occurred_at: datetime | None = None
    details: Any = None
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()


class ChangeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change event as it is kept. `at` is when the change happened, `team_id` the team of its
    service."""

    id: str
    service_id: str
    team_id: str | None
    integration_id: str
    summary: str
    source: str | None
    at: datetime
    received_at: datetime
    links: list[dict[str, Any]]
    images: list[dict[str, Any]]
    details: Any


class ChangesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which change events a list shows; None does not restrict. `since` is inclusive, `until`
    exclusive."""

    service_ids: Sequence[str] | None = None
    team_ids: Sequence[str] | None = None
    integration_ids: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A body that can never be accepted, in the wire contract's own words.

    `status` and `message` are the answer's fields of these names; `errors` names each field that is
    wrong and what it should be. `reason` is a short stable word for metrics.
    """

    reason: str
    status: str
    message: str
    errors: tuple[str, ...]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One body, read: the integration key it carries and what it says.

    The first event's `dedup_key` is empty when the sender left it out of a trigger; the front door
    then makes one up and keeps it beside the body.
    """

    key: str
    events: tuple[Event, ...]


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where a body goes, and which parser reads it there."""

    service_id: str
    integration_id: str
    slice: int
    format: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One body on its way into the inbox. `dedup_key` is set when the front door made it up."""

    destination: Destination
    dedup_key: str | None
    body: bytes


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted body on its way into incidents: what it said, in the order it said it."""

    seq: int
    service_id: str
    integration_id: str
    received_at: datetime
    events: tuple[Event, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of `Arrived.events[position]`. `reason` is the deciding rule's enum value."""

    seq: int
    position: int
    reason: str
    alert_id: str | None = None
    incident_id: str | None = None


SET_ASIDE = "set_aside"
"""The outcome of an event that could not be recorded and that a person gave up on."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the intake could not record, as it stands in the inbox."""

    seq: int
    service_id: str
    error: str
    attempts: int
