"""One request to the API: who asks, with what, in which transaction; reading its values.

Everything that is read here is checked here: a wrong value is a 400 that names the parameter.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.timezones import UnknownTimeZone, zone
from tocsin.rest.deps import RestDeps
from tocsin.rest.errors import invalid

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
DEEPEST = 10_000
MAX_VALUES = 250
YES, NO = ("1", "true"), ("0", "false", "")


class Given(msgspec.Struct, frozen=True):
    """A reference inside a request: the id counts, the type only where several are possible."""

    id: str
    type: str | None = None


class Paging(msgspec.Struct, frozen=True):
    """Which part of a list is wanted, and whether to count all of it."""

    limit: int
    offset: int
    total: bool


class Call:
    """See the module. `path` holds the values of the address, `body` the decoded JSON object."""

    def __init__(
        self,
        deps: RestDeps,
        resources: Mapping[str, Any],
        *,
        query: Sequence[tuple[str, str]],
        path: dict[str, str],
        now: datetime,
    ) -> None:
        self.deps = deps
        self.resources = resources
        self.path = path
        self.now = now
        # What `self` and `html_url` begin with; the door knows how the client got here.
        self.base_url = deps.base_url
        self.body: dict[str, Any] = {}
        self.status: int | None = None
        # What a handler found and its fields are to show.
        self.notes: dict[str, Any] = {}
        self._query = query
        self._actor: Actor | None = None
        self._tx: Tx | None = None
        self.zone: ZoneInfo | None = None

    def enter(self, tx: Tx, actor: Actor) -> None:
        """Give the call its transaction and the actor of its key."""
        self._tx = tx
        self._actor = actor

    @property
    def tx(self) -> Tx:
        """The transaction that the whole request is one of."""
        assert self._tx is not None
        return self._tx

    @property
    def actor(self) -> Actor:
        """Who acts."""
        assert self._actor is not None
        return self._actor

    # Parameters

    def text(self, name: str) -> str | None:
        """The last value of a parameter, None when it is absent or empty."""
        found = [value for key, value in self._query if key == name]
        if found and "\x00" in found[-1]:
            raise invalid(f"{name} must not contain a zero character")
        return found[-1] if found and found[-1] else None

    def flag(self, name: str) -> bool:
        """A switch: 1, true, 0 or false."""
        value = (self.text(name) or "").lower()
        if value in YES:
            return True
        if value in NO:
            return False
        raise invalid(f"{name} must be true or false")

    def many(self, name: str, choices: Sequence[str] = ()) -> list[str] | None:
        """The values of `name[]`, None when there is none. Without brackets is understood too."""
        found = [v for key, v in self._query if key in (f"{name}[]", name) and v]
        if len(found) > MAX_VALUES:
            raise invalid(f"{name}[] has at most {MAX_VALUES} values")
        for value in found:
            if "\x00" in value or (choices and value not in choices):
                raise invalid(f"{name}[] must be one of {', '.join(choices)}")
        return found or None

    @property
    def includes(self) -> frozenset[str]:
        """What the caller wants in whole instead of as a reference."""
        return frozenset(self.many("include") or ())

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise invalid(f"{name} must be a whole number")
        number = int(value)
        if not low <= number <= high:
            raise invalid(f"{name} must be between {low} and {high}")
        return number

    def instant(self, name: str) -> datetime | None:
        """A time in ISO 8601; one without an offset is read in the caller's time zone."""
        value = self.text(name)
        if value is None:
            return None
        try:
            # A plus sign that was not escaped arrives as a blank.
            at = datetime.fromisoformat(value.strip().replace(" ", "+") if "T" in value else value)
            if at.tzinfo is None:
                at = at.replace(tzinfo=self.zone or UTC)
            return at.astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(f"{name} must be a time such as 2030-01-31T09:00:00Z") from None

    def read_zone(self) -> None:
        """Times in the answer are shown in `time_zone`, when that is given."""
        name = self.text("time_zone")
        if name is not None:
            try:
                self.zone = zone(name)
            except UnknownTimeZone as error:
                raise invalid(f"time_zone {error}") from error

    def paging(self) -> Paging:
        """Limit and offset. More than the most is the most, as clients expect."""
        limit = min(self.whole("limit", DEFAULT_LIMIT, 1, 999_999_999), MAX_LIMIT)
        offset = self.whole("offset", 0, 0, 999_999_999)
        if offset + limit > DEEPEST:
            raise invalid(f"offset plus limit must not be more than {DEEPEST}")
        return Paging(limit, offset, self.flag("total"))

    def sorting(self, *names: str) -> tuple[str, bool] | None:
        """The first key of `sort_by` and whether it descends; None when it is absent."""
        found = self.sortings(*names, most=1)
        return found[0] if found else None

    def sortings(self, *names: str, most: int = 2) -> tuple[tuple[str, bool], ...]:
        """The keys of `sort_by`, each with whether it descends; of more than `most` the first.
        Also understood as `sort_by[]`, once for each key."""
        value = ",".join(v for key, v in self._query if key in ("sort_by", "sort_by[]") and v)
        found: dict[str, bool] = {}
        for one in value.split(",") if value else ():
            name, _, direction = one.strip().partition(":")
            if name not in names or direction not in ("", "asc", "desc"):
                raise invalid(f"sort_by must be one of {', '.join(names)}, with :asc or :desc")
            found.setdefault(name, direction == "desc")
        return tuple(found.items())[:most]

    # The body

    def wrapped(self, name: str) -> dict[str, Any]:
        """The object that the body wraps as `name`."""
        found = self.body.get(name)
        if not isinstance(found, dict):
            raise invalid(f'{name} must be an object: wrap it as {{"{name}": {{...}}}}')
        return found

    def list_of(self, name: str, kind: Any, most: int = MAX_VALUES) -> list[Any]:
        """The list that the body wraps as `name`, each item as a `kind`."""
        found = self.body.get(name)
        if not isinstance(found, list) or not found:
            raise invalid(f"{name} must be a list with something in it")
        if len(found) > most:
            raise invalid(f"{name} has at most {most} items")
        return [convert(f"{name}[{i}]", item, kind) for i, item in enumerate(found)]


def convert(name: str, value: Any, kind: Any) -> Any:
    """A value of the body as `kind`, else 400 with the field's name."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        where = str(error)
        detail, _, inside = where.partition(" - at `$")
        raise invalid(f"{name}{inside.rstrip('`')}: {detail}") from None
