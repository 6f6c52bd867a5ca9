"""Schedules: layers, and what they come to in a range of time.

Layers are written from the lowest to the highest and read from the highest to the lowest, as
PagerDuty's API has it. Inside, they run from the lowest to the highest.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from tocsin.core.timezones import UnknownTimeZone, zone
from tocsin.queries import policies as policy_queries
from tocsin.queries.policies import PolicyUse
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, ScheduleDraft
from tocsin.schedules.model import (
    DailyRestriction,
    Layer,
    Restriction,
    Schedule,
    ScheduleHead,
    Shift,
    WeeklyRestriction,
)
from tocsin.schedules.rendering import Lane, Rendered

TAG = "Schedules"
MOST_POLICIES = 10_000
DEFAULT_RANGE = timedelta(weeks=2)
RANGE = (Param(name="since"), Param(name="until"))
SHOWN = (Param(name="overflow", type=bool), Param(name="time_zone"))


class Member(msgspec.Struct):
    """One place in a layer's rotation."""

    user: Given


class RestrictionGiven(msgspec.Struct):
    """When a layer is open."""

    type: Literal["daily_restriction", "weekly_restriction"]
    duration_seconds: int
    start_time_of_day: time
    start_day_of_week: int | None = None


class LayerGiven(msgspec.Struct):
    """One layer of a request; with an id it carries on the layer of that id."""

    rotation_virtual_start: datetime
    rotation_turn_length_seconds: int
    users: list[Member]
    id: str | None = None
    name: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    restrictions: list[RestrictionGiven] | None = None


class Entry(msgspec.Struct):
    """One person on call without a break."""

    start: datetime
    end: datetime
    user: Reference


class LayerShown(msgspec.Struct):
    """One layer of an answer."""

    id: str
    name: str
    start: datetime
    end: datetime | None
    rotation_virtual_start: datetime
    rotation_turn_length_seconds: int
    users: list[dict[str, Reference]]
    restrictions: list[RestrictionGiven]
    rendered_schedule_entries: list[Entry]
    rendered_coverage_percentage: float | None


class SubSchedule(msgspec.Struct):
    """All overrides, or the final schedule, in the range asked for."""

    name: str
    rendered_schedule_entries: list[Entry]
    rendered_coverage_percentage: float


class Extra(msgspec.Struct):
    """What belongs to schedules and is kept elsewhere."""

    schedules: dict[str, Schedule]
    policies: dict[str, list[PolicyUse]]
    rendered: Rendered | None


async def _prepare(call: Call, heads: Sequence[ScheduleHead]) -> Extra:
    ids = [head.id for head in heads]
    return Extra(
        schedules=await schedules.in_force(call.tx, heads, call.now),
        policies=await policy_queries.policies_using(call.tx, ids, limit=MOST_POLICIES),
        rendered=call.notes.get("rendered"),
    )


async def _load(call: Call, ids: Sequence[str]) -> dict[str, ScheduleHead]:
    return await schedules.heads_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    query, team_ids = call.text("query"), call.many("team_ids")
    found = await schedules.page(
        call.tx,
        call.actor,
        query=query,
        team_ids=team_ids,
        offset=wanted.offset,
        limit=wanted.limit,
    )
    total = None
    if wanted.total:
        total = await schedules.count(call.tx, call.actor, query=query, team_ids=team_ids)
    return Slice(items=found.items, more=found.next is not None, total=total)


async def _get(call: Call, id: str) -> ScheduleHead:
    head = await schedules.head(call.tx, call.actor, id)
    if call.text("since") is not None or call.text("until") is not None:
        since, until = within(call)
        call.notes["rendered"] = await schedules.rendered(
            call.tx, call.actor, id, since, until, overflow=call.flag("overflow")
        )
    return head


async def _create(call: Call, given: dict[str, Any]) -> ScheduleHead:
    made = await schedules.create(call.tx, call.actor, _draft(given), call.now)
    return await schedules.head(call.tx, call.actor, made.id)


async def _update(call: Call, id: str, given: dict[str, Any]) -> ScheduleHead:
    old = await schedules.get(call.tx, call.actor, id, call.now)
    await schedules.update(call.tx, call.actor, id, _draft(given, old), call.now)
    return await schedules.head(call.tx, call.actor, id)


async def _delete(call: Call, id: str) -> None:
    await schedules.delete(call.tx, call.actor, id, call.now)


def within(call: Call) -> tuple[datetime, datetime]:
    """The range of a request; without an end it is two weeks long, without a start it is now."""
    since = call.instant("since") or call.now
    return since, call.instant("until") or since + DEFAULT_RANGE


