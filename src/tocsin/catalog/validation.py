"""Is this a service, an integration we can keep? And on which slice of the intake it lives."""

import re
import zlib
from collections.abc import Sequence
from datetime import time
from typing import Any

import msgspec

from tocsin.accounts.validation import line, optional_text, time_zone
from tocsin.catalog.model import SLICES, Hours, IntegrationKind, Service
from tocsin.catalog.support_hours import EDGES
from tocsin.core.errors import Invalid

MAX_NAME = 255
MAX_DESCRIPTION = 4096
MIN_TIMEOUT = 60
MAX_TIMEOUT = 604_800
URGENCY_RULES = ("high", "low", "severity_based")
PAUSES = (120, 180, 300, 600, 900)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?\Z")


def checked(service: Service) -> Service:
    """The service with clean values, else Invalid naming the field."""
    if service.urgency_rule not in URGENCY_RULES:
        raise Invalid("urgency_rule", f"must be one of {', '.join(URGENCY_RULES)}")
    if service.pause_seconds is not None and service.pause_seconds not in PAUSES:
        raise Invalid("pause_seconds", f"must be one of {', '.join(map(str, PAUSES))} seconds")
    return msgspec.structs.replace(
        service,
        name=line("name", service.name, MAX_NAME),
        description=optional_text("description", service.description, MAX_DESCRIPTION),
        acknowledgement_timeout=timeout("acknowledgement_timeout", service.acknowledgement_timeout),
        auto_resolve_timeout=timeout("auto_resolve_timeout", service.auto_resolve_timeout),
    )


def timeout(field: str, seconds: Any) -> int | None:
    """A time-out in seconds, or None when it is off (given as None or 0)."""
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise Invalid(field, "must be a whole number of seconds, or null for never")
    if seconds == 0:
        return None
    if not MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
        raise Invalid(
            field, f"must be between {MIN_TIMEOUT} and {MAX_TIMEOUT} seconds, or null for never"
        )
    return seconds


def hours(wanted: Hours | None) -> dict[str, Any]:
    """The columns of a service that hold its support hours, else Invalid naming the field. None is
    no support hours."""
    if wanted is None:
        empty = ("urgency_outside", "support_time_zone", "support_days", "support_start")
        return {**dict.fromkeys((*empty, "support_end")), "raise_at": []}
    if wanted.urgency_outside not in URGENCY_RULES:
        raise Invalid("urgency_outside", f"must be one of {', '.join(URGENCY_RULES)}")
    days = sorted(set(wanted.days))
    if not days or not all(1 <= day <= 7 for day in days):
        raise Invalid("support_days", "must name at least one day, from 1 for Monday to 7")
    start, end = _clock("support_start", wanted.start), _clock("support_end", wanted.end)
    if start == end:
        raise Invalid("support_end", "must not be the same as the start")
    return {
        "urgency_outside": wanted.urgency_outside,
        "support_time_zone": time_zone("support_time_zone", wanted.time_zone),
        "support_days": days,
        "support_start": start,
        "support_end": end,
        "raise_at": _edges(wanted.raise_at),
    }


def _clock(field: str, value: str) -> time:
    if not _CLOCK.match(value):
        raise Invalid(field, "must be a time of day such as 09:00:00")
    return time.fromisoformat(value)


def _edges(names: Sequence[str]) -> list[str]:
    if any(name not in EDGES for name in names):
        raise Invalid("raise_at", f"must be one of {', '.join(EDGES)}")
    return [edge for edge in EDGES if edge in names]


def kind(field: str, value: Any) -> IntegrationKind:
    """A kind of integration."""
    try:
        return IntegrationKind(value)
    except ValueError as error:
        raise Invalid(field, f"must be one of {', '.join(IntegrationKind)}") from error


def slice_of(service_id: str) -> int:
    """Which slice of the intake works on this service's events; the same for ever."""
    return zlib.crc32(service_id.encode()) % SLICES


def is_key(text: str) -> bool:
    """Whether `text` has the form of an integration key: 32 lower-case hexadecimal digits."""
    return len(text) == 32 and all(char in "0123456789abcdef" for char in text)
