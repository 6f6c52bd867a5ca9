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
    word = resource.kind.replace("_", " ")
    words = resource.plural.replace("_", " ")
    title, titles = _title(resource.kind), _title(resource.plural)
    single = f"{resource.path}/{{id}}"
    kind = {resource.name: resource.kind}
    found = []
    if resource.list is not None:
        found.append(
            Operation(
                method="GET",
                path=resource.path,
                id=f"list{titles}",
                summary=f"List {words}",
                tag=resource.tag,
                handle=page_of(resource),
                params=(*resource.params, *include, *(PAGING if resource.paged else ())),
                gives={resource.plural: [resource.kind]},
                paged=resource.paged,
            )
        )

    def add(method: str, path: str, verb: str, handle: Handler, **more: Any) -> None:
        found.append(
            Operation(
                method=method,
                path=path,
                id=f"{verb.lower()}{title}",
                summary=f"{verb}: {word}",
                tag=resource.tag,
                handle=handle,
                **more,
            )
        )

    if resource.create is not None:
        needs = resource.create_needs_from
        more = {"takes": kind, "gives": kind, "needs_from": needs}
        add("POST", resource.path, "Create", make(resource), ok=201, **more)
    if resource.get is not None:
        params = (*resource.get_params, *include)
        add("GET", single, "Get", one(resource), params=params, gives=kind)
    if resource.update is not None:
        needs = resource.update_needs_from
        more = {"takes": kind, "gives": kind, "needs_from": needs}
        add("PUT", single, "Update", change(resource), **more)
    if resource.delete is not None:
        params = resource.delete_params
        add("DELETE", single, "Delete", remove(resource), ok=204, params=params)
    return found


def _title(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))
