"""The form of a schedule's layers: what it carries, the steps that change its shape, and back.

The whole draft travels in the form. The hand-off is asked as a day and a time of day; the layer
keeps one anchor instant, so the form carries that too: it stays to the microsecond unless the day,
the time or the length of the turn is changed, and then moves within its own week. An edit of a
name therefore never shifts whose turn it is.
"""

from datetime import date, datetime, timedelta

import msgspec

from tocsin.core.errors import Invalid
from tocsin.core.timezones import first_instant, zone
from tocsin.schedules.drafts import LayerDraft, ScheduleDraft
from tocsin.schedules.model import (
    MAX_LAYERS,
    MAX_MEMBERS,
    MAX_RESTRICTIONS,
    DailyRestriction,
    Layer,
    Restriction,
    Schedule,
    WeeklyRestriction,
)
from tocsin.web import local_times
from tocsin.web.visit import Visit

SAVE, PREVIEW = "save", "preview"
NOBODY = "-"
_DAY, _WEEK = 86_400, 604_800
_NEVER_HOURS = 8_760
_SOME_DAY = date(2001, 1, 1)


class WindowForm(msgspec.Struct, kw_only=True):
    """One time window: a day from 1 (Monday) to 7, or `daily`, from and until local times."""

    day: str = "daily"
    start: str = "09:00"
    until: str = "17:00"
    until_day: str = "same"


class LayerForm(msgspec.Struct, kw_only=True):
    """One layer as typed. `anchor`, `since` (instants) and `seconds` (of a turn) are exact, so that
    what the form rounds is not lost; they are empty for a new layer."""

    id: str = ""
    name: str = ""
    members: list[str] = []
    turn: str = "weekly"
    hours: str = "12"
    day: str = "1"
    time: str = "09:00"
    start: str = ""
    since: str = ""
    until: str = ""
    anchor: str = ""
    seconds: str = ""
    windows: list[WindowForm] = []


class ScheduleForm(msgspec.Struct, kw_only=True):
    """The whole form as typed."""

    name: str = ""
    description: str = ""
    time_zone: str = "Etc/UTC"
    team_id: str = ""
    layers: list[LayerForm] = []


def of_schedule(schedule: Schedule, now: datetime) -> ScheduleForm:
    """The form filled in. Of a layer's versions the last one counts, as an edit replaces it."""
    newest = {layer.id: layer for layer in schedule.layers}
    return ScheduleForm(
        name=schedule.name,
        description=schedule.description or "",
        time_zone=schedule.time_zone,
        team_id=schedule.team_id or "",
        layers=[_of_layer(layer, now) for layer in newest.values()],
    )


def _of_layer(layer: Layer, now: datetime) -> LayerForm:
    turn, hours, day, time = _handoff(
        layer.rotation_virtual_start, layer.rotation_turn_length_seconds, layer.time_zone
    )
    return LayerForm(
        id=layer.id,
        name=layer.name,
        members=[member or NOBODY for member in layer.members],
        turn=turn,
        hours=hours,
        day=day,
        time=time,
        start=local_times.wall(layer.start, layer.time_zone) if layer.start > now else "",
        since=layer.start.isoformat(),
        until=local_times.wall(layer.end, layer.time_zone) if layer.end else "",
        anchor=layer.rotation_virtual_start.isoformat(),
        seconds=str(layer.rotation_turn_length_seconds),
        windows=[_of_restriction(restriction) for restriction in layer.restrictions],
    )


def read(visit: Visit) -> ScheduleForm:
    """What the form carries."""
    count = visit.whole("layer_count", 0, MAX_LAYERS)
    return ScheduleForm(
        name=visit.field("name"),
        description=visit.field("description"),
        time_zone=visit.field("time_zone"),
        team_id=visit.field("team_id"),
        layers=[_read_layer(visit, number) for number in range(1, count + 1)],
    )


