"""The list of incidents: one page by key, its people, and bounded counts for the tabs.

Rules: a page is read status by status (triggered, acknowledged, resolved), each along an index that
is already in order, so a page costs the same whatever the history weighs; a count stops at
`COUNT_AT_MOST`. An actor sees the incidents of services whose team it may see.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor, write_cursor
from tocsin.incidents.model import Priority
from tocsin.queries.choices import Choice
from tocsin.queries.incident_search import PLAN_FOR_VALUES

COUNT_AT_MOST = 100
STATUSES = ("triggered", "acknowledged", "resolved")
PRIORITIES = tuple(str(priority) for priority in Priority)
# Every real row sorts before these, so the first page needs no statement of its own.
_NEWEST = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID = "~"

SELECT_OPEN = """
    select i.id, i.number, i.title, i.status, i.urgency, i.service_id, s.name as service_name,
        i.created_at, i.acknowledged_at, i.resolved_at, i.snoozed_until, i.alert_count, i.test,
        i.priority,
        (select min(t.due_at) from incident_timers t
            where t.incident_id = i.id and t.kind in ('acknowledgement_timeout', 'snooze')
        ) as returns_at
    from incidents i
    join services s on s.id = i.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where i.status <> 'resolved' and i.status = %(status)s
        and (i.created_at, i.id) < (%(after_at)s, %(after_id)s)
        and (%(urgency)s::text is null or i.urgency = %(urgency)s)
        and (%(priority)s::text is null or i.priority = %(priority)s)
        and (%(priorities)s::text[] is null or i.priority = any(%(priorities)s))
        and (not %(unmarked)s or i.priority is null)
        and (%(since)s::timestamptz is null or i.created_at >= %(since)s)
        and (%(service_ids)s::text[] is null or i.service_id = any(%(service_ids)s))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s))
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s))
        and (%(mine)s::text is null or exists (select from assignments a
            where a.incident_id = i.id and a.user_id = %(mine)s))
        and (%(words)s::text is null or i.number = %(number)s
            or position(lower(%(words)s) in lower(i.title)) > 0)
    order by i.created_at desc, i.id desc
    limit %(limit)s
"""
SELECT_RESOLVED = """
    select i.id, i.number, i.title, i.status, i.urgency, i.service_id, s.name as service_name,
        i.created_at, i.acknowledged_at, i.resolved_at, i.snoozed_until, i.alert_count, i.test,
        i.priority, null::timestamptz as returns_at
    from incidents i
    join services s on s.id = i.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where i.status = 'resolved'
        and (i.created_at, i.id) < (%(after_at)s, %(after_id)s)
        and (%(urgency)s::text is null or i.urgency = %(urgency)s)
        and (%(priority)s::text is null or i.priority = %(priority)s)
        and (%(priorities)s::text[] is null or i.priority = any(%(priorities)s))
        and (not %(unmarked)s or i.priority is null)
        and (%(since)s::timestamptz is null or i.created_at >= %(since)s)
        and (%(service_ids)s::text[] is null or i.service_id = any(%(service_ids)s))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s))
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s))
        and (%(words)s::text is null or i.number = %(number)s
            or position(lower(%(words)s) in lower(i.title)) > 0)
    order by i.created_at desc, i.id desc
    limit %(limit)s
"""
SELECT_ASSIGNEES = """
    select a.incident_id, a.user_id, u.name
    from assignments a join users u on u.id = a.user_id
    where a.incident_id = any(%(ids)s)
    order by a.incident_id, a.at, a.user_id
