"""Webhook subscriptions: the list, a form, and one with its secrets and what it was sent lately."""

from contextlib import suppress
from typing import Any

import msgspec
from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import (
    Permission,
    allowed,
    allowed_somewhere,
    require_somewhere,
)
from tocsin.catalog import actions as catalog
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.queries import choices
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.events import NEVER, TYPES
from tocsin.webhooks.model import (
    REDACTED,
    FilterType,
    Header,
    NewSubscription,
    Subscription,
    SubscriptionChange,
)

BASE = "/app/webhooks"
SECTION = "webhooks"
PAGE_SIZE = 50
DELIVERIES = 25
LONGEST_BODY = 6000
ACCOUNT = "account"
# What a form field is called, when the action calls the value otherwise.
FIELDS = {"filter": "listens", "custom_headers": "headers"}
STATES = {
    "waiting": ("clock", "muted", "waits for the one before it"),
    "queued": ("clock", "amber", "to be sent"),
    "sending": ("send", "amber", "being sent"),
    "delivered": ("check", "ok", "delivered"),
    "dropped": ("x", "hot", "dropped"),
    "expired": ("x", "hot", "given up after 48 hours"),
    "cancelled": ("undo", "muted", "cancelled"),
}


async def subscriptions(visit: Visit) -> Response:
    """Those the viewer may see, oldest first."""
    text = visit.query("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
    offset = max(0, number - 1) * PAGE_SIZE
    async with visit.tx() as tx:
        found = await webhooks.list_subscriptions(
            tx, visit.actor, offset=offset, limit=PAGE_SIZE + 1
        )
        shown = found[:PAGE_SIZE]
        names = await _names(tx, shown)
    return visit.render(
        "webhooks/list.html",
        page={"title": "Webhooks", "section": SECTION},
        subscriptions=shown,
        names=names,
        previous=number - 1 if number > 1 else None,
        next=number + 1 if len(found) > PAGE_SIZE else None,
        may_add=_may_add(visit),
    )


def _may_add(visit: Visit) -> bool:
    return allowed_somewhere(visit.actor, Permission.MANAGE_SERVICES)


async def _names(tx: Tx, found: list[Subscription]) -> dict[str, tuple[str, str | None]]:
    """What each listens to, in words, and where that is to be seen."""
    by_kind: dict[str, set[str]] = {}
    for one in found:
        by_kind.setdefault(one.filter_type, set()).add(one.filter_id or "")
    services = await catalog.services_by_ids(tx, sorted(by_kind.get(FilterType.SERVICE, ())))
    teams = await accounts.teams_by_ids(tx, sorted(by_kind.get(FilterType.TEAM, ())))
    names: dict[str, tuple[str, str | None]] = {}
    for one in found:
        id = one.filter_id or ""
        if one.filter_type == FilterType.ACCOUNT:
            names[one.id] = ("everything", None)
        elif one.filter_type == FilterType.SERVICE:
            service = services.get(id)
            there = service is not None and service.deleted_at is None
            at = f"/app/services/{id}" if there else None
            names[one.id] = (service.name if service else id, at)
        else:
            team = teams.get(id)
            there = team is not None and team.deleted_at is None
            at = f"/app/teams/{id}" if there else None
            names[one.id] = (f"team {team.name}" if team else id, at)
    return names


async def new_subscription(visit: Visit) -> Response:
    """The form for a new one."""
    require_somewhere(visit.actor, Permission.MANAGE_SERVICES)
    values = {"events": [event for event in TYPES if event.startswith("incident.")]}
    return await _form(visit, {**values, "active": True}, {})


async def create_subscription(visit: Visit) -> Response:
    """Make it; its secret is in this answer and nowhere else."""
    require_somewhere(visit.actor, Permission.MANAGE_SERVICES)
    values = _values(visit)
    try:
        new = NewSubscription(**_read(values))
        async with visit.tx() as tx:
            made, secret = await webhooks.create(
                tx, visit.actor, visit.deps.secret_box, new, visit.now
            )
    except (Invalid, Refused) as error:
        return await _form(visit, values, _errors(error), status=422)
    return await _show(visit, made.id, secret=secret)


async def _form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    async with visit.tx() as tx:
        listens = await _listens(visit, tx)
    return visit.render(
        "webhooks/new.html",
        status=status,
        page={"title": "New webhook", "section": SECTION, "up": ("Webhooks", BASE)},
        values=values,
        errors=errors,
        types=TYPES,
        never=NEVER,
        listens=listens,
    )


async def _listens(visit: Visit, tx: Tx, keep: str = "") -> list[tuple[str, str]]:
    """What may be listened to; what is chosen already is always among it."""
    kind, _, id = keep.partition(":")
    found: list[tuple[str, str]] = []
    if allowed(visit.actor, Permission.MANAGE_INSTANCE) or kind == ACCOUNT:
        found.append((ACCOUNT, "Everything"))
    services = await choices.services(tx, visit.actor, [id] if kind == FilterType.SERVICE else [])
    teams = await choices.teams(tx, visit.actor, [id] if kind == FilterType.TEAM else [])
    found += [(f"service:{one.id}", f"Service: {one.name}") for one in services]
    found += [(f"team:{one.id}", f"Team: {one.name}") for one in teams]
    return found


def _values(visit: Visit) -> dict[str, Any]:
    return {
        "url": visit.field("url"),
        "description": visit.field("description"),
        "listens": visit.field("listens"),
        "events": visit.fields("events"),
        "headers": visit.field("headers"),
        "active": visit.field("active") == "1",
    }


def _read(values: dict[str, Any]) -> dict[str, Any]:
    """What the form says, as the actions take it. Raises Invalid."""
    kind, _, id = str(values["listens"]).partition(":")
    if kind not in set(FilterType):
        raise Invalid("filter", "choose what to listen to")
    return {
        "url": values["url"],
        "description": values["description"] or None,
        "filter_type": FilterType(kind),
        "filter_id": id or None,
        "events": tuple(values["events"]),
        "headers": tuple(_headers(values["headers"])),
        "active": values["active"],
    }


def _headers(text: str) -> list[Header]:
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise Invalid("custom_headers", f"{line.strip()[:80]!r} is not of the form Name: value")
        found.append(Header(name.strip(), value.strip()))
    return found


def _errors(error: Invalid | Refused) -> dict[str, str]:
    if isinstance(error, Refused):
        return {"url": error.message}
    return {FIELDS.get(error.field, error.field): error.message}


async def subscription(visit: Visit) -> Response:
    """One subscription."""
    return await _show(visit, visit.path("id"))


async def _show(
    visit: Visit,
    id: str,
    *,
    secret: str | None = None,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    cursor = visit.query("cursor") or None
    async with visit.tx() as tx:
        one = await webhooks.get(tx, visit.actor, id)
        manages = webhooks.manages(visit.actor, one)
        found = await webhooks.deliveries(tx, one, cursor=cursor, limit=DELIVERIES)
        names = await _names(tx, [one])
        secrets, listens, opened = [], [], None
        keep = one.filter_type if one.filter_id is None else f"{one.filter_type}:{one.filter_id}"
        if manages:
            secrets = await webhooks.secrets(tx, one)
            listens = await _listens(visit, tx, keep)
            opened = (await webhooks.opened(tx, visit.deps.secret_box, [one])).get(id)
    return visit.render(
        "webhooks/page.html",
        status=status,
        page={
            "title": one.description or one.url_hint,
            "section": SECTION,
            "up": ("Webhooks", BASE),
        },
        one=one,
        name=names[id],
        url=one.url_hint if opened is None else opened.url,
        disabled=one.disabled(visit.now),
        deliveries=found.items,
        moving=any(row.state in ("queued", "sending") for row in found.items),
        cursor=cursor,
        next=found.next,
        states=STATES,
        readable=readable,
        manages=manages,
        secrets=secrets,
        new_secret=secret,
        listens=listens,
        types=sorted({*TYPES, *one.events}),
        never=NEVER,
        values=values
        or {
            "url": opened.url if opened else "",
            "description": one.description or "",
            "listens": keep,
            "events": one.events,
            "headers": "\n".join(f"{name}: {REDACTED}" for name in one.header_names),
            "active": one.active,
        },
        errors=errors or {},
        problem=problem,
    )


def readable(body: str) -> str:
    """What was sent as people read it: JSON on lines of its own, bounded."""
    with suppress(msgspec.MsgspecError):
        body = msgspec.json.format(body.encode(), indent=2).decode()
    return body if len(body) <= LONGEST_BODY else f"{body[:LONGEST_BODY]}\n…"


async def save_subscription(visit: Visit) -> Response:
    """Change it."""
    id, values = visit.path("id"), _values(visit)
    try:
        change = SubscriptionChange(**_read(values))
        async with visit.tx() as tx:
            box = visit.deps.secret_box
            await webhooks.update(tx, visit.actor, id, change, visit.now, box=box)
    except (Invalid, Refused) as error:
        return await _show(visit, id, values=values, errors=_errors(error), status=422)
    return visit.see_other(f"{BASE}/{id}", toast="The webhook is saved.")


async def enable_subscription(visit: Visit) -> Response:
    """Send again after sends failed."""
    id = visit.path("id")
    async with visit.tx() as tx:
        await webhooks.enable(tx, visit.actor, id, visit.now)
    return visit.see_other(f"{BASE}/{id}", toast="Events are sent again.")


async def ping_subscription(visit: Visit) -> Response:
    """Send a test event."""
    id = visit.path("id")
    try:
        async with visit.tx() as tx:
            base_url = visit.deps.base_url
            await webhooks.ping(tx, visit.actor, id, visit.now, base_url=base_url)
    except Refused as refused:
        return await _show(visit, id, problem=refused.message, status=409)
    return visit.see_other(f"{BASE}/{id}#deliveries", toast="A ping is on its way.")


async def add_secret(visit: Visit) -> Response:
    """One more secret; it is in this answer and nowhere else."""
    id = visit.path("id")
    try:
        async with visit.tx() as tx:
            box = visit.deps.secret_box
            _, secret = await webhooks.add_secret(tx, visit.actor, box, id, visit.now)
    except Refused as refused:
        return await _show(visit, id, problem=refused.message, status=409)
    return await _show(visit, id, secret=secret)


async def remove_secret(visit: Visit) -> Response:
    """Sign no more with one of the secrets."""
    id = visit.path("id")
    try:
        async with visit.tx() as tx:
            await webhooks.remove_secret(tx, visit.actor, id, visit.path("secret_id"), visit.now)
    except Refused as refused:
        return await _show(visit, id, problem=refused.message, status=409)
    return visit.see_other(f"{BASE}/{id}#secrets", toast="The secret signs no more.")


async def delete_subscription(visit: Visit) -> Response:
    """End it."""
    async with visit.tx() as tx:
        await webhooks.delete(tx, visit.actor, visit.path("id"), visit.now)
    return visit.see_other(BASE, toast="The webhook is deleted.")


PAGES: tuple[Page, ...] = (
    get(BASE, subscriptions),
    get(f"{BASE}/new", new_subscription),
    post(f"{BASE}/new", create_subscription),
    get(f"{BASE}/{{id}}", subscription),
    post(f"{BASE}/{{id}}", save_subscription),
    post(f"{BASE}/{{id}}/enable", enable_subscription),
    post(f"{BASE}/{{id}}/ping", ping_subscription),
    post(f"{BASE}/{{id}}/secrets", add_secret),
    post(f"{BASE}/{{id}}/secrets/{{secret_id}}/remove", remove_secret),
    post(f"{BASE}/{{id}}/delete", delete_subscription),
)
