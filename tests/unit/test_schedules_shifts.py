"""Who is on call: tables of cases, among them the defects other systems are known for."""

from datetime import UTC, datetime, time, timedelta

import msgspec
import pytest

from tocsin.core.timezones import zone
from tocsin.schedules.coverage import coverage
from tocsin.schedules.model import (
    DailyRestriction,
    Handoff,
    InvalidRange,
    Layer,
    OnCall,
    Override,
    Schedule,
    ShiftReason,
    WeeklyRestriction,
)
from tocsin.schedules.rendering import render
from tocsin.schedules.shifts import (
    final,
    layer_shifts,
    next_handoff,
    on_call,
    override_shifts,
    shift_at,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, name: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone(name)).astimezone(UTC)


def make_layer(
    name: str,
    anchor: str,
    turn: int,
    *members: str | None,
    id: str = "L1",
    start: datetime | None = None,
    end: datetime | None = None,
    restrictions: tuple[DailyRestriction | WeeklyRestriction, ...] = (),
) -> Layer:
    virtual_start = local(anchor, name)
    return Layer(
        id=id, name=id, time_zone=name, start=start or virtual_start, end=end,
        rotation_virtual_start=virtual_start, rotation_turn_length_seconds=turn,
        members=members, restrictions=restrictions,
    )  # fmt: skip


