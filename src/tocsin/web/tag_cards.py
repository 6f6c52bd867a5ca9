"""What the lists of people, teams and policies need to be filtered by a tag."""

import msgspec

from tocsin.accounts.access import Permission, allowed_somewhere
from tocsin.core.database import Tx
from tocsin.tags import actions as tags
from tocsin.tags.model import Tag
from tocsin.web.visit import Visit

OFFERED = 50


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """The tag that a list is filtered by, and those it could be. `part` goes into its addresses."""

    id: str | None = None
    label: str = ""
    offered: tuple[Tag, ...] = ()

    @property
    def part(self) -> str:
        """The part of an address that keeps the filter."""
        return f"&tag={self.id}" if self.id else ""


async def wanted(tx: Tx, visit: Visit) -> Tagged:
    """The filter of this visit. A tag that is gone filters nothing out by mistake: NotFound."""
    id = visit.query("tag")
    if id:
        tag = await tags.get_tag(tx, visit.actor, id)
        return Tagged(id=tag.id, label=tag.label)
    if not allowed_somewhere(visit.actor, Permission.VIEW):
        return Tagged()
    found, _ = await tags.list_tags(tx, visit.actor, limit=OFFERED)
    return Tagged(offered=tuple(found))
