"""What the health page shows besides the auditor's findings: how the last hour went, what failed
and was pushed back, what is set aside, and the proof that events come in and pages go out.

Each statement walks a small table, a partial index of waiting rows, or the newest rows of an index
by time up to a bound, so that looking costs the same on a quiet day and in a storm.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOST_DELIVERIES = 20_000
MOST_SHOWN = 20
BODY_BYTES = 8192

SELECT_INBOX = """
select count(*)::int as waiting, coalesce(sum((attempts > 0)::int), 0)::int as pushed_back
from (select attempts from inbox where not quarantined limit %(most)s) as waiting
"""

SELECT_QUARANTINED = """
select i.seq, e.received_at, e.service_id, coalesce(s.name, e.service_id) as service, e.format,
    i.attempts, coalesce(i.error, '') as error, octet_length(e.body) as size,
    substring(e.body from 1 for %(bytes)s) as body
from inbox i
join events e on e.seq = i.seq
left join services s on s.id = e.service_id
where i.quarantined and i.seq > %(after)s
order by i.seq
limit %(limit)s
"""

SELECT_PUSHED_BACK = """
select 'escalation' as kind, i.id as incident_id, i.number, i.title, r.due_at, r.attempts, r.error
from escalation_runs r join incidents i on i.id = r.incident_id
where r.state = 'running' and r.error is not null
union all
select t.kind, i.id, i.number, i.title, t.due_at, t.attempts, t.error
from incident_timers t join incidents i on i.id = t.incident_id
where t.error is not null
union all
select 'maintenance', null, null, s.name, h.due_at, h.attempts, h.error
from maintenance_holds h join services s on s.id = h.service_id
where h.error is not null
order by due_at, title
limit %(limit)s
"""

SELECT_DEAD_METHODS = """
select m.id, m.user_id, u.name as user_name, m.channel, m.label, m.address_hint, m.dead_since,
    coalesce(m.dead_reason, '') as reason
from contact_methods m join users u on u.id = m.user_id
where m.deleted_at is null and m.dead_since is not null and u.deleted_at is null
order by m.dead_since desc, m.id
limit %(limit)s
"""

SELECT_FAILED = """
select d.id, d.user_id, u.name as user_name, d.channel, d.reason, d.attempts,
    coalesce(d.detail, '') as detail, d.created_at, i.id as incident_id, i.number
from (
    select * from (
        select * from deliveries where created_at > %(since)s
        order by created_at desc limit %(most)s
    ) as newest
    where state = 'failed' order by created_at desc limit %(limit)s
) as d
join users u on u.id = d.user_id
left join incidents i on i.id = d.incident_id
order by d.created_at desc, d.id desc
"""

SELECT_CHANNELS = """
with newest as materialized (
    select id, channel, state, first_due_at, finished_at from deliveries
    where created_at > %(since)s
    order by created_at desc limit %(most)s
), tries as (
    select n.channel, count(*) filter (where a.outcome in ('retry', 'lapsed'))::int as again
    from newest n join delivery_attempts a on a.delivery_id = n.id
    group by n.channel
)
select n.channel, count(*) filter (where n.state = 'sent')::int as sent,
    coalesce(max(t.again), 0) as again,
    count(*) filter (where n.state = 'failed')::int as failed,
    count(*) filter (where n.state in ('queued', 'sending'))::int as waiting,
    percentile_cont(0.5) within group (
        order by extract(epoch from n.finished_at - n.first_due_at)::float8)
        filter (where n.state = 'sent') as median,
    percentile_cont(0.99) within group (
        order by extract(epoch from n.finished_at - n.first_due_at)::float8)
        filter (where n.state = 'sent') as worst
from newest n left join tries t on t.channel = n.channel
group by n.channel
order by n.channel
"""

SELECT_LAST_ACCEPTED = "select received_at from events order by seq desc limit 1"

SELECT_LAST_HANDED_OVER = """
select d.id, d.channel, d.first_due_at, d.finished_at, u.name as user_name
from (select * from deliveries order by created_at desc, id desc limit %(most)s) as d
join users u on u.id = d.user_id
where d.state = 'sent' and d.kind <> 'test' and d.finished_at is not null
order by d.finished_at desc
limit 1
"""

SELECT_DATABASE = """
select pg_database_size(current_database()) as size, current_setting('server_version') as version,
    (select count(*) from pg_stat_activity where datname = current_database())::int as connections
"""

SELECT_OWN_INCIDENTS = """
select dedup_key, incident_id from alerts
where integration_id = %(integration_id)s and status = 'triggered'
    and incident_id is not null
