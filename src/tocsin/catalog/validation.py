"""Is this a service, an integration we can keep? And on which slice of the intake it lives."""

import zlib
from typing import Any

import msgspec

from tocsin.accounts.validation import line, optional_text
from tocsin.catalog.model import SLICES, IntegrationKind, Service
from tocsin.core.errors import Invalid

MAX_NAME = 255
MAX_DESCRIPTION = 4096
MIN_TIMEOUT = 60
MAX_TIMEOUT = 604_800
URGENCY_RULES = ("high", "low", "severity_based")


def checked(service: Service) -> Service:
    """The service with clean values, else Invalid naming the field."""
    if service.urgency_rule not in URGENCY_RULES:
        raise Invalid("urgency_rule", f"must be one of {', '.join(URGENCY_RULES)}")
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
