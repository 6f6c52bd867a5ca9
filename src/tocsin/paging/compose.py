"""What a delivery says: a claim and the incidents it is about, made into a message. Pure.

A bundle or summary of which one incident is left is told as a plain page: the person has one thing
to do and gets the link that does it. A message about several lists the oldest, counts the rest and
points to the list of incidents, since one tap must not acknowledge what was not shown.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, cast

import msgspec

from tocsin.channels.model import IncidentLine, Message
from tocsin.paging.model import Claim, DeliveryKind

MAX_LINES = 10


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One incident of one delivery. `total` counts all of the delivery's open incidents."""

    delivery_id: str
    total: int
    reason: str
    is_test: bool
    incident_id: str
    number: int
    title: str
    service: str
    urgency: str
    status: str
    created_at: datetime
    alert_count: int


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where the person is sent: to acknowledge without signing in, and to look."""

    acknowledge_url: str | None
    incident_url: str | None


def compose(claim: Claim, told: Sequence[Told], links: Links, now: datetime) -> Message:
    """The message of a claim about `told`, which holds at most :data:`MAX_LINES` incidents."""
    total = told[0].total if told else 0
    kind = claim.kind
    if total == 1 and kind == DeliveryKind.BUNDLE:
        kind = DeliveryKind.PAGE
    shown = told[:MAX_LINES]
    return Message(
        kind=cast(Literal["page", "bundle", "summary", "test"], str(kind)),
        delivery_id=claim.id,
        now=now,
        person=claim.user_name,
        incidents=tuple(_line(one) for one in shown),
        more=max(0, total - len(shown)),
        reason=told[0].reason if total == 1 else claim.reason,
        acknowledge_url=links.acknowledge_url,
        incident_url=links.incident_url,
        attempt=claim.attempt,
        is_drill=bool(told) and all(one.is_test for one in told),
    )


def _line(one: Told) -> IncidentLine:
    return IncidentLine(
        incident_id=one.incident_id,
        number=one.number,
        title=one.title,
        service=one.service,
        urgency=one.urgency,
        status=one.status,
        created_at=one.created_at,
        alert_count=one.alert_count,
    )