def make_schedule(*layers: Layer, overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(
        id="S1", name="Primary", time_zone="Etc/UTC", layers=layers, overrides=overrides
    )


def make_override(id: str, user: str, start: str, end: str, created: str) -> Override:
    return Override(id=id, user_id=user, start=utc(start), end=utc(end), created_at=utc(created))


def who(schedule: Schedule, at: datetime) -> str | None:
    found = on_call(schedule, at)
    return found.user_id if found else None


def daily(start: str, hours: float) -> DailyRestriction:
    return DailyRestriction(
        start_time_of_day=time.fromisoformat(start), duration_seconds=int(hours * 3600)
    )


def test_a_weekly_handoff_stays_at_nine_local_over_both_clock_changes() -> None:
    schedule = make_schedule(
        make_layer("Europe/Berlin", "2026-01-05T09:00", WEEK_SECONDS, "ann", "bob")
    )
    shifts = final(schedule, utc("2026-01-05T08:00"), utc("2026-12-31T00:00"))
    assert {s.start.astimezone(zone("Europe/Berlin")).time() for s in shifts} == {time(9)}
    assert {(s.end - s.start) for s in shifts[:-1]} == {7 * DAY, 7 * DAY - HOUR, 7 * DAY + HOUR}
    assert [s.user_id for s in shifts[:4]] == ["ann", "bob", "ann", "bob"]


@pytest.mark.parametrize(
    "name", ["America/Los_Angeles", "Asia/Tokyo", "Pacific/Kiritimati", "Asia/Kathmandu"]
)
def test_a_daily_rotation_rotates_in_every_zone(name: str) -> None:
    layer = make_layer(name, "2026-06-01T00:00", DAY_SECONDS, "ann", "bob", "cyd")
    schedule = make_schedule(layer)
    noons = [local(f"2026-06-{day:02}T12:00", name) for day in range(1, 7)]
    assert [who(schedule, at) for at in noons] == ["ann", "bob", "cyd", "ann", "bob", "cyd"]
    assert who(schedule, local("2026-06-02T00:00", name)) == "bob"
    assert who(schedule, local("2026-06-02T00:00", name) - timedelta(microseconds=1)) == "ann"


@pytest.mark.parametrize(
    ("name", "change_day"),
    [("America/Sao_Paulo", "2018-11-04"), ("Africa/Cairo", "2026-04-24"),
     ("Asia/Beirut", "2026-03-29")],
)  # fmt: skip
def test_a_handoff_at_a_midnight_that_does_not_exist_is_at_one(name: str, change_day: str) -> None:
    day = datetime.fromisoformat(change_day)
    anchor = (day - DAY).isoformat()
    schedule = make_schedule(make_layer(name, anchor, DAY_SECONDS, "ann", "bob"))
    first, second = final(schedule, local(anchor, name), local(f"{change_day}T12:00", name))
    assert (first.user_id, second.user_id) == ("ann", "bob")
    assert first.end == second.start
    assert second.start.astimezone(zone(name)).replace(tzinfo=None) == day + HOUR
    assert first.end - first.start == DAY


def test_a_day_left_out_at_the_date_line_leaves_out_its_turn() -> None:
    layer = make_layer("Pacific/Apia", "2011-12-28T00:00", DAY_SECONDS, "ann", "bob", "cyd", "dee")
    shifts = final(make_schedule(layer), layer.start, utc("2012-01-01T10:00"))
    assert [s.user_id for s in shifts] == ["ann", "bob", "dee", "ann"]
    assert all(s.end - s.start == DAY for s in shifts)
    assert who(make_schedule(layer), utc("2011-12-30T10:00")) == "dee"


def test_turns_of_hours_are_elapsed_time() -> None:
    layer = make_layer("Europe/Berlin", "2026-03-28T20:00", 12 * 3600, "ann", "bob")
    shifts = final(make_schedule(layer), layer.start, layer.start + 3 * DAY)
    assert {s.end - s.start for s in shifts} == {12 * HOUR}
    assert shifts[1].start.astimezone(zone("Europe/Berlin")).time() == time(9)


def test_a_rotation_may_be_anchored_in_the_future() -> None:
    layer = make_layer(
        "Etc/UTC", "2030-01-01T00:00", DAY_SECONDS, "ann", "bob", "cyd", start=utc("2026-01-01")
    )
    schedule = make_schedule(layer)
    assert who(schedule, utc("2030-01-01T01:00")) == "ann"
    assert who(schedule, utc("2029-12-31T23:00")) == "cyd"
    assert who(schedule, utc("2029-12-30T23:00")) == "bob"


@pytest.mark.parametrize(
    ("restriction", "start", "end"),
    [
        # Clocks forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00 (Berlin).
        (daily("22:00", 10), "2026-03-28T21:00", "2026-03-29T06:00"),  # nine hours
        (daily("22:00", 10), "2026-10-24T20:00", "2026-10-25T07:00"),  # eleven hours
        (daily("02:30", 2), "2026-03-29T01:00", "2026-03-29T02:30"),  # opens in the gap
        (daily("00:00", 2.5), "2026-03-28T23:00", "2026-03-29T01:00"),  # closes in the gap
        (daily("02:15", 1), "2026-10-25T00:15", "2026-10-25T02:15"),  # through the fold
        (daily("00:00", 2.5), "2026-10-24T22:00", "2026-10-25T00:30"),  # closes in the fold
    ],
)
def test_restrictions_are_local_time(restriction: DailyRestriction, start: str, end: str) -> None:
    layer = make_layer(
        "Europe/Berlin", "2026-01-01T00:00", WEEK_SECONDS, "ann", restrictions=(restriction,)
    )
    found = shift_at(make_schedule(layer), utc(start))
    assert found is not None
    assert (found.start, found.end) == (utc(start), utc(end))


def test_a_window_wholly_inside_the_skipped_hour_does_not_happen() -> None:
    layer = make_layer(
        "Europe/Berlin",
        "2026-01-01T00:00",
        WEEK_SECONDS,
        "ann",
        restrictions=(daily("02:15", 0.5),),
    )
    days = layer_shifts(layer, utc("2026-03-28T00:00"), utc("2026-03-31T00:00"))
    assert [s.start for s in days] == [utc("2026-03-28T01:15"), utc("2026-03-30T00:15")]


def test_weekly_windows_wrap_round_the_week_and_add_up() -> None:
    weekend = WeeklyRestriction(
        start_day_of_week=6, start_time_of_day=time(18), duration_seconds=38 * 3600
    )
    wednesday = WeeklyRestriction(
        start_day_of_week=3, start_time_of_day=time(0), duration_seconds=DAY_SECONDS
    )
    layer = make_layer(
        "America/New_York", "2026-06-01T00:00", WEEK_SECONDS, "ann",
        restrictions=(weekend, wednesday),
    )  # fmt: skip
    shifts = layer_shifts(
        layer,
        local("2026-06-08T00:00", "America/New_York"),
        local("2026-06-15T00:00", "America/New_York"),
    )
    there = zone("America/New_York")
    assert [
        (f"{s.start.astimezone(there):%a %H:%M}", f"{s.end.astimezone(there):%a %H:%M}")
        for s in shifts
    ] == [("Mon 00:00", "Mon 08:00"), ("Wed 00:00", "Thu 00:00"), ("Sat 18:00", "Mon 00:00")]


def test_follow_the_sun_has_no_hole_and_no_doubling_on_either_change() -> None:
    layers = [
        make_layer("Europe/London", "2026-01-01T00:00", WEEK_SECONDS, user, id=user,
                   restrictions=(daily(start, 8),))
        for user, start in (("apac", "00:00"), ("emea", "08:00"), ("amer", "16:00"))
    ]  # fmt: skip
    schedule = make_schedule(*layers)
    since, until = utc("2026-01-02T00:00"), utc("2027-01-02T00:00")
    assert coverage(schedule, since, until).percentage == 100.0
    assert sum((s.end - s.start for s in final(schedule, since, until)), timedelta()) == (
        until - since
    )
    each = [layer_shifts(layer, since, until) for layer in layers]
    assert sum((s.end - s.start for shifts in each for s in shifts), timedelta()) == until - since


def test_a_later_layer_wins_and_an_empty_slot_lets_the_lower_show_through() -> None:
    low = make_layer("Etc/UTC", "2026-01-01T00:00", WEEK_SECONDS, "ann", id="low")
    high = make_layer("Etc/UTC", "2026-01-01T00:00", DAY_SECONDS, "bob", None, id="high")
    schedule = make_schedule(low, high)
    assert who(schedule, utc("2026-01-01T12:00")) == "bob"
    assert who(schedule, utc("2026-01-02T12:00")) == "ann"
    assert who(make_schedule(high), utc("2026-01-02T12:00")) is None
    assert who(make_schedule(high, low), utc("2026-01-01T12:00")) == "ann"


def test_the_most_recent_override_wins_in_whatever_order_they_are_listed() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", WEEK_SECONDS, "ann")
    first = make_override("P1", "bob", "2026-02-01T00:00", "2026-02-03T00:00", "2026-01-10")
    second = make_override("P2", "cyd", "2026-02-02T00:00", "2026-02-02T12:00", "2026-01-11")
    for overrides in ((first, second), (second, first)):
        schedule = make_schedule(layer, overrides=overrides)
        shifts = final(schedule, utc("2026-01-31T00:00"), utc("2026-02-04T00:00"))
        assert [(s.user_id, s.source_id) for s in shifts] == [
            ("ann", "L1"), ("bob", "P1"), ("cyd", "P2"), ("bob", "P1"), ("ann", "L1"),
        ]  # fmt: skip
        assert on_call(schedule, utc("2026-02-02T06:00")) == OnCall(
            user_id="cyd", source_id="P2", reason=ShiftReason.OVERRIDE
        )
        assert [
            s.user_id
            for s in override_shifts(schedule, utc("2026-01-31T00:00"), utc("2026-02-04T00:00"))
        ] == ["bob", "cyd", "bob"]


def test_an_override_holds_where_no_layer_does() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", WEEK_SECONDS, "ann", end=utc("2026-01-15"))
    cover = make_override("P1", "bob", "2026-01-20T00:00", "2026-01-21T00:00", "2026-01-10")
    schedule = make_schedule(layer, overrides=(cover,))
    found = coverage(schedule, utc("2026-01-11"), utc("2026-01-31"))
    assert [(gap.start, gap.end) for gap in found.gaps] == [
        (utc("2026-01-15"), utc("2026-01-20")),
        (utc("2026-01-21"), utc("2026-01-31")),
    ]
    assert found.percentage == 25.0
    assert found.covered == 5 * DAY


def test_next_handoff_names_both_people_and_the_empty_time() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", DAY_SECONDS, "ann", "ann", "bob",
                       end=utc("2026-01-04"))  # fmt: skip
    schedule = make_schedule(layer)
    day = [utc(f"2026-01-{number:02}T00:00") for number in range(1, 6)]
    assert next_handoff(schedule, utc("2025-12-01")) == Handoff(
        at=day[0], from_user_id=None, to_user_id="ann"
    )
    # Two turns of the same person in a row are no hand-off.
    assert next_handoff(schedule, day[0]) == Handoff(
        at=day[2], from_user_id="ann", to_user_id="bob"
    )
    assert next_handoff(schedule, day[2] + HOUR) == Handoff(
        at=day[3], from_user_id="bob", to_user_id=None
    )
    assert next_handoff(schedule, day[4]) is None


