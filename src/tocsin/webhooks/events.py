"""Which event a log entry or an audit row is, in the words of webhooks. Pure.

The rule this module owns: the two tables below. A new kind of log entry becomes an event by one
line in `_TIMELINE`; its data, unless it is the incident itself, by one function in `payload`. An
entry that tells of several people becomes one event for each.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tocsin.accounts.model import AuditRecord
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents.model import Reason, Status
from tocsin.timeline.model import Kind, LogEntry
from tocsin.webhooks.model import Happening


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: what the entry must be like, and what it is then."""

    type: str
    data_type: str = "incident"
    status: Status | None = None
    when: Callable[[LogEntry], bool] = lambda entry: True
    each: Callable[[dict[str, Any]], Sequence[dict[str, Any]]] = lambda data: (data,)


def _first(entry: LogEntry) -> bool:
    return entry.reason != Reason.REPEATED_ALERT


def _given_to_people(entry: LogEntry) -> bool:
    given = entry.reason == Reason.REASSIGNED
    return given and (entry.data or {}).get("why") == LadderReason.REASSIGNED


def _given_to_policy(entry: LogEntry) -> bool:
    return entry.reason == Reason.REASSIGNED and not _given_to_people(entry)


def _because(*reasons: Reason) -> Callable[[LogEntry], bool]:
    return lambda entry: entry.reason in reasons


def _each_asked(data: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """Everybody who was asked, with the policy through which they were found, if it is certain."""
    targets = data.get("targets") or [data.get("target") or {}]
    people = {one.get("id") for one in targets if one.get("kind") == "user"}
    policies = [one.get("id") for one in targets if one.get("kind") == "escalation_policy"]
    policy = policies[0] if len(policies) == 1 else None
    return [
        {
            "user_id": user["id"],
            "policy_id": None if user["id"] in people else policy,
            "message": data.get("message"),
            "state": "pending",
        }
        for user in data.get("users") or ()
    ]


def _each_who(state: str) -> Callable[[dict[str, Any]], Sequence[dict[str, Any]]]:
    """Everybody who answered, with what they said."""
    return lambda data: [
        {
            "user_id": user["id"],
            "policy_id": None,
            "message": data.get("note"),
            "state": state,
        }
        for user in data.get("users") or ()
    ]


_RESPONDER = "incident_responder"
_TRIGGERED, _ACKNOWLEDGED = Status.TRIGGERED, Status.ACKNOWLEDGED
_TIMELINE: dict[str, tuple[_Rule, ...]] = {
    Kind.TRIGGER: (_Rule(type="incident.triggered", status=_TRIGGERED, when=_first),),
    Kind.ACKNOWLEDGE: (_Rule(type="incident.acknowledged", status=_ACKNOWLEDGED),),
    Kind.SNOOZE: (_Rule(type="incident.acknowledged", status=_ACKNOWLEDGED),),
    Kind.UNACKNOWLEDGE: (_Rule(type="incident.unacknowledged", status=_TRIGGERED),),
    Kind.RESOLVE: (_Rule(type="incident.resolved", status=Status.RESOLVED),),
    Kind.ASSIGN: (
        _Rule(type="incident.reassigned", status=_TRIGGERED, when=_given_to_people),
        _Rule(type="incident.delegated", status=_TRIGGERED, when=_given_to_policy),
    ),
    Kind.ESCALATE: (_Rule(type="incident.escalated", status=_TRIGGERED),),
    Kind.REPEAT: (_Rule(type="incident.escalated", status=_TRIGGERED),),
    Kind.ANNOTATE: (_Rule(type="incident.annotated", data_type="incident_note"),),
    Kind.FIELD_CHANGE: (
        _Rule(type="incident.priority_updated", when=_because(Reason.PRIORITY_SET)),
        _Rule(
            type="incident.conference_bridge.updated",
            data_type="incident_conference_bridge",
            when=_because(Reason.CONFERENCE_SET),
        ),
    ),
    Kind.RESPONDER_REQUEST: (
        _Rule(type="incident.responder.added", data_type=_RESPONDER, each=_each_asked),
    ),
    Kind.RESPONDER_ACCEPT: (
        _Rule(type="incident.responder.replied", data_type=_RESPONDER, each=_each_who("joined")),
    ),
    Kind.RESPONDER_DECLINE: (
        _Rule(type="incident.responder.replied", data_type=_RESPONDER, each=_each_who("declined")),
    ),
    Kind.STATUS_UPDATE: (
        _Rule(type="incident.status_update_published", data_type="incident_status_update"),
    ),
}
_SERVICES = {"create": "service.created", "delete": "service.deleted", "update": "service.updated"}

KINDS = tuple(sorted(str(kind) for kind in _TIMELINE))
SUBJECTS = ("service",)
# What PagerDuty knows and nothing here ever does, so that a subscription to it keeps its promise:
# a resolved incident stays resolved.
NEVER = ("incident.reopened",)
TYPES = tuple(
    sorted(
        {rule.type for rules in _TIMELINE.values() for rule in rules}
        | set(_SERVICES.values())
        | set(NEVER)
    )
)


def of_entry(entry: LogEntry) -> list[Happening]:
    """What a log entry is to webhooks; nothing for what they do not tell."""
    for rule in _TIMELINE.get(entry.kind, ()):
        if rule.when(entry):
            return [
                Happening(
                    source=f"log {entry.id}" if not number else f"log {entry.id} {number}",
                    type=rule.type,
                    data_type=rule.data_type,
                    resource_id=entry.incident_id,
                    service_id=entry.service_id,
                    at=entry.at,
                    actor_kind=entry.actor_kind,
                    actor_id=entry.actor_id,
                    label=entry.actor_label,
                    status=None if rule.status is None else str(rule.status),
                    data=data,
                )
                for number, data in enumerate(rule.each(entry.data or {}))
            ]
    return []


def people_of(happening: Happening) -> list[str]:
    """The people whom the event's own data names by id."""
    id = happening.data.get("user_id") if happening.data_type == _RESPONDER else None
    return [] if id is None else [id]


def policies_of(happening: Happening) -> list[str]:
    """The escalation policies that the event's own data names by id."""
    id = happening.data.get("policy_id") if happening.data_type == _RESPONDER else None
    return [] if id is None else [id]


def of_change(change: AuditRecord) -> Happening | None:
    """What an audit row is to webhooks; None for what they do not tell."""
    if change.subject_type not in SUBJECTS or change.action not in _SERVICES:
        return None
    return Happening(
        source=f"audit {change.seq}",
        type=_SERVICES[change.action],
        data_type="service",
        resource_id=change.subject_id,
        service_id=change.subject_id,
        at=change.at,
        actor_kind=change.actor_kind,
        actor_id=change.actor_id,
        label=change.subject_label,
    )
