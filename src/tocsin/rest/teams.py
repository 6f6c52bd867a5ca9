"""Teams, who is in them, and which escalation policies they own."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Member, Team, TeamChange, TeamRole
from tocsin.rest import operations
from tocsin.rest.call import Call, Paging, convert
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

TAG = "Teams"


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Team]:
    return await accounts.teams_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    query = call.text("query")
    found = await accounts.list_teams(
        call.tx, call.actor, query=query, offset=wanted.offset, limit=wanted.limit
    )
    total = None
    if wanted.total:
        total = await accounts.count_teams(call.tx, call.actor, query=query)
    return Slice(items=found.items, more=found.next is not None, total=total)


async def _get(call: Call, id: str) -> Team:
    return await accounts.get_team(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Team:
    return await accounts.create_team(
        call.tx,
        call.actor,
        call.now,
        name=given["name"],
        description=given.get("description"),
        default_role=given.get("default_role") or "manager",
    )


async def _update(call: Call, id: str, given: dict[str, Any]) -> Team:
    values = {n: v for n, v in given.items() if v is not None or n == "description"}
    return await accounts.update_team(call.tx, call.actor, id, TeamChange(**values), call.now)


async def _delete(call: Call, id: str) -> None:
    heir = call.text("reassignment_team")
    await accounts.delete_team(call.tx, call.actor, id, call.now, heir_id=heir)


TEAM = Resource(
    kind="team",
    plural="teams",
    path="/teams",
    tag=TAG,
    summary=lambda team: team.name,
    page=lambda team: f"/app/teams/{team.id}",
    load=_load,
    team_of=lambda team: team.id,
    params=(Param(name="query"),),
    delete_params=(Param(name="reassignment_team"),),
    fields=(
        Field(
            name="name",
            type=str,
            write=str,
            required=True,
            read=lambda team, extra: team.name,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda team, extra: team.description,
        ),
        Field(
            name="default_role",
            type=str,
            write=str | None,
            read=lambda team, extra: team.default_role,
        ),
        Field(name="parent", type=Reference | None, read=lambda team, extra: None),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)


class Seat(msgspec.Struct):
    """One person in a team, as the list of members shows it."""

    user: Reference
    role: str


async def members(call: Call) -> object:
    """The people of a team with their roles there."""
    wanted = call.paging()
    team_id = call.path["id"]
    found = await accounts.list_members(
        call.tx, call.actor, team_id, offset=wanted.offset, limit=wanted.limit
    )
    total = None
    if wanted.total:
        total = await accounts.count_members(call.tx, call.actor, team_id)
    full = "users" in call.includes
    return {
        "members": [
            {"user": Ref("user", member.user_id, full=full), "role": member.role}
            for member in found.items
        ],
        "limit": wanted.limit,
        "offset": wanted.offset,
        "total": total,
        "more": found.next is not None,
    }


async def put_member(call: Call) -> None:
    """Put a person into a team. Without a role whoever is in it keeps theirs; others manage, and
    stakeholders observe."""
    team_id, user_id = call.path["id"], call.path["user_id"]
    role = call.body.get("role")
    if role is None:
        current = (await accounts.teams_of(call.tx, user_id)).get(team_id)
        user = (await accounts.users_by_ids(call.tx, [user_id])).get(user_id)
        looks = user is not None and user.role in accounts.STAKEHOLDERS
        role = current or (TeamRole.OBSERVER if looks else TeamRole.MANAGER)
    role = convert("role", role, str)
    member = Member(team_id=team_id, user_id=user_id, role=role)
    await accounts.set_member(call.tx, call.actor, member, call.now)


async def remove_member(call: Call) -> None:
    """Take a person out of a team."""
    team_id, user_id = call.path["id"], call.path["user_id"]
    await accounts.remove_member(call.tx, call.actor, team_id, user_id, call.now)


OPERATIONS = (
    *operations.of(TEAM),
    Operation(
        method="GET",
        path="/teams/{id}/members",
        id="listTeamUsers",
        summary="List the members of a team",
        tag=TAG,
        handle=members,
        params=(Param(name="include", many=True), *operations.PAGING),
        gives={"members": list[Seat]},
        paged=True,
    ),
    Operation(
        method="PUT",
        path="/teams/{id}/users/{user_id}",
        id="updateTeamUser",
        summary="Put a person into a team",
        tag=TAG,
        handle=put_member,
        ok=204,
        takes={"role": str | None},
    ),
    Operation(
        method="DELETE",
        path="/teams/{id}/users/{user_id}",
        id="deleteTeamUser",
        summary="Take a person out of a team",
        tag=TAG,
        handle=remove_member,
        ok=204,
    ),
)
