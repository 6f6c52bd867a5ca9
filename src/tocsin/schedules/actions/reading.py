"""Looking at schedules, for people and clients; what one may not see is as if it were not there."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.pages import DEFAULT_LIMIT, Page, checked_limit, page_of, read_cursor
from tocsin.schedules import store
from tocsin.schedules.actions.access import visible
from tocsin.schedules.model import Override, Schedule, ScheduleHead
from tocsin.schedules.rendering import Rendered, range_to_load, render
from tocsin.schedules.shifts import check_range


async def get(tx: Tx, actor: Actor, schedule_id: str, now: datetime) -> Schedule:
    """A schedule with the layers and overrides in force or to come. Raises NotFound."""
    head = await visible(tx, actor, schedule_id)
    return (await store.load(tx, [head], now, None))[head.id]


async def page(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    team_ids: Sequence[str] | None = None,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = DEFAULT_LIMIT,
) -> Page[ScheduleHead]:
    """The schedules the actor may see, by name; `query` is a part of the name. Pages are turned by
    `cursor`; clients that count use `offset`."""
    require_somewhere(actor, Permission.VIEW)
    rows = await store.page(
        tx,
        query=query,
        team_ids=_seen(actor, team_ids),
        after=read_cursor(cursor, 2),
        offset=offset,
        limit=checked_limit(limit) + 1,
    )
    return page_of(rows, limit, lambda head: (head.name, head.id))


async def count(
    tx: Tx, actor: Actor, *, query: str | None = None, team_ids: Sequence[str] | None = None
) -> int:
    """How many schedules `page` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    return await store.count(tx, query=query, team_ids=_seen(actor, team_ids))


def _seen(actor: Actor, team_ids: Sequence[str] | None) -> Sequence[str] | None:
    teams = visible_teams(actor)
    if teams is None or team_ids is None:
        return teams if team_ids is None else team_ids
    return [team_id for team_id in team_ids if team_id in teams]


async def head(tx: Tx, actor: Actor, schedule_id: str) -> ScheduleHead:
    """A schedule without its layers. Raises NotFound."""
    return await visible(tx, actor, schedule_id)


async def heads_by_ids(tx: Tx, schedule_ids: Sequence[str]) -> dict[str, ScheduleHead]:
    """Schedules by id, for showing; unknown and deleted ones are left out. No access check."""
    return await store.heads(tx, schedule_ids)


async def in_force(tx: Tx, heads: Sequence[ScheduleHead], now: datetime) -> dict[str, Schedule]:
    """These schedules with the layers and overrides in force or to come. No access check."""
    return await store.load(tx, heads, now, None) if heads else {}


async def overrides_within(
    tx: Tx, actor: Actor, schedule_id: str, since: datetime, until: datetime
) -> list[Override]:
    """The overrides of a schedule that touch [since, until), by start. Raises NotFound."""
    found = await visible(tx, actor, schedule_id)
    check_range(since, until)
    loaded = await store.load(tx, [found], since, until)
    return sorted(loaded[schedule_id].overrides, key=lambda o: (o.start, o.id))


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