def test_one_person_for_ever_has_no_handoff_and_a_shift_cut_off_at_the_horizon() -> None:
    layer = make_layer("Europe/Berlin", "2020-01-01T00:00", DAY_SECONDS, "ann")
    schedule = make_schedule(layer)
    at = utc("2026-05-05T05:00")
    assert next_handoff(schedule, at) is None
    found = shift_at(schedule, at)
    assert found is not None
    assert found.end - at == at - found.start == timedelta(days=366)


def test_a_short_restriction_far_ahead_is_still_found_by_next_handoff() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", 300 * DAY_SECONDS, "ann", "bob")
    assert next_handoff(make_schedule(layer), utc("2026-01-02")) == Handoff(
        at=utc("2026-01-01") + 300 * DAY, from_user_id="ann", to_user_id="bob"
    )


def test_entries_are_cut_at_the_bounds_unless_overflow_is_asked_for() -> None:
    layer = make_layer("Etc/UTC", "2026-01-05T09:00", WEEK_SECONDS, "ann", "bob")
    long = make_override("P1", "cyd", "2026-01-14T12:00", "2026-02-20T00:00", "2026-01-01")
    schedule = make_schedule(layer, overrides=(long,))
    since, until = utc("2026-01-14T00:00"), utc("2026-01-15T00:00")
    cut = render(schedule, since, until)
    assert [(s.user_id, s.start, s.end) for s in cut.final.shifts] == [
        ("bob", since, long.start),
        ("cyd", long.start, until),
    ]
    assert cut.final.coverage.percentage == 100.0
    assert cut.overrides.coverage.percentage == 50.0
    whole = render(schedule, since, until, overflow=True)
    assert [(s.user_id, s.start, s.end) for s in whole.final.shifts] == [
        ("bob", utc("2026-01-12T09:00"), long.start),
        ("cyd", long.start, long.end),
    ]
    assert [(s.start, s.end) for s in whole.layers[0].shifts] == [
        (utc("2026-01-12T09:00"), utc("2026-01-19T09:00"))
    ]
    assert whole.final.coverage.percentage == 100.0
    assert render(schedule, since, since + 732 * DAY, overflow=True).until == since + 732 * DAY


