"""One person: profile, how they are reached, keys, password, sessions, deactivating.

Everybody may change their own page; who manages users may change everybody's. A REST key's token
is in the answer to the POST that made it and nowhere else, ever.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, allowed_somewhere, is_self
from tocsin.accounts.actions.sessions import session_id
from tocsin.accounts.model import NewKey, Role, User, UserChange
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.core.timezones import zone_names
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Policy
from tocsin.handoffs import actions as handoffs
from tocsin.paging import actions as paging
from tocsin.queries import people as people_queries
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import ScheduleHead
from tocsin.tags import actions as tag_actions
from tocsin.tags.model import TagKind
from tocsin.web import rota
from tocsin.web.oncall import MAX_POLICIES, MAX_SCHEDULES, duties_of, proof
from tocsin.web.page import Page, get, post
from tocsin.web.people import ROLES, SECTION, role_choices
from tocsin.web.visit import Visit

TESTS_SHOWN_FOR = timedelta(hours=24)
MOST_KEYS = 100


async def page(visit: Visit) -> Response:
    """Everything about one person."""
    return await show(visit)


async def show(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    problem: str | None = None,
    new_token: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page, with what was wrong with a form of it, or a key's token this one time."""
    user_id = visit.path("id")
    async with visit.tx() as tx:
        user = await accounts.get_user(tx, visit.actor, user_id)
        context = await _context(tx, visit, user)
    return visit.render(
        "people/person.html",
        status=status,
        page={"title": user.name, "section": SECTION, "up": ("People", "/app/people")},
        person=user,
        errors=errors or {},
        values=values or {},
        problem=problem,
        new_token=new_token,
        proof=lambda method: proof(method, visit.now),
        channels=visit.deps.channels,
        roles=ROLES,
        role_choices=role_choices(visit.actor.role),
        zones=sorted(zone_names()),
        **context,
    )


async def _context(tx: Tx, visit: Visit, user: User) -> dict[str, Any]:
    own = is_self(visit.actor, user.id)
    manages = allowed(visit.actor, Permission.MANAGE_USERS) and (
        user.role != Role.OWNER or visit.actor.role == Role.OWNER
    )
    may_key = own or (allowed(visit.actor, Permission.MANAGE_KEYS) and manages)
    methods = await paging.contact_methods(tx, visit.actor, user.id)
    since = visit.now - TESTS_SHOWN_FOR
    members = (await accounts.memberships(tx, [user.id]))[user.id]
    teams = await accounts.teams_by_ids(tx, [member.team_id for member in members])
    policies: list[Policy] = []
    heads: Sequence[ScheduleHead] = ()
    # Somebody who sees no team's things still has a page of their own: a password, keys, sessions.
    if allowed_somewhere(visit.actor, Permission.VIEW):
        policies = await escalations.list_policies(tx, visit.actor, limit=MAX_POLICIES)
        heads = (await schedules.page(tx, visit.actor, limit=MAX_SCHEDULES)).items
    found = await rota.read(tx, visit.now, policies=policies, schedule_ids=[h.id for h in heads])
    keys = None
    if may_key:
        keys = (await accounts.list_keys(tx, visit.actor, user_id=user.id, limit=MOST_KEYS)).items
    return {
        "own": own,
        "manages": manages,
        "may_change": own or manages,
        "may_key": may_key,
        "keys": keys,
        "methods": methods,
        "tests": await people_queries.last_tests(tx, user.id, [m.id for m in methods], since),
        "rules": await paging.notification_rules(tx, visit.actor, user.id),
        "handoff_rules": await handoffs.handoff_rules(tx, visit.actor, user.id),
        "teams": [(teams[m.team_id], m.role) for m in members if m.team_id in teams],
        "duties": duties_of(policies, found, user.id),
        "sessions": (
            await accounts.list_sessions(tx, visit.actor, user.id, visit.now)
            if own or manages
            else None
        ),
        "this_session": session_id(visit.session_token) if visit.session_token else "",
        "tags": (await tag_actions.tags_of(tx, TagKind.USER, [user.id]))[user.id],
        "may_tag": allowed(visit.actor, Permission.MANAGE_USERS),
        "has_password": await accounts.has_password(tx, user.id),
    }


