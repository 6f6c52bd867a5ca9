"""The description of one kind of thing that the API serves.

A resource says once which fields it has, how each is read and which may be written, what its
references lead to, and how it is found. Lists, single reads, changes and the OpenAPI description
all follow from it (`rest.operations`, `rest.render`, `rest.openapi`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.rest.call import Call, Paging


@dataclass(slots=True)
class Ref:
    """A thing named in an answer: shown as a reference, or in whole.

    `item` spares the look-up; `type` replaces the kind's own type in the reference. `included` says
    that it is shown in whole because the caller asked for it with `include[]`.
    """

    kind: str
    id: str
    item: Any = None
    full: bool = False
    value: Any = None
    included: bool = False


class Reference:
    """Stands for a reference in the description of a field."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field. `type` is what an answer holds, `write` what a request may (None: read-only)."""

    name: str
    type: Any
    read: Callable[[Any, Any], Any]
    write: Any = None
    required: bool = False
    include: str | None = None


@dataclass(frozen=True, kw_only=True)
class Param:
    """One query parameter, for the description; `many` ones are written `name[]`."""

    name: str
    type: Any = str
    many: bool = False

    @property
    def wire(self) -> str:
        """As it stands in an address."""
        return f"{self.name}[]" if self.many else self.name


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a list: its items, whether more follow, and how many there are if asked."""

    items: Sequence[Any]
    more: bool = False
    total: int | None = None


async def _nothing(call: Call, items: Sequence[Any]) -> Any:
    return None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """See the module.

    `prepare` loads what the fields of many items need besides the items, in a fixed number of
    queries. `load` finds items by id for references; it leaves unknown ids out. `team_of` says
    whose an item is, where not everybody who sees what names it may see it.
    """

    kind: str
    plural: str
    path: str
    tag: str
    fields: tuple[Field, ...]
    load: Callable[[Call, Sequence[str]], Awaitable[dict[str, Any]]]
    summary: Callable[[Any], str]
    page: Callable[[Any], str | None] = lambda item: None
    location: Callable[[Any], str | None] | None = None
    type_of: Callable[[Any], str] | None = None
    team_of: Callable[[Any], str | None] | None = None
    prepare: Callable[[Call, Sequence[Any]], Awaitable[Any]] = _nothing
    params: tuple[Param, ...] = ()
    get_params: tuple[Param, ...] = ()
    delete_params: tuple[Param, ...] = ()
    list: Callable[[Call, Paging], Awaitable[Slice]] | None = None
    get: Callable[[Call, str], Awaitable[Any]] | None = None
    create: Callable[[Call, dict[str, Any]], Awaitable[Any]] | None = None
    update: Callable[[Call, str, dict[str, Any]], Awaitable[Any]] | None = None
    delete: Callable[[Call, str], Awaitable[None]] | None = None
    paged: bool = True
    create_needs_from: bool = False
    update_needs_from: bool = False
    wrapper: str | None = None

    @property
    def name(self) -> str:
        """What a body wraps one of these as."""
        return self.wrapper or self.kind

    @property
    def includes(self) -> tuple[str, ...]:
        """What `include[]` may name."""
        return tuple(dict.fromkeys(f.include for f in self.fields if f.include is not None))

    def type(self, item: Any) -> str:
        """The most specific type of an item."""
        return self.kind if self.type_of is None else self.type_of(item)

    def address(self, item: Any) -> str | None:
        """The path of an item; None when it is gone."""
        if self.location is not None:
            return self.location(item)
        gone = getattr(item, "deleted_at", None) is not None
        return None if gone else f"{self.path}/{item.id}"


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path. `takes` and `gives` are the bodies' members, for the description:
    a resource's kind, `[kind]` for a list of them, or a type. `gives` may be a type as a whole."""

    method: str
    path: str
    id: str
    summary: str
    tag: str
    handle: Handler
    ok: int = 200
    params: tuple[Param, ...] = ()
    takes: dict[str, Any] | None = None
    gives: Any = None
    needs_from: bool = False
    reads: bool = False
    paged: bool = False
    also_ok: tuple[int, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a read-only key is refused."""
        return self.method != "GET" and not self.reads