"""
# The teams are compared through the services, so that one that sees everything joins nothing.
SELECT_COUNTS = """
    select
        (select count(*) from (select from incidents i
            where i.status <> 'resolved' and i.status = 'triggered'
                and (%(visible)s::text[] is null or i.service_id in (
                    select s.id from services s
                    join escalation_policies p on p.id = s.escalation_policy_id
                    where p.team_id = any(%(visible)s)))
            limit %(most)s) as t) as triggered,
        (select count(*) from (select from incidents i
            where i.status <> 'resolved' and i.status = 'acknowledged'
                and (%(visible)s::text[] is null or i.service_id in (
                    select s.id from services s
                    join escalation_policies p on p.id = s.escalation_policy_id
                    where p.team_id = any(%(visible)s)))
            limit %(most)s) as a) as acknowledged,
        (select count(*) from (select from assignments a
            where a.user_id = %(user_id)s limit %(most)s) as m) as mine
"""
SELECT_TRIGGERED_COUNT = """
    select count(*) from (select from incidents i
        where i.status <> 'resolved' and i.status = 'triggered'
            and (%(visible)s::text[] is null or i.service_id in (
                select s.id from services s
                join escalation_policies p on p.id = s.escalation_policy_id
                where p.team_id = any(%(visible)s)))
        limit %(most)s) as t
"""
SELECT_BY_NUMBER = "select id from incidents where number = %(number)s"
# What an empty list shows to prove that the pipe works.
SELECT_LAST_PROOF = """
    select
        (select max(received_at) from (
            select received_at from events order by seq desc limit 1) as e) as last_event_at,
        (select max(finished_at) from (
            select finished_at from deliveries where state = 'sent'
            order by created_at desc, id desc limit 1) as d) as last_delivery_at,
        (select finished_at from stages where name = 'escalate') as engine_at
"""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents a list shows, and in which order; what is empty does not restrict. `words` is
    part of a title, or a number with or without its sign; `since` is the earliest creation."""

    statuses: tuple[str, ...] = ("triggered", "acknowledged")
    urgency: str | None = None
    service_ids: tuple[str, ...] = ()
    team_ids: tuple[str, ...] = ()
    mine: bool = False
    words: str = ""
    priorities: tuple[str, ...] = ()
    by_priority: bool = False
    since: datetime | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One incident of the list. `returns_at` is when it comes back to be paged for again."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    service_id: str
    service_name: str
    created_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    snoozed_until: datetime | None
    alert_count: int
    test: bool
    priority: str | None
    returns_at: datetime | None


class Counts(msgspec.Struct, frozen=True):
    """How many there are, at most `COUNT_AT_MOST`."""

    triggered: int
    acknowledged: int
    mine: int


class Proof(msgspec.Struct, frozen=True):
    """When the pipe was last seen working."""

    last_event_at: datetime | None
    last_delivery_at: datetime | None
    engine_at: datetime | None


class Leg(msgspec.Struct, frozen=True):
    """A stretch of the list that one index has in order: a status, of one priority, of none
    (`unmarked`), or of any."""

    status: str
    priority: str | None = None
    unmarked: bool = False

    @property
    def name(self) -> str:
        """As a cursor names it."""
        return f"{self.status}.{'-' if self.unmarked else self.priority or ''}"


def legs(wanted: Filter) -> list[Leg]:
    """The stretches of the list in order. By priority, what has none comes last. Pure."""
    statuses = [
        status
        for status in STATUSES
        if status in wanted.statuses and not (wanted.mine and status == "resolved")
    ]
    if not wanted.by_priority:
        return [Leg(status) for status in statuses]
    marked = [p for p in PRIORITIES if not wanted.priorities or p in wanted.priorities]
    found = [Leg(status, priority) for priority in marked for status in statuses]
    if not wanted.priorities:
        found += [Leg(status, unmarked=True) for status in statuses]
    return found


