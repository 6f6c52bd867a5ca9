"""Tags: labels that an organisation puts on people, teams and escalation policies to find them by.

A label is unique whatever its case; what is written first stays. A tag gives nobody any right.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class TagKind(StrEnum):
    """What can carry a tag."""

    USER = "user"
    TEAM = "team"
    POLICY = "escalation_policy"


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """One label."""

    id: str
    label: str
    created_at: datetime


class TagUse(msgspec.Struct, frozen=True, kw_only=True):
    """A tag and how many of each kind carry it."""

    id: str
    label: str
    users: int
    teams: int
    policies: int


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """A tag as somebody names it: by id, or by label, which makes it when there is none."""

    id: str | None = None
    label: str | None = None
