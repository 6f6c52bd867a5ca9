"""Tags, and giving them to people, teams and escalation policies."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.rest import operations
from tocsin.rest.call import Call, Paging, convert
from tocsin.rest.errors import invalid, not_found
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice
from tocsin.tags import actions as tags
from tocsin.tags.model import Naming, Tag, TagKind

GROUP = "Tags"
KINDS = {
    "users": TagKind.USER,
    "teams": TagKind.TEAM,
    "escalation_policies": TagKind.POLICY,
}


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Tag]:
    return await tags.tags_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    query = call.text("query")
    found, more = await tags.list_tags(
        call.tx, call.actor, query=query, offset=wanted.offset, limit=wanted.limit
    )
    total = None
    if wanted.total:
        total = await tags.count_tags(call.tx, call.actor, query=query)
    return Slice(items=found, more=more, total=total)


async def _get(call: Call, id: str) -> Tag:
    return await tags.get_tag(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Tag:
    return await tags.create_tag(call.tx, call.actor, given["label"], call.now)


async def _delete(call: Call, id: str) -> None:
    await tags.delete_tag(call.tx, call.actor, id, call.now)


TAG = Resource(
    kind="tag",
    plural="tags",
    path="/tags",
    tag=GROUP,
    summary=lambda tag: tag.label,
    page=lambda tag: f"/app/people?tag={tag.id}",
    load=_load,
    params=(Param(name="query"),),
    fields=(
        Field(
            name="label",
            type=str,
            write=str,
            required=True,
            read=lambda tag, extra: tag.label,
        ),
    ),
    list=_list,
    get=_get,
    create=_create,
    delete=_delete,
)


class TagGiven(msgspec.Struct):
    """A tag to add or remove: one that is there by its id, or any by its label."""

    id: str | None = None
    label: str | None = None
    type: str | None = None


def _kind(call: Call) -> TagKind:
    kind = KINDS.get(call.path["entity_type"])
    if kind is None:
        raise not_found()
    return kind


async def carriers(call: Call) -> object:
    """Whatever of one kind carries a tag."""
    kind, paging = _kind(call), call.paging()
    id = call.path["id"]
    found, more = await tags.carriers(
        call.tx, call.actor, id, kind, offset=paging.offset, limit=paging.limit
    )
    total = None
    if paging.total:
        total = await tags.count_carriers(call.tx, call.actor, id, kind)
    return {
        call.path["entity_type"]: [Ref(kind.value, one) for one in found],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": total,
        "more": more,
    }


async def tags_on(call: Call) -> object:
    """The tags of one thing."""
    kind, paging = _kind(call), call.paging()
    found = await tags.tags_on(call.tx, call.actor, kind, call.path["id"])
    end = paging.offset + paging.limit
    return {
        "tags": [whole(TAG, tag) for tag in found[paging.offset : end]],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": len(found) if paging.total else None,
        "more": len(found) > end,
    }


async def change_tags(call: Call) -> object:
    """Give tags to a thing, and take tags from it."""
    kind = _kind(call)
    add, remove = _named(call, "add"), _named(call, "remove")
    if not add and not remove:
        raise invalid("add or remove must be a list with something in it")
    await tags.change_tags(
        call.tx, call.actor, kind, call.path["id"], add=add, remove=remove, now=call.now
    )
    return {}


def _named(call: Call, name: str) -> list[Naming]:
    given = convert(name, call.body.get(name), list[TagGiven] | None) or []
    found = []
    for number, one in enumerate(given):
        if not one.id and one.label is None:
            raise invalid(f"{name}[{number}] needs an id or a label")
        found.append(Naming(id=one.id or None, label=one.label))
    return found


OPERATIONS = (
    *operations.of(TAG),
    Operation(
        method="GET",
        path="/tags/{id}/{entity_type}",
        id="listTagCarriers",
        summary="List the users, teams or escalation_policies that carry a tag",
        tag=GROUP,
        handle=carriers,
        params=operations.PAGING,
        gives={
            "users": list[Reference] | None,
            "teams": list[Reference] | None,
            "escalation_policies": list[Reference] | None,
        },
        paged=True,
    ),
    Operation(
        method="GET",
        path="/{entity_type}/{id}/tags",
        id="listTagsOf",
        summary="List the tags of one of the users, teams or escalation_policies",
        tag=GROUP,
        handle=tags_on,
        params=operations.PAGING,
        gives={"tags": ["tag"]},
        paged=True,
    ),
    Operation(
        method="POST",
        path="/{entity_type}/{id}/change_tags",
        id="changeTagsOf",
        summary="Add tags to one of the users, teams or escalation_policies, or remove them",
        tag=GROUP,
        handle=change_tags,
        takes={"add": list[TagGiven] | None, "remove": list[TagGiven] | None},
        gives={},
    ),
)