def _draft(given: dict[str, Any], old: Schedule | None = None) -> ScheduleDraft:
    """The wanted schedule: what is given, and the rest as it is."""
    name = given.get("name") or (old.name if old else "")
    zone_name = given.get("time_zone") or (old.time_zone if old else "Etc/UTC")
    teams = given.get("teams")
    if teams is not None and len(teams) > 1:
        raise invalid("teams has at most one team")
    team_id = old.team_id if old else None
    if teams is not None:
        team_id = teams[0].id if teams else None
    layers = given.get("schedule_layers")
    if layers is None:
        kept = {layer.id: layer for layer in old.layers} if old else {}
        wanted = tuple(_kept(layer) for layer in kept.values())
    else:
        wanted = tuple(_layer(n, layer, zone_name) for n, layer in enumerate(layers))
    return ScheduleDraft(
        name=name,
        description=given.get("description", old.description if old else None),
        time_zone=zone_name,
        team_id=team_id,
        layers=wanted,
    )


def _kept(layer: Layer) -> LayerDraft:
    return LayerDraft(
        id=layer.id,
        name=layer.name,
        start=layer.start,
        end=layer.end,
        rotation_virtual_start=layer.rotation_virtual_start,
        rotation_turn_length_seconds=layer.rotation_turn_length_seconds,
        members=layer.members,
        restrictions=layer.restrictions,
    )


def _layer(number: int, given: LayerGiven, zone_name: str) -> LayerDraft:
    field = f"schedule_layers[{number}]"
    return LayerDraft(
        id=given.id,
        name=given.name,
        start=None if given.start is None else _aware(given.start, zone_name),
        end=None if given.end is None else _aware(given.end, zone_name),
        rotation_virtual_start=_aware(given.rotation_virtual_start, zone_name),
        rotation_turn_length_seconds=given.rotation_turn_length_seconds,
        members=tuple(member.user.id for member in given.users),
        restrictions=tuple(_restriction(field, one) for one in given.restrictions or ()),
    )


def _restriction(field: str, given: RestrictionGiven) -> Restriction:
    if given.type == "daily_restriction":
        return DailyRestriction(
            start_time_of_day=given.start_time_of_day, duration_seconds=given.duration_seconds
        )
    if given.start_day_of_week is None:
        raise invalid(f"{field}.restrictions start_day_of_week is required: 1 is Monday")
    return WeeklyRestriction(
        start_day_of_week=given.start_day_of_week,
        start_time_of_day=given.start_time_of_day,
        duration_seconds=given.duration_seconds,
    )


def _aware(at: datetime, zone_name: str) -> datetime:
    """A time without an offset is meant in the schedule's own zone."""
    try:
        local = at if at.tzinfo is not None else at.replace(tzinfo=zone(zone_name))
        return local.astimezone(UTC)
    except UnknownTimeZone as error:
        raise invalid(f"time_zone {error}") from error
    except OverflowError:
        raise invalid("schedule_layers has a time that is out of range") from None


def _entries(shifts: Sequence[Shift]) -> list[dict[str, Any]]:
    return [
        {"start": shift.start, "end": shift.end, "user": Ref("user", shift.user_id)}
        for shift in shifts
    ]


def _sub(lane: Lane) -> dict[str, Any]:
    return {
        "name": lane.name,
        "rendered_schedule_entries": _entries(lane.shifts),
        "rendered_coverage_percentage": round(lane.coverage.percentage, 2),
    }


def _layers(schedule: Schedule, rendered: Rendered | None) -> list[dict[str, Any]]:
    """The layers from the highest to the lowest."""
    lanes = {} if rendered is None else {lane.id: lane for lane in rendered.layers}
    shown = []
    for layer in reversed(schedule.layers):
        lane = lanes.get(layer.id)
        shown.append(
            {
                "id": layer.id,
                "name": layer.name,
                "start": layer.start,
                "end": layer.end,
                "rotation_virtual_start": layer.rotation_virtual_start,
                "rotation_turn_length_seconds": layer.rotation_turn_length_seconds,
                "users": [{"user": Ref("user", id)} for id in layer.members if id is not None],
                "restrictions": [_restriction_shown(one) for one in layer.restrictions],
                "rendered_schedule_entries": [] if lane is None else _entries(lane.shifts),
                "rendered_coverage_percentage": (
                    None if lane is None else round(lane.coverage.percentage, 2)
                ),
            }
        )
    return shown


