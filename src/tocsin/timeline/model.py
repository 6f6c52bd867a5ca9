"""The timeline: what happened to an incident, append only, each entry with its reason."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tocsin.accounts.model import Actor


class Kind(StrEnum):
    """Log entry types, by their names in the PagerDuty REST API without `_log_entry`."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    ASSIGN = "assign"
    DELEGATE = "delegate"
    ESCALATE = "escalate"
    REPEAT = "repeat_escalation_path"
    EXHAUST = "exhaust_escalation_path"
    SNOOZE = "snooze"
    ANNOTATE = "annotate"
    NOTIFY = "notify"
    URGENCY_CHANGE = "urgency_change"
    MERGE = "merge"
    FIELD_CHANGE = "field_value_change"
    RESPONDER_REQUEST = "responder_request"
    RESPONDER_ACCEPT = "responder_accept"
    RESPONDER_DECLINE = "responder_decline"
    RESPONDER_CANCEL = "responder_cancel"
    STATUS_UPDATE = "status_update"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry to be written. `reason` is the value of the deciding rule's enum, and `data` holds
    what a reader needs to follow it (names and ids of the people paged, the delivery's outcome)."""

    incident_id: str
    service_id: str
    kind: Kind
    reason: str
    actor: Actor
    at: datetime
    data: dict[str, Any] | None = None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as it was written."""

    id: str
    seq: int
    at: datetime
    incident_id: str
    service_id: str
    kind: str
    reason: str
    actor_kind: str
    actor_id: str | None
    actor_label: str
    data: dict[str, Any] | None
