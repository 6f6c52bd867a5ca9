"""What hangs on incidents, as clients list it: alerts, log entries, how each began and changed.

Every list is bounded and follows an index of its order; an actor sees the log of services whose
team it may see. For a single incident call `incidents.actions.get` first, which checks that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec

from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.incidents.model import Alert
from tocsin.queries.incident_search import PLAN_FOR_VALUES, services_shown
from tocsin.timeline.model import LogEntry

# A change of status and the entry that tells of it bear the same time.
SELECT_EDGES = """
    select i.id,
        (select l.id from log_entries l where l.incident_id = i.id and l.kind = 'trigger'
            order by l.seq limit 1) as first_trigger_id,
        (select a.dedup_key from alerts a where a.incident_id = i.id
            order by a.id limit 1) as dedup_key,
        (select l.at from log_entries l where l.incident_id = i.id and l.kind <> 'notify'
            order by l.seq desc limit 1) as updated_at,
        c.actor_kind, c.actor_id
    from incidents i
    left join lateral (
        select l.actor_kind, l.actor_id from log_entries l
        where l.incident_id = i.id and l.at = i.changed_at
            and l.kind in ('trigger', 'acknowledge', 'unacknowledge', 'resolve', 'snooze',
                'assign', 'escalate')
            and l.reason <> 'repeated_alert'
        order by l.seq desc limit 1) c on true
    where i.id = any(%(ids)s)
"""
SELECT_ALERTS = """
    select id, service_id, integration_id, incident_id, dedup_key, status, severity, summary,
        source, component, grouping, class as class_, client, client_url, details, links, images,
        event_count, created_at, last_event_at, resolved_at
    from alerts
    where incident_id = %(incident_id)s
        and (%(statuses)s::text[] is null or status = any(%(statuses)s))
        and (%(key)s::text is null or dedup_key = %(key)s)
        and (%(id)s::text is null or id = %(id)s)
    order by
        case when %(by_end)s and not %(descending)s then resolved_at end nulls last,
        case when %(by_end)s and %(descending)s then resolved_at end desc nulls last,
        case when %(descending)s then id end desc, id
    limit %(limit)s offset %(offset)s
"""
COUNT_ALERTS = """
    select count(*) from alerts
    where incident_id = %(incident_id)s
        and (%(statuses)s::text[] is null or status = any(%(statuses)s))
        and (%(key)s::text is null or dedup_key = %(key)s)
"""
# An alert that moved came in on another incident, and the entry that tells of it is there.
SELECT_FIRST_TRIGGERS = """
    select l.data ->> 'alert_id' as alert_id, l.id
    from (
        select distinct coalesce(opened_in, incident_id) as incident_id
        from alerts where id = any(%(ids)s)
    ) origin
    join log_entries l on l.incident_id = origin.incident_id
    where l.kind = 'trigger' and l.reason <> 'repeated_alert'
        and l.data ->> 'alert_id' = any(%(ids)s)
    order by l.seq
"""
# An entry's id begins with its time (`core.ids`), so the log is read along the primary key.
_ENTRIES: LiteralString = """
    from log_entries l
    where (%(from_id)s::text is null or l.id >= %(from_id)s)
        and (%(to_id)s::text is null or l.id < %(to_id)s)
        and (%(kinds)s::text[] is null or l.kind = any(%(kinds)s))
        and (%(since)s::timestamptz is null or l.at >= %(since)s)
        and (%(until)s::timestamptz is null or l.at < %(until)s)
        and (%(services)s::text[] is null or l.service_id = any(%(services)s))
"""
_OF_INCIDENT: LiteralString = """
    from log_entries l
    where l.incident_id = %(incident_id)s
        and (%(kinds)s::text[] is null or l.kind = any(%(kinds)s))
        and (%(since)s::timestamptz is null or l.at >= %(since)s)
        and (%(until)s::timestamptz is null or l.at < %(until)s)
"""
_entry_part: LiteralString = (
    "select l.id, l.seq, l.at, l.incident_id, l.service_id, l.kind, l.reason, l.actor_kind,"
    " l.actor_id, l.actor_label, l.data"
)
SELECT_ENTRIES: LiteralString = (
    _entry_part + _ENTRIES + " order by l.id desc limit %(limit)s offset %(offset)s"
)
SELECT_ENTRIES_OF_INCIDENT: LiteralString = (
    _entry_part + _OF_INCIDENT + " order by l.seq desc limit %(limit)s offset %(offset)s"
)
COUNT_ENTRIES: LiteralString = "select count(*)" + _ENTRIES
COUNT_ENTRIES_OF_INCIDENT: LiteralString = "select count(*)" + _OF_INCIDENT
SELECT_ENTRIES_BY_IDS = """
    select l.id, l.seq, l.at, l.incident_id, l.service_id, l.kind, l.reason, l.actor_kind,
        l.actor_id, l.actor_label, l.data
    from log_entries l where l.id = any(%(ids)s)
