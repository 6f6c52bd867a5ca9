"""Which incidents a client's list shows: any filter, any order, by offset, on a million of them.

Rule: `road` chooses, from what is asked, the index that leads to the fewest rows, because the
planner cannot know that numbers follow time or that a quiet service is quiet now. A walk follows
an index in the order asked and stops when the page is full; a gathering takes the first of each
service, status or urgency and merges them; a collection takes all that the filters leave, within
the bounds of time, and sorts. All of them answer alike.

An actor sees the incidents of services whose team it may see.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString

import msgspec

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx

# (key, descending); the second key orders what the first leaves alike, in the end the id does.
Order = tuple[tuple[str, bool], ...]
DEFAULT: Order = (("created_at", False),)
KEYS = ("incident_number", "created_at", "resolved_at", "urgency")
OPEN = frozenset({"triggered", "acknowledged"})
# A gathering reads this many rows at most: services times what the page reaches to.
MOST_GATHERED = 20_000

# Each list plans for its own values: a plan made for any values would follow the wrong index.
PLAN_FOR_VALUES = "select set_config('plan_cache_mode', 'force_custom_plan', true)"
SELECT_SERVICES = """
    select s.id from services s join escalation_policies p on p.id = s.escalation_policy_id
    where (%(service_ids)s::text[] is null or s.id = any(%(service_ids)s))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s))
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s))
"""

_FITS: LiteralString = """
    (%(statuses)s::text[] is null or i.status = any(%(statuses)s))
        and (%(urgencies)s::text[] is null or i.urgency = any(%(urgencies)s))
        and (%(services)s::text[] is null or i.service_id = any(%(services)s))
        and (%(since)s::timestamptz is null or i.created_at >= %(since)s)
        and (%(until)s::timestamptz is null or i.created_at < %(until)s)