order by dedup_key limit %(limit)s
"""

SELECT_STAGES = "select name, finished_at, node from stages order by name limit 50"


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """Events that wait, and how many of them failed before. Counts stop at a bound."""

    waiting: int
    pushed_back: int


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be recorded. `body` is its beginning, `size` its length in bytes."""

    seq: int
    received_at: datetime
    service_id: str
    service: str
    format: str
    attempts: int
    error: str
    size: int
    body: bytes


class PushedBack(msgspec.Struct, frozen=True, kw_only=True):
    """A due step of an incident that failed and waits for its next try. The end of a service's
    maintenance has no incident, and the service's name for a title."""

    kind: str
    incident_id: str | None
    number: int | None
    title: str
    due_at: datetime
    attempts: int
    error: str


class DeadMethod(msgspec.Struct, frozen=True, kw_only=True):
    """A contact method that has stopped working."""

    id: str
    user_id: str
    user_name: str
    channel: str
    label: str
    address_hint: str
    dead_since: datetime
    reason: str


class FailedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that never got through."""

    id: str
    user_id: str
    user_name: str
    channel: str
    reason: str
    attempts: int
    detail: str
    created_at: datetime
    incident_id: str | None
    number: int | None


class ChannelHour(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a channel's deliveries of the last hour. Seconds from due to hand-over."""

    channel: str
    sent: int
    again: int
    failed: int
    waiting: int
    median: float | None
    worst: float | None


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """The last page that a provider took."""

    id: str
    channel: str
    first_due_at: datetime
    finished_at: datetime
    user_name: str

    @property
    def seconds(self) -> float:
        """From the moment it was due."""
        return max(0.0, (self.finished_at - self.first_due_at).total_seconds())


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The size in bytes, the server's version, and how many connections are open."""

    size: int
    version: str
    connections: int


class StageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """When some node last finished a pass of a stage."""

    name: str
    finished_at: datetime
    node: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, at one instant."""

    inbox: Inbox
    pushed_back: Sequence[PushedBack]
    dead_methods: Sequence[DeadMethod]
    failed: Sequence[FailedDelivery]
    channels: Sequence[ChannelHour]
    stages: Sequence[StageSeen]
    last_accepted: datetime | None
    last_handed_over: HandedOver | None
    database: DatabaseFacts


async def health(tx: Tx, actor: Actor, now: datetime) -> Health:
    """Everything but the quarantine. For people who may look at everything."""
    require(actor, Permission.VIEW)
    shown = {"limit": MOST_SHOWN}
    inbox = await tx.one(Inbox, SELECT_INBOX, {"most": MOST_DELIVERIES})
    database = await tx.one(DatabaseFacts, SELECT_DATABASE)
    if inbox is None or database is None:
        raise RuntimeError("a statement that always has one row had none")
    last_accepted: datetime | None = await tx.value(SELECT_LAST_ACCEPTED)
    return Health(
        inbox=inbox,
        pushed_back=await tx.all(PushedBack, SELECT_PUSHED_BACK, shown),
        dead_methods=await tx.all(DeadMethod, SELECT_DEAD_METHODS, shown),
        failed=await tx.all(
            FailedDelivery, SELECT_FAILED, {**shown, "since": now - DAY, "most": MOST_DELIVERIES}
        ),
        channels=await tx.all(
            ChannelHour, SELECT_CHANNELS, {"since": now - HOUR, "most": MOST_DELIVERIES}
        ),
        stages=await tx.all(StageSeen, SELECT_STAGES),
        last_accepted=last_accepted,
        last_handed_over=await tx.one(HandedOver, SELECT_LAST_HANDED_OVER, {"most": 2000}),
        database=database,
    )


async def quarantine(
    tx: Tx, actor: Actor, *, cursor: str | None = None, limit: int = 10
) -> Page[Quarantined]:
    """Events that could not be recorded, oldest first."""
    require(actor, Permission.VIEW)
    (after,) = read_cursor(cursor, 1)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise Invalid("cursor", "is not one this server gave out")
    rows = await tx.all(
        Quarantined,
        SELECT_QUARANTINED,
        {"after": int(after or 0), "bytes": BODY_BYTES, "limit": checked_limit(limit) + 1},
    )
    return page_of(rows, limit, lambda row: (str(row.seq),))


async def own_incidents(tx: Tx, integration_id: str) -> dict[str, str]:
    """The open incidents of Tocsin's own integration, by dedup key."""
    rows = await tx.tuples(SELECT_OWN_INCIDENTS, {"integration_id": integration_id, "limit": 100})
    return dict(rows)
