"""Properties of schedules: exactly once, everywhere the same answer, against a plain oracle."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_schedules_time import HARD_ZONES, changes
from tocsin.core.timezones import zone
from tocsin.schedules.coverage import coverage
from tocsin.schedules.model import (
    DailyRestriction,
    Layer,
    Override,
    Restriction,
    Schedule,
    Shift,
    ShiftReason,
    WeeklyRestriction,
)
from tocsin.schedules.shifts import (
    final,
    layer_shifts,
    next_handoff,
    on_call,
    override_shifts,
    shift_at,
)

HOUR = timedelta(hours=1)
PEOPLE = ("ann", "bob", "cyd", "dee")

zones = st.sampled_from(HARD_ZONES)
whole_days = st.sampled_from((1, 2, 7, 14, 28)).map(lambda days: days * 86_400)
odd_turns = st.sampled_from((3600, 6 * 3600, 12 * 3600, 36 * 3600, 5400))
times = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
daily = st.builds(
    DailyRestriction, start_time_of_day=times, duration_seconds=st.integers(1, 26 * 3600)
)
weekly = st.builds(
    WeeklyRestriction,
    start_day_of_week=st.integers(1, 7),
    start_time_of_day=times,
    duration_seconds=st.integers(1, 604_800),
)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and an instant within a few days of one of its clock changes."""
    name = draw(zones)
    day = draw(st.sampled_from(changes(name)))
    return name, day + timedelta(minutes=draw(st.integers(-4 * 1440, 2 * 1440)))


@st.composite
def layers(draw: st.DrawFn, number: int, name: str, near: datetime) -> Layer:
    start = near - timedelta(hours=draw(st.integers(-48, 24 * 40)))
    ends = draw(st.none() | st.integers(1, 24 * 20))
    return Layer(
        id=f"L{number}",
        name=f"L{number}",
        time_zone=name,
        start=start,
        end=None if ends is None else start + timedelta(hours=ends),
        rotation_virtual_start=near + timedelta(minutes=draw(st.integers(-90_000, 90_000))),
        rotation_turn_length_seconds=draw(whole_days | odd_turns),
        members=tuple(draw(st.lists(st.sampled_from((*PEOPLE, None)), min_size=1, max_size=5))),
        restrictions=tuple(draw(st.lists(daily | weekly, max_size=2))),
    )


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    name, near = draw(places())
    made = tuple(draw(layers(n, name, near)) for n in range(draw(st.integers(0, 3))))
    overrides = []
    for number in range(draw(st.integers(0, 4))):
        start = near + timedelta(minutes=draw(st.integers(-5000, 8000)))
        overrides.append(
            Override(
                id=f"O{number}",
                user_id=draw(st.sampled_from(("eve", "fay"))),
                start=start,
                end=start + timedelta(minutes=draw(st.integers(1, 4000))),
                created_at=near + timedelta(minutes=draw(st.integers(-3, 3))),
            )
        )
    schedule = Schedule(id="S", name="S", time_zone=name, layers=made, overrides=tuple(overrides))
    return schedule, near


def holder(shifts: tuple[Shift, ...], at: datetime) -> tuple[str, str] | None:
    found = [(s.user_id, s.source_id) for s in shifts if s.start <= at < s.end]
    assert len(found) <= 1
    return found[0] if found else None


def answer(schedule: Schedule, at: datetime) -> tuple[str, str] | None:
    found = on_call(schedule, at)
    return (found.user_id, found.source_id) if found else None


