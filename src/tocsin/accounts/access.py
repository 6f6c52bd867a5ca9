"""Who may do what: one declared matrix, deny by default.

The rule this module owns: an actor may do something when its base role allows it everywhere, or
when its role in the team that owns the thing allows it there. A team role widens, it never
narrows, and never beyond what the base role can hold at most (a stakeholder in a team still only
looks). A read-only key never changes anything. A one-tap reply can look and respond, nothing else.
The engine and machines' events have no role at all: their actions are the engine's own and do not
come through here.
"""

from enum import StrEnum

from tocsin.accounts.model import Actor, Role, TeamRole
from tocsin.core.errors import Forbidden, Unseen


class Permission(StrEnum):
    """Each thing that a role can allow."""

    VIEW = "view"
    RESPOND = "respond"
    MANAGE_SERVICES = "manage_services"
    MANAGE_POLICIES = "manage_policies"
    MANAGE_SCHEDULES = "manage_schedules"
    MANAGE_TEAMS = "manage_teams"
    MANAGE_USERS = "manage_users"
    MANAGE_KEYS = "manage_keys"
    MANAGE_INSTANCE = "manage_instance"
    VIEW_AUDIT = "view_audit"


EVERYTHING = frozenset(Permission)
READING = frozenset({Permission.VIEW, Permission.VIEW_AUDIT})
CONFIGURING = frozenset(
    {
        Permission.VIEW,
        Permission.RESPOND,
        Permission.MANAGE_SERVICES,
        Permission.MANAGE_POLICIES,
        Permission.MANAGE_SCHEDULES,
        Permission.MANAGE_TEAMS,
    }
)
RESPONDING = frozenset({Permission.VIEW, Permission.RESPOND})
LOOKING = frozenset({Permission.VIEW})
NOTHING: frozenset[Permission] = frozenset()

# What a base role allows on everything.
BASE: dict[Role, frozenset[Permission]] = {
    Role.OWNER: EVERYTHING,
    Role.ADMIN: EVERYTHING,
    Role.MANAGER: CONFIGURING,
    Role.RESPONDER: RESPONDING,
    Role.OBSERVER: LOOKING,
    Role.RESTRICTED: NOTHING,
    Role.STAKEHOLDER: LOOKING,
    Role.LIMITED_STAKEHOLDER: NOTHING,
}

# What a team role allows on the things of that team.
TEAM: dict[TeamRole, frozenset[Permission]] = {
    TeamRole.MANAGER: CONFIGURING,
    TeamRole.RESPONDER: RESPONDING,
    TeamRole.OBSERVER: LOOKING,
}

# The most that a base role can hold, whatever its teams add.
MOST: dict[Role, frozenset[Permission]] = {
    Role.STAKEHOLDER: LOOKING,
    Role.LIMITED_STAKEHOLDER: LOOKING,
}

_TEAM_ROLES = {str(role): role for role in TeamRole}
_ACTING_KINDS = frozenset({"person", "key", "reply", "system"})


def allowed(actor: Actor, permission: Permission, team_id: str | None = None) -> bool:
    """Whether the actor may, on a thing that belongs to `team_id` (None: to no team)."""
    if actor.role is None or permission not in _most(actor, actor.role):
        return False
    if permission in BASE[actor.role]:
        return True
    return team_id is not None and permission in _in_team(actor, team_id)


def allowed_somewhere(actor: Actor, permission: Permission) -> bool:
    """Whether the actor may on at least one team's things; opens lists that are then filtered."""
    return allowed(actor, permission) or any(
        allowed(actor, permission, team_id) for team_id in actor.teams
    )


def visible_teams(actor: Actor) -> tuple[str, ...] | None:
    """The teams whose things the actor sees, or None when it sees everything."""
    if allowed(actor, Permission.VIEW):
        return None
    return tuple(
        sorted(team_id for team_id in actor.teams if allowed(actor, Permission.VIEW, team_id))
    )


def require(actor: Actor, permission: Permission, team_id: str | None = None) -> None:
    """Raise Forbidden unless the actor may."""
    if not allowed(actor, permission, team_id):
        raise Forbidden(_refusal(actor, permission))


def require_seen(actor: Actor, team_id: str | None, kind: str, id: str) -> None:
    """Raise Unseen unless the actor may look at this thing, which is `team_id`'s."""
    if not allowed(actor, Permission.VIEW, team_id):
        raise Unseen(_refusal(actor, Permission.VIEW), kind, id)


def require_somewhere(actor: Actor, permission: Permission) -> None:
    """Raise Forbidden unless the actor may on some team's things."""
    if not allowed_somewhere(actor, permission):
        raise Forbidden(_refusal(actor, permission))


def require_self_or(
    actor: Actor, user_id: str, permission: Permission, *, looking: bool = False
) -> None:
    """Raise Forbidden unless the actor is that person, or may do it for others.

    With `looking`, or a permission that only reads, nothing is changed: a read-only key may do it
    for its own person too. A reply is never enough.
    """
    looking = looking or permission in READING
    if is_self(actor, user_id) and (looking or not actor.read_only):
        return
    require(actor, permission)


def require_self_or_looking(actor: Actor, user_id: str) -> None:
    """Raise Forbidden unless the actor is that person, or sees some team's things: people have no
    team of their own, so whoever sees anything sees who people are and how they are reached."""
    if not is_self(actor, user_id):
        require_somewhere(actor, Permission.VIEW)


def is_self(actor: Actor, user_id: str) -> bool:
    """Whether the actor is that person, signed in or by a key of their own."""
    own = actor.kind in ("person", "key") and not actor.on_behalf
    return own and actor.id is not None and actor.id == user_id


def _most(actor: Actor, role: Role) -> frozenset[Permission]:
    if actor.kind not in _ACTING_KINDS:
        return NOTHING
    most = MOST.get(role, EVERYTHING)
    if actor.kind == "reply":
        most &= RESPONDING
    if actor.read_only:
        most &= READING
    return most


def _in_team(actor: Actor, team_id: str) -> frozenset[Permission]:
    role = _TEAM_ROLES.get(actor.teams.get(team_id, ""))
    return NOTHING if role is None else TEAM[role]


def _refusal(actor: Actor, permission: Permission) -> str:
    if actor.read_only and permission not in READING:
        return "this key is read-only: make a key with full access to change things"
    role = actor.role or "no role"
    return f"{actor.label} ({role}) lacks the permission {permission}: ask an administrator"
