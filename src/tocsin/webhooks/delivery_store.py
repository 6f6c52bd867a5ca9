"""SQL of the outbox: events, deliveries, and who may send them now."""

INSERT_EVENTS = """
insert into webhook_events (id, type, source, resource_id, body, occurred_at, created_at)
select id, type, source, resource_id, body, occurred_at, %(now)s
from unnest(%(ids)s::text[], %(types)s::text[], %(sources)s::text[], %(resource_ids)s::text[],
    %(bodies)s::text[], %(occurred_ats)s::timestamptz[])
    as new (id, type, source, resource_id, body, occurred_at)
on conflict (source) do nothing
returning id
"""

# The subscriptions are locked. A delivery waits behind any other about the same resource that is
# not finished, whether that was there before or comes in the same statement. One without words is
# dropped at once and is in nobody's way.
INSERT_DELIVERIES = """
insert into webhook_deliveries (id, subscription_id, event_id, resource_id, ping, state, due_at,
    detail, created_at, finished_at)
select n.id, n.subscription_id, n.event_id, n.resource_id, %(ping)s,
    case
        when n.failure is not null then 'dropped'
        when row_number() over (partition by n.subscription_id, n.resource_id, n.failure is null
            order by n.number) > 1 then 'waiting'
        when exists (select from webhook_deliveries e
            where e.subscription_id = n.subscription_id and e.resource_id = n.resource_id
                and e.state in ('waiting', 'queued', 'sending')) then 'waiting'
        else 'queued'
    end, %(now)s, n.failure, %(now)s,
    case when n.failure is null then null else %(now)s::timestamptz end
from unnest(%(ids)s::text[], %(subscription_ids)s::text[], %(event_ids)s::text[],
    %(resource_ids)s::text[], %(failures)s::text[]) with ordinality
    as n (id, subscription_id, event_id, resource_id, failure, number)
order by n.number
"""

# What is due, subscription by subscription, as far as each has places free on this node; a ping
# also goes to one that is switched off. `busy` counts this node's sends under way.
CLAIM = """
update webhook_deliveries d
set state = 'sending', leased_until = %(until)s, leased_by = %(node)s, started_at = %(now)s,
    fence = d.fence + 1, attempts = d.attempts + 1
from (
    select picked.id
    from webhook_subscriptions w
    left join unnest(%(busy_ids)s::text[], %(busy)s::int[]) as b (id, sends) on b.id = w.id
    cross join lateral (
        select q.id, q.due_at from webhook_deliveries q
        where q.subscription_id = w.id and q.state = 'queued' and q.due_at <= %(now)s
            and (q.ping or (w.active and (w.disabled_at is null or w.disabled_until <= %(now)s)))
        order by q.due_at, q.position
        limit greatest(0, %(places)s - coalesce(b.sends, 0))
        for update of q skip locked
    ) as picked
    where w.deleted_at is null
    order by picked.due_at
    limit %(limit)s
) as due
where d.id = due.id
returning d.id
"""

SELECT_CLAIMED = """
select d.id, d.subscription_id, e.type, d.resource_id, d.ping, d.attempts as attempt, d.fence,
    d.created_at, e.body, w.url_sealed, w.headers_sealed
from webhook_deliveries d
join webhook_events e on e.id = d.event_id
join webhook_subscriptions w on w.id = d.subscription_id
where d.id = any(%(ids)s)
order by d.due_at, d.position
"""

# Those that are being sent, to compare fences: a holder that lost its lease writes nothing.
SELECT_HELD = """
select d.id, d.fence, w.refusals from webhook_deliveries d
join webhook_subscriptions w on w.id = d.subscription_id
where d.id = any(%(ids)s) and d.state = 'sending'
order by d.id for update of d
"""

FINISH = """
update webhook_deliveries d
set state = done.state, due_at = coalesce(done.due_at, d.due_at), leased_until = null,
    attempts = d.attempts - done.unsent::int,
    status = case when done.unsent then d.status else done.status end,
    detail = case when done.unsent then d.detail else done.detail end,
    finished_at = case when done.state = 'queued' then null else %(now)s::timestamptz end
from unnest(%(ids)s::text[], %(states)s::text[], %(due_ats)s::timestamptz[],
    %(statuses)s::int[], %(details)s::text[], %(unsents)s::bool[])
    as done (id, state, due_at, status, detail, unsent)
where d.id = done.id
"""