@given(
    places(),
    st.one_of(whole_days, odd_turns),
    st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4),
    st.integers(-200_000, 200_000),
)
@settings(max_examples=250, deadline=None)
def test_a_full_rotation_covers_each_instant_exactly_once(
    place: tuple[str, datetime], turn: int, members: list[str], anchor: int
) -> None:
    name, near = place
    layer = Layer(
        id="L", name="L", time_zone=name, start=near - 60 * 24 * HOUR,
        rotation_virtual_start=near + timedelta(minutes=anchor),
        rotation_turn_length_seconds=turn, members=tuple(members),
    )  # fmt: skip
    since, until = near - 96 * HOUR, near + 96 * HOUR
    shifts = final(Schedule(id="S", name="S", time_zone=name, layers=(layer,)), since, until)
    assert (shifts[0].start, shifts[-1].end) == (since, until)
    assert all(a.end == b.start and a.user_id != b.user_id for a, b in pairwise(shifts))
    if turn % 86_400 == 0:
        # Every hand-off shows the anchor's local time, or the first moment after a gap over it.
        tz = zone(name)
        wanted = layer.rotation_virtual_start.astimezone(tz).time()
        for shift in shifts[1:]:
            before = (shift.start - timedelta(microseconds=1)).astimezone(tz)
            after = shift.start.astimezone(tz)
            skipped = after.utcoffset() != before.utcoffset()
            assert after.time() == wanted or skipped


@given(schedules(), st.lists(st.integers(-9000, 9000), min_size=1, max_size=30))
@settings(max_examples=250, deadline=None)
def test_rendering_agrees_with_point_queries(
    case: tuple[Schedule, datetime], minutes: list[int]
) -> None:
    schedule, near = case
    since, until = near - 160 * HOUR, near + 160 * HOUR
    shifts = final(schedule, since, until)
    moments = {near + timedelta(minutes=minute) for minute in minutes}
    # The edges are where an off-by-one would hide.
    moments |= {edge for s in shifts for edge in (s.start, s.end)}
    moments |= {edge - timedelta(microseconds=1) for edge in tuple(moments)}
    for at in moments:
        if since <= at < until:
            assert holder(shifts, at) == answer(schedule, at)


@given(schedules(), st.lists(st.integers(1, 19_199), min_size=1, max_size=5, unique=True))
@settings(max_examples=200, deadline=None)
def test_a_range_in_parts_is_the_range_as_a_whole(
    case: tuple[Schedule, datetime], cuts: list[int]
) -> None:
    schedule, near = case
    since, until = near - 160 * HOUR, near + 160 * HOUR
    bounds = [since, *(since + timedelta(minutes=cut) for cut in sorted(cuts)), until]
    parts = [s for a, b in pairwise(bounds) for s in final(schedule, a, b)]
    joined: list[Shift] = []
    for shift in parts:
        if joined and (joined[-1].end, joined[-1].source_id, joined[-1].user_id) == (
            shift.start, shift.source_id, shift.user_id,
        ):  # fmt: skip
            last = joined.pop()
            shift = Shift(
                user_id=last.user_id, start=last.start, end=shift.end,
                source_id=last.source_id, reason=last.reason,
            )  # fmt: skip
        joined.append(shift)
    assert tuple(joined) == final(schedule, since, until)


@given(schedules())
@settings(max_examples=150, deadline=None)
def test_overrides_win_and_every_one_is_shown_or_overridden(
    case: tuple[Schedule, datetime],
) -> None:
    schedule, near = case
    since, until = near - 160 * HOUR, near + 160 * HOUR
    whole = final(schedule, since, until)
    shown = tuple(s for s in whole if s.reason is ShiftReason.OVERRIDE)
    assert shown == override_shifts(schedule, since, until)
    for override in schedule.overrides:
        newer = [
            o for o in schedule.overrides
            if (o.created_at, o.id) > (override.created_at, override.id)
        ]  # fmt: skip
        at = max(override.start, since)
        while at < min(override.end, until):
            held = holder(whole, at)
            assert held is not None
            assert held == (override.user_id, override.id) or any(
                held == (o.user_id, o.id) and o.start <= at < o.end for o in newer
            )
            at += timedelta(minutes=97)


@given(schedules())
@settings(max_examples=150, deadline=None)
def test_next_handoff_and_shift_at_agree_with_the_rendering(
    case: tuple[Schedule, datetime],
) -> None:
    schedule, near = case
    until = near + 400 * HOUR
    shifts = final(schedule, near - 400 * HOUR, until)
    found = next_handoff(schedule, near, horizon=400 * HOUR)
    edges = sorted({e for s in shifts for e in (s.start, s.end) if near < e < until})
    users = [(edge, answer(schedule, edge)) for edge in edges]
    now = answer(schedule, near)
    person = now[0] if now else None
    expected = next(((e, u and u[0]) for e, u in users if (u and u[0]) != person), None)
    assert (found and (found.at, found.to_user_id)) == expected
    shift = shift_at(schedule, near)
    assert (shift and (shift.user_id, shift.source_id)) == now
    if shift is not None:
        assert any(
            max(shift.start, near - 400 * HOUR) == s.start and min(shift.end, until) == s.end
            for s in shifts
        )


