"""Incidents like one incident: earlier ones of its service, others around it at the same time, and
how usual it is. `incidents.likeness` decides; here the candidates are found, a bounded number.

Call it for an incident that the actor may see; of others only those are found that they may see
too. Each look-up costs a fixed number of queries.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.catalog import graph
from tocsin.catalog.graph_model import NodeKind
from tocsin.core.database import Tx
from tocsin.incidents import likeness
from tocsin.incidents.likeness import Category, Likeness, Why
from tocsin.queries.incident_search import PLAN_FOR_VALUES, services_shown

HALF_YEAR = timedelta(days=184)
LAST_MONTH = timedelta(days=30)
# How far apart incidents on different services begin that may have one cause.
NEAR = timedelta(minutes=60)
# Of a service the newest so many earlier incidents are looked at.
MOST_EARLIER = 1_000
MOST_KEYS = 10
MOST_OF_KEY = 100
# Of the others the nearest so many, half of them before and half after.
MOST_AROUND = 500
MOST_RELATED = 20
DEPENDENCIES_AWAY = 3

SELECT_KEYS = """
    select distinct dedup_key from (
        select dedup_key from alerts where incident_id = %(id)s order by id limit 100
    ) a limit %(limit)s
"""
SELECT_WITH_KEYS = """
    select i.id, i.title, i.service_id, i.created_at
    from (
        select distinct a.incident_id
        from unnest(%(keys)s::text[]) as k (dedup_key)
        cross join lateral (
            select incident_id from alerts
            where service_id = %(service_id)s and dedup_key = k.dedup_key
                and status = 'resolved' and created_at >= %(since)s
                and created_at < %(before)s and incident_id <> %(id)s
            order by created_at desc limit %(limit)s
        ) a
    ) found
    join incidents i on i.id = found.incident_id
    where i.created_at < %(before)s and i.service_id = %(service_id)s
"""
SELECT_EARLIER = """
    select id, title, service_id, created_at from incidents
    where service_id = %(service_id)s and created_at >= %(since)s
        and created_at < %(before)s and id <> %(id)s
    order by created_at desc, id desc limit %(limit)s
"""
SELECT_JUST_BEFORE = """
    select id, title, service_id, created_at from incidents
    where created_at > %(at)s::timestamptz - %(near)s::interval and created_at <= %(at)s
        and service_id <> %(service_id)s
        and (%(services)s::text[] is null or service_id = any(%(services)s))
    order by created_at desc, id desc limit %(limit)s
"""
SELECT_JUST_AFTER = """
    select id, title, service_id, created_at from incidents
    where created_at > %(at)s and created_at < %(at)s::timestamptz + %(near)s::interval
        and service_id <> %(service_id)s
        and (%(services)s::text[] is null or service_id = any(%(services)s))
    order by created_at, id limit %(limit)s
"""
SELECT_SHOWN = """
    select i.id, i.number, i.title, i.status, i.service_id, s.name as service_name, i.created_at,
        i.resolved_at, i.resolution,
        (select l.reason from log_entries l
            where l.incident_id = i.id and l.kind = 'resolve' order by l.seq desc limit 1) as reason
    from incidents i join services s on s.id = i.service_id
    where i.id = any(%(ids)s)
"""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The incident that others are compared with."""

    id: str
    title: str
    service_id: str
    created_at: datetime


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Another incident, as it is shown. `reason` is why it was resolved."""

    id: str
    number: int
    title: str
    status: str
    service_id: str
    service_name: str
    created_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    reason: str | None


class Alike(msgspec.Struct, frozen=True):
    """Another incident, and why it belongs to the one that was asked about."""

    line: Line
    likeness: Likeness


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """How often incidents of one kind came between two times. `others` counts all that were looked
    at, `pattern` is what the titles of the kind have in common."""

    count: int
    others: int
    category: Category
    since: datetime
    until: datetime
    pattern: str

    @property
    def frequency(self) -> float:
        """The kind's share of them, from 0 to 1."""
        return round(self.count / self.others, 4) if self.others else 0.0


async def past(tx: Tx, subject: Subject, limit: int) -> tuple[list[Alike], int]:
    """Earlier incidents of the service of the same kind: those with its key first, then the most
    alike, then the newest; and how many there are in all. Half a year back: all with the same key
    (a hundred for each of ten keys), and of the others the newest thousand."""
    since = subject.created_at - HALF_YEAR
    keyed = await _with_its_keys(tx, subject, since)
    earlier = await _earlier(tx, subject, since)
    found: dict[str, tuple[Subject, Likeness]] = {}
    for other, same_key in (*((one, True) for one in keyed), *((one, False) for one in earlier)):
        alike = likeness.past(subject.title, other.title, same_key=same_key)
        if alike is not None and other.id not in found:
            found[other.id] = (other, alike)
    ranked = sorted(found.values(), key=lambda one: one[0].created_at, reverse=True)
    ranked.sort(key=lambda one: (one[1].why is not Why.SAME_KEY, -one[1].score))
    return await _shown(tx, ranked[:limit]), len(found)


