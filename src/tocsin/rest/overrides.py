"""Overrides of a schedule, below `/schedules/{id}/overrides`."""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.rest.call import Call, Given, convert
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Operation, Param, Ref, Reference
from tocsin.rest.schedules import RANGE, TAG, within
from tocsin.schedules import actions as schedules
from tocsin.schedules.actions import OverrideOutcome
from tocsin.schedules.drafts import OverrideDraft
from tocsin.schedules.model import Override
from tocsin.schedules.overrides import Removal


class OverrideGiven(msgspec.Struct):
    """One override of a request."""

    start: datetime
    end: datetime
    user: Given


class OverrideShown(msgspec.Struct):
    """One override of an answer."""

    id: str
    type: str
    start: datetime
    end: datetime
    user: Reference


class OutcomeShown(msgspec.Struct):
    """What came of one override of several."""

    status: int
    override: OverrideShown | None
    errors: list[str]


class OneShown(msgspec.Struct):
    """The answer to one that stood alone."""

    override: OverrideShown


def _shown(override: Override) -> dict[str, Any]:
    return {
        "id": override.id,
        "type": "override",
        "start": override.start,
        "end": override.end,
        "user": Ref("user", override.user_id),
    }


async def list_overrides(call: Call) -> object:
    """The overrides that touch the range; with `editable` only those that are not over."""
    since, until = within(call)
    found = await schedules.overrides_within(call.tx, call.actor, call.path["id"], since, until)
    if call.flag("editable"):
        found = [override for override in found if override.end > call.now]
    return {"overrides": [_shown(override) for override in found]}


async def add_overrides(call: Call) -> object:
    """Add overrides, each on its own account; one wrapped as `override` stands alone."""
    if "overrides" in call.body:
        wanted = call.list_of("overrides", OverrideGiven, most=500)
        return [_outcome(one) for one in await _add(call, wanted)]
    given = convert("override", call.wrapped("override"), OverrideGiven)
    (outcome,) = await _add(call, [given])
    if outcome.override is None:
        raise outcome.error or invalid("override cannot be added")
    return {"override": _shown(outcome.override)}


async def _add(call: Call, wanted: list[OverrideGiven]) -> list[OverrideOutcome]:
    for one in wanted:
        if one.start.tzinfo is None or one.end.tzinfo is None:
            raise invalid("start and end need an offset, such as 2030-01-31T09:00:00Z")
    drafts = [OverrideDraft(user_id=one.user.id, start=one.start, end=one.end) for one in wanted]
    return await schedules.add_overrides(call.tx, call.actor, call.path["id"], drafts, call.now)


def _outcome(outcome: OverrideOutcome) -> dict[str, Any]:
    if outcome.override is None:
        return {"status": 400, "override": None, "errors": [str(outcome.error)]}
    return {"status": 201, "override": _shown(outcome.override), "errors": []}


async def remove_override(call: Call) -> None:
    """204 for one that had not begun; one under way ends now, which is 200."""
    removal = await schedules.remove_override(
        call.tx, call.actor, call.path["id"], call.path["override_id"], call.now
    )
    if removal is Removal.ENDED_NOW:
        call.status = 200


OPERATIONS = (
    Operation(
        method="GET",
        path="/schedules/{id}/overrides",
        id="listScheduleOverrides",
        summary="List the overrides of a schedule",
        tag=TAG,
        handle=list_overrides,
        # Documented so, and strict clients expect it.
        ok=201,
        params=(*RANGE, Param(name="editable", type=bool), Param(name="time_zone")),
        gives={"overrides": list[OverrideShown]},
    ),
    Operation(
        method="POST",
        path="/schedules/{id}/overrides",
        id="createScheduleOverride",
        summary="Add overrides to a schedule",
        tag=TAG,
        handle=add_overrides,
        ok=201,
        takes={"overrides": list[OverrideGiven], "override": OverrideGiven},
        gives=list[OutcomeShown] | OneShown,
    ),
    Operation(
        method="DELETE",
        path="/schedules/{id}/overrides/{override_id}",
        id="deleteScheduleOverride",
        summary="Take an override back",
        tag=TAG,
        handle=remove_override,
        ok=204,
        also_ok=(200,),
    ),
)
