"""Teams: the list, and one team with its people and their roles in it."""

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed
from tocsin.accounts.model import Member, TeamChange, TeamRole
from tocsin.core.errors import Invalid, Refused
from tocsin.queries import choices
from tocsin.queries.choices import Choice
from tocsin.tags import actions as tag_actions
from tocsin.tags.model import TagKind
from tocsin.web import tag_cards
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

PAGE_SIZE = 50
MEMBERS_SIZE = 100
SECTION = "teams"
BASE = "/app/teams"
TEAM_ROLES = (
    (TeamRole.RESPONDER.value, "Responder: sees and responds"),
    (TeamRole.MANAGER.value, "Manager: also shapes what the team owns"),
    (TeamRole.OBSERVER.value, "Observer: only looks"),
)


async def teams(visit: Visit) -> Response:
    """Every team the viewer may see, by name."""
    return await _list(visit)


async def create_team(visit: Visit) -> Response:
    """Make a team; whoever makes it adds its people on its page."""
    values = {"name": visit.field("name"), "description": visit.field("description")}
    try:
        async with visit.tx() as tx:
            team = await accounts.create_team(
                tx,
                visit.actor,
                visit.now,
                name=values["name"],
                description=values["description"] or None,
            )
    except Invalid as error:
        return await _list(visit, errors={error.field: error.message}, values=values, status=422)
    return visit.see_other(f"{BASE}/{team.id}", toast=f"{team.name} is made. Add its people.")


async def _list(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    query, cursor = visit.query("q"), visit.query("cursor") or None
    async with visit.tx() as tx:
        tagged = await tag_cards.wanted(tx, visit)
        found = await accounts.list_teams(
            tx, visit.actor, query=query, tag_id=tagged.id, cursor=cursor, limit=PAGE_SIZE
        )
        own = await accounts.teams_of(tx, visit.viewer.id)
    return visit.render(
        "teams/list.html",
        status=status,
        page={"title": "Teams", "section": SECTION},
        teams=found.items,
        next=found.next,
        cursor=cursor,
        query=query,
        tagged=tagged,
        own=own,
        errors=errors or {},
        values=values or {},
        may_add=allowed(visit.actor, Permission.MANAGE_TEAMS),
    )


async def team_page(visit: Visit) -> Response:
    """One team."""
    return await _show(visit)


async def _show(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    cursor = visit.query("cursor") or None
    async with visit.tx() as tx:
        team = await accounts.get_team(tx, visit.actor, visit.path("id"))
        found = await accounts.list_members(
            tx, visit.actor, team.id, cursor=cursor, limit=MEMBERS_SIZE
        )
        members = found.items
        users = await accounts.users_by_ids(tx, [member.user_id for member in members])
        manages = allowed(visit.actor, Permission.MANAGE_TEAMS, team.id)
        people: list[Choice] = []
        heirs: list[Choice] = []
        if manages:
            people = [one for one in await choices.people(tx) if one.id not in users]
            heirs = [one for one in await choices.teams(tx, visit.actor) if one.id != team.id]
        tags = (await tag_actions.tags_of(tx, TagKind.TEAM, [team.id]))[team.id]
    return visit.render(
        "teams/page.html",
        status=status,
        page={"title": team.name, "section": SECTION, "up": ("Teams", BASE)},
        team=team,
        members=sorted(members, key=lambda member: users[member.user_id].name.lower()),
        users=users,
        cursor=cursor,
        next=found.next,
        people=people,
        heirs=heirs,
        errors=errors or {},
        problem=problem,
        team_roles=TEAM_ROLES,
        manages=manages,
        tags=tags,
        may_tag=manages,
    )


async def save_team(visit: Visit) -> Response:
    """Rename or describe it."""
    change = TeamChange(name=visit.field("name"), description=visit.field("description"))
    try:
        async with visit.tx() as tx:
            team = await accounts.update_team(tx, visit.actor, visit.path("id"), change, visit.now)
    except Invalid as error:
        return await _show(visit, errors={error.field: error.message}, status=422)
    return visit.see_other(f"{BASE}/{team.id}", toast="The team is saved.")


async def set_member(visit: Visit) -> Response:
    """Put somebody into the team, or change their role in it."""
    member = Member(
        team_id=visit.path("id"), user_id=visit.field("user_id"), role=visit.field("role")
    )
    try:
        async with visit.tx() as tx:
            await accounts.set_member(tx, visit.actor, member, visit.now)
    except Invalid as error:
        return await _show(visit, errors={f"member_{error.field}": error.message}, status=422)
    return visit.see_other(f"{BASE}/{member.team_id}", toast="The team is changed.")


async def remove_member(visit: Visit) -> Response:
    """Take somebody out; refused while one of the team's policies would page them."""
    team_id = visit.path("id")
    try:
        async with visit.tx() as tx:
            await accounts.remove_member(
                tx, visit.actor, team_id, visit.field("user_id"), visit.now
            )
    except Refused as refused:
        return await _show(visit, problem=refused.message, status=409)
    return visit.see_other(f"{BASE}/{team_id}", toast="They left the team.")


async def delete_team(visit: Visit) -> Response:
    """Delete a team; what it owns goes to the team that the form names."""
    heir_id = visit.field("heir") or None
    try:
        async with visit.tx() as tx:
            team = await accounts.get_team(tx, visit.actor, visit.path("id"))
            await accounts.delete_team(tx, visit.actor, team.id, visit.now, heir_id=heir_id)
    except Refused as refused:
        return await _show(visit, problem=refused.message, status=409)
    return visit.see_other(BASE, toast=f"{team.name} is deleted.")


PAGES: tuple[Page, ...] = (
    get(BASE, teams),
    post(BASE, create_team),
    get(f"{BASE}/{{id}}", team_page),
    post(f"{BASE}/{{id}}", save_team),
    post(f"{BASE}/{{id}}/members", set_member),
    post(f"{BASE}/{{id}}/members/remove", remove_member),
    post(f"{BASE}/{{id}}/delete", delete_team),
)
