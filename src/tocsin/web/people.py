"""People: the list, and adding somebody.

An administrator gives a new person a first password by hand and tells it to them; they change it on
their own page. Nothing is mailed, so adding people works before any channel is set up.
"""

from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, require
from tocsin.accounts.model import NewUser, Role
from tocsin.core.errors import Invalid
from tocsin.core.timezones import zone_names
from tocsin.paging import actions as paging
from tocsin.web import tag_cards
from tocsin.web.oncall import proof
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

PAGE_SIZE = 50
SECTION = "people"
ROLES: dict[str, tuple[str, str]] = {
    Role.OWNER: ("Owner", "everything, and the only one who makes other owners"),
    Role.ADMIN: ("Administrator", "everything but owners"),
    Role.MANAGER: ("Manager", "responds, and shapes services, policies, schedules and teams"),
    Role.RESPONDER: ("Responder", "sees and responds; changes their own page"),
    Role.OBSERVER: ("Observer", "sees; responds only where a team says so"),
    Role.RESTRICTED: ("Restricted", "only what their teams allow"),
    Role.STAKEHOLDER: ("Stakeholder", "only looks"),
    Role.LIMITED_STAKEHOLDER: ("Limited stakeholder", "only looks at what their teams own"),
}


def role_choices(actor_role: Role | None) -> list[tuple[str, str]]:
    """The roles a form offers; only an owner makes owners."""
    return [
        (str(role), f"{name}: {does}")
        for role, (name, does) in ROLES.items()
        if role != Role.OWNER or actor_role == Role.OWNER
    ]


async def people(visit: Visit) -> Response:
    """Everybody, by name."""
    query, cursor = visit.query("q"), visit.query("cursor") or None
    async with visit.tx() as tx:
        tagged = await tag_cards.wanted(tx, visit)
        found = await accounts.list_users(
            tx, visit.actor, query=query, tag_id=tagged.id, cursor=cursor, limit=PAGE_SIZE
        )
        ids = [user.id for user in found.items]
        memberships = await accounts.memberships(tx, ids)
        team_ids = {member.team_id for members in memberships.values() for member in members}
        teams = await accounts.teams_by_ids(tx, sorted(team_ids))
        methods = await paging.contact_methods_of(tx, visit.actor, ids)
    return visit.render(
        "people/list.html",
        page={"title": "People", "section": SECTION},
        people=found.items,
        next=found.next,
        cursor=cursor,
        query=query,
        tagged=tagged,
        teams={
            id: [teams[m.team_id] for m in members if m.team_id in teams]
            for id, members in memberships.items()
        },
        reach={id: _reach(found, visit) for id, found in methods.items()},
        roles=ROLES,
        may_add=allowed(visit.actor, Permission.MANAGE_USERS),
    )


async def new_person(visit: Visit) -> Response:
    """The form for somebody new."""
    require(visit.actor, Permission.MANAGE_USERS)
    return _form(visit, {"role": Role.RESPONDER, "time_zone": visit.viewer.time_zone}, {})


async def create_person(visit: Visit) -> Response:
    """Add somebody."""
    names = ("name", "email", "role", "time_zone", "job_title")
    values = {name: visit.field(name) for name in names}
    # Exactly as typed, as the sign-in takes it: spaces around it belong to it.
    values["password"] = visit.raw_field("password")
    try:
        if not values["password"]:
            raise Invalid("password", "is needed: they sign in with it and then change it")
        async with visit.tx() as tx:
            user = await accounts.create_user(tx, visit.actor, NewUser(**values), visit.now)
    except Invalid as error:
        return _form(visit, values, {error.field: error.message}, status=422)
    return visit.see_other(
        f"/app/people/{user.id}", toast=f"{user.name} was added. Tell them their first password."
    )


def _form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    return visit.render(
        "people/new.html",
        status=status,
        page={"title": "New person", "section": SECTION, "up": ("People", "/app/people")},
        values=values,
        errors=errors,
        roles=role_choices(visit.actor.role),
        zones=sorted(zone_names()),
    )


def _reach(methods: list[Any], visit: Visit) -> tuple[str, str]:
    """A tone and words for how well somebody can be reached."""
    if not methods:
        return "hot", "nothing reaches them"
    states = [proof(method, visit.now) for method in methods]
    working = sum(1 for state in states if state in ("works", "old"))
    if not working:
        return "amber", "fails" if "fails" in states else "not proven"
    if "fails" in states:
        return "amber", f"{working} of {len(methods)} work"
    return "ok", f"{working} proven" if working == len(methods) else f"{working} of {len(methods)}"


PAGES: tuple[Page, ...] = (
    get("/app/people", people),
    get("/app/people/new", new_person),
    post("/app/people/new", create_person),
)