"""


class Edges(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident began, when it last changed, and who last changed its status."""

    id: str
    first_trigger_id: str | None
    dedup_key: str | None
    updated_at: datetime | None
    actor_kind: str | None
    actor_id: str | None


class EntriesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which log entries a list shows; None does not restrict."""

    incident_id: str | None = None
    kinds: Sequence[str] | None = None
    team_ids: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def edges(tx: Tx, ids: Sequence[str]) -> dict[str, Edges]:
    """How these incidents began, and who last moved them."""
    return {one.id: one for one in await tx.all(Edges, SELECT_EDGES, {"ids": list(ids)})}


async def alerts(
    tx: Tx,
    incident_id: str,
    *,
    statuses: Sequence[str] | None = None,
    key: str | None = None,
    id: str | None = None,
    order: tuple[str, bool] = ("created_at", False),
    limit: int,
    offset: int = 0,
) -> list[Alert]:
    """A part of an incident's alerts. `order` is created_at or resolved_at, and whether it
    descends; those that have not ended come last by resolved_at."""
    return await tx.all(
        Alert,
        SELECT_ALERTS,
        {
            "incident_id": incident_id,
            "statuses": statuses,
            "key": key,
            "id": id,
            "by_end": order[0] == "resolved_at",
            "descending": order[1],
            "limit": limit,
            "offset": offset,
        },
    )


async def first_triggers(tx: Tx, alert_ids: Sequence[str]) -> dict[str, str]:
    """By alert: the log entry that tells how it came in."""
    found: dict[str, str] = {}
    rows = await tx.tuples(SELECT_FIRST_TRIGGERS, {"ids": list(alert_ids)})
    for alert_id, entry_id in rows:
        found.setdefault(alert_id, entry_id)
    return found


async def count_alerts(
    tx: Tx, incident_id: str, *, statuses: Sequence[str] | None = None, key: str | None = None
) -> int:
    """How many alerts of these kinds an incident has."""
    asked = {"incident_id": incident_id, "statuses": statuses, "key": key}
    return int(await tx.value(COUNT_ALERTS, asked))


async def entries(
    tx: Tx, actor: Actor, wanted: EntriesWanted, *, limit: int, offset: int
) -> list[LogEntry]:
    """A part of the log, newest first."""
    params = {**await _entry_params(tx, actor, wanted), "limit": limit, "offset": offset}
    if params["services"] == []:
        return []
    one = wanted.incident_id is not None
    statement = SELECT_ENTRIES_OF_INCIDENT if one else SELECT_ENTRIES
    return await tx.all(LogEntry, statement, params)


async def count_entries(tx: Tx, actor: Actor, wanted: EntriesWanted) -> int:
    """How many entries the log has in all."""
    params = await _entry_params(tx, actor, wanted)
    if params["services"] == []:
        return 0
    one = wanted.incident_id is not None
    return int(await tx.value(COUNT_ENTRIES_OF_INCIDENT if one else COUNT_ENTRIES, params))


async def _entry_params(tx: Tx, actor: Actor, wanted: EntriesWanted) -> dict[str, Any]:
    # Whoever asks for one incident has shown that they may see it; a team does not narrow that.
    services = None
    if wanted.incident_id is None:
        services = await services_shown(tx, actor, team_ids=wanted.team_ids)
    await tx.value(PLAN_FOR_VALUES)
    # The millisecond in which the span ends belongs to it in part: `until` itself settles that.
    end = None if wanted.until is None else wanted.until + timedelta(milliseconds=2)
    return {
        "incident_id": wanted.incident_id,
        "kinds": wanted.kinds,
        "since": wanted.since,
        "until": wanted.until,
        "from_id": None if wanted.since is None else ids.earliest("Q", wanted.since),
        "to_id": None if end is None else ids.earliest("Q", end),
        "services": services,
    }


async def entries_by_ids(tx: Tx, ids: Sequence[str]) -> dict[str, LogEntry]:
    """Entries by id, for showing; no access check."""
    found = await tx.all(LogEntry, SELECT_ENTRIES_BY_IDS, {"ids": list(ids)})
    return {entry.id: entry for entry in found}