"""
_PAGE: LiteralString = " limit %(limit)s offset %(offset)s"
_walk_part: LiteralString = "select i.id from incidents i where " + _FITS
WALK_OLDEST: LiteralString = _walk_part + " order by i.created_at, i.id" + _PAGE
WALK_NEWEST: LiteralString = _walk_part + " order by i.created_at desc, i.id desc" + _PAGE
WALK_LOWEST: LiteralString = _walk_part + " order by i.number" + _PAGE
WALK_HIGHEST: LiteralString = _walk_part + " order by i.number desc" + _PAGE
# None was resolved before it was created, so the index of the end begins where the time does.
_resolved_part: LiteralString = (
    "select 0 as part, i.id, i.resolved_at as at from incidents i where i.resolved_at is not null"
    " and (%(since)s::timestamptz is null or i.resolved_at >= %(since)s) and " + _FITS
)
_unresolved_part: LiteralString = (
    "select 1, i.id, null::timestamptz from incidents i where i.status <> 'resolved' and " + _FITS
)
WALK_FIRST_RESOLVED: LiteralString = (
    "select x.id from (("
    + _resolved_part
    + " order by i.resolved_at, i.id limit %(reach)s) union all ("
    + _unresolved_part
    + " order by i.id limit %(reach)s)) as x order by x.part, x.at, x.id"
    + _PAGE
)
WALK_LAST_RESOLVED: LiteralString = (
    "select x.id from (("
    + _resolved_part
    + " order by i.resolved_at desc, i.id desc limit %(reach)s) union all ("
    + _unresolved_part
    + " order by i.id desc limit %(reach)s)) as x order by x.part, x.at desc, x.id desc"
    + _PAGE
)
# In the order of `choices`: each urgency's own walk, one after the other.
GATHER_URGENCIES: LiteralString = (
    "select x.id from unnest(%(choices)s::text[]) with ordinality as u (urgency, place)"
    " cross join lateral (select i.id, i.created_at from incidents i where i.urgency = u.urgency"
    " and " + _FITS + " order by i.created_at, i.id limit %(reach)s) as x"
    " order by u.place, x.created_at, x.id" + _PAGE
)
_of_service_part: LiteralString = (
    "select x.id from unnest(%(services)s::text[]) as s (id) cross join lateral"
    " (select i.id, i.created_at from incidents i where i.service_id = s.id and " + _FITS
)
GATHER_SERVICES_OLDEST: LiteralString = (
    _of_service_part
    + " order by i.created_at, i.id limit %(reach)s) as x order by x.created_at, x.id"
    + _PAGE
)
GATHER_SERVICES_NEWEST: LiteralString = (
    _of_service_part
    + " order by i.created_at desc, i.id desc limit %(reach)s) as x"
    + " order by x.created_at desc, x.id desc"
    + _PAGE
)
_of_status_part: LiteralString = (
    "select x.id from unnest(%(statuses)s::text[]) as s (status) cross join lateral"
    " (select i.id, i.created_at from incidents i where i.status <> 'resolved'"
    " and i.status = s.status and " + _FITS
)
GATHER_STATUSES_OLDEST: LiteralString = (
    _of_status_part
    + " order by i.created_at, i.id limit %(reach)s) as x order by x.created_at, x.id"
    + _PAGE
)
GATHER_STATUSES_NEWEST: LiteralString = (
    _of_status_part
    + " order by i.created_at desc, i.id desc limit %(reach)s) as x"
    + " order by x.created_at desc, x.id desc"
    + _PAGE
)

_COLUMNS: LiteralString = "i.id, i.number, i.created_at, i.resolved_at, i.urgency"
_collected_part: LiteralString = (
    "with found as materialized (select " + _COLUMNS + " from incidents i where " + _FITS + ")"
)
_of_users_part: LiteralString = (
    "with found as materialized (select " + _COLUMNS + " from (select distinct a.incident_id"
    " from assignments a where a.user_id = any(%(user_ids)s)) as held"
    " join incidents i on i.id = held.incident_id where " + _FITS + ")"
)
# By the keys' own indexes, service by service: a key alone leads nowhere.
_of_key_part: LiteralString = (
    "with keyed as (select a.incident_id from services s join alerts a on a.service_id = s.id"
    " and a.dedup_key = %(key)s and a.status = 'resolved'"
    " where (%(services)s::text[] is null or s.id = any(%(services)s))"
    " union select a.incident_id from integrations g join alerts a on a.integration_id = g.id"
    " and a.dedup_key = %(key)s and a.status = 'triggered'"
    " union select i.id from incidents i where i.incident_key = %(key)s),"
    " found as materialized (select " + _COLUMNS + " from keyed"
    " join incidents i on i.id = keyed.incident_id where (%(user_ids)s::text[] is null"
    " or exists (select from assignments a where a.incident_id = i.id"
    " and a.user_id = any(%(user_ids)s))) and " + _FITS + ")"
)
# One column of each type for each of two keys and two directions; what is not asked is null.
_sorted_part: LiteralString = (
    " select id from found order by"
    " case when %(first)s = 'urgency' and not %(first_down)s then urgency end,"
    " case when %(first)s = 'urgency' and %(first_down)s then urgency end desc,"
    " case when not %(first_down)s then case %(first)s when 'created_at' then created_at"
    " when 'resolved_at' then resolved_at end end nulls last,"
    " case when %(first_down)s then case %(first)s when 'created_at' then created_at"
    " when 'resolved_at' then resolved_at end end desc nulls last,"
    " case when %(first)s = 'incident_number' and not %(first_down)s then number end,"
    " case when %(first)s = 'incident_number' and %(first_down)s then number end desc,"
    " case when %(second)s = 'urgency' and not %(second_down)s then urgency end,"
    " case when %(second)s = 'urgency' and %(second_down)s then urgency end desc,"
    " case when not %(second_down)s then case %(second)s when 'created_at' then created_at"
    " when 'resolved_at' then resolved_at end end nulls last,"
    " case when %(second_down)s then case %(second)s when 'created_at' then created_at"
    " when 'resolved_at' then resolved_at end end desc nulls last,"
    " case when %(second)s = 'incident_number' and not %(second_down)s then number end,"
    " case when %(second)s = 'incident_number' and %(second_down)s then number end desc,"
    " case when %(down)s then id end desc, id"
)
COLLECT: LiteralString = _collected_part + _sorted_part + _PAGE
# Numbers are unique, so they need neither a second key nor much to sort by.
_numbered_part: LiteralString = (
    "with found as materialized (select i.id, i.number from incidents i where "
    + _FITS
    + ") select id from found order by number"
)
COLLECT_LOWEST: LiteralString = _numbered_part + _PAGE
COLLECT_HIGHEST: LiteralString = _numbered_part + " desc" + _PAGE
COLLECT_OF_USERS: LiteralString = _of_users_part + _sorted_part + _PAGE
COLLECT_OF_KEY: LiteralString = _of_key_part + _sorted_part + _PAGE
COUNT: LiteralString = "select count(*) from incidents i where " + _FITS
COUNT_OF_USERS: LiteralString = _of_users_part + " select count(*) from found"
COUNT_OF_KEY: LiteralString = _of_key_part + " select count(*) from found"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents a list shows; None does not restrict. `since` and `until` are of creation."""

    statuses: Sequence[str] | None = None
    urgencies: Sequence[str] | None = None
    service_ids: Sequence[str] | None = None
    team_ids: Sequence[str] | None = None
    user_ids: Sequence[str] | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Road(StrEnum):
    """How a list finds its incidents."""

    WALK = "walk"
    BY_SERVICE = "by_service"
    BY_STATUS = "by_status"
    BY_URGENCY = "by_urgency"
    COLLECT = "collect"
    OF_USERS = "of_users"
    OF_KEY = "of_key"


WALKS: dict[tuple[str, bool], LiteralString] = {
    ("created_at", False): WALK_OLDEST,
    ("created_at", True): WALK_NEWEST,
    ("incident_number", False): WALK_LOWEST,
    ("incident_number", True): WALK_HIGHEST,
    ("resolved_at", False): WALK_FIRST_RESOLVED,
    ("resolved_at", True): WALK_LAST_RESOLVED,
}
_BY_NUMBER = {False: COLLECT_LOWEST, True: COLLECT_HIGHEST}
_BY_SERVICE = {False: GATHER_SERVICES_OLDEST, True: GATHER_SERVICES_NEWEST}
_BY_STATUS = {False: GATHER_STATUSES_OLDEST, True: GATHER_STATUSES_NEWEST}