@given(schedules())
@settings(max_examples=100, deadline=None)
def test_coverage_and_gaps_make_up_the_whole(case: tuple[Schedule, datetime]) -> None:
    schedule, near = case
    since, until = near - 100 * HOUR, near + 100 * HOUR
    found = coverage(schedule, since, until)
    missing = sum((gap.end - gap.start for gap in found.gaps), timedelta())
    assert found.covered + missing == until - since
    assert 0.0 <= found.percentage <= 100.0
    assert (found.percentage == 100.0) == (not found.gaps)
    for gap in found.gaps:
        assert on_call(schedule, gap.start) is None
        assert on_call(schedule, gap.end - timedelta(microseconds=1)) is None


def scanned(
    restrictions: tuple[Restriction, ...], name: str, since: datetime, minutes: int
) -> list[bool]:
    """The oracle: walk the real minutes with a clock on the wall, opening and closing as it shows.

    A window is open from the first minute at which the clock has shown its start, until the first
    at which it has shown its end. Only minutes and comparisons are used, no conversion to UTC.
    """
    tz = zone(name)
    openings: list[tuple[datetime, datetime]] = []
    first_day = since.astimezone(tz).date() - timedelta(days=9)
    for offset in range(minutes // 1440 + 20):
        day = first_day + timedelta(days=offset)
        for r in restrictions:
            if isinstance(r, WeeklyRestriction) and day.isoweekday() != r.start_day_of_week:
                continue
            start = datetime.combine(day, r.start_time_of_day)
            openings.append((start, start + timedelta(seconds=r.duration_seconds)))
    highest = datetime(1, 1, 1)  # noqa: DTZ001
    result = []
    for minute in range(-1500, minutes):
        instant = since + timedelta(minutes=minute)
        highest = max(highest, instant.astimezone(tz).replace(tzinfo=None))
        result.append(any(start <= highest < end for start, end in openings))
    return result[1500:]


whole_minutes = st.integers(1, 26 * 60).map(lambda minutes: minutes * 60)


@given(
    st.sampled_from((
        ("Europe/Berlin", "2026-03-28"), ("Europe/Berlin", "2026-10-24"),
        ("Australia/Lord_Howe", "2026-10-03"), ("Australia/Lord_Howe", "2026-04-04"),
        ("America/Sao_Paulo", "2018-11-03"), ("Africa/Cairo", "2026-04-23"),
        ("Asia/Beirut", "2026-03-28"), ("Pacific/Apia", "2011-12-29"),
        ("Antarctica/Troll", "2026-03-28"),
    )),
    st.lists(
        st.builds(DailyRestriction, start_time_of_day=times, duration_seconds=whole_minutes)
        | st.builds(
            WeeklyRestriction, start_day_of_week=st.integers(1, 7), start_time_of_day=times,
            duration_seconds=whole_minutes.map(lambda seconds: seconds * 4),
        ),
        min_size=1, max_size=3,
    ),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_restrictions_agree_with_a_scan_of_every_minute(
    place: tuple[str, str], restrictions: list[Restriction]
) -> None:
    name, day = place
    since = datetime.fromisoformat(day).replace(tzinfo=UTC) - 12 * HOUR
    minutes = 3 * 1440
    layer = Layer(
        id="L", name="L", time_zone=name, start=since, members=("ann",),
        rotation_virtual_start=since, rotation_turn_length_seconds=86_400,
        restrictions=tuple(restrictions),
    )  # fmt: skip
    rendered = [False] * minutes
    for shift in layer_shifts(layer, since, since + timedelta(minutes=minutes)):
        first = int((shift.start - since) / timedelta(minutes=1))
        last = int((shift.end - since) / timedelta(minutes=1))
        rendered[first:last] = [True] * (last - first)
    assert rendered == scanned(tuple(restrictions), name, since, minutes)