# The next in line of each chain whose head is finished.
PROMOTE = """
update webhook_deliveries d set state = 'queued', due_at = %(now)s
from (
    select first.id from unnest(%(subscription_ids)s::text[], %(resource_ids)s::text[])
        as chain (subscription_id, resource_id)
    cross join lateral (
        select q.id, q.state from webhook_deliveries q
        where q.subscription_id = chain.subscription_id and q.resource_id = chain.resource_id
            and q.state in ('waiting', 'queued', 'sending')
        order by q.position limit 1
    ) as first
    where first.state = 'waiting'
) as next
where d.id = next.id
"""

# The first in line of every chain of these subscriptions that has lost its head: whoever switches a
# subscription on again may find the rest of a queue that was being cancelled.
PROMOTE_STRANDED = """
update webhook_deliveries d set state = 'queued', due_at = %(now)s
from (
    select distinct on (q.subscription_id, q.resource_id) q.id, q.state
    from webhook_deliveries q
    where q.subscription_id = any(%(ids)s) and q.state in ('waiting', 'queued', 'sending')
    order by q.subscription_id, q.resource_id, q.position
) as first
where d.id = first.id and first.state = 'waiting'
"""

# A node that died between claim and receipt: the event is sent again, under the same id.
TAKE_BACK = """
update webhook_deliveries d set state = 'queued', leased_until = null, due_at = %(now)s
from (
    select id from webhook_deliveries
    where state = 'sending' and leased_until < %(now)s
    order by leased_until limit %(limit)s
    for update skip locked
) as expired
where d.id = expired.id
"""

# What waits for somebody who is not told any more. What is being sent is left to its receipt.
CANCEL_UNWANTED = """
update webhook_deliveries d
set state = 'cancelled', finished_at = %(now)s, detail = 'the subscription was switched off'
from (
    select q.id
    from webhook_subscriptions w
    cross join lateral (
        select c.id from webhook_deliveries c
        where c.subscription_id = w.id and c.state in ('waiting', 'queued')
            and (not c.ping or w.deleted_at is not null)
        limit %(limit)s
        for update of c skip locked
    ) as q
    where w.id = any(%(ids)s)
) as unwanted
where d.id = unwanted.id
"""

SELECT_OFF_WITH_QUEUE = """
select w.id from webhook_subscriptions w
where (w.deleted_at is not null or not w.active
        or (w.disabled_at is not null and w.disabled_until is null))
    and exists (select from webhook_deliveries q
        where q.subscription_id = w.id and q.state in ('waiting', 'queued')
            and (not q.ping or w.deleted_at is not null))
order by w.id limit %(limit)s
"""

SELECT_DELIVERIES = """
select d.id, d.position, d.subscription_id, d.event_id, e.type, d.resource_id, d.state, d.due_at,
    d.attempts, d.status, d.detail, e.body, e.occurred_at, d.created_at, d.finished_at
from webhook_deliveries d
join webhook_events e on e.id = d.event_id
where d.subscription_id = %(subscription_id)s
    and (%(before)s::bigint is null or d.position < %(before)s)
order by d.position desc
limit %(limit)s
"""

SELECT_NEXT_DUE = """
select min(at) from (
    select min(greatest(d.due_at, case when d.ping then d.due_at else w.disabled_until end)) as at
    from webhook_deliveries d join webhook_subscriptions w on w.id = d.subscription_id
    where d.state = 'queued' and w.deleted_at is null
    union all
    select min(leased_until) from webhook_deliveries where state = 'sending'
) as waits
"""

COUNT_PINGS = """
select count(*) from (
    select from webhook_deliveries
    where subscription_id = %(subscription_id)s and ping and created_at > %(since)s
    limit %(limit)s
) as pings
"""

# Whole events with all their deliveries, once each has been finished for long enough.
DELETE_OLD = """
with old as (
    select e.id from webhook_events e
    where e.created_at < %(before)s
        and not exists (select from webhook_deliveries d where d.event_id = e.id
            and (d.finished_at is null or d.finished_at >= %(before)s))
    order by e.created_at limit %(limit)s
), gone as (
    delete from webhook_deliveries d using old where d.event_id = old.id
)
delete from webhook_events e using old where e.id = old.id
"""
