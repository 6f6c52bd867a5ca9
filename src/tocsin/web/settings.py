"""Settings: one's own way in, the installation, its channels, its nodes, and its account keys.

What is set by environment and not here (channels, addresses) is named with the setting to change.
"""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, require
from tocsin.accounts.model import NewKey, Role
from tocsin.core.errors import Invalid
from tocsin.engine import auditor
from tocsin.engine.nodes import living
from tocsin.queries import backlog, choices
from tocsin.queries.choices import Choice
from tocsin.web.page import Page, get, post
from tocsin.web.people import ROLES
from tocsin.web.visit import Visit

SECTION = "settings"
MOST_KEYS = 100
MOST_QUARANTINED = 10
# A node beats once a second.
ALIVE_WITHIN = timedelta(seconds=5)
KEY_ROLES = (Role.ADMIN, Role.MANAGER, Role.RESPONDER, Role.OBSERVER)


async def settings(visit: Visit) -> Response:
    """The page."""
    return await _show(visit)


async def _show(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
    new_token: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    manages = allowed(visit.actor, Permission.MANAGE_INSTANCE)
    may_key = allowed(visit.actor, Permission.MANAGE_KEYS)
    async with visit.tx() as tx:
        instance = await accounts.instance(tx)
        catch_all = await accounts.users_by_ids(
            tx, [instance.catch_all_user_id] if instance.catch_all_user_id else []
        )
        people: list[Choice] = []
        if manages:
            people = await choices.people(tx, keep=catch_all)
        keys: list[Any] = []
        if may_key:
            found = await accounts.list_keys(tx, visit.actor, limit=MOST_KEYS)
            keys = [key for key in found.items if key.user_id is None]
        nodes = await living(tx)
        findings = await auditor.audit(tx, visit.now)
        lag = await backlog.lag_seconds(tx, visit.now)
        quarantined = await backlog.quarantined(tx, MOST_QUARANTINED) if manages else []
    return visit.render(
        "settings/page.html",
        status=status,
        page={"title": "Settings", "section": SECTION},
        instance=instance,
        catch_all=next(iter(catch_all.values()), None),
        people=people,
        keys=keys,
        nodes=nodes,
        alive_since=visit.now - ALIVE_WITHIN,
        findings=findings,
        lag=lag,
        quarantined=quarantined,
        channels=visit.deps.channels,
        version=visit.deps.version,
        base_url=visit.deps.base_url,
        drift=getattr(visit.deps.clock, "drift_seconds", 0.0),
        errors=errors or {},
        values=values or {},
        new_token=new_token,
        manages=manages,
        may_key=may_key,
        key_roles=[(role.value, ROLES[role][0]) for role in KEY_ROLES],
        role_names={role: name for role, (name, _) in ROLES.items()},
    )


async def save_instance(visit: Visit) -> Response:
    """Change the installation's name and its catch-all person."""
    values = {name: visit.field(name) for name in ("public_name", "catch_all_user_id")}
    try:
        async with visit.tx() as tx:
            await accounts.change_instance(
                tx,
                visit.actor,
                visit.now,
                public_name=values["public_name"],
                catch_all_user_id=values["catch_all_user_id"] or None,
            )
    except Invalid as error:
        return await _show(visit, errors={error.field: error.message}, values=values, status=422)
    return visit.see_other("/app/settings", toast="The installation is saved.")


async def create_key(visit: Visit) -> Response:
    """Make an account key; its token is in this answer and nowhere else."""
    new = NewKey(
        name=visit.field("key_name"),
        role=visit.field("role"),
        read_only=visit.field("read_only") == "1",
    )
    try:
        async with visit.tx() as tx:
            key, token = await accounts.create_key(tx, visit.actor, new, visit.now)
    except Invalid as error:
        return await _show(visit, errors={f"key_{error.field}": error.message}, status=422)
    return await _show(visit, new_token=(key.name, token))


async def revoke_key(visit: Visit) -> Response:
    """End an account key at once."""
    require(visit.actor, Permission.MANAGE_KEYS)
    async with visit.tx() as tx:
        await accounts.revoke_key(tx, visit.actor, visit.path("key_id"), visit.now)
    return visit.see_other("/app/settings#keys", toast="The key works no more.")


PAGES: tuple[Page, ...] = (
    get("/app/settings", settings),
    post("/app/settings/instance", save_instance),
    post("/app/settings/keys", create_key),
    post("/app/settings/keys/{key_id}/revoke", revoke_key),
)
