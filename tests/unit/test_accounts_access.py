"""The access matrix, written out a second time by hand: both must agree in every cell."""

import pytest

from tocsin.accounts.access import (
    Permission,
    allowed,
    allowed_somewhere,
    require,
    require_self_or,
    visible_teams,
)
from tocsin.accounts.model import ENGINE, SYSTEM, Actor, Role
from tocsin.core.errors import Forbidden

# One letter for each permission, in this order.
LETTERS = {
    "v": Permission.VIEW,
    "r": Permission.RESPOND,
    "s": Permission.MANAGE_SERVICES,
    "p": Permission.MANAGE_POLICIES,
    "c": Permission.MANAGE_SCHEDULES,
    "t": Permission.MANAGE_TEAMS,
    "u": Permission.MANAGE_USERS,
    "k": Permission.MANAGE_KEYS,
    "i": Permission.MANAGE_INSTANCE,
    "a": Permission.VIEW_AUDIT,
}

# role: (everywhere, and on the own team's things as manager, responder, observer)
TABLE = {
    Role.OWNER: ("vrspctukia", "vrspctukia", "vrspctukia", "vrspctukia"),
    Role.ADMIN: ("vrspctukia", "vrspctukia", "vrspctukia", "vrspctukia"),
    Role.MANAGER: ("vrspct", "vrspct", "vrspct", "vrspct"),
    Role.RESPONDER: ("vr", "vrspct", "vr", "vr"),
    Role.OBSERVER: ("v", "vrspct", "vr", "v"),
    Role.RESTRICTED: ("", "vrspct", "vr", "v"),
    Role.STAKEHOLDER: ("v", "v", "v", "v"),
    Role.LIMITED_STAKEHOLDER: ("", "v", "v", "v"),
}
TEAM_ROLES = ("manager", "responder", "observer")


def person(role: Role, teams: dict[str, str] | None = None, **more: object) -> Actor:
    return Actor(kind="person", id="P1", label="Ada", role=role, teams=teams or {}, **more)


def letters(actor: Actor, team_id: str | None) -> str:
    return "".join(x for x, p in LETTERS.items() if allowed(actor, p, team_id))


def test_the_table_names_every_role_and_permission() -> None:
    assert set(TABLE) == set(Role)
    assert set(LETTERS.values()) == set(Permission)


@pytest.mark.parametrize("role", Role)
def test_a_base_role_reaches_everything_it_allows_and_nothing_else(role: Role) -> None:
    base = TABLE[role][0]
    assert letters(person(role), None) == base
    assert letters(person(role), "PTEAM") == base
    assert letters(person(role, {"POTHER": "manager"}), "PTEAM") == base
    assert letters(person(role, {"PTEAM": "manager"}), None) == base


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("column", [1, 2, 3])
def test_a_team_role_widens_for_the_teams_things_only(role: Role, column: int) -> None:
    actor = person(role, {"PTEAM": TEAM_ROLES[column - 1]})
    assert letters(actor, "PTEAM") == TABLE[role][column]


@pytest.mark.parametrize("role", Role)
def test_a_read_only_key_changes_nothing(role: Role) -> None:
    key = Actor(
        kind="key", id=None, label="k", role=role, teams={"PTEAM": "manager"}, read_only=True
    )
    assert set(letters(key, "PTEAM")) <= {"v", "a"}
    assert letters(key, None) == "".join(x for x in TABLE[role][0] if x in "va")


@pytest.mark.parametrize("role", Role)
def test_a_reply_looks_and_responds_at_most(role: Role) -> None:
    reply = Actor(kind="reply", id="P1", label="Ada", role=role, teams={"PTEAM": "manager"})
    assert set(letters(reply, "PTEAM")) <= {"v", "r"}


@pytest.mark.parametrize("kind", ["engine", "integration"])
def test_machines_have_no_rights_even_with_a_role(kind: str) -> None:
    assert letters(ENGINE, "PTEAM") == ""
    assert letters(Actor(kind=kind, id=None, label="m", role=Role.OWNER), None) == ""


def test_the_operator_may_everything() -> None:
    assert set(letters(SYSTEM, None)) == set(LETTERS)


def test_an_unknown_team_role_gives_nothing() -> None:
    assert letters(person(Role.RESTRICTED, {"PTEAM": "emperor"}), "PTEAM") == ""


def test_a_refusal_names_the_permission() -> None:
    with pytest.raises(Forbidden, match="manage_users"):
        require(person(Role.RESPONDER), Permission.MANAGE_USERS)


def test_ones_own_profile() -> None:
    require_self_or(person(Role.RESTRICTED), "P1", Permission.MANAGE_USERS)
    with pytest.raises(Forbidden):
        require_self_or(person(Role.RESTRICTED), "P2", Permission.MANAGE_USERS)
    own_key = Actor(kind="key", id="P1", label="Ada", role=Role.ADMIN, read_only=True)
    require_self_or(own_key, "P1", Permission.MANAGE_KEYS, looking=True)
    restricted_key = Actor(kind="key", id="P1", label="Ada", role=Role.RESTRICTED, read_only=True)
    require_self_or(restricted_key, "P1", Permission.VIEW)
    with pytest.raises(Forbidden, match="read-only"):
        require_self_or(own_key, "P1", Permission.MANAGE_USERS)
    reply = Actor(kind="reply", id="P1", label="Ada", role=Role.RESPONDER)
    with pytest.raises(Forbidden):
        require_self_or(reply, "P1", Permission.MANAGE_USERS)


def test_an_account_key_in_someones_name_is_not_them() -> None:
    key = Actor(kind="key", id="P1", label="Ada (by ci)", role=Role.OBSERVER, on_behalf=True)
    with pytest.raises(Forbidden):
        require_self_or(key, "P1", Permission.MANAGE_USERS)


def test_visible_teams() -> None:
    assert visible_teams(person(Role.OBSERVER)) is None
    assert visible_teams(person(Role.RESTRICTED, {"PB": "observer", "PA": "manager"})) == (
        "PA",
        "PB",
    )
    assert visible_teams(person(Role.LIMITED_STAKEHOLDER)) == ()
    assert allowed_somewhere(person(Role.RESTRICTED, {"PA": "observer"}), Permission.VIEW)
    assert not allowed_somewhere(person(Role.RESTRICTED), Permission.VIEW)
