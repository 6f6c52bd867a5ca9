"""Looking at schedules, for people and clients; what one may not see is as if it were not there."""

from datetime import datetime

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.pages import DEFAULT_LIMIT, Page, checked_limit, page_of, read_cursor
from tocsin.schedules import store
from tocsin.schedules.actions.access import visible
from tocsin.schedules.model import Schedule, ScheduleHead
from tocsin.schedules.rendering import Rendered, range_to_load, render


async def get(tx: Tx, actor: Actor, schedule_id: str, now: datetime) -> Schedule:
    """A schedule with the layers and overrides in force or to come. Raises NotFound."""
    head = await visible(tx, actor, schedule_id)
    return (await store.load(tx, [head], now, None))[head.id]


async def page(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[ScheduleHead]:
    """The schedules the actor may see, by name; `query` is a part of the name."""
    require_somewhere(actor, Permission.VIEW)
    rows = await store.page(
        tx,
        query=query,
        team_ids=visible_teams(actor),
        after=read_cursor(cursor, 2),
        limit=checked_limit(limit) + 1,
    )
    return page_of(rows, limit, lambda head: (head.name, head.id))


async def rendered(
    tx: Tx,
    actor: Actor,
    schedule_id: str,
    since: datetime,
    until: datetime,
    *,
    overflow: bool = False,
) -> Rendered:
    """A schedule as it was and will be in [since, until). Raises NotFound or InvalidRange."""
    head = await visible(tx, actor, schedule_id)
    low, high = range_to_load(since, until, overflow=overflow)
    loaded = await store.load(tx, [head], low, high)
    return render(loaded[schedule_id], since, until, overflow=overflow)
