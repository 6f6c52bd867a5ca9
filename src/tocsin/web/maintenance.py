"""Maintenance windows: the list, planning one, and one with what it holds back.

The times of a form are local times of the viewer. What stands in a form as it was shown is not
changed, because the form shows minutes and a window has seconds.
"""

from datetime import timedelta
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed, allowed_somewhere, require_somewhere
from tocsin.catalog import actions as catalog
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.queries import choices, suppressed
from tocsin.suppression import actions as suppression
from tocsin.suppression.actions import Listed
from tocsin.suppression.lifecycle import Removal
from tocsin.suppression.model import Filter, NewWindow, State, Window, WindowChange
from tocsin.suppression.verdict import state
from tocsin.web import local_times
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

SECTION = "maintenance"
BASE = "/app/maintenance"
PAGE_SIZE = 25
MOST_PAGES = 400
VIEWS: tuple[tuple[Filter, str], ...] = (
    (Filter.OPEN, "Now and to come"),
    (Filter.ONGOING, "Now"),
    (Filter.FUTURE, "To come"),
    (Filter.PAST, "Past"),
)
FIRST_LENGTH = timedelta(hours=1)


async def windows(visit: Visit) -> Response:
    """Every window the viewer may see."""
    chosen = visit.query("show") or Filter.OPEN
    view = Filter(chosen) if chosen in tuple(Filter) else Filter.OPEN
    query = visit.query("q")
    number = visit.query("page")
    page = min(int(number), MOST_PAGES) if number.isascii() and number.isdigit() else 1
    offset = (max(page, 1) - 1) * PAGE_SIZE
    asked = Listed(filter=view, query=query)
    async with visit.tx() as tx:
        found = await suppression.page(
            tx, visit.actor, asked, visit.now, limit=PAGE_SIZE + 1, offset=offset
        )
        shown = found[:PAGE_SIZE]
        names = await _names(tx, shown)
    return visit.render(
        "maintenance/list.html",
        page={"title": "Maintenance", "section": SECTION},
        windows=shown,
        states={window.id: state(window, visit.now).value for window in shown},
        **names,
        views=VIEWS,
        view=view,
        query=query,
        number=max(page, 1),
        more=len(found) > PAGE_SIZE,
        may_add=allowed_somewhere(visit.actor, Permission.RESPOND),
    )


async def new_window(visit: Visit) -> Response:
    """The form for a window; `service` in the address chooses that service."""
    require_somewhere(visit.actor, Permission.RESPOND)
    zone = visit.viewer.time_zone
    values = {
        "description": "",
        "start_time": local_times.wall(visit.now, zone),
        "end_time": local_times.wall(visit.now + FIRST_LENGTH, zone),
        "services": [visit.query("service")],
    }
    return await _form(visit, values)


async def plan(visit: Visit) -> Response:
    """Make a window."""
    values = _values(visit)
    zone = visit.viewer.time_zone
    try:
        new = NewWindow(
            service_ids=tuple(values["services"]),
            starts_at=local_times.instant("start_time", values["start_time"], zone),
            ends_at=local_times.instant("end_time", values["end_time"], zone),
            description=values["description"],
        )
        async with visit.tx() as tx:
            window = await suppression.create(tx, visit.actor, new, visit.now)
    except Invalid as error:
        return await _form(visit, values, errors={error.field: error.message}, status=422)
    except Refused as refused:
        return await _form(visit, values, problem=refused.message, status=409)
    stands = state(window, visit.now)
    said = "It begins now." if stands is State.ONGOING else "It is planned."
    return visit.see_other(f"{BASE}/{window.id}", toast=said)


async def window_page(visit: Visit) -> Response:
    """One window."""
    return await _show(visit)


async def save(visit: Visit) -> Response:
    """Change a window that is not over."""
    values = _values(visit)
    try:
        async with visit.tx() as tx:
            before = await suppression.get(tx, visit.actor, visit.path("id"))
            change = _change(visit, before, values)
            await suppression.update(tx, visit.actor, before.id, change, visit.now)
    except Invalid as error:
        return await _show(visit, values=values, errors={error.field: error.message}, status=422)
    except Refused as refused:
        return await _show(visit, values=values, problem=refused.message, status=409)
    return visit.see_other(f"{BASE}/{before.id}", toast="The maintenance window is saved.")