def _read_layer(visit: Visit, n: int) -> LayerForm:
    windows = zip(
        visit.fields(f"window_day_{n}"),
        visit.fields(f"window_start_{n}"),
        visit.fields(f"window_until_{n}"),
        visit.fields(f"window_until_day_{n}"),
        strict=False,
    )
    return LayerForm(
        id=visit.field(f"id_{n}"),
        name=visit.field(f"layer_name_{n}"),
        members=[member for member in visit.fields(f"members_{n}") if member][:MAX_MEMBERS],
        turn=visit.field(f"turn_{n}", "weekly"),
        hours=visit.field(f"hours_{n}", "12"),
        day=visit.field(f"day_{n}", "1"),
        time=visit.field(f"time_{n}", "09:00"),
        start=visit.field(f"start_{n}"),
        since=visit.field(f"since_{n}"),
        until=visit.field(f"until_{n}"),
        anchor=visit.field(f"anchor_{n}"),
        seconds=visit.field(f"seconds_{n}"),
        windows=[
            WindowForm(day=day, start=start, until=until, until_day=until_day)
            for day, start, until, until_day in windows
            if day != "remove"
        ][:MAX_RESTRICTIONS],
    )


def step(form: ScheduleForm, do: str) -> None:
    """Change the shape: `add`, `remove:2`, `up:2`, `down:2`, `window:2`, `weekdays:2`."""
    verb, _, number = do.partition(":")
    at = int(number) - 1 if number.isascii() and number.isdigit() else -1
    layers = form.layers
    if verb == "add" and len(layers) < MAX_LAYERS:
        layers.append(LayerForm())
    elif not 0 <= at < len(layers):
        return
    elif verb == "remove":
        del layers[at]
    elif verb == "up" and at > 0:
        layers[at - 1], layers[at] = layers[at], layers[at - 1]
    elif verb == "down" and at + 1 < len(layers):
        layers[at + 1], layers[at] = layers[at], layers[at + 1]
    elif verb == "window" and len(layers[at].windows) < MAX_RESTRICTIONS:
        layers[at].windows.append(WindowForm())
    elif verb == "weekdays" and len(layers[at].windows) < MAX_RESTRICTIONS - 5:
        layers[at].windows += [WindowForm(day=str(day)) for day in range(1, 6)]


def wanted(form: ScheduleForm, now: datetime) -> ScheduleDraft:
    """The form as the action takes it. Raises Invalid under the form's own field names."""
    local_times.zone_called("time_zone", form.time_zone)
    return ScheduleDraft(
        name=form.name,
        description=form.description or None,
        time_zone=form.time_zone,
        team_id=form.team_id or None,
        layers=tuple(
            _layer(layer, number, form.time_zone, now)
            for number, layer in enumerate(form.layers, 1)
        ),
    )


def errors_of(error: Invalid) -> dict[str, str]:
    """The error under the name of the form's own field."""
    field = error.field
    if field.startswith("schedule_layers["):
        index, _, part = field.removeprefix("schedule_layers[").partition("]")
        parts = {".users": "members", ".start": "start", ".end": "until", ".name": "layer_name"}
        own = "windows" if "restrictions" in part else parts.get(part, "hours")
        return {f"{own}_{int(index) + 1}": error.message}
    return {{"team": "team_id", "schedule_layers": "layers"}.get(field, field): error.message}


def _layer(layer: LayerForm, n: int, zone_name: str, now: datetime) -> LayerDraft:
    seconds = _turn_seconds(layer, n)
    start = _start(layer, n, zone_name)
    return LayerDraft(
        id=layer.id or None,
        name=layer.name or None,
        start=start,
        end=local_times.instant(f"until_{n}", layer.until, zone_name) if layer.until else None,
        rotation_virtual_start=_anchor(layer, n, seconds, zone_name, start or now),
        rotation_turn_length_seconds=seconds,
        members=tuple(None if member == NOBODY else member for member in layer.members),
        restrictions=tuple(_restriction(window, n) for window in layer.windows),
    )


