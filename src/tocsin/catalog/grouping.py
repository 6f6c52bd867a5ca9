"""How a service's alerts are brought together: what can be chosen, and what cannot.

A setting groups by time (every alert within so long of the first), by content (the same values),
by text (much the same words), or by content and text together. Only grouping by content may span
several services. The rule that joins an alert to an incident is `incidents.grouping`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from tocsin.accounts.validation import optional_line, optional_text
from tocsin.core.errors import Invalid

RECOMMENDED_WINDOW = 300
"""Seconds; what a time window of 0 means."""
LONGEST_GROUP = 86_400
"""Seconds from the first alert, however long a rolling window is extended."""
MIN_TIMEOUT, MAX_TIMEOUT = 60, 86_400
MIN_WINDOW, MAX_WINDOW, DAY_WINDOW = 300, 3600, 86_400
MAX_SERVICES = 250
MAX_FIELDS = 10
MAX_TEXT_FIELDS = 5
MAX_FIELD = 255
MAX_NAME = 255
MAX_DESCRIPTION = 1024
DEFAULT_TEXT_FIELDS = ("summary",)

PLAIN_FIELDS = ("summary", "source", "severity", "component", "group", "class")
_DETAIL = re.compile(r"custom_details(\.[^.\x00-\x1f]{1,100}){1,8}\Z")


class GroupingType(StrEnum):
    """The ways to group."""

    TIME = "time"
    CONTENT = "content_based"
    TEXT = "intelligent"
    CONTENT_AND_TEXT = "content_based_intelligent"


BY_CONTENT = (GroupingType.CONTENT, GroupingType.CONTENT_AND_TEXT)
BY_TEXT = (GroupingType.TEXT, GroupingType.CONTENT_AND_TEXT)


class GroupingSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it is kept. `timeout` and `time_window` are in seconds; `revision` goes up when
    groups from before can no longer be joined."""

    id: str
    name: str | None
    description: str | None
    type: str
    timeout: int
    time_window: int
    aggregate: str | None
    fields: Sequence[str]
    text_fields: Sequence[str]
    revision: int
    created_at: datetime
    updated_at: datetime
    service_ids: Sequence[str]


class GroupingInput(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as somebody asks for it. What the type has no use for is not looked at."""

    type: str
    service_ids: Sequence[str]
    name: str | None = None
    description: str | None = None
    timeout: int = 0
    time_window: int = 0
    aggregate: str | None = None
    fields: Sequence[str] = ()
    text_fields: Sequence[str] = ()


def checked(wanted: GroupingInput) -> GroupingInput:
    """The setting with clean values and without what its type has no use for, else Invalid naming
    the field."""
    try:
        type = GroupingType(wanted.type)
    except ValueError:
        raise Invalid("type", f"must be one of {', '.join(GroupingType)}") from None
    service_ids = list(dict.fromkeys(wanted.service_ids))
    _check_services(type, service_ids)
    by_content, by_text = type in BY_CONTENT, type in BY_TEXT
    if by_content and wanted.aggregate not in ("all", "any"):
        raise Invalid("config.aggregate", "must be all or any")
    text_fields = wanted.text_fields or DEFAULT_TEXT_FIELDS
    return GroupingInput(
        type=type.value,
        service_ids=service_ids,
        name=optional_line("name", wanted.name, MAX_NAME),
        description=optional_text("description", wanted.description, MAX_DESCRIPTION),
        timeout=_timeout(wanted.timeout) if type is GroupingType.TIME else 0,
        time_window=0 if type is GroupingType.TIME else _window(type, wanted, len(service_ids)),
        aggregate=wanted.aggregate if by_content else None,
        fields=_fields("config.fields", wanted.fields, MAX_FIELDS) if by_content else [],
        text_fields=(_fields("config.iag_fields", text_fields, MAX_TEXT_FIELDS) if by_text else []),
    )


def _check_services(type: GroupingType, service_ids: Sequence[str]) -> None:
    if not service_ids:
        raise Invalid("services", "must name at least one service")
    if len(service_ids) > 1 and type is not GroupingType.CONTENT:
        raise Invalid(
            "services", f"must be a single one: only {GroupingType.CONTENT} spans several"
        )
    if len(service_ids) > MAX_SERVICES:
        raise Invalid("services", f"must be at most {MAX_SERVICES}")


def _timeout(seconds: int) -> int:
    if seconds and not MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
        raise Invalid(
            "config.timeout",
            f"must be between {MIN_TIMEOUT} and {MAX_TIMEOUT} seconds, or 0 for until resolved",
        )
    return seconds


def _window(type: GroupingType, wanted: GroupingInput, services: int) -> int:
    seconds = wanted.time_window
    a_day = seconds == DAY_WINDOW and type is GroupingType.CONTENT and services == 1
    if seconds and not a_day and not MIN_WINDOW <= seconds <= MAX_WINDOW:
        day = f", {DAY_WINDOW} for {GroupingType.CONTENT} on one service"
        raise Invalid(
            "config.time_window",
            f"must be between {MIN_WINDOW} and {MAX_WINDOW} seconds{day}, or 0 for the"
            f" recommended {RECOMMENDED_WINDOW}",
        )
    return seconds


def _fields(name: str, given: Sequence[str], most: int) -> list[str]:
    fields = list(dict.fromkeys(given))
    if not 1 <= len(fields) <= most:
        raise Invalid(name, f"must name 1 to {most} fields")
    for field in fields:
        known = field in PLAIN_FIELDS or (len(field) <= MAX_FIELD and _DETAIL.match(field))
        if not known:
            raise Invalid(
                name,
                f"must be of {', '.join(PLAIN_FIELDS)}, custom_details.<name>, with up to 8 names"
                f" one inside the other; {field[:80]!r} is none of them",
            )
    return fields
