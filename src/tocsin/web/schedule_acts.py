"""What can be done to a schedule besides editing its layers: cover it, undo that, delete it."""

from starlette.responses import Response

from tocsin.core.errors import Invalid, Refused
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import OverrideDraft
from tocsin.schedules.overrides import Removal
from tocsin.web import local_times
from tocsin.web.page import Page, post
from tocsin.web.schedule import show
from tocsin.web.visit import Visit


async def add_override(visit: Visit) -> Response:
    """Somebody takes a time. The form's times are local times of the schedule's zone."""
    schedule_id = visit.path("id")
    values = {name: visit.field(name) for name in ("user_id", "start", "end")}
    try:
        async with visit.tx() as tx:
            schedule = await schedules.get(tx, visit.actor, schedule_id, visit.now)
            draft = OverrideDraft(
                user_id=values["user_id"],
                start=local_times.instant("start", values["start"], schedule.time_zone),
                end=local_times.instant("end", values["end"], schedule.time_zone),
            )
            outcome = (
                await schedules.add_overrides(tx, visit.actor, schedule_id, [draft], visit.now)
            )[0]
            if outcome.override is None:
                raise outcome.error or Invalid("start", "cannot be covered")
    except Invalid as error:
        return await show(visit, errors={error.field: error.message}, values=values, status=422)
    except Refused as refused:
        return await show(visit, problem=refused.message, values=values, status=409)
    return visit.see_other(
        f"/app/schedules/{schedule_id}?from={outcome.override.start:%Y-%m-%dT%H:%M:%SZ}",
        toast="The override is set.",
        undo=f"/app/schedules/{schedule_id}/overrides/{outcome.override.id}/remove",
    )


async def remove_override(visit: Visit) -> Response:
    """Take an override back: one under way ends now, one to come disappears."""
    schedule_id = visit.path("id")
    async with visit.tx() as tx:
        removal = await schedules.remove_override(
            tx, visit.actor, schedule_id, visit.path("override_id"), visit.now
        )
    to = "/app/oncall" if visit.query("next") == "oncall" else f"/app/schedules/{schedule_id}"
    said = "The override ended now." if removal is Removal.ENDED_NOW else "The override is gone."
    return visit.see_other(to, toast=said)


async def delete(visit: Visit) -> Response:
    """Delete a schedule that no escalation policy names."""
    try:
        async with visit.tx() as tx:
            schedule = await schedules.get(tx, visit.actor, visit.path("id"), visit.now)
            await schedules.delete(tx, visit.actor, schedule.id, visit.now)
    except Refused as refused:
        return await show(visit, problem=refused.message, status=409)
    return visit.see_other("/app/schedules", toast=f"{schedule.name} is deleted.")


PAGES: tuple[Page, ...] = (
    post("/app/schedules/{id}/overrides", add_override),
    post("/app/schedules/{id}/overrides/{override_id}/remove", remove_override),
    post("/app/schedules/{id}/delete", delete),
)
