"""Who acts, and what people and teams are."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec


class Role(StrEnum):
    """Base roles, by their names in the PagerDuty REST API."""

    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "user"
    RESPONDER = "limited_user"
    OBSERVER = "observer"
    RESTRICTED = "restricted_access"
    STAKEHOLDER = "read_only_user"
    LIMITED_STAKEHOLDER = "read_only_limited_user"


class TeamRole(StrEnum):
    """What a person is within one team."""

    MANAGER = "manager"
    RESPONDER = "responder"
    OBSERVER = "observer"


ActorKind = Literal["person", "key", "integration", "reply", "engine", "system"]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a change. Every action takes one; timeline and audit rows name it.

    `person` came through a browser session, `key` through a REST key, `integration` is a machine's
    event, `reply` a one-tap link or an answer from a phone, `engine` the product itself, `system`
    the operator at the command line. `teams` maps team ids to the person's role there.
    """

    kind: ActorKind
    id: str | None
    label: str
    role: Role | None = None
    teams: dict[str, str] = {}
    address: str | None = None
    read_only: bool = False

    @property
    def user_id(self) -> str | None:
        """The person behind the act, when there is one."""
        return self.id if self.kind in ("person", "reply", "key") else None


ENGINE = Actor(kind="engine", id=None, label="Tocsin")
SYSTEM = Actor(kind="system", id=None, label="the operator", role=Role.OWNER)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who can sign in and be paged."""

    id: str
    name: str
    email: str
    role: str
    time_zone: str
    job_title: str | None
    description: str | None
    color: str
    created_at: datetime


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A group of people that owns policies, schedules and, through them, services."""

    id: str
    name: str
    description: str | None
    default_role: str
    created_at: datetime


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One person in one team."""

    team_id: str
    user_id: str
    role: str
