"""Services: what people run and are paged for. Integrations: the doors through which machines
report on them, each with a secret key.

A service belongs to the team of its escalation policy. A disabled service still accepts events
(its key answers 202 as always) but the intake records each as dropped and opens nothing.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

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
    """Something people run. Timeouts are in seconds; None means off."""

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

    @property
    def enabled(self) -> bool:
        """Whether events for it are worked on."""
        return self.disabled_at is None and self.deleted_at is None


class NewService(msgspec.Struct, frozen=True, kw_only=True):
    """A service to be created. Timeouts are in seconds; None or 0 turns one off."""

    name: str
    escalation_policy_id: str
    description: str | None = None
    urgency_rule: str = "high"
    acknowledgement_timeout: int | None = DEFAULT_ACKNOWLEDGEMENT_TIMEOUT
    auto_resolve_timeout: int | None = DEFAULT_AUTO_RESOLVE_TIMEOUT


class ServiceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a service; what is UNSET stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    escalation_policy_id: str | UnsetType = UNSET
    urgency_rule: str | UnsetType = UNSET
    acknowledgement_timeout: int | UnsetType | None = UNSET
    auto_resolve_timeout: int | UnsetType | None = UNSET


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