async def related(tx: Tx, actor: Actor, subject: Subject) -> list[Alike]:
    """Incidents on other services that began within an hour of it, the nearest five hundred looked
    at: those on services that it depends on or that depend on it, and those whose titles share
    words. The closest connection first, at most twenty."""
    services = await services_shown(tx, actor)
    await tx.value(PLAN_FOR_VALUES)
    asked = {
        "at": subject.created_at,
        "near": NEAR,
        "service_id": subject.service_id,
        "services": services,
        "limit": MOST_AROUND // 2,
    }
    around = await tx.all(Subject, SELECT_JUST_BEFORE, asked)
    around += await tx.all(Subject, SELECT_JUST_AFTER, asked)
    if not around:
        return []
    connected = await _connected(tx, subject.service_id)
    found = []
    for other in around:
        why = connected.get(other.service_id)
        alike = likeness.related(subject.title, other.title, connected=why)
        if alike is not None:
            found.append((other, alike))
    found.sort(key=lambda one: abs(one[0].created_at - subject.created_at))
    found.sort(key=lambda one: (one[1].why is Why.SHARED_WORDS, -one[1].score))
    return await _shown(tx, found[:MOST_RELATED])


async def occurrence(tx: Tx, subject: Subject, since: datetime) -> Occurrence:
    """How usual the incident is among those of its service from `since` until it opened."""
    earlier = await _earlier(tx, subject, since)
    kind = [
        other.title
        for other in earlier
        if likeness.past(subject.title, other.title, same_key=False) is not None
    ]
    return Occurrence(
        count=len(kind),
        others=len(earlier),
        category=likeness.category(len(kind), len(earlier)),
        since=since,
        until=subject.created_at,
        pattern=likeness.pattern(subject.title, kind),
    )


async def _with_its_keys(tx: Tx, subject: Subject, since: datetime) -> list[Subject]:
    rows = await tx.tuples(SELECT_KEYS, {"id": subject.id, "limit": MOST_KEYS})
    if not rows:
        return []
    asked = {
        "id": subject.id,
        "service_id": subject.service_id,
        "since": since,
        "before": subject.created_at,
        "keys": [key for (key,) in rows],
        "limit": MOST_OF_KEY,
    }
    return await tx.all(Subject, SELECT_WITH_KEYS, asked)


async def _earlier(tx: Tx, subject: Subject, since: datetime) -> list[Subject]:
    asked = {
        "id": subject.id,
        "service_id": subject.service_id,
        "since": since,
        "before": subject.created_at,
        "limit": MOST_EARLIER,
    }
    return await tx.all(Subject, SELECT_EARLIER, asked)


async def _connected(tx: Tx, service_id: str) -> dict[str, Why]:
    """By service: how it is connected with this one, over at most three dependencies; the closest
    kind of connection wins."""
    above = await catalog.dependencies_above(tx, [service_id])
    below = await catalog.dependencies_below(tx, [service_id])
    up = graph.reach([service_id], graph.upwards(map(catalog.edge_of, above)), DEPENDENCIES_AWAY)
    down = graph.reach(
        [service_id], graph.downwards(map(catalog.edge_of, below)), DEPENDENCIES_AWAY
    )
    business = {
        one.dependent_id
        for one in above
        if one.dependent_kind == NodeKind.BUSINESS and one.dependent_id in up
    }
    found: dict[str, Why] = {}
    if business:
        beside = await catalog.dependencies_below(tx, sorted(business))
        edges = graph.downwards(map(catalog.edge_of, beside))
        _note(found, graph.reach(sorted(business), edges, DEPENDENCIES_AWAY), Why.SAME_BUSINESS)
    _note(found, up, Why.DEPENDENT)
    _note(found, down, Why.SUPPORTING)
    found.pop(service_id, None)
    return found


def _note(found: dict[str, Why], ids: Iterable[str], why: Why) -> None:
    for id in ids:
        found[id] = why


async def _shown(tx: Tx, found: Sequence[tuple[Subject, Likeness]]) -> list[Alike]:
    if not found:
        return []
    rows = await tx.all(Line, SELECT_SHOWN, {"ids": [one.id for one, _ in found]})
    lines = {row.id: row for row in rows}
    return [Alike(lines[one.id], alike) for one, alike in found]
