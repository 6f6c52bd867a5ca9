"""Changing the rules of a service: grouping, the pause, and the urgency by the hours of the week.

Each has a form of its own, because each is changed alone.
"""

from starlette.responses import Response

from tocsin.catalog import actions as catalog
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput, GroupingType
from tocsin.catalog.model import Hours, ServiceChange
from tocsin.core.errors import Invalid
from tocsin.web.page import Page, post
from tocsin.web.service_page import show
from tocsin.web.visit import Visit

MOST_MINUTES = 1440


async def group(visit: Visit) -> Response:
    """Give the service a grouping of its own, or none."""
    service_id, way = visit.path("id"), visit.field("way")
    names = ("timeout_minutes", "window_minutes", "aggregate", "fields", "text_fields")
    shown = {name: visit.field(name) for name in names}
    try:
        wanted = None if way == "none" else _grouping(visit, service_id, way)
        async with visit.tx() as tx:
            await grouping.group_service(tx, visit.actor, service_id, wanted, visit.now)
    except Invalid as error:
        errors = {f"grouping_{error.field.removeprefix('config.')}": error.message}
        values = {"way": way, "grouping": shown}
        return await show(visit, errors=errors, values=values, status=422)
    toast = "Each alert opens an incident of its own." if wanted is None else "Saved."
    return visit.see_other(f"/app/services/{service_id}#grouping", toast=toast)


async def pause(visit: Visit) -> Response:
    """Let new alerts wait so many seconds, or not at all (0)."""
    seconds = visit.whole("pause_seconds", 0, 900)
    change = ServiceChange(pause_seconds=seconds or None)
    return await _changed(visit, change, "#pause", "Saved. It counts for new alerts.")


async def hours(visit: Visit) -> Response:
    """Set the urgency within the support hours and outside, or the same at all hours."""
    if visit.field("by_hours") != "yes":
        return await _changed(
            visit, ServiceChange(hours=None), "#hours", "The urgency is the same at all hours."
        )
    days = [int(day) for day in visit.fields("days") if day.isascii() and day.isdigit()]
    wanted = Hours(
        time_zone=visit.field("time_zone"),
        days=days,
        start=visit.field("start"),
        end=visit.field("end"),
        urgency_outside=visit.field("urgency_outside"),
        raise_at=visit.fields("raise_at"),
    )
    change = ServiceChange(urgency_rule=visit.field("urgency_within"), hours=wanted)
    return await _changed(visit, change, "#hours", "Saved.")


async def _changed(visit: Visit, change: ServiceChange, part: str, toast: str) -> Response:
    service_id = visit.path("id")
    try:
        async with visit.tx() as tx:
            await catalog.update_service(tx, visit.actor, service_id, change, visit.now)
    except Invalid as error:
        names = ("time_zone", "start", "end", "urgency_within", "urgency_outside", "by_hours")
        typed: dict[str, object] = {name: visit.field(name) for name in names}
        typed |= {"days": visit.fields("days"), "raise_at": visit.fields("raise_at")}
        errors = {f"rule_{error.field}": error.message}
        return await show(visit, errors=errors, values={"hours": typed}, status=422)
    return visit.see_other(f"/app/services/{service_id}{part}", toast=toast)


def _grouping(visit: Visit, service_id: str, way: str) -> GroupingInput:
    by_time = way == GroupingType.TIME
    return GroupingInput(
        type=way,
        service_ids=[service_id],
        timeout=visit.whole("timeout_minutes", 0, MOST_MINUTES) * 60 if by_time else 0,
        time_window=0 if by_time else visit.whole("window_minutes", 0, MOST_MINUTES) * 60,
        aggregate=visit.field("aggregate") or None,
        fields=_names(visit.field("fields")),
        text_fields=_names(visit.field("text_fields")),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace("\n", ",").split(",") if name.strip()]


_SERVICE = "/app/services/{id}"
PAGES: tuple[Page, ...] = (
    post(f"{_SERVICE}/grouping", group),
    post(f"{_SERVICE}/pause", pause),
    post(f"{_SERVICE}/hours", hours),
)
