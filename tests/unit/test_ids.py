"""Ids sort by the time they were made, so a span of time is a span of ids."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import ids

# Hypothesis wants naive bounds and adds the zone itself.
LAST = datetime(2059, 1, 1)  # noqa: DTZ001
TIMES = st.datetimes(datetime(2020, 1, 1), LAST, timezones=st.just(UTC))  # noqa: DTZ001


@given(at=TIMES, other=TIMES)
def test_the_earliest_id_of_a_time_parts_what_was_before_from_what_came_after(
    at: datetime, other: datetime
) -> None:
    bound = ids.earliest("Q", at)
    assert ids.new("Q", at) > bound
    # A millisecond is as exact as ids are.
    assert ids.new("Q", at - timedelta(milliseconds=2)) < bound
    if other >= at:
        assert ids.new("Q", other) > bound
    elif other < at - timedelta(milliseconds=2):
        assert ids.new("Q", other) < bound


def test_times_beyond_the_form_bound_everything() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert ids.new("Q", now) < ids.earliest("Q", datetime(9999, 1, 1, tzinfo=UTC))
    assert ids.new("Q", now) > ids.earliest("Q", datetime(1, 1, 2, tzinfo=UTC))
