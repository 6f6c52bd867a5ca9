"""From items to what stands on the wire: heads, fields, references, included things, times.

References are collected over the whole answer and looked up kind by kind, so that a page of a
hundred items costs a fixed number of queries.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from tocsin.accounts.access import Permission, allowed
from tocsin.rest.call import Call
from tocsin.rest.resource import Ref, Resource


def whole(resource: Resource, item: Any) -> Ref:
    """An item to be shown in whole."""
    return Ref(resource.kind, item.id, item, full=True)


async def settle(call: Call, value: Any, includes: frozenset[str] = frozenset()) -> Any:
    """`value` with every reference in its place and every time as text."""
    found: list[Ref] = []
    _collect(value, found)
    by_kind: dict[str, list[Ref]] = defaultdict(list)
    for ref in found:
        by_kind[ref.kind].append(ref)
    for kind, refs in by_kind.items():
        await _fill(call, call.resources[kind], refs, includes)
    return _placed(call, value)


async def _fill(call: Call, resource: Resource, refs: list[Ref], includes: frozenset[str]) -> None:
    wanted = list({ref.id: None for ref in refs if ref.item is None})
    loaded = await resource.load(call, wanted) if wanted else {}
    for ref in refs:
        if ref.item is None:
            ref.item = loaded.get(ref.id)
    full = [ref for ref in refs if ref.full and ref.item is not None and _seen(call, resource, ref)]
    if full:
        bodies = await _bodies(call, resource, [ref.item for ref in full], includes)
        for ref, body in zip(full, bodies, strict=True):
            ref.value = body
    for ref in refs:
        if ref.value is None:
            ref.value = reference(call, resource, ref)


def _seen(call: Call, resource: Resource, ref: Ref) -> bool:
    """An include shows nothing in whole that its caller could not get: that stays a reference."""
    if not ref.included or resource.team_of is None:
        return True
    return allowed(call.actor, Permission.VIEW, resource.team_of(ref.item))


async def _bodies(
    call: Call, resource: Resource, items: Sequence[Any], includes: frozenset[str]
) -> list[dict[str, Any]]:
    extra = await resource.prepare(call, items)
    bodies = []
    for item in items:
        body = _head(call, resource, item, resource.type(item))
        for field in resource.fields:
            value = field.read(item, extra)
            if field.include is not None and field.include in includes:
                inside: list[Ref] = []
                _collect(value, inside)
                for ref in inside:
                    ref.full = ref.included = True
            body[field.name] = value
        bodies.append(body)
    settled: list[dict[str, Any]] = await settle(call, bodies)
    return settled


def _head(call: Call, resource: Resource, item: Any, type: str) -> dict[str, Any]:
    address = resource.address(item)
    page = resource.page(item) if address is not None else None
    base = call.base_url
    return {
        "id": item.id,
        "type": type,
        "summary": resource.summary(item),
        "self": None if address is None else base + address,
        "html_url": None if page is None else base + page,
    }


def reference(call: Call, resource: Resource, ref: Ref) -> dict[str, Any]:
    """The short form; of something that is gone for good, little more than its id."""
    if ref.item is None:
        return {
            "id": ref.id,
            "type": f"{resource.kind}_reference",
            "summary": None,
            "self": None,
            "html_url": None,
        }
    return _head(call, resource, ref.item, f"{resource.type(ref.item)}_reference")


def _collect(value: Any, found: list[Ref]) -> None:
    if isinstance(value, Ref):
        found.append(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _collect(inner, found)
    elif isinstance(value, list | tuple):
        for inner in value:
            _collect(inner, found)


def _placed(call: Call, value: Any) -> Any:
    if isinstance(value, Ref):
        return value.value
    if isinstance(value, dict):
        return {key: _placed(call, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_placed(call, inner) for inner in value]
    if isinstance(value, datetime):
        return instant(call, value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def instant(call: Call, at: datetime) -> str:
    """A time to the second, in the zone that the caller asked for, else in UTC with a Z."""
    if call.zone is not None:
        return at.astimezone(call.zone).isoformat(timespec="seconds")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
