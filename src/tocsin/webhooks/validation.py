"""What a subscription may be like. Pure; each refusal names the field and the fix."""

import re
from collections.abc import Sequence

from tocsin.core.errors import Invalid
from tocsin.webhooks.events import TYPES
from tocsin.webhooks.model import (
    MAX_DESCRIPTION,
    MAX_HEADER_NAME,
    MAX_HEADER_VALUE,
    MAX_HEADERS,
    MAX_URL,
    REDACTED,
    FilterType,
    Header,
)

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE = re.compile(r"[\x20-\x7e]*\Z")
# Set by us, or by HTTP itself.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-pagerduty-signature",
        "x-webhook-id",
        "x-webhook-subscription",
    }
)


def checked_events(events: Sequence[str]) -> list[str]:
    """The event types, each once, in order. Raises Invalid."""
    if not events:
        raise Invalid("events", "name at least one event type")
    for event in events:
        if event not in TYPES:
            raise Invalid(
                "events",
                f"has {event[:80]!r}, which never happens on this server: choose from"
                f" {', '.join(TYPES)}",
            )
    return sorted(set(events))


def checked_description(text: str | None) -> str | None:
    """The description without surrounding space; None when it is empty. Raises Invalid."""
    found = (text or "").strip()
    if len(found) > MAX_DESCRIPTION:
        raise Invalid("description", f"use at most {MAX_DESCRIPTION} characters")
    return found or None


def checked_url(url: str, problem: str | None) -> str:
    """The address, when `problem`, what is wrong with it as a web address, is None."""
    found = url.strip()
    if len(found) > MAX_URL:
        raise Invalid("url", f"use at most {MAX_URL} characters")
    if problem is not None:
        raise Invalid("url", problem)
    return found


def checked_filter(kind: FilterType, id: str | None) -> str | None:
    """The id of what is listened to; None for the account. Raises Invalid."""
    if kind == FilterType.ACCOUNT:
        return None
    if not id:
        raise Invalid("filter", f"name the {kind} to listen to by its id")
    return id


def checked_headers(headers: Sequence[Header], kept: Sequence[Header] = ()) -> list[Header]:
    """The headers to send along. One that is given redacted, as it was shown, keeps its value from
    `kept`. Raises Invalid."""
    if len(headers) > MAX_HEADERS:
        raise Invalid("custom_headers", f"give at most {MAX_HEADERS} headers")
    before = {header.name.lower(): header.value for header in kept}
    found: dict[str, Header] = {}
    for header in headers:
        name = header.name.lower()
        if not _NAME.match(header.name) or len(header.name) > MAX_HEADER_NAME:
            raise Invalid("custom_headers", f"{header.name[:80]!r} is not the name of a header")
        if name in _OURS:
            raise Invalid("custom_headers", f"{header.name} is set by the server: leave it out")
        if name in found:
            raise Invalid("custom_headers", f"{header.name} is given twice")
        value = header.value
        if value == REDACTED:
            if name not in before:
                raise Invalid("custom_headers", f"{header.name} has no value yet: give one")
            value = before[name]
        if len(value) > MAX_HEADER_VALUE or not _VALUE.match(value):
            raise Invalid(
                "custom_headers",
                f"the value of {header.name} must be at most {MAX_HEADER_VALUE} printable ASCII"
                " characters",
            )
        found[name] = Header(header.name, value)
    return list(found.values())
