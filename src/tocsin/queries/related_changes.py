"""What changed before an incident, on its service and on what that depends on. Three queries."""

from datetime import UTC, datetime, timedelta

import msgspec

from tocsin.accounts.access import Permission, allowed
from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.catalog import graph
from tocsin.catalog.graph_model import Node
from tocsin.core.database import Tx
from tocsin.events import actions as events
from tocsin.events import correlation
from tocsin.events.correlation import Related

MOST_SERVICES = 200
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


class RelatedChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change that may have to do with an incident. `way` leads from the incident's service to the
    changed one; a service that the viewer may not see is None in it."""

    related: Related
    way: tuple[Node | None, ...]


async def of(
    tx: Tx,
    actor: Actor,
    service_id: str,
    opened_at: datetime,
    *,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[RelatedChange]:
    """The likeliest first. Of a service with many changes the newest twenty are looked at, of many
    services the nearest two hundred."""
    below = await catalog.dependencies_below(tx, [service_id])
    down = graph.downwards(catalog.edge_of(one) for one in below)
    reached = graph.reach([service_id], down, correlation.MOST_DISTANCE)
    near = list(reached)[:MOST_SERVICES]
    # A moment more, because the window of the query ends before its end.
    end = _FAR if until is None else until + timedelta(microseconds=1)
    changes = await events.changes_around(tx, actor, near, opened_at - correlation.WITHIN, end)
    distances = {id: reached[id].distance for id in near}
    found = correlation.related(opened_at, end, distances, changes)[:limit]
    nodes = await catalog.nodes_by_ids(tx, near) if found else {}

    def seen(id: str) -> Node | None:
        node = nodes.get(id)
        visible = node is not None and allowed(actor, Permission.VIEW, node.team_id)
        return node if visible else None

    return [
        RelatedChange(
            related=one,
            way=tuple(seen(id) for id in graph.way(reached, one.change.service_id)),
        )
        for one in found
    ]
