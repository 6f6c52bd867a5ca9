"""How times, lengths, counts and names are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.web import formats

NB = formats.NBSP
NOW = datetime(2026, 10, 22, 1, 12, 34, tzinfo=UTC)  # Thursday 03:12:34 in Berlin
BERLIN = "Europe/Berlin"

zones = st.sampled_from(["UTC", BERLIN, "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"])
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW, "03:12"),
        (NOW - timedelta(days=1, hours=3), f"Wed{NB}00:12"),
        (NOW - timedelta(days=2), f"Tue{NB}03:12"),
        (NOW - timedelta(days=3), f"19{NB}Oct, 03:12"),
        (NOW - timedelta(days=6), f"16{NB}Oct, 03:12"),
        (NOW - timedelta(days=7), f"15{NB}Oct, 03:12"),
        (NOW + timedelta(days=4), f"Mon{NB}02:12"),
        (NOW + timedelta(days=5), f"27{NB}Oct, 02:12"),
        (NOW - timedelta(days=400), f"17{NB}Sep{NB}2025, 03:12"),
    ],
)
def test_a_moment_is_the_shortest_form_that_cannot_be_misread(at: datetime, expected: str) -> None:
    assert formats.moment(at, BERLIN, NOW) == expected


def test_a_clock_follows_the_readers_zone_over_a_clock_change() -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert formats.clock(before, BERLIN) == "02:30"
    assert formats.clock(before + timedelta(hours=1), BERLIN) == "02:30"
    assert formats.clock(before + timedelta(hours=2), BERLIN, seconds=True) == "03:30:00"


def test_the_full_form_names_day_date_seconds_and_zone() -> None:
    assert formats.full(NOW, BERLIN) == f"Thu{NB}22{NB}Oct{NB}2026, 03:12:34{NB}Europe/Berlin"
    assert formats.full(NOW, "no/such/zone").endswith(f"01:12:34{NB}UTC")


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        formats.clock(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001


def test_the_machine_form_is_utc_whatever_zone_came_in() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert formats.iso(there) == "2026-10-22T01:12:34Z"


@pytest.mark.parametrize(
    ("seconds", "parts", "expected"),
    [
        (0, 1, f"0{NB}s"),
        (59, 1, f"59{NB}s"),
        (60, 1, f"1{NB}min"),
        (314, 1, f"5{NB}min"),
        (314, 2, f"5{NB}min{NB}14{NB}s"),
        (3840, 2, f"1{NB}h{NB}4{NB}min"),
        (3600, 2, f"1{NB}h"),
        (3605, 2, f"1{NB}h"),
        (86_400, 1, f"1{NB}day"),
        (41 * 86_400 + 7, 1, f"41{NB}days"),
        (2000 * 86_400, 1, f"2,000{NB}days"),
        (-90, 1, f"1{NB}min"),
    ],
)
def test_a_length_of_time_in_its_largest_units(seconds: int, parts: int, expected: str) -> None:
    assert formats.duration(seconds, parts=parts) == expected
    assert formats.duration(timedelta(seconds=seconds), parts=parts) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "now"),
        (-4, "now"),
        (-540, f"9{NB}min{NB}ago"),
        (1440, f"in{NB}24{NB}min"),
        (-7200, f"2{NB}h{NB}ago"),
    ],
)
def test_a_relative_time(seconds: int, expected: str) -> None:
    assert formats.relative(NOW + timedelta(seconds=seconds), NOW) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(161, "2:41"), (59, "0:59"), (3723, "1:02:03"), (0.4, "now"), (0, "now"), (-5, "now")],
)
def test_a_countdown_never_goes_below_now(seconds: float, expected: str) -> None:
    assert formats.countdown(seconds) == expected


@pytest.mark.parametrize(
    ("utc_hour", "zone", "night"),
    [(20, BERLIN, True), (19, BERLIN, False), (4, BERLIN, True), (5, BERLIN, False)],
)
def test_night_is_from_22_to_7_where_the_person_is(utc_hour: int, zone: str, night: bool) -> None:
    assert formats.is_night(NOW.replace(hour=utc_hour, minute=0), zone) is night


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ines Carvalho", "IC"),
        ("Katarzyna Nowak-Zielińska", "KN"),
        ("ana", "A"),
        ("Mei Ling van den Berg", "MB"),
        ("élodie Ørsted", "ÉØ"),
        ("j.doe", "JD"),
        ("", "?"),
        ("(...)", "?"),
    ],
)
def test_initials(name: str, expected: str) -> None:
    assert formats.initials(name) == expected


def test_short_names_counts_and_numbers() -> None:
    assert formats.short_name("Ines Carvalho") == f"I.{NB}Carvalho"
    assert formats.short_name("engine") == "engine"
    assert formats.plural(1, "alert") == f"1{NB}alert"
    assert formats.plural(0, "alert") == f"0{NB}alerts"
    assert formats.plural(40_000, "policy", "policies") == f"40,000{NB}policies"


def test_a_persons_fill_follows_the_id_and_uses_all_six() -> None:
    fills = [formats.fill_of(f"P{n}") for n in range(200)]
    assert set(fills) == {1, 2, 3, 4, 5, 6}
    assert formats.fill_of("P7") == formats.fill_of("P7")


def test_a_sparkline_stays_inside_its_box() -> None:
    assert formats.spark_path([]) == "M0 22H96"
    assert formats.spark_path([5]) == "M0 22H96"
    assert formats.spark_path([1, 3]) == "M0 22L96 2"


@given(at=moments, now=moments, zone=zones)
def test_no_time_breaks_a_line_between_number_and_unit(
    at: datetime, now: datetime, zone: str
) -> None:
    assert " " not in formats.relative(at, now)
    assert " " not in formats.duration(at - now, parts=2)
    assert " " not in formats.moment(at, zone, now).replace(", ", "")


@given(at=moments, now=moments, zone=zones)
def test_the_same_time_a_week_apart_never_reads_the_same(
    at: datetime, now: datetime, zone: str
) -> None:
    later = at + timedelta(days=7)
    assert formats.moment(at, zone, now) != formats.moment(later, zone, now)


@given(values=st.lists(st.floats(-1e9, 1e9), max_size=40))
def test_a_sparkline_takes_any_figures(values: list[float]) -> None:
    assert formats.spark_path(values).startswith("M0 ")
