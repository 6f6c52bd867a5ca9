"""Tags: the list of all, and giving them to people, teams and policies on their pages."""

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed, allowed_somewhere
from tocsin.core.errors import Invalid
from tocsin.tags import actions as tags
from tocsin.tags.model import Naming, TagKind
from tocsin.web.page import Handler, Page, get, post
from tocsin.web.visit import Visit

PAGE_SIZE = 100
BASE = "/app/tags"


async def listed(visit: Visit) -> Response:
    """Every tag by its label, with how many carry it."""
    return await _list(visit)


async def _list(
    visit: Visit, *, error: str | None = None, value: str = "", status: int = 200
) -> Response:
    query = visit.query("q")
    number = int(visit.query("page")) if visit.query("page").isdecimal() else 1
    number = min(max(number, 1), 100)
    async with visit.tx() as tx:
        found, more = await tags.list_tags(
            tx, visit.actor, query=query, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE
        )
        uses = await tags.uses(tx, visit.actor, [tag.id for tag in found])
    return visit.render(
        "tags/list.html",
        status=status,
        page={"title": "Tags", "section": "people", "up": ("People", "/app/people")},
        tags=[uses[tag.id] for tag in found if tag.id in uses],
        query=query,
        number=number,
        more=more,
        error=error,
        value=value,
        may_add=allowed_somewhere(visit.actor, Permission.MANAGE_TEAMS),
        may_delete=allowed(visit.actor, Permission.MANAGE_TEAMS),
    )


async def create(visit: Visit) -> Response:
    """Make a tag."""
    label = visit.field("label")
    try:
        async with visit.tx() as tx:
            tag = await tags.create_tag(tx, visit.actor, label, visit.now)
    except Invalid as error:
        return await _list(visit, error=error.message, value=label, status=422)
    return visit.see_other(BASE, toast=f"The tag {tag.label} is made.")


async def delete(visit: Visit) -> Response:
    """Delete a tag; nothing carries it any more."""
    async with visit.tx() as tx:
        await tags.delete_tag(tx, visit.actor, visit.path("id"), visit.now)
    return visit.see_other(BASE, toast="The tag is deleted.")


def _changing(kind: TagKind, base: str) -> Handler:
    async def change(visit: Visit) -> Response:
        add, remove = visit.field("add"), visit.field("remove")
        async with visit.tx() as tx:
            await tags.change_tags(
                tx,
                visit.actor,
                kind,
                visit.path("id"),
                add=[] if remove else [Naming(label=add)],
                remove=[Naming(id=remove)] if remove else [],
                now=visit.now,
            )
        said = "The tag is taken away." if remove else f"The tag {add} is added."
        return visit.see_other(f"{base}/{visit.path('id')}#tags", toast=said)

    return change


_KINDS = (
    (TagKind.USER, "/app/people"),
    (TagKind.TEAM, "/app/teams"),
    (TagKind.POLICY, "/app/escalation-policies"),
)
PAGES: tuple[Page, ...] = (
    get(BASE, listed),
    post(BASE, create),
    post(f"{BASE}/{{id}}/delete", delete),
    *(post(f"{base}/{{id}}/tags", _changing(kind, base)) for kind, base in _KINDS),
)