async def page(
    tx: Tx, actor: Actor, wanted: Filter, *, cursor: str | None = None, limit: int = 25
) -> Page[Row]:
    """One page: triggered first, then acknowledged, then resolved, each newest first; by priority
    the same within each priority."""
    require_somewhere(actor, Permission.VIEW)
    way = legs(wanted)
    start, after_at, after_id = _start(cursor, way)
    params = _params(actor, wanted)
    await tx.value(PLAN_FOR_VALUES)
    rows: list[Row] = []
    of: dict[str, str] = {}
    for number, leg in enumerate(way[start:]):
        follows = number == 0 and cursor is not None
        found = await tx.all(
            Row,
            SELECT_RESOLVED if leg.status == "resolved" else SELECT_OPEN,
            {
                **params,
                "status": leg.status,
                "priority": leg.priority,
                "unmarked": leg.unmarked,
                "after_at": after_at if follows else _NEWEST,
                "after_id": after_id if follows else _LAST_ID,
                "limit": checked_limit(limit) + 1 - len(rows),
            },
        )
        rows += found
        of |= {row.id: leg.name for row in found}
        if len(rows) > limit:
            break
    return page_of(rows, limit, lambda row: (of[row.id], row.created_at.isoformat(), row.id))


def cursor_after(row: Row) -> str:
    """The cursor of the page that follows this row, newest first."""
    return write_cursor(Leg(row.status).name, row.created_at.isoformat(), row.id)


def _start(cursor: str | None, way: Sequence[Leg]) -> tuple[int, datetime, str]:
    """The leg in which the page begins, and after which row of it."""
    name, at, id = read_cursor(cursor, 3)
    if name is None or at is None or id is None:
        return 0, _NEWEST, _LAST_ID
    try:
        after = datetime.fromisoformat(at)
    except ValueError:
        raise Invalid("cursor", "is not one this server gave out") from None
    names = [leg.name for leg in way]
    if name not in names or after.tzinfo is None:
        raise Invalid("cursor", "is not one this server gave out")
    return names.index(name), after, id


def _params(actor: Actor, wanted: Filter) -> dict[str, object]:
    words = wanted.words.strip().replace("\x00", "")
    digits = words.removeprefix("#")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 18
    return {
        "urgency": wanted.urgency,
        "priorities": list(wanted.priorities) or None,
        "since": wanted.since,
        "service_ids": list(wanted.service_ids) or None,
        "team_ids": list(wanted.team_ids) or None,
        "visible": _visible(actor),
        "mine": actor.user_id if wanted.mine else None,
        "words": words or None,
        "number": int(digits) if is_number else None,
    }


def _visible(actor: Actor) -> list[str] | None:
    teams = visible_teams(actor)
    return None if teams is None else list(teams)


async def assignees(tx: Tx, incident_ids: Sequence[str]) -> dict[str, list[Choice]]:
    """Who these incidents are with."""
    found: dict[str, list[Choice]] = {}
    for incident_id, user_id, name in await tx.tuples(
        SELECT_ASSIGNEES, {"ids": list(incident_ids)}
    ):
        found.setdefault(incident_id, []).append(Choice(user_id, name))
    return found


async def counts(tx: Tx, actor: Actor) -> Counts:
    """The figures on the tabs."""
    asked = {"visible": _visible(actor), "user_id": actor.user_id, "most": COUNT_AT_MOST}
    found = await tx.one(Counts, SELECT_COUNTS, asked)
    assert found is not None
    return found


async def triggered_count(tx: Tx, actor: Actor) -> int:
    """The figure in the navigation, at most `COUNT_AT_MOST`."""
    asked = {"visible": _visible(actor), "most": COUNT_AT_MOST}
    return int(await tx.value(SELECT_TRIGGERED_COUNT, asked))


async def id_of_number(tx: Tx, number: int) -> str | None:
    """The id behind a number people say aloud. The page itself checks who may see it."""
    found: str | None = await tx.value(SELECT_BY_NUMBER, {"number": number})
    return found


async def proof(tx: Tx) -> Proof:
    """When an event last came in, a page last got out, and the engine last looked."""
    found = await tx.one(Proof, SELECT_LAST_PROOF)
    assert found is not None
    return found
