"""Texts from strangers, made safe to keep: repair of JSON bytes, bounds, times and addresses.

Invariant: a value decoded from `repair(body)` holds no NUL and no lone surrogate, the two things
that are legal in JSON and that PostgreSQL cannot store.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

TEXT_LIMIT = 1024
ADDRESS_LIMIT = 4096
DEPTH_LIMIT = 100

_BOM = b"\xef\xbb\xbf"
_REPLACEMENT = b"\\ufffd"
# Each escape is taken whole, so that the second half of an escaped backslash is never mistaken for
# the start of an escape, and a high surrogate is taken together with its low one.
_ESCAPE = re.compile(
    rb"\\(?:(?P<nul>u0000)"
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)
# The closing quote is optional so that a text without end costs one pass and not one per quote.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = re.compile(rb"[^\[\]{}]+")

_any = msgspec.json.Decoder()


def repair(body: bytes) -> bytes:
    """`body` without a byte order mark and with NUL and lone surrogate escapes replaced."""
    if body.startswith(_BOM):
        body = body[3:]
    # Most bodies have no such escape at all, and one search says so.
    if b"\\u" in body and (b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body):
        return _ESCAPE.sub(_replace, body)
    return body


def _replace(match: "re.Match[bytes]") -> bytes:
    return _REPLACEMENT if match.lastgroup else match[0]


def decode(body: bytes) -> Any:
    """The JSON value of a repaired body. Raises ValueError for whatever is not JSON of sane depth.

    The depth is bounded because decoding recurses: what the front door accepts must be readable
    from any depth of stack later.
    """
    try:
        value = _any.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if too_deep(body):
        raise ValueError("nested too deeply")
    return value


def too_deep(body: bytes) -> bool:
    """Whether valid JSON nests deeper than DEPTH_LIMIT."""
    if body.count(b"{") + body.count(b"[") <= DEPTH_LIMIT:
        return False
    brackets = _NOT_BRACKETS.sub(b"", _STRING.sub(b"", body)).translate(_ONE_KIND)
    for _ in range(DEPTH_LIMIT):
        # Each pass takes away the innermost level everywhere.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def optional(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A short text, or None for what is blank or no text. A number stands for its digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else ""
    if not isinstance(value, str):
        return None
    value = value.strip()
    return value[:limit] or None


def address(value: Any) -> str | None:
    """A web address that is safe to offer as a link, or None."""
    if not isinstance(value, str) or len(value) > ADDRESS_LIMIT:
        return None
    value = value.strip()
    return value if value.lower().startswith(("http://", "https://")) else None


def moment(value: Any) -> datetime | None:
    """An ISO 8601 time in UTC, or None for what cannot be read. Without a zone it means UTC."""
    if not isinstance(value, str) or not value.strip():
        return None
    value = value.strip()
    # Python's own PagerDuty client writes both an offset and a Z.
    for form in (value, value.removesuffix("Z")):
        try:
            return _in_utc(datetime.fromisoformat(form))
        except (ValueError, OverflowError):
            continue
    return None


def _in_utc(at: datetime) -> datetime | None:
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    # Alertmanager writes the year 1 for "not yet"; no monitored condition is older than computing.
    return at if 1970 < at.year < 9999 else None
