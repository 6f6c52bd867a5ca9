"""Status updates: what people who do not respond are told of an incident, and who they are.

Stakeholders, single people or whole teams, subscribe to an incident. An update is mailed once to
each person who is subscribed at that moment, however many ways lead to them. It pages nobody and
asks for nothing.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

MAX_SUBJECT = 200
MAX_MESSAGE = 10_000
MAX_HTML = 50_000
MAX_SUBSCRIBERS = 1000
MAX_RECIPIENTS = 5000
MAX_UPDATES = 500
# So many in this time: a script that loops must not mail a company a hundred times.
BURST = 10
BURST_WITHIN = timedelta(minutes=10)


class SubscriberKind(StrEnum):
    """Who may subscribe."""

    USER = "user"
    TEAM = "team"


class Reason(StrEnum):
    """Why a status update or a subscriber stands on the timeline."""

    PUBLISHED = "status_update_published"
    SUBSCRIBED = "subscribed_by_person"
    UNSUBSCRIBED = "unsubscribed_by_person"


class Result(StrEnum):
    """What came of asking for one subscription."""

    SUCCESS = "success"
    DUPLICATE = "duplicate"
    UNAUTHORIZED = "unauthorized"


class NewUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A status update to be published. Without `subject` it is named after the incident; without
    `html` the message is read as Markdown."""

    message: str
    subject: str | None = None
    html: str | None = None


class StatusUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A published one. `label` is the author's name as it was then; `html` is safe to show;
    `recipients` is how many people it was sent to."""

    id: str
    incident_id: str
    user_id: str | None
    label: str
    subject: str
    message: str
    html: str
    recipients: int
    at: datetime


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """One person or team that gets an incident's updates. `name` is None for one that is gone."""

    incident_id: str
    kind: SubscriberKind
    subscriber_id: str
    name: str | None
    at: datetime


class Pace(StrEnum):
    """Whether one more update may be published now."""

    FREE = "free"
    TOO_FAST = "too_many_updates_at_once"
    TOO_MANY = "too_many_updates"
    SAID_ALREADY = "said_already"
    """A second press, or a client that tries again: people are not mailed the same thing twice."""


def pace(recent: int, total: int, *, same: bool) -> Pace:
    """`recent` counts the updates of the last `BURST_WITHIN`, `total` all of the incident's; `same`
    says that the newest of the recent ones says exactly this."""
    if same:
        return Pace.SAID_ALREADY
    if total >= MAX_UPDATES:
        return Pace.TOO_MANY
    return Pace.TOO_FAST if recent >= BURST else Pace.FREE


def subject(given: str | None, number: int, title: str) -> str:
    """The subject line, at most MAX_SUBJECT characters."""
    wanted = " ".join((given or "").split())
    text = wanted or f"Update on #{number}: {' '.join(title.split())}"
    return text if len(text) <= MAX_SUBJECT else text[: MAX_SUBJECT - 1] + "\N{HORIZONTAL ELLIPSIS}"
