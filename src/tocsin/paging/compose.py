"""What a delivery says: a claim and the incidents it is about, made into a message. Pure.

A bundle or summary of which one incident is left is told as a plain page: the person has one thing
to do and gets the link that does it. A message about several lists the oldest, counts the rest and
points to the list of incidents, since one tap must not acknowledge what was not shown.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, cast

import msgspec

from tocsin.channels.model import IncidentLine, Message, Update
from tocsin.core.timezones import zone
from tocsin.paging.model import Claim, DeliveryKind

MAX_LINES = 10

# Why this person, now: by the reason of the page, in words for somebody who was just woken.
WHY: Mapping[str, str] = {
    "opened": "It opened just now, and you are asked first.",
    "no_answer": "Those who were asked before you did not acknowledge in time.",
    "repeated": "Nobody acknowledged, so everybody is asked once more, from the beginning.",
    "nobody_on_call": "Nobody was on call, so it comes to you, the catch-all.",
    "low_urgency": "Its urgency is low: it waits for you, and nobody else is asked.",
    "moved": "Somebody escalated it to you.",
    "returned": "It is open again, and nobody has it.",
    "escalated_by_person": "Somebody escalated it to you.",
    "reassigned": "Somebody gave it to you.",
    "reassigned_by_person": "Somebody gave it to you.",
    "created_by_hand": "Somebody made it by hand.",
    "acknowledgement_timeout": "It was acknowledged, but not resolved in time.",
    "unacknowledged_by_person": "Somebody took their acknowledgement back.",
    "snooze_ended": "It was put off until now.",
    "urgency_set_by_person": "Somebody changed its urgency.",
    "severity_raised": "One of its alerts became more severe.",
    "urgent_alert_joined": "An urgent alert came to it.",
    "support_hours_start": "Its service's support hours began, and it is still open.",
    "support_hours_end": "Its service's support hours ended, and it is still open.",
    "new_alert": "A new alert came to it.",
}
WHY_SEVERAL = "They came within a minute. Open the list to acknowledge them."
WHY_SUMMARY = "They are still open; what somebody acknowledged meanwhile is left out."


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
    priority: str | None = None
    conference_number: str | None = None
    conference_url: str | None = None
    # Only on a page by which somebody asks for a responder: who asks, and with what words.
    asked_by: str | None = None
    asked_for: str | None = None


class ToldUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The status update of one delivery, with its incident as it is now."""

    delivery_id: str
    incident_id: str
    number: int
    title: str
    service: str
    urgency: str
    status: str
    created_at: datetime
    alert_count: int
    subject: str
    message: str
    html: str
    label: str
    at: datetime


class ToldHandoff(msgspec.Struct, frozen=True, kw_only=True):
    """The hand-off of one delivery: a turn of this person begins or ends `at`. `other_name` is who
    comes after, or came before; times are told in the person's own `time_zone`."""

    delivery_id: str
    direction: str
    schedule_id: str
    schedule: str
    at: datetime
    ends_at: datetime | None
    other_name: str | None
    time_zone: str


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
        reason=_why(kind, told, total),
        acknowledge_url=links.acknowledge_url,
        incident_url=links.incident_url,
        attempt=claim.attempt,
        is_drill=bool(told) and all(one.is_test for one in told),
        asked_by=told[0].asked_by if total == 1 else None,
    )


def compose_update(
    claim: Claim, told: ToldUpdate, incident_url: str | None, now: datetime
) -> Message:
    """The message of a claim about a status update."""
    return Message(
        kind="status_update",
        delivery_id=claim.id,
        now=now,
        person=claim.user_name,
        incidents=(
            IncidentLine(
                incident_id=told.incident_id,
                number=told.number,
                title=told.title,
                service=told.service,
                urgency=told.urgency,
                status=told.status,
                created_at=told.created_at,
                alert_count=told.alert_count,
            ),
        ),
        incident_url=incident_url,
        attempt=claim.attempt,
        update=Update(
            subject=told.subject, text=told.message, html=told.html, author=told.label, at=told.at
        ),
    )


def compose_handoff(
    claim: Claim, told: ToldHandoff, schedule_url: str | None, now: datetime
) -> Message:
    """The message of a claim about a hand-off."""
    place = zone(told.time_zone)

    def when(at: datetime) -> str:
        return f"{at.astimezone(place):%a %-d %b %H:%M}"

    if told.direction == "oncall":
        until = f" until {when(told.ends_at)}" if told.ends_at else ""
        after = f", after {told.other_name}" if told.other_name else ""
        text = f"You are on call for {told.schedule} from {when(told.at)}{until}{after}"
    else:
        nexts = f"{told.other_name} is next" if told.other_name else "nobody is next"
        text = f"Your turn on call for {told.schedule} ends {when(told.at)}; {nexts}"
    return Message(
        kind="notice",
        delivery_id=claim.id,
        now=now,
        person=claim.user_name,
        reason=f"{text} ({told.time_zone})",
        incident_url=schedule_url,
        attempt=claim.attempt,
    )


def _why(kind: str, told: Sequence[Told], total: int) -> str:
    if kind == DeliveryKind.TEST:
        return ""
    if total == 1 and told[0].asked_by:
        return f"{told[0].asked_by} asks: {told[0].asked_for or 'please join'}"
    if total == 1:
        return WHY.get(told[0].reason, "")
    return WHY_SUMMARY if kind == DeliveryKind.SUMMARY else WHY_SEVERAL


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
        priority=one.priority,
        conference_number=one.conference_number,
        conference_url=one.conference_url,
    )