async def end(visit: Visit) -> Response:
    """End one under way now; one to come disappears."""
    id = visit.path("id")
    try:
        async with visit.tx() as tx:
            removal = await suppression.remove(tx, visit.actor, id, visit.now)
    except Refused as refused:
        return await _show(visit, problem=refused.message, status=409)
    if removal is Removal.DELETED_FUTURE:
        return visit.see_other(BASE, toast="The maintenance window is gone.")
    return visit.see_other(f"{BASE}/{id}", toast="Ended. What still holds opens its incident now.")


def _values(visit: Visit) -> dict[str, Any]:
    names = ("description", "start_time", "end_time")
    return {**{name: visit.field(name) for name in names}, "services": visit.fields("services")}


def _change(visit: Visit, before: Window, values: dict[str, Any]) -> WindowChange:
    zone = visit.viewer.time_zone
    times = {"start_time": before.starts_at, "end_time": before.ends_at}
    given = {
        name: UNSET
        if values[name] in ("", local_times.wall(at, zone))
        else local_times.instant(name, values[name], zone)
        for name, at in times.items()
    }
    return WindowChange(
        description=values["description"],
        starts_at=given["start_time"],
        ends_at=given["end_time"],
        service_ids=tuple(values["services"]),
    )


async def _form(
    visit: Visit,
    values: dict[str, Any],
    *,
    errors: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    async with visit.tx() as tx:
        services = await choices.services(tx, visit.actor)
    return visit.render(
        "maintenance/new.html",
        status=status,
        page={"title": "Plan maintenance", "section": SECTION, "up": ("Maintenance", BASE)},
        values=values,
        errors=errors or {},
        problem=problem,
        services=services,
    )


async def _show(
    visit: Visit,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    zone = visit.viewer.time_zone
    async with visit.tx() as tx:
        window = await suppression.get(tx, visit.actor, visit.path("id"))
        names = await _names(tx, [window])
        services = await catalog.services_by_ids(tx, window.service_ids)
        edits = state(window, visit.now) is not State.PAST and all(
            allowed(visit.actor, Permission.RESPOND, one.team_id) for one in services.values()
        )
        offered = await choices.services(tx, visit.actor, window.service_ids) if edits else []
        held = await suppressed.alerts(
            tx, window.service_ids, window.starts_at, window_id=window.id
        )
        count = await suppressed.waiting(tx, window.service_ids, window_id=window.id)
    shown = values or {
        "description": window.description,
        "start_time": local_times.wall(window.starts_at, zone),
        "end_time": local_times.wall(window.ends_at, zone),
        "services": list(window.service_ids),
    }
    return visit.render(
        "maintenance/page.html",
        status=status,
        page={"title": title(window), "section": SECTION, "up": ("Maintenance", BASE)},
        window=window,
        state=state(window, visit.now).value,
        **names,
        edits=edits,
        services=offered,
        values=shown,
        errors=errors or {},
        problem=problem,
        held=held,
        held_count=count,
    )


def title(window: Window) -> str:
    """What it is called: its description, or its number."""
    return window.description or f"Maintenance {window.sequence_number}"


async def _names(tx: Tx, shown: list[Window]) -> dict[str, Any]:
    """The services and people of these windows by id."""
    service_ids = sorted({id for window in shown for id in window.service_ids})
    people = sorted({window.created_by for window in shown if window.created_by is not None})
    return {
        "by_id": await catalog.services_by_ids(tx, service_ids),
        "people": await accounts.users_by_ids(tx, people),
        "titles": {window.id: title(window) for window in shown},
    }


PAGES: tuple[Page, ...] = (
    get(BASE, windows),
    get(f"{BASE}/new", new_window),
    post(f"{BASE}/new", plan),
    get(f"{BASE}/{{id}}", window_page),
    post(f"{BASE}/{{id}}", save),
    post(f"{BASE}/{{id}}/end", end),
)
