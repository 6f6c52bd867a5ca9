"""How times, lengths of time, counts and names are written for a reader.

Rules: a time is absolute first and in the reader's zone; a number and its unit never part (no-break
space); nothing depends on the locale of the machine. Pure: `now` and the zone are arguments.
"""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

NBSP = "\N{NO-BREAK SPACE}"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
NIGHT_STARTS, NIGHT_ENDS = 22, 7
PERSON_FILLS = 6

# How long a relative time still says "now", in seconds.
NOW_WITHIN = 5
DAYS_BEFORE, DAYS_AFTER = 2, 4


def local(at: datetime, zone: str) -> datetime:
    """The same instant in a zone. A naive datetime is a defect of the caller and is refused."""
    if at.tzinfo is None:
        raise ValueError("a time without zone reached a page")
    return at.astimezone(zone_of(zone))


def zone_of(name: str) -> ZoneInfo:
    """The zone by its IANA name; UTC when the name is unknown, so that a page still renders."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def clock(at: datetime, zone: str, *, seconds: bool = False) -> str:
    """`03:12`, or `03:12:34`."""
    here = local(at, zone)
    text = f"{here.hour:02}:{here.minute:02}"
    return f"{text}:{here.second:02}" if seconds else text


def date(at: datetime, zone: str) -> str:
    """`14 Aug 2026`."""
    here = local(at, zone)
    return f"{here.day}{NBSP}{MONTHS[here.month - 1]}{NBSP}{here.year}"


def moment(at: datetime, zone: str, now: datetime, *, seconds: bool = False) -> str:
    """The shortest absolute form that cannot be misread.

    Today `03:12`, near today `Fri 09:00`, this year `14 Aug, 09:00`, else with the year. Near are
    the two days before and the four after: seven days in all, so that no weekday comes twice.
    """
    here, today = local(at, zone), local(now, zone)
    text = clock(at, zone, seconds=seconds)
    days = (here.date() - today.date()).days
    if days == 0:
        return text
    if -DAYS_BEFORE <= days <= DAYS_AFTER:
        return f"{DAYS[here.weekday()]}{NBSP}{text}"
    if here.year == today.year:
        return f"{here.day}{NBSP}{MONTHS[here.month - 1]}, {text}"
    return f"{date(at, zone)}, {text}"


def full(at: datetime, zone: str) -> str:
    """`Thu 22 Oct 2026, 03:12:34 Europe/Berlin`, for titles and records."""
    here = local(at, zone)
    day = f"{DAYS[here.weekday()]}{NBSP}{date(at, zone)}"
    return f"{day}, {clock(at, zone, seconds=True)}{NBSP}{zone_of(zone).key}"


def iso(at: datetime) -> str:
    """RFC 3339 in UTC for the datetime attribute, to the second."""
    return local(at, "UTC").astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(length: timedelta | float, *, parts: int = 1) -> str:
    """A length of time in its largest units, rounded down: `5 min`, with two parts `5 min 14 s`."""
    left = int(length.total_seconds() if isinstance(length, timedelta) else length)
    left = abs(left)
    said: list[str] = []
    for unit, size in UNITS:
        count, rest = divmod(left, size)
        if not count and not (unit == "s" and not said):
            if said:
                break  # "1 h 0 min" says no more than "1 h".
            continue
        word = "days" if unit == "day" and count != 1 else unit
        said.append(f"{number(count)}{NBSP}{word}")
        left = rest
        if len(said) == parts:
            break
    return NBSP.join(said)


def relative(at: datetime, now: datetime) -> str:
    """`5 min ago`, `in 24 min`, or `now` within five seconds."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < NOW_WITHIN:
        return "now"
    said = duration(seconds)
    return f"in{NBSP}{said}" if seconds > 0 else f"{said}{NBSP}ago"


def countdown(seconds: float) -> str:
    """`2:41`, from an hour on `1:02:03`, at zero and after it `now`."""
    left = round(seconds)
    if left <= 0:
        return "now"
    minutes, rest = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def is_night(at: datetime, zone: str) -> bool:
    """True between 22:00 and 07:00 in the person's own zone."""
    hour = local(at, zone).hour
    return hour >= NIGHT_STARTS or hour < NIGHT_ENDS


def number(value: int) -> str:
    """`40,000`."""
    return f"{value:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 alert`, `3 alerts`; pass the second word where adding an s is wrong."""
    word = one if count == 1 else (many or f"{one}s")
    return f"{number(count)}{NBSP}{word}"


def sentence(text: str) -> str:
    """A refusal as a sentence: a capital first, a full stop last."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def initials(name: str) -> str:
    """First letters of the first and the last word, upper case; `?` for an empty name."""
    words = [word for word in name.replace(".", " ").split() if word[:1].isalnum()]
    if not words:
        return "?"
    first = words[0][0]
    return (first + words[-1][0] if len(words) > 1 else first).upper()


def short_name(name: str) -> str:
    """`I. Carvalho` for lists; one word stays as it is."""
    words = name.split()
    return name if len(words) < 2 else f"{words[0][0]}.{NBSP}{' '.join(words[1:])}"


def spark_path(values: Sequence[float], width: int = 96, height: int = 24) -> str:
    """An SVG path through the values, oldest left; a flat line when there is nothing to compare."""
    if not values:
        return f"M0 {height - 2}H{width}"
    low, high = min(values), max(values)
    span, steps = (high - low) or 1, max(len(values) - 1, 1)
    points = [
        f"{i * width / steps:.4g} {height - 2 - (value - low) / span * (height - 4):.4g}"
        for i, value in enumerate(values)
    ]
    return "M" + "L".join(points) + ("" if len(points) > 1 else f"H{width}")


def fill_of(key: str) -> int:
    """The person's fixed fill, 1 to 6, from an id (or the name where there is no id)."""
    return zlib.crc32(key.encode()) % PERSON_FILLS + 1
