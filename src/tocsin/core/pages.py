"""Pages of long lists, by key and not by number: a list may grow while it is being read.

A cursor is opaque to clients. It carries the sort key of the last item shown, so the next page
starts right after it whatever was inserted or removed meanwhile.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from tocsin.core.errors import Invalid

T = TypeVar("T")

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
_MAX_CURSOR = 1024


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some items of a list, and the cursor of the page after them (None at the end)."""

    items: tuple[T, ...]
    next: str | None


def checked_limit(limit: int, most: int = MAX_LIMIT) -> int:
    """`limit` when it is between 1 and `most`, else Invalid."""
    if not 1 <= limit <= most:
        raise Invalid("limit", f"must be between 1 and {most}")
    return limit


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str, ...]]) -> Page[T]:
    """The page from `limit + 1` rows asked for: the extra row only proves that there is more."""
    items = tuple(rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next=write_cursor(*key(items[-1])) if more else None)


def write_cursor(*parts: str) -> str:
    """An opaque cursor that carries `parts`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def read_cursor(cursor: str | None, count: int) -> tuple[str | None, ...]:
    """The `count` parts of a cursor, or that many None without one. Invalid when it is not ours."""
    if cursor is None:
        return (None,) * count
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        parts = msgspec.json.decode(raw, type=list[str])
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise Invalid("cursor", "is not one this server gave out") from error
    if len(parts) != count or any("\x00" in part for part in parts):
        raise Invalid("cursor", "is not one this server gave out")
    return tuple(parts)
