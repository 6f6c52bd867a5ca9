"""The five operations that follow from a resource's description."""

from typing import Any

from tocsin.rest.call import Call, convert
from tocsin.rest.errors import invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Handler, Operation, Param, Resource

PAGING = (
    Param(name="limit", type=int),
    Param(name="offset", type=int),
    Param(name="total", type=bool),
)


def given(call: Call, resource: Resource, *, creating: bool) -> dict[str, Any]:
    """The fields of the body that may be written, each as its declared type. What is read-only or
    unknown is ignored, because clients send back what they were given."""
    body = call.wrapped(resource.name)
    return read_fields(body, resource.fields, creating=creating)


def read_fields(
    body: dict[str, Any], fields: tuple[Field, ...], *, creating: bool
) -> dict[str, Any]:
    """The writable ones of `fields` that `body` has."""
    found: dict[str, Any] = {}
    for field in fields:
        if field.write is not None and field.name in body:
            found[field.name] = convert(field.name, body[field.name], field.write)
        if creating and field.required and found.get(field.name) is None:
            raise invalid(f"{field.name} is required")
    return found


def page_of(resource: Resource) -> Handler:
    """List a part of them."""
    assert resource.list is not None
    find = resource.list

    async def handle(call: Call) -> Any:
        paging = call.paging()
        found = await find(call, paging)
        answer: dict[str, Any] = {resource.plural: [whole(resource, item) for item in found.items]}
        if resource.paged:
            answer |= {
                "limit": paging.limit,
                "offset": paging.offset,
                "total": found.total,
                "more": found.more,
            }
        return answer

    return handle


def one(resource: Resource) -> Handler:
    """Show one."""
    assert resource.get is not None
    find = resource.get

    async def handle(call: Call) -> Any:
        return {resource.name: whole(resource, await find(call, call.path["id"]))}

    return handle


def make(resource: Resource) -> Handler:
    """Create one."""
    assert resource.create is not None
    create = resource.create

    async def handle(call: Call) -> Any:
        item = await create(call, given(call, resource, creating=True))
        return {resource.name: whole(resource, item)}

    return handle


def change(resource: Resource) -> Handler:
    """Change what is given of one."""
    assert resource.update is not None
    update = resource.update

    async def handle(call: Call) -> Any:
        item = await update(call, call.path["id"], given(call, resource, creating=False))
        return {resource.name: whole(resource, item)}

    return handle


def remove(resource: Resource) -> Handler:
    """Delete one."""
    assert resource.delete is not None
    delete = resource.delete

    async def handle(call: Call) -> Any:
        await delete(call, call.path["id"])

    return handle


def of(resource: Resource) -> list[Operation]:
    """The operations that the resource has a handler for."""
    include = tuple(Param(name="include", many=True) for _ in resource.includes[:1])
    single = f"{resource.path}/{{id}}"
    words = resource.plural.replace("_", " ")
    word = resource.kind.replace("_", " ")
    kind = {resource.name: resource.kind}
    title = "".join(part.title() for part in resource.kind.split("_"))
    titles = "".join(part.title() for part in resource.plural.split("_"))
    tag = resource.tag
    found = []
    if resource.list is not None:
        paging = PAGING if resource.paged else ()
        found.append(
            Operation(
                method="GET",
                path=resource.path,
                id=f"list{titles}",
                summary=f"List {words}",
                tag=tag,
                handle=page_of(resource),
                params=(*resource.params, *include, *paging),
                gives={resource.plural: [resource.kind]},
                paged=resource.paged,
            )
        )
    if resource.create is not None:
        found.append(
            Operation(
                method="POST",
                path=resource.path,
                id=f"create{title}",
                summary=f"Create: {word}",
                tag=tag,
                handle=make(resource),
                ok=201,
                takes=kind,
                gives=kind,
                needs_from=resource.create_needs_from,
            )
        )
    if resource.get is not None:
        found.append(
            Operation(
                method="GET",
                path=single,
                id=f"get{title}",
                summary=f"Get: {word}",
                tag=tag,
                handle=one(resource),
                params=(*resource.get_params, *include),
                gives=kind,
            )
        )
    if resource.update is not None:
        found.append(
            Operation(
                method="PUT",
                path=single,
                id=f"update{title}",
                summary=f"Change: {word}",
                tag=tag,
                handle=change(resource),
                takes=kind,
                gives=kind,
                needs_from=resource.update_needs_from,
            )
        )
    if resource.delete is not None:
        found.append(
            Operation(
                method="DELETE",
                path=single,
                id=f"delete{title}",
                summary=f"Delete: {word}",
                tag=tag,
                handle=remove(resource),
                ok=204,
            )
        )
    return found
