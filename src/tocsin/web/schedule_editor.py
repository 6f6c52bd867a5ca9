"""The editor of a schedule's layers, with a preview of what saving it would mean."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, require, require_somewhere
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.core.timezones import zone_names
from tocsin.queries import choices
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import Schedule
from tocsin.web import schedule_form
from tocsin.web.page import Page, get, post
from tocsin.web.schedule import NEVER_PAGED
from tocsin.web.schedule_chart import Chart, chart, monday_of, names_needed, window
from tocsin.web.schedule_form import LayerForm, ScheduleForm
from tocsin.web.schedules_list import SECTION
from tocsin.web.visit import Visit

BASE = "/app/schedules"
PREVIEW_WEEKS = 4
TURNS = (("daily", "each day"), ("weekly", "each week"), ("custom", "after so many hours"))
WEEKDAYS = tuple(
    (str(number), name)
    for number, name in enumerate(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), 1
    )
)
UNTIL_DAYS = (
    ("same", "the same day"),
    ("1", "the next day"),
    *((str(days), f"{days} days later") for days in range(2, 8)),
)


async def new_schedule(visit: Visit) -> Response:
    """An empty editor with one weekly layer."""
    require_somewhere(visit.actor, Permission.MANAGE_SCHEDULES)
    form = ScheduleForm(
        time_zone=visit.viewer.time_zone, layers=[LayerForm(members=[visit.viewer.id])]
    )
    return await _editor(visit, form, None)


async def edit_schedule(visit: Visit) -> Response:
    """The editor, filled in."""
    schedule = await _schedule(visit)
    return await _editor(visit, schedule_form.of_schedule(schedule, visit.now), schedule)


async def post_new(visit: Visit) -> Response:
    """A step of the editor, a preview, or make the schedule."""
    return await _post(visit, None)


async def post_edit(visit: Visit) -> Response:
    """A step of the editor, a preview, or save the schedule."""
    return await _post(visit, await _schedule(visit))


async def _schedule(visit: Visit) -> Schedule:
    async with visit.tx() as tx:
        schedule = await schedules.get(tx, visit.actor, visit.path("id"), visit.now)
    require(visit.actor, Permission.MANAGE_SCHEDULES, schedule.team_id)
    return schedule


async def _post(visit: Visit, schedule: Schedule | None) -> Response:
    form = schedule_form.read(visit)
    do = visit.field("do", schedule_form.SAVE)
    if do not in (schedule_form.SAVE, schedule_form.PREVIEW):
        schedule_form.step(form, do)
        return await _editor(visit, form, schedule)
    try:
        draft = schedule_form.wanted(form, visit.now)
        async with visit.tx() as tx:
            if do == schedule_form.PREVIEW:
                preview = await _preview(tx, visit, draft)
                return await _editor(visit, form, schedule, preview=preview)
            saved = (
                await schedules.create(tx, visit.actor, draft, visit.now)
                if schedule is None
                else await schedules.update(tx, visit.actor, schedule.id, draft, visit.now)
            )
    except Invalid as error:
        return await _editor(
            visit, form, schedule, errors=schedule_form.errors_of(error), status=422
        )
    return visit.see_other(f"{BASE}/{saved.id}", toast=f"{saved.name} is saved from now on.")


async def _preview(tx: Tx, visit: Visit, draft: Any) -> Chart:
    since, until = window(monday_of(visit.now, draft.time_zone), PREVIEW_WEEKS, draft.time_zone)
    rendered = await schedules.preview(
        tx, visit.actor, draft, max(since, visit.now - timedelta(days=1)), until, now=visit.now
    )
    users = await accounts.users_by_ids(tx, names_needed(rendered))
    return chart(rendered, {id: user.name for id, user in users.items()}, visit.now)


async def _editor(
    visit: Visit,
    form: ScheduleForm,
    schedule: Schedule | None,
    *,
    errors: dict[str, str] | None = None,
    preview: Chart | None = None,
    status: int = 200,
) -> Response:
    async with visit.tx() as tx:
        named = {member for layer in form.layers for member in layer.members}
        people = await choices.people(tx, keep=named, without=NEVER_PAGED)
        owner = [schedule.team_id] if schedule and schedule.team_id else []
        teams = await choices.teams(tx, visit.actor, keep=owner)
    up = (schedule.name, f"{BASE}/{schedule.id}") if schedule else ("Schedules", BASE)
    return visit.render(
        "schedules/editor.html",
        status=status,
        page={"title": "Edit" if schedule else "New schedule", "section": SECTION, "up": up},
        action=f"{BASE}/{schedule.id}/edit" if schedule else f"{BASE}/new",
        back=f"{BASE}/{schedule.id}" if schedule else BASE,
        form=form,
        errors=errors or {},
        chart=preview,
        choices=[
            ("", "choose"),
            *((person.id, person.name) for person in people),
            (schedule_form.NOBODY, "nobody (empty slot)"),
        ],
        teams=[("", "no team"), *((team.id, team.name) for team in teams)],
        zones=sorted(zone_names()),
        turns=TURNS,
        weekdays=WEEKDAYS,
        window_days=(("daily", "every day"), *WEEKDAYS, ("remove", "remove this window")),
        until_days=UNTIL_DAYS,
    )


PAGES: tuple[Page, ...] = (
    get(f"{BASE}/new", new_schedule),
    post(f"{BASE}/new", post_new),
    get(f"{BASE}/{{id}}/edit", edit_schedule),
    post(f"{BASE}/{{id}}/edit", post_edit),
)
