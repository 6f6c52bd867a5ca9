"""A rendered schedule as the page draws it: lanes of bars, days, clock changes, gaps. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from tocsin.core.timezones import first_instant, zone
from tocsin.schedules.coverage import coverage_of
from tocsin.schedules.model import DailyRestriction, Layer, Schedule, WeeklyRestriction
from tocsin.schedules.rendering import Rendered
from tocsin.web import formats
from tocsin.web.strips import DAYS, Axis, Bar, Day, Hole

WEEK = timedelta(days=7)
WEEK_CHOICES = (1, 2, 4)
_DAY_SECONDS, _WEEK_SECONDS = 86_400, 604_800


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    """One lane."""

    name: str
    note: str
    bars: list[Bar]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the agenda: who, or nobody, from when to when, and why."""

    start: datetime
    end: datetime
    user_id: str | None
    name: str
    why: str
    now: bool


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """All that the picture needs. `now_x` is None when now is not in the range; `coverage` is in
    percent, from now on."""

    zone: str
    title: str
    offsets: str
    days: list[Day]
    layers: list[LaneView]
    overrides: LaneView
    final: LaneView
    holes: list[Hole]
    agenda: list[Line]
    now_x: float | None
    now: datetime
    coverage: float


def window(first: date, weeks: int, zone_name: str) -> tuple[datetime, datetime]:
    """The instants of local midnight of the first day, and of that day so many weeks later."""
    tz = zone(zone_name)
    start = datetime.combine(first, datetime.min.time())
    return first_instant(start, tz), first_instant(start + WEEK * weeks, tz)


def monday_of(at: datetime, zone_name: str) -> date:
    """The Monday of the local week that `at` lies in."""
    today = at.astimezone(zone(zone_name)).date()
    return today - timedelta(days=today.weekday())


def chart(rendered: Rendered, names: dict[str, str], now: datetime) -> Chart:
    """Lay out what was rendered, in the schedule's own zone."""
    zone_name = rendered.schedule.time_zone
    axis = Axis(rendered.since, rendered.until, zone(zone_name))
    overrides = axis.bars(rendered.overrides.shifts, names, now)
    # What nobody covered before now cannot be mended, so gaps and coverage count from now on.
    since = now if rendered.since < now < rendered.until else rendered.since
    ahead = coverage_of(rendered.final.shifts, since, rendered.until)
    return Chart(
        zone=zone_name,
        title=_title(rendered, zone_name),
        offsets=_offsets(rendered, zone_name),
        days=axis.days(now),
        layers=[
            LaneView(
                name=lane.name,
                note=_layer_note(rendered.schedule, lane.id),
                bars=axis.bars(lane.shifts, names, now),
            )
            for lane in rendered.layers
        ],
        overrides=LaneView(name="Overrides", note=f"{len(overrides)} in view", bars=overrides),
        final=LaneView(
            name="Final schedule",
            note="who is really paged",
            bars=axis.bars(rendered.final.shifts, names, now),
        ),
        holes=axis.holes(ahead.gaps),
        agenda=_agenda(rendered, names, now),
        now_x=axis.x(now) if rendered.since <= now < rendered.until else None,
        now=now,
        coverage=ahead.percentage,
    )


def layer_note(layer: Layer) -> str:
    """`Weekly, Mon 09:00; 4 people; 2 time windows`."""
    anchor = layer.rotation_virtual_start.astimezone(zone(layer.time_zone))
    clock = f"{anchor.hour:02}:{anchor.minute:02}"
    seconds = layer.rotation_turn_length_seconds
    if len(set(layer.members)) == 1:
        turn = "one person"
    elif seconds == _WEEK_SECONDS:
        turn = f"Weekly, {DAYS[anchor.weekday()]} {clock}"
    elif seconds == _DAY_SECONDS:
        turn = f"Daily, {clock}"
    else:
        turn = f"Every {formats.duration(seconds, parts=2)}, {clock}"
    windows = len(layer.restrictions)
    return turn + (f"; {formats.plural(windows, 'time window')}" if windows else "")


def restriction_words(restriction: DailyRestriction | WeeklyRestriction) -> str:
    """`Sat 09:00 for 10 h`."""
    clock = restriction.start_time_of_day.strftime("%H:%M")
    length = formats.duration(restriction.duration_seconds, parts=2)
    if isinstance(restriction, WeeklyRestriction):
        return f"{DAYS[restriction.start_day_of_week - 1]} {clock} for {length}"
    return f"daily {clock} for {length}"


def _layer_note(schedule: Schedule, layer_id: str) -> str:
    versions = [layer for layer in schedule.layers if layer.id == layer_id]
    return layer_note(versions[-1]) if versions else ""


def _title(rendered: Rendered, zone_name: str) -> str:
    tz = zone(zone_name)
    first = rendered.since.astimezone(tz)
    last = (rendered.until - timedelta(microseconds=1)).astimezone(tz)
    months = formats.MONTHS
    start = f"{first.day} {months[first.month - 1]}" if first.month != last.month else first.day
    if first.year != last.year:
        start = f"{start} {first.year}"
    return f"{start} to {last.day} {months[last.month - 1]} {last.year}"


def _offsets(rendered: Rendered, zone_name: str) -> str:
    tz = zone(zone_name)
    first = rendered.since.astimezone(tz).tzname() or ""
    last = (rendered.until - timedelta(seconds=1)).astimezone(tz).tzname() or ""
    return first if first == last else f"{first}, then {last}"


def _agenda(rendered: Rendered, names: dict[str, str], now: datetime) -> list[Line]:
    layers = {layer.id: layer.name for layer in rendered.schedule.layers}
    lines = [
        Line(
            start=shift.start,
            end=shift.end,
            user_id=shift.user_id,
            name=names.get(shift.user_id, "somebody who is gone"),
            why="override" if shift.reason == "override" else layers.get(shift.source_id, ""),
            now=shift.start <= now < shift.end,
        )
        for shift in rendered.final.shifts
    ]
    lines += [
        Line(start=g.start, end=g.end, user_id=None, name="Nobody", why="", now=g.start <= now)
        for g in rendered.final.coverage.gaps
    ]
    return sorted((line for line in lines if line.end > now), key=_start)


def _start(line: Line) -> datetime:
    return line.start


def names_needed(rendered: Rendered) -> Sequence[str]:
    """Everybody the picture names."""
    lanes = (*rendered.layers, rendered.overrides, rendered.final)
    return sorted({shift.user_id for lane in lanes for shift in lane.shifts})