def road(wanted: Wanted, order: Order, services: int | None, reach: int) -> Road:
    """The cheapest way. `services` counts those that may be shown, None is all of them; `reach` is
    how far into the list the page goes. Pure."""
    if wanted.key is not None:
        return Road.OF_KEY
    if wanted.user_ids is not None:
        return Road.OF_USERS
    (key, down), *second = order
    only_open = wanted.statuses is not None and OPEN.issuperset(wanted.statuses)
    few = services is not None and services * reach <= MOST_GATHERED
    # A batch of events opens many incidents at one time, so a second key has much to say there.
    if second and key in ("created_at", "resolved_at"):
        return Road.COLLECT
    if key == "created_at":
        if only_open:
            return Road.BY_STATUS
        return Road.BY_SERVICE if few else Road.WALK
    if only_open or few:
        return Road.COLLECT
    if key == "urgency":
        by_time = not second or second[0] == ("created_at", False)
        return Road.BY_URGENCY if by_time else Road.COLLECT
    # The index of the number or of the end knows no time of creation: its first rows fit only if
    # the time asked for lies where the walk begins.
    if down:
        return Road.WALK if wanted.until is None else Road.COLLECT
    if key == "resolved_at":
        return Road.WALK
    return Road.WALK if wanted.since is None else Road.COLLECT


async def incident_ids(
    tx: Tx, actor: Actor, wanted: Wanted, order: Order, *, limit: int, offset: int
) -> list[str]:
    """The ids of one part of the list."""
    services = await services_shown(
        tx, actor, service_ids=wanted.service_ids, team_ids=wanted.team_ids
    )
    if services is not None and not services:
        return []
    await tx.value(PLAN_FOR_VALUES)
    reach = limit + offset
    way = road(wanted, order, None if services is None else len(services), reach)
    params = {
        **_params(wanted, services),
        **_sorting(order),
        "limit": limit,
        "offset": offset,
        "reach": reach,
        "choices": ["low", "high"] if order[0][1] else ["high", "low"],
    }
    return [id for (id,) in await tx.tuples(_statement(way, order), params)]


def _statement(way: Road, order: Order) -> LiteralString:
    down = order[0][1]
    if way is Road.BY_SERVICE:
        return _BY_SERVICE[down]
    if way is Road.BY_STATUS:
        return _BY_STATUS[down]
    if way is Road.WALK:
        return WALKS[order[0]]
    if way is Road.BY_URGENCY:
        return GATHER_URGENCIES
    if way is Road.OF_USERS:
        return COLLECT_OF_USERS
    if way is Road.OF_KEY:
        return COLLECT_OF_KEY
    return _BY_NUMBER[down] if order[0][0] == "incident_number" else COLLECT


async def count_incidents(tx: Tx, actor: Actor, wanted: Wanted) -> int:
    """How many incidents the list has in all."""
    services = await services_shown(
        tx, actor, service_ids=wanted.service_ids, team_ids=wanted.team_ids
    )
    if services is not None and not services:
        return 0
    await tx.value(PLAN_FOR_VALUES)
    statement = COUNT
    if wanted.key is not None:
        statement = COUNT_OF_KEY
    elif wanted.user_ids is not None:
        statement = COUNT_OF_USERS
    return int(await tx.value(statement, _params(wanted, services)))


async def services_shown(
    tx: Tx,
    actor: Actor,
    *,
    service_ids: Sequence[str] | None = None,
    team_ids: Sequence[str] | None = None,
) -> list[str] | None:
    """The services of these and of these teams that the actor may see; None is all there are.

    Raises Forbidden for whoever sees none at all.
    """
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    if visible is None and team_ids is None:
        return None if service_ids is None else list(dict.fromkeys(service_ids))
    asked = {
        "service_ids": service_ids,
        "team_ids": team_ids,
        "visible": None if visible is None else list(visible),
    }
    return [id for (id,) in await tx.tuples(SELECT_SERVICES, asked)]


def _params(wanted: Wanted, services: Sequence[str] | None) -> dict[str, Any]:
    return {
        "statuses": None if wanted.statuses is None else sorted(set(wanted.statuses)),
        "urgencies": wanted.urgencies,
        "services": services,
        "user_ids": wanted.user_ids,
        "key": wanted.key,
        "since": wanted.since,
        "until": wanted.until,
    }


def _sorting(order: Order) -> dict[str, Any]:
    (first, first_down), *rest = order
    second, second_down = rest[0] if rest else ("", False)
    return {
        "first": first,
        "first_down": first_down,
        "second": second,
        "second_down": second_down,
        # Equal times go as the first key does; within an urgency the oldest comes first.
        "down": first_down if first != "urgency" else False,
    }
