"""Who is in which team, and as what."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts import audit, store, validation
from tocsin.accounts.access import Permission, require
from tocsin.accounts.actions.people import locked_user
from tocsin.accounts.actions.teams import get_team, locked_team
from tocsin.accounts.model import Actor, Member, Role, Team, TeamRole, User
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

STAKEHOLDERS = (Role.STAKEHOLDER, Role.LIMITED_STAKEHOLDER)


async def set_member(tx: Tx, actor: Actor, member: Member, now: datetime) -> Member:
    """Put someone into a team, or change their role there."""
    require(actor, Permission.MANAGE_TEAMS, member.team_id)
    role = validation.team_role("role", member.role)
    team = await locked_team(tx, member.team_id)
    user = await locked_user(tx, member.user_id)
    if user.role in STAKEHOLDERS and role != TeamRole.OBSERVER:
        raise Invalid("role", "a stakeholder can only be an observer in a team")
    old = await tx.one(Member, store.SELECT_MEMBER, _ids(team.id, user.id))
    new = Member(team_id=team.id, user_id=user.id, role=str(role))
    if old == new:
        return new
    await tx.execute(store.UPSERT_MEMBER, {**_ids(team.id, user.id), "role": new.role})
    before = None if old is None else {user.name: old.role}
    await _record(tx, actor, now, team=team, before=before, after={user.name: new.role})
    return new


async def remove_member(tx: Tx, actor: Actor, team_id: str, user_id: str, now: datetime) -> None:
    """Take someone out of a team; refused while one of its policies would page them."""
    require(actor, Permission.MANAGE_TEAMS, team_id)
    team = await locked_team(tx, team_id)
    old = await tx.one(Member, store.SELECT_MEMBER, _ids(team_id, user_id))
    if old is None:
        raise NotFound("member", user_id)
    user = (await tx.all(User, store.SELECT_USERS_BY_IDS, {"ids": [user_id]}))[0]
    targets = await tx.tuples(store.SELECT_TEAM_POLICIES_TARGETING, _ids(team_id, user_id))
    if targets:
        names = "; ".join(name for _, name in targets)
        raise Refused(
            "member_in_use",
            f"{user.name} is a target of the team's escalation policies: {names}."
            " Remove them there first.",
        )
    await tx.execute(store.DELETE_MEMBER, _ids(team_id, user_id))
    await _record(tx, actor, now, team=team, before={user.name: old.role}, after={})


async def list_members(
    tx: Tx,
    actor: Actor,
    team_id: str,
    *,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> Page[Member]:
    """The people of a team."""
    await get_team(tx, actor, team_id)
    (after_id,) = read_cursor(cursor, 1)
    rows = await tx.all(
        Member,
        store.SELECT_MEMBERS,
        {
            "team_id": team_id,
            "after_id": after_id,
            "offset": offset,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda member: (member.user_id,))


async def count_members(tx: Tx, actor: Actor, team_id: str) -> int:
    """How many people a team has."""
    await get_team(tx, actor, team_id)
    return int(await tx.value(store.COUNT_MEMBERS, {"team_id": team_id}))


async def memberships(tx: Tx, user_ids: Sequence[str]) -> dict[str, list[Member]]:
    """The teams of each person, by team name; people without a team have an empty list."""
    found: dict[str, list[Member]] = {user_id: [] for user_id in user_ids}
    for member in await tx.all(Member, store.SELECT_MEMBERSHIPS, {"user_ids": list(user_ids)}):
        found[member.user_id].append(member)
    return found


async def teams_of(tx: Tx, user_id: str) -> dict[str, str]:
    """Team ids and the person's role there, in the form that `Actor.teams` has."""
    return {m.team_id: m.role for m in (await memberships(tx, [user_id]))[user_id]}


def _ids(team_id: str, user_id: str) -> dict[str, str]:
    return {"team_id": team_id, "user_id": user_id}


async def _record(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    team: Team,
    before: dict[str, str] | None,
    after: dict[str, str],
) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action="update_members",
        subject_type="team",
        subject_id=team.id,
        subject_label=team.name,
        before=before,
        after=after,
    )
