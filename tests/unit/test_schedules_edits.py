"""Editing a schedule: overrides, layer revisions, and what is refused. The past never changes."""

from datetime import UTC, datetime, time, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules.model import (
    DailyRestriction,
    InvalidSchedule,
    Layer,
    Override,
    Schedule,
    WeeklyRestriction,
)
from tocsin.schedules.overrides import Removal, removal, window
from tocsin.schedules.revisions import Change, Revision, Version, revise
from tocsin.schedules.shifts import on_call
from tocsin.schedules.validation import flaws

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def make_layer(id: str = "L1", *members: str | None, start: datetime = NOW - 30 * DAY) -> Layer:
    return Layer(
        id=id, name=id, time_zone="Europe/Berlin", start=start,
        rotation_virtual_start=NOW - 30 * DAY, rotation_turn_length_seconds=86_400,
        members=members or ("ann", "bob"),
    )  # fmt: skip


def make_override(start: datetime, end: datetime) -> Override:
    return Override(id="O1", user_id="ann", start=start, end=end, created_at=NOW - 60 * DAY)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (NOW - 2 * DAY, NOW - DAY, Removal.REFUSED_PAST),
        (NOW - DAY, NOW, Removal.REFUSED_PAST),
        (NOW - DAY, NOW + DAY, Removal.ENDED_NOW),
        (NOW, NOW + DAY, Removal.DELETED_FUTURE),
        (NOW + HOUR, NOW + DAY, Removal.DELETED_FUTURE),
    ],
)
def test_removing_an_override(start: datetime, end: datetime, expected: Removal) -> None:
    assert removal(make_override(start, end), NOW) is expected


def test_a_new_override_begins_no_earlier_than_now() -> None:
    moved = window(NOW - DAY, NOW + DAY, NOW)
    assert (moved.start, moved.end, moved.moved) == (NOW, NOW + DAY, True)
    kept = window(NOW + HOUR, NOW + DAY, NOW)
    assert (kept.start, kept.end, kept.moved) == (NOW + HOUR, NOW + DAY, False)


@pytest.mark.parametrize(
    ("start", "end", "field", "words"),
    [
        (NOW + DAY, NOW + DAY, "end", "later than start"),
        (NOW - 2 * DAY, NOW - DAY, "end", "past"),
        (NOW - DAY, NOW, "end", "past"),
        (NOW, datetime(3001, 1, 1, tzinfo=UTC), "end", "3000"),
        (datetime(2026, 6, 11), NOW + DAY, "start", "offset"),  # noqa: DTZ001
    ],
)
def test_a_new_override_that_is_refused(
    start: datetime, end: datetime, field: str, words: str
) -> None:
    with pytest.raises(InvalidSchedule, match=words) as caught:
        window(start, end, NOW)
    assert caught.value.field == field


def stored(*layers: Layer) -> list[Version]:
    return [Version(row_id=f"R{n}", position=n, layer=layer) for n, layer in enumerate(layers)]


def test_an_unchanged_layer_is_left_alone_even_with_an_older_start() -> None:
    layer = make_layer()
    again = msgspec.structs.replace(layer, start=layer.start - DAY)
    assert revise(stored(layer), [again], NOW) == Revision()


def test_changed_members_end_the_version_and_begin_another() -> None:
    layer = make_layer("L1", "ann", "bob")
    wanted = make_layer("L1", "ann", "cyd")
    found = revise(stored(layer), [wanted], NOW)
    assert found.ended == ("R0",)
    assert found.inserted == ((0, msgspec.structs.replace(wanted, start=NOW)),)
    assert found.changes == ((Change.REVISED, "L1"),)
    assert (found.deleted, found.updated) == ((), ())


def test_a_new_name_or_end_is_written_in_place() -> None:
    layer = make_layer()
    wanted = msgspec.structs.replace(layer, name="Night", end=NOW + DAY)
    found = revise(stored(layer), [wanted], NOW)
    assert [v.layer for v in found.updated] == [wanted]
    assert (found.ended, found.inserted) == ((), ())


def test_a_layer_left_out_ends_now_and_a_future_one_disappears() -> None:
    under_way, ahead = make_layer("L1"), make_layer("L2", start=NOW + DAY)
    found = revise(stored(under_way, ahead), [], NOW)
    assert (found.ended, found.deleted) == (("R0",), ("R1",))
    assert found.changes == ((Change.ENDED, "L1"), (Change.DROPPED_FUTURE, "L2"))


def test_a_layer_ended_in_the_past_ends_now_and_is_not_begun_again() -> None:
    layer = make_layer()
    found = revise(stored(layer), [msgspec.structs.replace(layer, end=NOW - DAY)], NOW)
    assert (found.ended, found.inserted) == (("R0",), ())
    assert found.changes == ((Change.ENDED, "L1"),)


def test_versions_that_are_over_are_never_touched() -> None:
    over = msgspec.structs.replace(make_layer("L1"), end=NOW - DAY)
    live = msgspec.structs.replace(make_layer("L1"), start=NOW - DAY)
    assert revise(stored(over), [], NOW) == Revision()
    found = revise(stored(over, live), [make_layer("L1", "cyd")], NOW)
    assert found.ended == ("R1",)


def test_a_new_layer_begins_now_and_keeps_its_rotation() -> None:
    wanted = make_layer("L9")
    found = revise([], [wanted], NOW)
    assert found.inserted == ((0, msgspec.structs.replace(wanted, start=NOW)),)
    assert found.inserted[0][1].rotation_virtual_start == wanted.rotation_virtual_start
    assert found.changes == ((Change.ADDED, "L9"),)