def _turn_seconds(layer: LayerForm, n: int) -> int:
    if layer.turn == "daily":
        return _DAY
    if layer.turn == "weekly":
        return _WEEK
    hours = layer.hours
    if not (hours.isascii() and hours.isdigit() and 1 <= int(hours[:6]) <= _NEVER_HOURS):
        raise Invalid(f"hours_{n}", f"must be a whole number of hours from 1 to {_NEVER_HOURS}")
    kept = layer.seconds
    if kept.isascii() and kept.isdigit() and len(kept) < 9 and int(kept) // 3600 == int(hours):
        return int(kept)
    return int(hours) * 3600


def _start(layer: LayerForm, n: int, zone_name: str) -> datetime | None:
    since = _instant(f"start_{n}", layer.since) if layer.since else None
    if layer.start and (since is None or local_times.wall(since, zone_name) != layer.start):
        return local_times.instant(f"start_{n}", layer.start, zone_name)
    return since


def _anchor(layer: LayerForm, n: int, seconds: int, zone_name: str, start: datetime) -> datetime:
    """The instant turns are counted from; the first member's turn begins there."""
    tz = zone(zone_name)
    time = local_times.time_of_day(f"time_{n}", layer.time)
    if layer.day not in "1234567" or len(layer.day) != 1:
        raise Invalid(f"day_{n}", "must be a day of the week")
    if layer.anchor:
        anchor = _instant(f"time_{n}", layer.anchor)
        turn, _, day, clock = _handoff(anchor, seconds, zone_name)
        same_day = turn != "weekly" or day == layer.day
        if same_day and clock == layer.time:
            return anchor
        base = anchor
    else:
        base = start
    date = base.astimezone(tz).date()
    if layer.turn == "weekly":
        date += timedelta(days=int(layer.day) - date.isoweekday())
    found = first_instant(datetime.combine(date, time), tz)
    if not layer.anchor and found > start:
        # The turn of the first member is under way when a new layer begins.
        days = 7 if layer.turn == "weekly" else 1
        found = first_instant(datetime.combine(date - timedelta(days=days), time), tz)
    return found


def _handoff(anchor: datetime, seconds: int, zone_name: str) -> tuple[str, str, str, str]:
    """Turn, hours, day and time of day as the form shows them."""
    local = anchor.astimezone(zone(zone_name))
    turn = {_DAY: "daily", _WEEK: "weekly"}.get(seconds, "custom")
    clock = local.strftime("%H:%M:%S" if local.second else "%H:%M")
    return turn, str(max(1, seconds // 3600)), str(local.isoweekday()), clock


def _of_restriction(restriction: Restriction) -> WindowForm:
    start = restriction.start_time_of_day
    opens = datetime.combine(_SOME_DAY, start)
    closes = opens + timedelta(seconds=restriction.duration_seconds)
    weekly = isinstance(restriction, WeeklyRestriction)
    day = restriction.start_day_of_week if isinstance(restriction, WeeklyRestriction) else 0
    days_later = (closes.date() - opens.date()).days
    return WindowForm(
        day=str(day) if weekly else "daily",
        start=_clock(opens),
        until=_clock(closes),
        until_day="same" if days_later == 0 else str(days_later),
    )


def _restriction(window: WindowForm, n: int) -> Restriction:
    field = f"windows_{n}"
    start = local_times.time_of_day(field, window.start)
    until = local_times.time_of_day(field, window.until)
    days = int(window.until_day) if window.until_day in "1234567" and window.until_day else 0
    length = datetime.combine(_SOME_DAY, until) - datetime.combine(_SOME_DAY, start)
    length += timedelta(days=days)
    if length <= timedelta():
        raise Invalid(field, "ends before it begins: choose a later time, or a later day")
    seconds = round(length.total_seconds())
    if window.day == "daily":
        return DailyRestriction(start_time_of_day=start, duration_seconds=min(seconds, _DAY))
    if window.day not in "1234567" or len(window.day) != 1:
        raise Invalid(field, "must be on a day of the week, or daily")
    return WeeklyRestriction(
        start_day_of_week=int(window.day), start_time_of_day=start, duration_seconds=seconds
    )


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.second else "%H:%M")


def _instant(field: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "was changed on the way: load the page again") from None
    if found.tzinfo is None:
        raise Invalid(field, "was changed on the way: load the page again")
    return found
