"""Teams: create, change, delete, find. A team owns policies and schedules, and so services."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from tocsin.accounts import audit, store, validation
from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor, Team, TeamChange
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

TAKEN = "is already the name of another team"
DEFAULT_ROLES = ("manager", "none")


async def create_team(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    name: str,
    description: str | None = None,
    default_role: str = "manager",
) -> Team:
    """Create a team without members."""
    require(actor, Permission.MANAGE_TEAMS)
    team = _checked(
        Team(
            id=ids.new("P", now),
            name=name,
            description=description,
            default_role=default_role,
            created_at=now,
        )
    )
    if not await tx.execute(store.INSERT_TEAM, msgspec.structs.asdict(team)):
        raise Invalid("name", TAKEN)
    await _record(tx, actor, now, action="create", team=team, after=team)
    return team


async def update_team(
    tx: Tx, actor: Actor, team_id: str, change: TeamChange, now: datetime
) -> Team:
    """Change a team; its managers may."""
    require(actor, Permission.MANAGE_TEAMS, team_id)
    old = await locked_team(tx, team_id)
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    given = {name: value for name, value in fields.items() if value is not UNSET}
    new = _checked(msgspec.structs.replace(old, **given))
    if new == old:
        return old
    if not await tx.execute(store.UPDATE_TEAM, msgspec.structs.asdict(new)):
        raise Invalid("name", TAKEN)
    await _record(tx, actor, now, action="update", team=new, before=old, after=new)
    return new


async def delete_team(
    tx: Tx, actor: Actor, team_id: str, now: datetime, *, heir_id: str | None = None
) -> None:
    """Delete a team. What it owns goes to the team `heir_id`; without one a team that owns
    something is not deleted: Refused("team_in_use") says what that is."""
    require(actor, Permission.MANAGE_TEAMS, team_id)
    if heir_id == team_id:
        raise Invalid("reassignment_team", "must be another team than the deleted one")
    # Always in the order of ids, so that two who do this at once never wait for each other.
    held = {id: await locked_team(tx, id) for id in sorted({team_id, heir_id or team_id})}
    team = held[team_id]
    if heir_id is not None:
        require(actor, Permission.MANAGE_TEAMS, heir_id)
        await _give(tx, actor, now, team=team, heir=held[heir_id])
    owned = await tx.tuples(store.SELECT_OWNED_BY_TEAM, {"id": team_id})
    if owned:
        names = "; ".join(f"{kind} {name}" for kind, name in owned)
        raise Refused(
            "team_in_use", f"{team.name} still owns: {names}. Give these to another team first."
        )
    await tx.execute(store.DELETE_MEMBERS_OF_TEAM, {"team_id": team_id})
    await tx.execute(store.DELETE_TEAM, {"id": team_id, "now": now})
    await _record(tx, actor, now, action="delete", team=team, before=team)


async def _give(tx: Tx, actor: Actor, now: datetime, *, team: Team, heir: Team) -> None:
    for kind, id, name in await tx.tuples(store.MOVE_OWNED_BY_TEAM, {"id": team.id, "to": heir.id}):
        await audit.record(
            tx,
            actor,
            now,
            action="update",
            subject_type=kind,
            subject_id=id,
            subject_label=name,
            before={"team_id": team.id},
            after={"team_id": heir.id},
        )


async def get_team(tx: Tx, actor: Actor, team_id: str) -> Team:
    """One team that the actor may see."""
    visible = visible_teams(actor)
    found = await tx.all(Team, store.SELECT_TEAMS_BY_IDS, {"ids": [team_id]})
    hidden = visible is not None and team_id not in visible
    if not found or found[0].deleted_at is not None or hidden:
        raise NotFound("team", team_id)
    return found[0]


async def teams_by_ids(tx: Tx, team_ids: Sequence[str]) -> dict[str, Team]:
    """Teams by id, deleted ones too; unknown ids are left out."""
    found = await tx.all(Team, store.SELECT_TEAMS_BY_IDS, {"ids": list(team_ids)})
    return {team.id: team for team in found}


async def list_teams(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    tag_id: str | None = None,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> Page[Team]:
    """Teams that the actor may see, by name. `query` is part of a name."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    after_name, after_id = read_cursor(cursor, 2)
    rows = await tx.all(
        Team,
        store.SELECT_TEAMS,
        {
            "query": query or None,
            "team_ids": None if visible is None else list(visible),
            "tag_id": tag_id,
            "after_name": after_name,
            "after_id": after_id,
            "offset": offset,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda team: (team.name.lower(), team.id))


async def count_teams(tx: Tx, actor: Actor, *, query: str | None = None) -> int:
    """How many teams `list_teams` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    teams = None if visible is None else list(visible)
    return int(await tx.value(store.COUNT_TEAMS, {"query": query or None, "team_ids": teams}))


async def locked_team(tx: Tx, team_id: str) -> Team:
    """A living team, held until the transaction ends."""
    team = await tx.one(Team, store.SELECT_TEAM_FOR_UPDATE, {"id": team_id})
    if team is None:
        raise NotFound("team", team_id)
    return team


def _checked(team: Team) -> Team:
    if team.default_role not in DEFAULT_ROLES:
        raise Invalid("default_role", f"must be one of {', '.join(DEFAULT_ROLES)}")
    return msgspec.structs.replace(
        team,
        name=validation.line("name", team.name),
        description=validation.optional_text("description", team.description),
    )


async def _record(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    team: Team,
    before: Team | None = None,
    after: Team | None = None,
) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="team",
        subject_id=team.id,
        subject_label=team.name,
        before=before,
        after=after,
    )
