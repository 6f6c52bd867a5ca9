"""What a local time means on the days the clock is changed."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.core.timezones import UnknownTimeZone, first_instant, wall_clock, zone, zone_names


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "wall", "instant"),
    [
        ("Etc/UTC", "2026-03-29T02:30", "2026-03-29T02:30"),
        ("Europe/Berlin", "2026-01-15T09:00", "2026-01-15T08:00"),
        # Spring: 02:00 to 03:00 does not exist, whatever part of it is asked for.
        ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T02:30:00.5", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00"),
        # Autumn: 02:00 to 03:00 happens twice, and the first counts.
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00"),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("Australia/Lord_Howe", "2026-04-05T02:00", "2026-04-04T15:30"),
        # Midnights that do not exist.
        ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00"),
        ("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00"),
        ("Asia/Beirut", "2026-03-29T00:00", "2026-03-28T22:00"),
        # A whole day left out at the date line.
        ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30T15:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00"),
        # Long ago and far ahead.
        ("Europe/Amsterdam", "1900-06-01T00:00", "1900-05-31T23:42"),
        ("Europe/Berlin", "2900-07-01T09:00", "2900-07-01T07:00"),
    ],
)
def test_first_instant(name: str, wall: str, instant: str) -> None:
    found = first_instant(naive(wall), zone(name))
    expected = utc(instant)
    if name == "Europe/Amsterdam":
        # Local mean time differs by seconds between editions of the database; minutes do not.
        assert abs(found - expected) < timedelta(minutes=20)
    else:
        assert found == expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "instant", "wall"),
    [
        ("Europe/Berlin", "2026-10-25T00:30", "2026-10-25T02:30"),
        # The repeated hour stands just before its end from first to last.
        ("Europe/Berlin", "2026-10-25T01:00", "2026-10-25T02:59:59.999999"),
        ("Europe/Berlin", "2026-10-25T01:59:59.999999", "2026-10-25T02:59:59.999999"),
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T03:00"),
        ("Europe/Berlin", "2026-03-29T01:00", "2026-03-29T03:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:10", "2026-04-05T01:59:59.999999"),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-31T00:00"),
    ],
)
def test_wall_clock(name: str, instant: str, wall: str) -> None:
    assert wall_clock(utc(instant), zone(name)) == naive(wall)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("Tokyo", "Asia/Tokyo"),
        ("xxxxxxxxxxxxxxxxxxxxxxxx", None),
    ],
)
def test_an_unknown_zone_proposes_the_nearest(name: str, suggestion: str | None) -> None:
    with pytest.raises(UnknownTimeZone) as caught:
        zone(name)
    assert caught.value.suggestion == suggestion
    assert suggestion is None or suggestion in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["", "America", "../etc/passwd", "/etc/localtime", "localtime", "Factory", "right/Europe/Paris",
     "Europe/Berlin\0", "Zürich", "x" * 100_000],
)  # fmt: skip
def test_what_is_no_place_is_no_zone(name: str) -> None:
    with pytest.raises(UnknownTimeZone) as caught:
        zone(name)
    assert len(str(caught.value)) < 400


def test_every_listed_zone_opens() -> None:
    assert len(zone_names()) > 400
    assert all(zone(name).key == name for name in zone_names())
