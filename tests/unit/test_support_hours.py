"""When a service has its support: days, nights, and the hours that a change of the clock moves."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.catalog.support_hours import END, START, SupportHours, next_edge, within

OFFICE = SupportHours(time_zone="Europe/Berlin", days=(1, 2, 3, 4, 5), start=time(9), end=time(17))
NIGHT = SupportHours(time_zone="Europe/Berlin", days=(5, 6), start=time(22), end=time(6))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "moment", "inside"),
    [
        (OFFICE, "2026-03-02T08:59:59+01:00", False),
        (OFFICE, "2026-03-02T09:00:00+01:00", True),
        (OFFICE, "2026-03-02T16:59:59+01:00", True),
        (OFFICE, "2026-03-02T17:00:00+01:00", False),
        (OFFICE, "2026-03-07T12:00:00+01:00", False),
        # The same hour of UTC lies outside in winter and inside in summer.
        (OFFICE, "2026-03-27T07:30:00+00:00", False),
        (OFFICE, "2026-03-30T07:30:00+00:00", True),
        # The night of Friday reaches into Saturday, and that of Saturday into Sunday.
        (NIGHT, "2026-03-06T21:59:59+01:00", False),
        (NIGHT, "2026-03-07T05:59:59+01:00", True),
        (NIGHT, "2026-03-07T12:00:00+01:00", False),
        (NIGHT, "2026-03-08T05:59:59+01:00", True),
        (NIGHT, "2026-03-08T23:00:00+01:00", False),
    ],
)
def test_within(hours: SupportHours, moment: str, inside: bool) -> None:
    assert within(hours, at(moment)) is inside


def test_a_start_that_the_clock_skips_is_the_first_moment_after_it() -> None:
    early = SupportHours(time_zone="Europe/Berlin", days=(7,), start=time(2, 30), end=time(8))
    assert next_edge(early, (START,), at("2026-03-29T00:00:00+01:00")) == at(
        "2026-03-29T03:00:00+02:00"
    )
    skipped = SupportHours(time_zone="Europe/Berlin", days=(7,), start=time(2, 10), end=time(2, 50))
    assert next_edge(skipped, (START,), at("2026-03-29T00:00:00+01:00")) == at(
        "2026-04-05T02:10:00+02:00"
    )


def test_the_next_edges() -> None:
    friday = at("2026-03-06T12:00:00+01:00")
    assert next_edge(OFFICE, (START,), friday) == at("2026-03-09T09:00:00+01:00")
    assert next_edge(OFFICE, (END,), friday) == at("2026-03-06T17:00:00+01:00")
    assert next_edge(OFFICE, (START, END), friday) == at("2026-03-06T17:00:00+01:00")
    assert next_edge(OFFICE, (), friday) is None
    # An edge is not its own next one.
    start = at("2026-03-09T09:00:00+01:00")
    assert next_edge(OFFICE, (START,), start) == at("2026-03-10T09:00:00+01:00")


times = st.times(max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
hours = (
    st.tuples(
        st.sampled_from(
            ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Etc/UTC", "Asia/Tokyo"]
        ),
        st.sets(st.integers(1, 7), min_size=1),
        times,
        times,
    )
    .filter(lambda parts: parts[2] != parts[3])
    .map(
        lambda parts: SupportHours(
            time_zone=parts[0], days=tuple(sorted(parts[1])), start=parts[2], end=parts[3]
        )
    )
)
moments = st.integers(0, 92_000_000).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(hours, moments)
def test_it_changes_at_the_next_edge_and_not_before(
    support: SupportHours, moment: datetime
) -> None:
    now = within(support, moment)
    edge = next_edge(support, (START, END), moment)
    assert edge is not None
    assert edge > moment
    assert edge - moment <= timedelta(days=15)
    just_before = edge - timedelta(microseconds=1)
    assert within(support, just_before) is now
    halfway = moment + (edge - moment) / 2
    assert within(support, halfway) is now
