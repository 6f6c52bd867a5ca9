"""Business services, and what depends on what.

A business service is something customers or colleagues use. It has no events and pages nobody:
whether it is hit follows from the open incidents on the services it depends on.
"""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

# The priorities that incidents may have, what matters most first.
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


class NodeKind(StrEnum):
    """What a dependency may join: a service that machines report on, or a business service."""

    SERVICE = "service"
    BUSINESS = "business_service"


class BusinessService(msgspec.Struct, frozen=True, kw_only=True):
    """Something customers or colleagues use, made of the services it depends on. It has no events
    and pages nobody: whether it is hit follows from the open incidents below it."""

    id: str
    name: str
    description: str | None
    point_of_contact: str | None
    team_id: str | None
    created_at: datetime
    deleted_at: datetime | None = None


class NewBusinessService(msgspec.Struct, frozen=True, kw_only=True):
    """A business service to be created."""

    name: str
    description: str | None = None
    point_of_contact: str | None = None
    team_id: str | None = None


class BusinessServiceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a business service; what is UNSET stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    point_of_contact: str | UnsetType | None = UNSET
    team_id: str | UnsetType | None = UNSET


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A service or business service as the graph knows it."""

    id: str
    kind: str
    name: str
    team_id: str | None
    disabled: bool = False


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """The dependent needs the supporting one."""

    id: str
    supporting_kind: str
    supporting_id: str
    dependent_kind: str
    dependent_id: str


class End(msgspec.Struct, frozen=True):
    """One end of a dependency, as somebody names it."""

    kind: str
    id: str


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency to be added or taken away. `id` names one that is there and needs no ends."""

    supporting: End | None = None
    dependent: End | None = None
    id: str | None = None
