"""Local times of forms: what `<input type=datetime-local>` carries, read in a named zone.

A time that a clock skips means the first instant after it; one that comes twice means the first.
"""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from tocsin.core.errors import Invalid
from tocsin.core.timezones import UnknownTimeZone, first_instant, zone


def zone_called(field: str, name: str) -> ZoneInfo:
    """The zone, or Invalid naming the field and the nearest name."""
    try:
        return zone(name)
    except UnknownTimeZone as error:
        raise Invalid(field, str(error)) from error


def instant(field: str, text: str, zone_name: str) -> datetime:
    """`2026-03-29T02:30` in the zone, as an instant in UTC. Raises Invalid."""
    tz = zone_called("time_zone", zone_name)
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "must be a date and a time, such as 2026-03-02T09:00") from None
    if wall.tzinfo is not None:
        raise Invalid(field, "must be a local time without an offset")
    if not 1900 < wall.year < 3000:
        raise Invalid(field, "must lie between the years 1901 and 2999")
    return first_instant(wall, tz)


def wall(at: datetime, zone_name: str) -> str:
    """The instant as the form writes it, to the minute."""
    return at.astimezone(zone_called("time_zone", zone_name)).strftime("%Y-%m-%dT%H:%M")


def time_of_day(field: str, text: str) -> time:
    """`09:00` or `09:00:00`. Raises Invalid."""
    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "must be a time of day, such as 09:00") from None
    if found.tzinfo is not None or found.microsecond:
        raise Invalid(field, "must be a local time in whole seconds")
    return found
