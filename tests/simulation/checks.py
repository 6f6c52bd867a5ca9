"""What must hold after every simulated run, whatever happened in it."""

from collections import defaultdict
from datetime import datetime, timedelta

from tests.simulation.house import House
from tocsin.core.database import Tx

UNPROCESSED = "select count(*) from inbox"
EVENTS = "select count(*) from events"
OUTCOMES = "select count(*), count(distinct seq) from event_outcomes"
TWO_OPEN = """
select integration_id, dedup_key, count(*) from alerts where status = 'triggered'
group by integration_id, dedup_key having count(*) > 1
"""
FORGOTTEN = """
select i.id, i.number from incidents i
left join escalation_runs r on r.incident_id = i.id
where i.status = 'triggered' and i.urgency = 'high'
    and r.state is distinct from 'exhausted'
    and not (r.state = 'running' and r.due_at is not null)
    and not exists (select 1 from assignments a join pages p on p.incident_id = i.id
        and p.user_id = a.user_id where a.incident_id = i.id)
"""
STALE_WORK = """
select i.id, i.status from incidents i
where i.status in ('acknowledged', 'resolved') and (
    exists (select 1 from escalation_runs r where r.incident_id = i.id and r.state = 'running')
    -- Who was asked to join is asked on while somebody works on it, and not when it is over.
    or exists (select 1 from pages p where p.incident_id = i.id and p.state = 'open'
        and (p.responder_request_id is null or i.status = 'resolved'))
    or exists (select 1 from deliveries d join pages p on p.id = d.page_id
        where d.incident_id = i.id and d.state = 'queued' and d.kind = 'page'
            and (p.responder_request_id is null or i.status = 'resolved'))
    or (i.status = 'resolved'
        and exists (select 1 from incident_timers t where t.incident_id = i.id))
)
"""
WRONG_COUNTS = """
select i.id from incidents i
where i.open_alert_count <> (
    select count(*) from alerts a where a.incident_id = i.id and a.status = 'triggered')
"""
RESOLVED_WITH_OPEN_ALERTS = """
select a.id from alerts a join incidents i on i.id = a.incident_id
where a.status = 'triggered' and i.status = 'resolved'
"""
IN_HAND = "select count(*) from deliveries where state = 'sending'"
OVERDUE = "select count(*) from deliveries where state = 'queued' and due_at < %(before)s"
# A window as it stands at the end: it may only have been moved to where nothing was decided yet.
OPENED_IN_MAINTENANCE = """
select i.id, i.number from incidents i
join log_entries l on l.incident_id = i.id and l.kind = 'trigger'
    and l.reason in ('new_alert', 'maintenance_ended', 'pause_ended') and l.at = i.created_at
join maintenance_windows w on w.deleted_at is null and i.service_id = any(w.service_ids)
    and i.created_at > w.starts_at + interval '2 seconds'
    and i.created_at < w.ends_at - interval '2 seconds'
"""
NEVER_OPENED = """
select id, dedup_key from alerts where status = 'triggered' and incident_id is null
"""
STILL_HELD = "select service_id, due_at from maintenance_holds"
LAST_CHANGE = """
select distinct on (incident_id) incident_id, kind from log_entries
where (kind in ('trigger', 'acknowledge', 'unacknowledge', 'resolve', 'snooze', 'merge')
        and reason not in ('repeated_alert', 'alert_resolved'))
    or reason in ('reassigned_by_person', 'escalated_by_person')
order by incident_id, seq desc
"""
# A request that waits for neither a person nor a time, or that goes on when it is settled.
LOST_REQUESTS = """
select t.id, t.state, t.due_at from responder_targets t
join incidents i on i.id = t.incident_id
where (t.state = 'pending') <> (t.due_at is not null or exists (
        select 1 from responders r where r.target_id = t.id and r.state = 'pending'))
    or (t.state <> 'pending' and exists (
        select 1 from responders r where r.target_id = t.id and r.state = 'pending'))
    or (t.state = 'pending' and i.status = 'resolved')
"""
ASKED_IN_VAIN = """
select p.id from pages p
where p.state = 'open' and p.responder_request_id is not null and not exists (
    select 1 from responders r where r.incident_id = p.incident_id and r.user_id = p.user_id
        and r.state = 'pending')
"""
ASKS = """
select incident_id, user_id, asked_at, case when state <> 'pending' then changed_at end
from responders
"""
STATUSES = "select id, status from incidents"
UNTOLD = """
select p.id, p.incident_id from pages p
where p.state = 'open' and not exists (
    select 1 from deliveries d
    where (d.page_id = p.id or d.id = p.bundle_id or d.bundle_id = p.bundle_id)
        and d.state in ('sent', 'failed', 'bundled', 'queued', 'sending', 'cancelled'))
"""
CHANGES = """
select incident_id, kind, at from log_entries
where (kind in ('acknowledge', 'unacknowledge', 'resolve', 'trigger', 'snooze')
        and reason not in ('repeated_alert', 'alert_resolved'))
    or reason in ('reassigned_by_person', 'escalated_by_person')
order by incident_id, seq
"""
QUIET_KINDS = {"acknowledge", "resolve", "snooze"}
SLACK = timedelta(seconds=2)


