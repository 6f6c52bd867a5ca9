"""Properties of local time: the two conversions against their definitions, near clock changes."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.core.timezones import first_instant, wall_clock, zone

HARD_ZONES = (
    "Etc/UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu",
    "America/St_Johns", "Pacific/Chatham", "Europe/Dublin", "Antarctica/Troll", "Asia/Tehran",
    "Pacific/Kwajalein", "America/Juneau", "Africa/Monrovia", "Europe/Moscow", "Asia/Gaza",
)  # fmt: skip
SPAN = timedelta(hours=50)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """The days on which the zone's offset changes, found by looking at each; at least one day."""
    tz = zone(name)
    days = [datetime(1960, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(80 * 365)]
    offsets = [day.astimezone(tz).utcoffset() for day in days]
    return tuple(
        day for day, old, new in zip(days[1:], offsets, offsets[1:], strict=False) if old != new
    ) or (days[0],)


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    name = draw(st.sampled_from(HARD_ZONES))
    day = draw(st.sampled_from(changes(name)))
    minutes = draw(st.integers(-50 * 60, 26 * 60))
    fine = draw(st.sampled_from((0, 0, 1, 999_999, 30_000_000)))
    return name, day + timedelta(minutes=minutes, microseconds=fine)


def shown(instant: datetime, name: str) -> datetime:
    return instant.astimezone(zone(name)).replace(tzinfo=None)


@given(near_a_change(), st.lists(st.integers(1, 26 * 3600), max_size=20))
@settings(max_examples=400, deadline=None)
def test_first_instant_is_the_first_at_which_the_clock_shows_it_or_later(
    case: tuple[str, datetime], earlier: list[int]
) -> None:
    name, instant = case
    wall = instant.replace(tzinfo=None)
    found = first_instant(wall, zone(name))
    assert shown(found, name) >= wall
    assert shown(found - timedelta(microseconds=1), name) < wall
    for seconds in earlier:
        assert shown(found - timedelta(seconds=seconds), name) < wall


@given(near_a_change(), st.integers(-30 * 60, 30 * 60))
@settings(max_examples=600, deadline=None)
def test_comparing_wall_times_is_comparing_instants(
    case: tuple[str, datetime], minutes: int
) -> None:
    name, instant = case
    tz = zone(name)
    wall = shown(instant, name) + timedelta(minutes=minutes)
    assert (first_instant(wall, tz) <= instant) == (wall <= wall_clock(instant, tz))


@given(near_a_change(), st.integers(0, 3000))
@settings(max_examples=300, deadline=None)
def test_the_wall_clock_never_runs_backwards(case: tuple[str, datetime], minutes: int) -> None:
    name, instant = case
    tz = zone(name)
    assert wall_clock(instant, tz) <= wall_clock(instant + timedelta(minutes=minutes), tz)
    assert wall_clock(instant, tz) >= shown(instant, name)


@pytest.mark.parametrize("name", ["Australia/Lord_Howe", "Pacific/Apia", "Europe/Berlin"])
def test_the_wall_clock_is_the_highest_reading_so_far(name: str) -> None:
    """A minute scan round every change of four years; the fold's last tick is the only rounding."""
    tz = zone(name)
    for day in (day for day in changes(name) if 2009 <= day.year <= 2012):
        highest = datetime(1, 1, 1)  # noqa: DTZ001
        for minute in range(int(SPAN / timedelta(minutes=1))):
            instant = day - SPAN / 2 + timedelta(minutes=minute)
            highest = max(highest, shown(instant, name))
            gap = wall_clock(instant, tz) - highest
            assert timedelta() <= gap < timedelta(minutes=1)