def applied(versions: list[Version], revision: Revision) -> tuple[Layer, ...]:
    """What the rows say after the revision has been written at NOW."""
    by_row = {v.row_id: v for v in versions if v.row_id not in revision.deleted}
    for row_id in revision.ended:
        old = by_row[row_id]
        by_row[row_id] = msgspec.structs.replace(
            old, layer=msgspec.structs.replace(old.layer, end=NOW)
        )
    by_row |= {v.row_id: v for v in revision.updated}
    placed = [(v.position, v.layer) for v in by_row.values()] + list(revision.inserted)
    return tuple(layer for _, layer in sorted(placed, key=lambda item: item[0]))


members = st.lists(st.sampled_from(("ann", "bob", "cyd", None)), min_size=1, max_size=3)


@st.composite
def layer_lists(draw: st.DrawFn) -> list[Layer]:
    chosen = draw(st.lists(st.sampled_from(("L1", "L2", "L3")), unique=True))
    made = []
    for id in chosen:
        start = NOW + timedelta(hours=draw(st.integers(-100, 40)))
        end = draw(st.none() | st.integers(1, 150))
        layer = make_layer(id, *draw(members), start=start)
        made.append(
            msgspec.structs.replace(
                layer,
                end=None if end is None else start + timedelta(hours=end),
                time_zone=draw(st.sampled_from(("Etc/UTC", "Asia/Tokyo"))),
            )
        )
    return made


@given(layer_lists(), layer_lists())
@settings(max_examples=200, deadline=None)
def test_no_edit_changes_who_was_on_call_and_each_gives_what_was_asked(
    before: list[Layer], wanted: list[Layer]
) -> None:
    versions = stored(*before)
    after = applied(versions, revise(versions, wanted, NOW))

    def person(layers: tuple[Layer, ...] | list[Layer], at: datetime) -> str | None:
        schedule = Schedule(id="S", name="S", time_zone="Etc/UTC", layers=tuple(layers))
        found = on_call(schedule, at)
        return found.user_id if found else None

    for hours in range(-99, 0):
        at = NOW + hours * HOUR
        assert person(after, at) == person(before, at)
    for hours in range(60):
        at = NOW + hours * HOUR
        assert person(after, at) == person(wanted, at)


GOOD = Schedule(id="S", name="Primary", time_zone="Europe/Berlin", layers=(make_layer(),))


def with_layer(**changes: object) -> Schedule:
    layer = msgspec.structs.replace(make_layer(), **changes)
    return msgspec.structs.replace(GOOD, layers=(layer,))


def weekly(day: int, seconds: int = 60, at: time = time(9)) -> WeeklyRestriction:
    return WeeklyRestriction(start_day_of_week=day, start_time_of_day=at, duration_seconds=seconds)


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (msgspec.structs.replace(GOOD, name=" "), "name"),
        (msgspec.structs.replace(GOOD, name="x" * 256), "name"),
        (msgspec.structs.replace(GOOD, description="x" * 5000), "description"),
        (msgspec.structs.replace(GOOD, time_zone="Mars/Base"), "time_zone"),
        (msgspec.structs.replace(GOOD, layers=()), "schedule_layers"),
        (msgspec.structs.replace(GOOD, layers=(make_layer(), make_layer())), "schedule_layers"),
        (
            msgspec.structs.replace(GOOD, layers=tuple(make_layer(f"L{n}") for n in range(33))),
            "schedule_layers",
        ),
        (with_layer(members=()), "schedule_layers[0].users"),
        (with_layer(members=("ann",) * 251), "schedule_layers[0].users"),
        (with_layer(time_zone="nowhere"), "schedule_layers[0].time_zone"),
        (with_layer(end=NOW - 40 * DAY), "schedule_layers[0].end"),
        (with_layer(start=datetime(1, 1, 1, tzinfo=UTC)), "schedule_layers[0].start"),
        (
            with_layer(rotation_virtual_start=datetime(2026, 1, 1)),  # noqa: DTZ001
            "schedule_layers[0].rotation_virtual_start",
        ),
        (
            with_layer(rotation_turn_length_seconds=3599),
            "schedule_layers[0].rotation_turn_length_seconds",
        ),
        (with_layer(restrictions=(weekly(1),) * 51), "schedule_layers[0].restrictions"),
        (
            with_layer(restrictions=(weekly(8),)),
            "schedule_layers[0].restrictions[0].start_day_of_week",
        ),
        (
            with_layer(restrictions=(weekly(1), weekly(2, 604_801))),
            "schedule_layers[0].restrictions[1].duration_seconds",
        ),
        (
            with_layer(restrictions=(weekly(1, 60, time(9, tzinfo=UTC)),)),
            "schedule_layers[0].restrictions[0].start_time_of_day",
        ),
    ],
)
def test_each_flaw_names_its_field(schedule: Schedule, field: str) -> None:
    assert [flaw.field for flaw in flaws(schedule)] == [field]


def test_a_good_schedule_has_no_flaw() -> None:
    assert flaws(GOOD) == ()
    all_day = DailyRestriction(start_time_of_day=time(0), duration_seconds=86_400)
    assert flaws(with_layer(restrictions=(all_day, weekly(7, 604_800)), members=(None,))) == ()
