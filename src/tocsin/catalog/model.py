"""Services: what people run and are paged for. Integrations: the doors through which machines
report on them, each with a secret key.

A service belongs to the team of its escalation policy. A disabled service still accepts events
(its key answers 202 as always) but the intake records each as dropped and opens nothing.
"""

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.catalog.support_hours import SupportHours, within

SLICES = 64
DEFAULT_ACKNOWLEDGEMENT_TIMEOUT = 1800
DEFAULT_AUTO_RESOLVE_TIMEOUT = 14400

UrgencyRule = Literal["high", "low", "severity_based"]


class IntegrationKind(StrEnum):
    """What stands behind a key. It chooses the instructions shown, not what the key accepts."""

    EVENTS_V2 = "events_api_v2"
    EVENTS_V1 = "generic_events_api"
    ALERTMANAGER = "alertmanager"


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Something people run. Timeouts are in seconds; None means off.

    With `urgency_outside` there are support hours: `urgency_rule` counts within them, it outside.
    `raise_at` names their edges at which open incidents of low urgency become urgent. A new alert
    waits `pause_seconds` before it opens an incident.
    """

    id: str
    name: str
    description: str | None
    escalation_policy_id: str
    team_id: str | None
    urgency_rule: str
    acknowledgement_timeout: int | None
    auto_resolve_timeout: int | None
    slice: int
    created_at: datetime
    last_incident_at: datetime | None
    disabled_at: datetime | None
    deleted_at: datetime | None
    urgency_outside: str | None = None
    support_time_zone: str | None = None
    support_days: Sequence[int] | None = None
    support_start: time | None = None
    support_end: time | None = None
    raise_at: Sequence[str] = ()
    pause_seconds: int | None = None
    grouping_setting_id: str | None = None

    @property
    def enabled(self) -> bool:
        """Whether events for it are worked on."""
        return self.disabled_at is None and self.deleted_at is None

    @property
    def support_hours(self) -> SupportHours | None:
        """When it has its support; None when the urgency is the same at all hours."""
        return hours_of(
            self.support_time_zone, self.support_days, self.support_start, self.support_end
        )

    def urgency_rule_at(self, at: datetime) -> str:
        """The rule for incidents that open at this moment."""
        return rule_at(self.urgency_rule, self.urgency_outside, self.support_hours, at)


def hours_of(
    time_zone: str | None, days: Sequence[int] | None, start: time | None, end: time | None
) -> SupportHours | None:
    """Support hours from their columns, which are all set or all empty."""
    if time_zone is None or days is None or start is None or end is None:
        return None
    return SupportHours(time_zone=time_zone, days=tuple(days), start=start, end=end)


def rule_at(rule: str, outside: str | None, hours: SupportHours | None, at: datetime) -> str:
    """Which of a service's two urgency rules counts at this moment."""
    if hours is None or outside is None or within(hours, at):
        return rule
    return outside


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Support hours as somebody asks for them, with the urgency outside of them."""

    time_zone: str
    days: Sequence[int]
    start: str
    end: str
    urgency_outside: str
    raise_at: Sequence[str] = ()


class NewService(msgspec.Struct, frozen=True, kw_only=True):
    """A service to be created. Timeouts are in seconds; None or 0 turns one off."""

    name: str
    escalation_policy_id: str
    description: str | None = None
    urgency_rule: str = "high"
    acknowledgement_timeout: int | None = DEFAULT_ACKNOWLEDGEMENT_TIMEOUT
    auto_resolve_timeout: int | None = DEFAULT_AUTO_RESOLVE_TIMEOUT
    hours: Hours | None = None
    pause_seconds: int | None = None


class ServiceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a service; what is UNSET stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    escalation_policy_id: str | UnsetType = UNSET
    urgency_rule: str | UnsetType = UNSET
    acknowledgement_timeout: int | UnsetType | None = UNSET
    auto_resolve_timeout: int | UnsetType | None = UNSET
    hours: Hours | UnsetType | None = UNSET
    pause_seconds: int | UnsetType | None = UNSET


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """One door into a service. The key itself is only revealed by an action of its own."""

    id: str
    service_id: str
    name: str
    kind: str
    created_at: datetime
    deleted_at: datetime | None = None


class NewIntegration(msgspec.Struct, frozen=True, kw_only=True):
    """An integration to be added to a service."""

    service_id: str
    name: str
    kind: str = IntegrationKind.EVENTS_V2


class IntegrationTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a key leads to, as the front door needs it. `enabled` is False for a disabled
    service: accept the event all the same; the intake records that it was dropped."""

    integration_id: str
    service_id: str
    slice: int
    kind: str
    enabled: bool