def _restriction_shown(one: Restriction) -> dict[str, Any]:
    weekly = isinstance(one, WeeklyRestriction)
    return {
        "type": "weekly_restriction" if weekly else "daily_restriction",
        "duration_seconds": one.duration_seconds,
        "start_time_of_day": one.start_time_of_day.isoformat(timespec="seconds"),
        "start_day_of_week": one.start_day_of_week if isinstance(one, WeeklyRestriction) else None,
    }


def _people(schedule: Schedule) -> list[Ref]:
    ids = {id: None for layer in schedule.layers for id in layer.members if id is not None}
    return [Ref("user", id) for id in ids]


CALENDARS = ("web_cal_url", "http_cal_url", "personal_web_cal_url", "personal_http_cal_url")
SCHEDULE = Resource(
    kind="schedule",
    plural="schedules",
    path="/schedules",
    tag=TAG,
    summary=lambda head: head.name,
    page=lambda head: f"/app/schedules/{head.id}",
    load=_load,
    team_of=lambda schedule: schedule.team_id,
    prepare=_prepare,
    params=(Param(name="query"), Param(name="team_ids", many=True), Param(name="time_zone")),
    get_params=(*RANGE, *SHOWN),
    fields=(
        Field(
            name="name",
            type=str,
            write=str | None,
            required=True,
            read=lambda head, extra: head.name,
        ),
        Field(
            name="time_zone",
            type=str,
            write=str | None,
            required=True,
            read=lambda head, extra: head.time_zone,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda head, extra: head.description,
        ),
        Field(
            name="escalation_policies",
            type=list[Reference],
            include="escalation_policies",
            read=lambda head, extra: [
                Ref("escalation_policy", use.id) for use in extra.policies[head.id]
            ],
        ),
        Field(
            name="users",
            type=list[Reference],
            include="users",
            read=lambda head, extra: _people(extra.schedules[head.id]),
        ),
        Field(
            name="teams",
            type=list[Reference],
            write=list[Given] | None,
            include="teams",
            read=lambda head, extra: [] if head.team_id is None else [Ref("team", head.team_id)],
        ),
        Field(
            name="schedule_layers",
            type=list[LayerShown],
            write=list[LayerGiven] | None,
            required=True,
            read=lambda head, extra: _layers(extra.schedules[head.id], extra.rendered),
        ),
        Field(
            name="overrides_subschedule",
            type=SubSchedule | None,
            read=lambda head, extra: extra.rendered and _sub(extra.rendered.overrides),
        ),
        Field(
            name="final_schedule",
            type=SubSchedule | None,
            read=lambda head, extra: extra.rendered and _sub(extra.rendered.final),
        ),
        # There are no calendars to subscribe to yet.
        *(Field(name=name, type=str | None, read=lambda head, extra: None) for name in CALENDARS),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
)


async def preview(call: Call) -> object:
    """What a schedule would be like; nothing is kept."""
    given = operations.given(call, SCHEDULE, creating=True)
    draft = _draft(given)
    since, until = within(call)
    found = await schedules.preview(call.tx, call.actor, draft, since, until, now=call.now)
    return {
        "schedule": {
            "id": None,
            "type": "schedule",
            "summary": draft.name,
            "self": None,
            "html_url": None,
            "name": draft.name,
            "time_zone": draft.time_zone,
            "description": draft.description,
            "escalation_policies": [],
            "users": _people(found.schedule),
            "teams": [] if draft.team_id is None else [Ref("team", draft.team_id)],
            "schedule_layers": _layers(found.schedule, found),
            "overrides_subschedule": _sub(found.overrides),
            "final_schedule": _sub(found.final),
            **dict.fromkeys(CALENDARS),
        }
    }


async def users_on_call(call: Call) -> object:
    """Who is on call at any time of the range."""
    since, until = within(call)
    found = await schedules.rendered(call.tx, call.actor, call.path["id"], since, until)
    ids = {shift.user_id: None for shift in found.final.shifts}
    return {"users": [Ref("user", id, full=True) for id in ids]}


OPERATIONS = (
    *operations.of(SCHEDULE),
    Operation(
        method="POST",
        path="/schedules/preview",
        id="createSchedulePreview",
        summary="Show what a schedule would be like",
        tag=TAG,
        handle=preview,
        params=(*RANGE, *SHOWN[:1]),
        takes={"schedule": "schedule"},
        gives={"schedule": "schedule"},
        reads=True,
    ),
    Operation(
        method="GET",
        path="/schedules/{id}/users",
        id="listScheduleUsers",
        summary="List who is on call in a range of time",
        tag=TAG,
        handle=users_on_call,
        params=RANGE,
        gives={"users": ["user"]},
    ),
)