async def violations(house: House, *, faultless: bool) -> list[str]:
    """Everything that does not hold, in words; empty when all is well."""
    async with house.database.transaction() as tx:
        found = [
            *await _events(house, tx),
            *await _incidents(tx),
            *await _deliveries(house, tx),
            *await _silence(house, tx),
        ]
    if faultless:
        found += _exactly_once(house)
    return found


async def _events(house: House, tx: Tx) -> list[str]:
    found = []
    waiting = await tx.value(UNPROCESSED)
    if waiting:
        found.append(f"{waiting} accepted events were never processed")
    stored = await tx.value(EVENTS)
    if stored < house.accepted:
        found.append(f"{house.accepted} events were accepted and {stored} are stored")
    rows = await tx.tuples(OUTCOMES)
    if tuple(rows[0]) != (stored, stored):
        found.append(f"{stored} events have {rows[0]} outcomes (all, distinct)")
    return found


async def _incidents(tx: Tx) -> list[str]:
    found = []
    for name, statement in (
        ("two alerts are open for one key", TWO_OPEN),
        ("a triggered incident has nobody and nothing due", FORGOTTEN),
        ("an incident that is taken or over still has a ladder, page or delivery", STALE_WORK),
        ("the count of open alerts is wrong", WRONG_COUNTS),
        ("an alert is open under a resolved incident", RESOLVED_WITH_OPEN_ALERTS),
        ("an open page has no delivery", UNTOLD),
        ("a request for a responder is lost", LOST_REQUESTS),
        ("a person is asked who has answered", ASKED_IN_VAIN),
        ("an alert opened an incident during maintenance", OPENED_IN_MAINTENANCE),
        ("an alert still has no incident", NEVER_OPENED),
        ("a service is still held though nothing is", STILL_HELD),
    ):
        rows = await tx.tuples(statement)
        if rows:
            found.append(f"{name}: {rows[:3]}")
    statuses = {row[0]: row[1] for row in await tx.tuples(STATUSES)}
    said = {
        "trigger": "triggered",
        "unacknowledge": "triggered",
        # A person who passes an incident on gives up the acknowledgement.
        "assign": "triggered",
        "escalate": "triggered",
        "acknowledge": "acknowledged",
        "snooze": "acknowledged",
        "resolve": "resolved",
    }
    for incident_id, kind in await tx.tuples(LAST_CHANGE):
        if kind in said and said[kind] != statuses[incident_id]:
            found.append(f"{incident_id} is {statuses[incident_id]} but its timeline says {kind}")
    return found


async def _deliveries(house: House, tx: Tx) -> list[str]:
    found = []
    if await tx.value(IN_HAND):
        found.append("a delivery is still leased")
    overdue = await tx.value(OVERDUE, {"before": house.now - timedelta(seconds=30)})
    if overdue:
        found.append(f"{overdue} deliveries are overdue")
    return found


async def _silence(house: House, tx: Tx) -> list[str]:
    """Nobody is told of an incident while it is acknowledged or resolved."""
    quiet: dict[str, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for incident_id, kind, at in await tx.tuples(CHANGES):
        spans = quiet[incident_id]
        is_open = spans and spans[-1][1] is None
        if kind in QUIET_KINDS and not is_open:
            spans.append((at, None))
        elif kind not in QUIET_KINDS and is_open:
            spans[-1] = (spans[-1][0], at)
    asked: dict[tuple[str, str], list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for incident_id, user_id, start, end in await tx.tuples(ASKS):
        asked[incident_id, user_id].append((start, end))
    found = []
    for message in house.handed:
        for incident_id in message.incident_ids:
            spans = asked[incident_id, message.address] if message.asks else []
            if any(
                start - SLACK < message.at and (end is None or message.at < end + SLACK)
                for start, end in spans
            ):
                continue
            if message.asks and len(message.incident_ids) == 1:
                found.append(f"{message.address} was asked about {incident_id} when it was settled")
            for start, end in quiet.get(incident_id, ()):
                if start + SLACK < message.at and (end is None or message.at < end - SLACK):
                    found.append(
                        f"{message.address} was told of {incident_id} at {message.at},"
                        f" quiet since {start}"
                    )
    return found[:5]


def _exactly_once(house: House) -> list[str]:
    seen: dict[str, int] = defaultdict(int)
    for message in house.handed:
        seen[message.delivery_id] += 1
    twice = [delivery for delivery, times in seen.items() if times > 1]
    return [f"without faults, {len(twice)} deliveries went out twice"] if twice else []
