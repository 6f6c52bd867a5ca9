"""Who acts, and what people, teams, keys and sessions are."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


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
    the operator at the command line. `teams` maps team ids to the person's role there. `on_behalf`
    marks an account key that names a person: it acts in their name but is not them.
    """

    kind: ActorKind
    id: str | None
    label: str
    role: Role | None = None
    teams: dict[str, str] = {}
    address: str | None = None
    read_only: bool = False
    on_behalf: bool = False

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
    deleted_at: datetime | None = None


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A person to be created. Without a password nobody can sign in as them."""

    name: str
    email: str
    role: str = Role.RESPONDER
    time_zone: str = "Etc/UTC"
    job_title: str | None = None
    description: str | None = None
    password: str | None = None


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a person; what is UNSET stays."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    job_title: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    color: str | UnsetType = UNSET


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A group of people that owns policies, schedules and, through them, services."""

    id: str
    name: str
    description: str | None
    default_role: str
    created_at: datetime
    deleted_at: datetime | None = None


class TeamChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a team; what is UNSET stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    default_role: str | UnsetType = UNSET


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One person in one team."""

    team_id: str
    user_id: str
    role: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in browser. `id` is the hexadecimal digest of its token, never the token."""

    id: str
    user_id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str
    address: str


class SignInReason(StrEnum):
    """Why a sign-in ended as it did."""

    SIGNED_IN = "signed_in"
    WRONG = "wrong"
    LOCKED = "locked"


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a sign-in. `token` goes into the cookie and is stored nowhere.

    `retry_after` is in seconds and is only set when the account or the address is locked.
    """

    reason: SignInReason
    token: str | None = None
    user: User | None = None
    retry_after: int | None = None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A REST key to be made: a user's (`user_id`), or the account's with a role of its own."""

    name: str
    user_id: str | None = None
    role: str | None = None
    read_only: bool = False


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A REST key as it is kept: the token itself is shown once and never again."""

    id: str
    name: str
    user_id: str | None
    role: str | None
    hint: str
    read_only: bool
    created_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One change somebody made. `before` and `after` hold only the fields that differ."""

    seq: int
    at: datetime
    actor_kind: str
    actor_id: str | None
    actor_label: str
    method: str
    address: str | None
    action: str
    subject_type: str
    subject_id: str
    subject_label: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """What the installation knows of itself. `catch_all_user_id` is paged when nobody else is."""

    public_name: str = "Tocsin"
    setup_completed_at: datetime | None = None
    catch_all_user_id: str | None = None