async def save_profile(visit: Visit) -> Response:
    """Change the profile; the role only where the form had one."""
    user_id = visit.path("id")
    values = {
        name: visit.field(name)
        for name in ("name", "email", "time_zone", "job_title", "description")
    }
    if visit.field("role"):
        values["role"] = visit.field("role")
    try:
        async with visit.tx() as tx:
            await accounts.update_user(tx, visit.actor, user_id, UserChange(**values), visit.now)
    except Invalid as error:
        return await show(visit, errors={error.field: error.message}, values=values, status=422)
    return visit.see_other(f"/app/people/{user_id}", toast="The profile is saved.")


async def change_password(visit: Visit) -> Response:
    """One's own password by proving the old one, or a first one for somebody else."""
    user_id = visit.path("id")
    try:
        if is_self(visit.actor, user_id):
            await accounts.change_password(
                visit.deps.database,
                visit.actor,
                current=visit.raw_field("current_password"),
                new=visit.raw_field("new_password"),
                now=visit.now,
            )
            return visit.see_other("/app/sign-in", toast="The password is changed. Sign in again.")
        async with visit.tx() as tx:
            await accounts.set_password(
                tx, visit.actor, user_id, visit.raw_field("new_password"), visit.now
            )
    except Invalid as error:
        field = "new_password" if error.field == "password" else error.field
        return await show(visit, errors={field: error.message}, status=422)
    return visit.see_other(
        f"/app/people/{user_id}",
        toast="The password is set, and they are signed out everywhere. Tell it to them.",
    )


async def create_key(visit: Visit) -> Response:
    """Make a REST key and show its token in this one answer."""
    new = NewKey(
        name=visit.field("key_name"),
        user_id=visit.path("id"),
        read_only=visit.field("read_only") == "1",
    )
    try:
        async with visit.tx() as tx:
            key, token = await accounts.create_key(tx, visit.actor, new, visit.now)
    except Invalid as error:
        return await show(visit, errors={"key_name": error.message}, status=422)
    return await show(visit, new_token=(key.name, token))


async def revoke_key(visit: Visit) -> Response:
    """End a key at once."""
    async with visit.tx() as tx:
        await accounts.revoke_key(tx, visit.actor, visit.path("key_id"), visit.now)
    return visit.see_other(f"/app/people/{visit.path('id')}#keys", toast="The key works no more.")


async def end_session(visit: Visit) -> Response:
    """Sign one browser out, or all of them."""
    user_id, session = visit.path("id"), visit.field("session")
    async with visit.tx() as tx:
        if session:
            await accounts.revoke_session(tx, visit.actor, user_id, session, visit.now)
        else:
            await accounts.revoke_sessions(tx, visit.actor, user_id, visit.now)
    return visit.see_other(f"/app/people/{user_id}#sessions", toast="Signed out there.")


async def deactivate(visit: Visit) -> Response:
    """End a person's access; refused with what still needs them."""
    user_id = visit.path("id")
    try:
        async with visit.tx() as tx:
            user = await accounts.get_user(tx, visit.actor, user_id)
            await accounts.deactivate_user(tx, visit.actor, user_id, visit.now)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return visit.see_other("/app/people", toast=f"{user.name} is deactivated.")


PAGES: tuple[Page, ...] = (
    get("/app/people/{id}", page),
    post("/app/people/{id}", save_profile),
    post("/app/people/{id}/password", change_password),
    post("/app/people/{id}/keys", create_key),
    post("/app/people/{id}/keys/{key_id}/revoke", revoke_key),
    post("/app/people/{id}/sessions/end", end_session),
    post("/app/people/{id}/deactivate", deactivate),
)
