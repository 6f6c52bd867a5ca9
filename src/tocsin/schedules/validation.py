"""Validation: is this a schedule we can keep our word about?

Each flaw names the field as the REST API calls it and says how to mend it. A schedule without
flaws renders without error for any range that `shifts.check_range` allows.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from tocsin.core.timezones import UnknownTimeZone, zone
from tocsin.schedules.model import (
    EARLIEST,
    LATEST,
    MAX_DESCRIPTION,
    MAX_LAYERS,
    MAX_MEMBERS,
    MAX_NAME,
    MAX_RESTRICTION_SECONDS,
    MAX_RESTRICTIONS,
    MAX_TURN_SECONDS,
    MIN_TURN_SECONDS,
    Layer,
    Restriction,
    Schedule,
    WeeklyRestriction,
)


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where, and what to do about it."""

    field: str
    message: str


def flaws(schedule: Schedule) -> tuple[Flaw, ...]:
    """Everything that is wrong with this schedule; empty when it is good."""
    return tuple(_schedule(schedule))


def _schedule(schedule: Schedule) -> Iterator[Flaw]:
    yield from _name("name", schedule.name)
    if schedule.description is not None and len(schedule.description) > MAX_DESCRIPTION:
        yield Flaw(field="description", message=f"has at most {MAX_DESCRIPTION} characters")
    yield from _zone("time_zone", schedule.time_zone)
    if not 1 <= len(schedule.layers) <= MAX_LAYERS:
        yield Flaw(field="schedule_layers", message=f"needs 1 to {MAX_LAYERS} layers")
    elif len({layer.id for layer in schedule.layers}) < len(schedule.layers):
        yield Flaw(field="schedule_layers", message="names the same layer id twice")
    for index, layer in enumerate(schedule.layers[:MAX_LAYERS]):
        yield from _layer(f"schedule_layers[{index}]", layer)


def _layer(field: str, layer: Layer) -> Iterator[Flaw]:
    yield from _name(f"{field}.name", layer.name)
    yield from _zone(f"{field}.time_zone", layer.time_zone)
    yield from _instant(f"{field}.start", layer.start)
    yield from _instant(f"{field}.rotation_virtual_start", layer.rotation_virtual_start)
    if layer.end is not None:
        yield from _instant(f"{field}.end", layer.end)
        if layer.end <= layer.start:
            yield Flaw(field=f"{field}.end", message="must be later than start")
    if not MIN_TURN_SECONDS <= layer.rotation_turn_length_seconds <= MAX_TURN_SECONDS:
        yield Flaw(
            field=f"{field}.rotation_turn_length_seconds",
            message=f"must be {MIN_TURN_SECONDS} (an hour) to {MAX_TURN_SECONDS} (365 days)",
        )
    if not 1 <= len(layer.members) <= MAX_MEMBERS:
        yield Flaw(field=f"{field}.users", message=f"needs 1 to {MAX_MEMBERS} people")
    if len(layer.restrictions) > MAX_RESTRICTIONS:
        yield Flaw(field=f"{field}.restrictions", message=f"has at most {MAX_RESTRICTIONS}")
    for index, restriction in enumerate(layer.restrictions[:MAX_RESTRICTIONS]):
        yield from _restriction(f"{field}.restrictions[{index}]", restriction)


def _restriction(field: str, restriction: Restriction) -> Iterator[Flaw]:
    if not 1 <= restriction.duration_seconds <= MAX_RESTRICTION_SECONDS:
        yield Flaw(
            field=f"{field}.duration_seconds",
            message=f"must be 1 to {MAX_RESTRICTION_SECONDS} (a week)",
        )
    moment = restriction.start_time_of_day
    if moment.tzinfo is not None or moment.microsecond:
        yield Flaw(
            field=f"{field}.start_time_of_day",
            message="is a local time in whole seconds without a zone, such as 09:00:00",
        )
    if isinstance(restriction, WeeklyRestriction) and not 1 <= restriction.start_day_of_week <= 7:
        yield Flaw(field=f"{field}.start_day_of_week", message="must be 1 (Monday) to 7 (Sunday)")


def _name(field: str, name: str) -> Iterator[Flaw]:
    if not name.strip() or len(name) > MAX_NAME or "\0" in name:
        yield Flaw(field=field, message=f"needs 1 to {MAX_NAME} characters")


def _zone(field: str, name: str) -> Iterator[Flaw]:
    try:
        zone(name)
    except UnknownTimeZone as error:
        yield Flaw(field=field, message=str(error))


def _instant(field: str, value: datetime) -> Iterator[Flaw]:
    if value.tzinfo is None:
        yield Flaw(field=field, message="needs an offset, such as 2030-01-31T09:00:00Z")
    elif not EARLIEST <= value <= LATEST:
        yield Flaw(
            field=field, message=f"must lie between the years {EARLIEST.year} and {LATEST.year}"
        )
