"""What an incident and an alert are, and the words for why they changed.

Invariants, kept by `lifecycle` and written by `actions.work`:
- an incident's `open_alert_count` equals its alerts that are not resolved;
- a resolved incident has no timer, no running ladder, no open page, no assignee;
- at most one open alert exists for each dedup key of an integration.
"""

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum
from typing import Any

import msgspec

from tocsin.catalog.model import hours_of, rule_at

MAX_TITLE = 1024
MAX_NOTE = 2000
MAX_CONFERENCE = 255
MAX_BODY = 20_000
MAX_KEY = 255
MAX_ALERTS = 1000
MAX_BULK = 250
MAX_ASSIGNEES = 20
MAX_SNOOZE_SECONDS = 604_800


class Status(StrEnum):
    """Where an incident stands. Alerts know only `triggered` and `resolved`."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Urgency(StrEnum):
    """Which of a person's notification rules apply, and whether the ladder climbs."""

    HIGH = "high"
    LOW = "low"


class Priority(StrEnum):
    """How much an incident matters to the business; a person says so, never a machine."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"


class TimerKind(StrEnum):
    """What an incident may be waiting for, besides its ladder."""

    ACKNOWLEDGEMENT_TIMEOUT = "acknowledgement_timeout"
    AUTO_RESOLVE = "auto_resolve"
    SNOOZE = "snooze"


class Reason(StrEnum):
    """Why an incident changed: the `reason` of its timeline entries (the ladder adds its own)."""

    NEW_ALERT = "new_alert"
    MAINTENANCE_ENDED = "maintenance_ended"
    PAUSE_ENDED = "pause_ended"
    REPEATED_ALERT = "repeated_alert"
    ALERT_JOINED = "alert_joined"
    ALERT_JOINED_QUIETLY = "alert_joined_while_acknowledged"
    CREATED_BY_HAND = "created_by_hand"
    SELF_ASSIGNED = "self_assigned"
    ACKNOWLEDGED_BY_PERSON = "acknowledged_by_person"
    ACKNOWLEDGED_BY_REPLY = "acknowledged_by_reply"
    ACKNOWLEDGED_BY_EVENT = "acknowledged_by_event"
    RESOLVED_BY_PERSON = "resolved_by_person"
    RESOLVED_BY_REPLY = "resolved_by_reply"
    ALERT_RESOLVED = "alert_resolved"
    LAST_ALERT_RESOLVED = "last_alert_resolved"
    AUTO_RESOLVED = "auto_resolve_timeout"
    AUTO_RESOLVE_DEFERRED = "still_firing"
    MERGED = "merged"
    UNACKNOWLEDGED_BY_PERSON = "unacknowledged_by_person"
    ACKNOWLEDGEMENT_TIMEOUT = "acknowledgement_timeout"
    SNOOZED = "snoozed_by_person"
    SNOOZE_ENDED = "snooze_ended"
    REASSIGNED = "reassigned_by_person"
    ESCALATED_BY_PERSON = "escalated_by_person"
    URGENCY_SET = "urgency_set_by_person"
    SEVERITY_RAISED = "severity_raised"
    URGENT_ALERT_JOINED = "urgent_alert_joined"
    SUPPORT_HOURS_STARTED = "support_hours_start"
    SUPPORT_HOURS_ENDED = "support_hours_end"
    TITLE_SET = "title_set_by_person"
    NOTE_ADDED = "note_added"
    NOTE_CHANGED = "note_changed"
    NOTE_DELETED = "note_deleted"
    PRIORITY_SET = "priority_set_by_person"
    CONFERENCE_SET = "conference_set_by_person"
    ALERT_RESOLVED_BY_PERSON = "alert_resolved_by_person"
    LAST_ALERT_RESOLVED_BY_PERSON = "last_alert_resolved_by_person"
    ALERT_MOVED = "alert_moved"
    LAST_ALERT_MOVED = "last_alert_moved"


class Conference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the people of an incident talk: a number to dial, an address to open, or both."""

    number: str | None = None
    url: str | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What a person owns until it is resolved.

    `acknowledged_at` is the time of the last move to acknowledged, None while triggered;
    `snoozed_until` is set only while acknowledged. `incident_key` is set only on incidents made by
    hand: those made by alerts are deduplicated by the alert's own key.
    """

    id: str
    number: int
    service_id: str
    escalation_policy_id: str
    title: str
    status: Status
    urgency: Urgency
    incident_key: str | None = None
    body: str | None = None
    test: bool = False
    created_at: datetime
    changed_at: datetime
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    snoozed_until: datetime | None = None
    resolution: str | None = None
    merged_into: str | None = None
    alert_count: int = 0
    open_alert_count: int = 0
    last_alert_at: datetime | None = None
    priority: Priority | None = None
    conference_number: str | None = None
    conference_url: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.status is not Status.RESOLVED

    @property
    def conference(self) -> Conference | None:
        """Where its people talk, if anywhere."""
        if self.conference_number is None and self.conference_url is None:
            return None
        return Conference(number=self.conference_number, url=self.conference_url)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One deduplicated condition. `class_` and `grouping` are the wire's `class` and `group`."""

    id: str
    service_id: str
    integration_id: str | None
    incident_id: str
    dedup_key: str
    status: Status
    severity: str
    summary: str
    source: str | None
    component: str | None
    grouping: str | None
    class_: str | None
    client: str | None
    client_url: str | None
    details: Any
    links: Any
    images: Any
    event_count: int
    created_at: datetime
    last_event_at: datetime
    resolved_at: datetime | None


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote on an incident. `label` is the author's name as it was then, and
    `changed_at` the last time the words were changed."""

    id: str
    incident_id: str
    user_id: str | None
    label: str
    content: str
    at: datetime
    changed_at: datetime | None = None


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one alert by hand: it is resolved, it moves to `to_incident_id`, or both. A
    `status` that it has already changes nothing."""

    alert_id: str
    status: Status | None = None
    to_incident_id: str | None = None


class Assignment(msgspec.Struct, frozen=True):
    """One person an incident is with, and since when."""

    user_id: str
    at: datetime


class Acknowledgement(msgspec.Struct, frozen=True):
    """One acknowledgement that still holds; a machine's has no `user_id`."""

    user_id: str | None
    at: datetime
    label: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says about its incidents; times in seconds, None is off.

    `team_id` is the team of the service's escalation policy: it decides who may respond.
    """

    service_id: str
    service_name: str
    policy_id: str
    team_id: str | None
    urgency_rule: str
    acknowledgement_timeout: int | None
    auto_resolve_timeout: int | None
    disabled: bool
    deleted: bool = False
    urgency_outside: str | None = None
    support_time_zone: str | None = None
    support_days: Sequence[int] | None = None
    support_start: time | None = None
    support_end: time | None = None
    pause_seconds: int | None = None
    grouping_setting_id: str | None = None

    def urgency_rule_at(self, at: datetime) -> str:
        """The rule for incidents that open at this moment: it may differ by support hours."""
        hours = hours_of(
            self.support_time_zone, self.support_days, self.support_start, self.support_end
        )
        return rule_at(self.urgency_rule, self.urgency_outside, hours, at)


class NewIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident made by hand. `assignee_ids` and `escalation_policy_id` exclude each other; with
    neither, the service's policy decides. Without `urgency` the service's rule does."""

    service_id: str
    title: str
    body: str | None = None
    urgency: Urgency | None = None
    incident_key: str | None = None
    assignee_ids: tuple[str, ...] = ()
    escalation_policy_id: str | None = None
    priority: Priority | None = None
    conference: Conference | None = None
    test: bool = False