def test_the_versions_of_a_layer_share_a_lane() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", WEEK_SECONDS, "ann", "bob")
    cut = utc("2026-01-03T00:00")
    old = msgspec.structs.replace(layer, end=cut)
    new = msgspec.structs.replace(layer, start=cut, name="Renamed", members=("cyd",))
    shown = render(make_schedule(old, new), utc("2026-01-01"), utc("2026-01-09"))
    (lane,) = shown.layers
    assert (lane.id, lane.name) == ("L1", "Renamed")
    assert [s.user_id for s in lane.shifts] == ["ann", "cyd"]


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("2026-01-02", "2026-01-02", "later than since"),
        ("2026-01-02", "2026-01-01", "later than since"),
        ("2026-01-01", "2028-01-05", "two years"),
        ("1800-01-01", "1800-02-01", "1900"),
    ],
)
def test_a_range_we_will_not_render(since: str, until: str, words: str) -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", DAY_SECONDS, "ann", "bob")
    with pytest.raises(InvalidRange, match=words):
        final(make_schedule(layer), utc(since), utc(until))
    with pytest.raises(InvalidRange, match=words):
        layer_shifts(layer, utc(since), utc(until))


def test_too_many_entries_are_refused_with_the_fix() -> None:
    hourly = make_layer("Etc/UTC", "2026-01-01T00:00", 3600, "ann", None)
    layers = [msgspec.structs.replace(hourly, id=f"L{n}") for n in range(4)]
    with pytest.raises(InvalidRange, match="ask for less") as caught:
        final(make_schedule(*layers), utc("2026-01-01"), utc("2027-12-31"))
    assert caught.value.field == "until"
    assert len(final(make_schedule(hourly), utc("2026-01-01"), utc("2027-12-31"))) == 8748


def test_a_hidden_layer_does_not_count_towards_the_limit() -> None:
    hourly = make_layer("Etc/UTC", "2026-01-01T00:00", 3600, "ann", "bob")
    layers = [msgspec.structs.replace(hourly, id=f"L{n}") for n in range(4)]
    shifts = final(make_schedule(*layers), utc("2026-01-01"), utc("2027-12-31"))
    assert len(shifts) == 17_496
    assert {s.source_id for s in shifts} == {"L3"}


def test_years_far_away_still_have_their_local_time() -> None:
    for year in (1901, 2999):
        layer = make_layer("Europe/Berlin", f"{year}-01-01T09:00", WEEK_SECONDS, "ann", "bob")
        shifts = final(make_schedule(layer), layer.start, layer.start + 350 * DAY)
        assert len(shifts) == 50
        assert {s.start.astimezone(zone("Europe/Berlin")).time() for s in shifts} == {time(9)}


def test_versions_of_one_layer_join_where_the_person_stays() -> None:
    layer = make_layer("Etc/UTC", "2026-01-01T00:00", WEEK_SECONDS, "ann", "bob")
    cut = utc("2026-01-03T00:00")
    old = msgspec.structs.replace(layer, end=cut)
    new = msgspec.structs.replace(layer, start=cut, members=("ann", "cyd"))
    shifts = final(make_schedule(old, new), utc("2026-01-01"), utc("2026-01-15"))
    assert [(s.user_id, s.end) for s in shifts] == [
        ("ann", utc("2026-01-08")), ("cyd", utc("2026-01-15")),
    ]  # fmt: skip
