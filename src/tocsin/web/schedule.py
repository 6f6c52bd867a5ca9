"""One schedule: three kinds of lanes, the gaps with one act each, overrides, and who uses it."""

from datetime import date, datetime, timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, allowed
from tocsin.accounts.model import Role
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.queries import choices
from tocsin.queries import policies as policy_queries
from tocsin.queries.choices import Choice
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import Schedule
from tocsin.web import local_times, rota
from tocsin.web.page import Page, get
from tocsin.web.schedule_chart import (
    WEEK_CHOICES,
    chart,
    layer_note,
    monday_of,
    names_needed,
    restriction_words,
    window,
)
from tocsin.web.schedules_list import SECTION
from tocsin.web.visit import Visit

MOST_OVERRIDES = 50
# Stakeholders look and are never paged, so they are not offered as cover.
NEVER_PAGED = (Role.STAKEHOLDER, Role.LIMITED_STAKEHOLDER)


async def page(visit: Visit) -> Response:
    """The schedule in a range of weeks."""
    return await show(visit)


async def show(
    visit: Visit,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    """The page, with what was wrong with its override form."""
    weeks = int(visit.query("weeks", "2")) if visit.query("weeks", "2").isdecimal() else 2
    weeks = weeks if weeks in WEEK_CHOICES else 2
    async with visit.tx() as tx:
        schedule = await schedules.get(tx, visit.actor, visit.path("id"), visit.now)
        first = _first_day(visit, schedule)
        since, until = window(first, weeks, schedule.time_zone)
        rendered = await schedules.rendered(tx, visit.actor, schedule.id, since, until)
        context = await _context(tx, visit, schedule)
        needed = {*names_needed(rendered), *(o.user_id for o in schedule.overrides)}
        needed |= {m for layer in schedule.layers for m in layer.members if m is not None}
        users = await accounts.users_by_ids(tx, sorted(needed))
    names = {id: user.name for id, user in users.items()}
    step = timedelta(days=7 * weeks)
    return visit.render(
        "schedules/page.html",
        status=status,
        page={"title": schedule.name, "section": SECTION, "up": ("Schedules", "/app/schedules")},
        schedule=schedule,
        chart=chart(rendered, names, visit.now),
        users=users,
        errors=errors or {},
        values=values or _wanted_cover(visit, schedule),
        problem=problem,
        weeks=weeks,
        week_choices=WEEK_CHOICES,
        first=first,
        earlier=first - step,
        later=first + step,
        layer_note=layer_note,
        restriction_words=restriction_words,
        overrides=sorted(schedule.overrides, key=lambda one: one.start)[:MOST_OVERRIDES],
        **context,
    )


async def _context(tx: Tx, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    manages = allowed(visit.actor, Permission.MANAGE_SCHEDULES, schedule.team_id)
    responds = allowed(visit.actor, Permission.RESPOND, schedule.team_id)
    people: list[Choice] = []
    if manages:
        people = await choices.people(tx, keep=[visit.viewer.id], without=NEVER_PAGED)
    elif responds:
        people = [Choice(visit.viewer.id, visit.viewer.name)]
    on_call = await rota.read(tx, visit.now, schedule_ids=[schedule.id])
    return {
        "manages": manages,
        "may_cover": manages or responds,
        "people": sorted(people, key=lambda user: (user.id != visit.viewer.id, user.name)),
        "person": on_call.person(schedule.id),
        "reachable": on_call.reached(schedule.id),
        "following": on_call.following(schedule.id),
        "turn": on_call.turn(),
        "ahead": on_call.gaps(schedule.id),
        "uses": (await policy_queries.policies_using(tx, [schedule.id]))[schedule.id],
        "teams": await accounts.teams_by_ids(tx, [schedule.team_id] if schedule.team_id else []),
    }


def _first_day(visit: Visit, schedule: Schedule) -> date:
    asked = visit.query("first")
    if not asked and visit.query("from"):
        at = _instant(visit.query("from"))
        if at is not None:
            return monday_of(at, schedule.time_zone)
    try:
        found = date.fromisoformat(asked)
    except ValueError:
        return monday_of(visit.now, schedule.time_zone)
    return found if 1950 < found.year < 2900 else monday_of(visit.now, schedule.time_zone)


def _wanted_cover(visit: Visit, schedule: Schedule) -> dict[str, str]:
    """The override form filled in: with a gap that was pointed at, else the next hour."""
    start = _instant(visit.query("from")) or visit.now
    end = _instant(visit.query("to")) or start + timedelta(hours=8)
    try:
        return {
            "start": local_times.wall(max(start, visit.now), schedule.time_zone),
            "end": local_times.wall(end, schedule.time_zone),
        }
    except (Invalid, OverflowError):
        return {"start": "", "end": ""}


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None and 1950 < found.year < 2900 else None


PAGES: tuple[Page, ...] = (get("/app/schedules/{id}", page),)
