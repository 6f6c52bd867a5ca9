"""SQL of the delivery ledger: the outbox and the record in one table."""

INSERT_DELIVERIES = """
insert into deliveries (id, kind, cause, page_id, bundle_id, incident_id, user_id,
    contact_method_id, channel, state, reason, due_at, first_due_at, created_at, finished_at,
    status_update_id)
select id, kind, cause, page_id, bundle_id, incident_id, user_id, contact_method_id, channel,
    state, reason, due_at, due_at, %(now)s,
    case when state = 'queued' then null else %(now)s::timestamptz end, status_update_id
from unnest(%(ids)s::text[], %(kinds)s::text[], %(causes)s::text[], %(page_ids)s::text[],
    %(bundle_ids)s::text[], %(incident_ids)s::text[], %(user_ids)s::text[],
    %(contact_method_ids)s::text[], %(channels)s::text[], %(states)s::text[],
    %(reasons)s::text[], %(due_ats)s::timestamptz[], %(status_update_ids)s::text[])
    as new (id, kind, cause, page_id, bundle_id, incident_id, user_id, contact_method_id, channel,
        state, reason, due_at, status_update_id)
on conflict (cause) do nothing
"""

CANCEL_OF_PAGES = """
update deliveries set state = 'cancelled', detail = %(reason)s, finished_at = %(now)s
where page_id = any(%(page_ids)s) and state = 'queued'
"""

# Claims what is due, lane by lane, up to the free places of each; late rows are left to the fold.
CLAIM_SINGLES = """
update deliveries d
set state = 'sending', leased_until = %(until)s, leased_by = %(node)s, started_at = %(now)s,
    fence = d.fence + 1, attempts = d.attempts + 1
from (
    select picked.id
    from unnest(%(channels)s::text[], %(free)s::int[]) as lane (channel, free)
    cross join lateral (
        select q.id from deliveries q
        where q.channel = lane.channel and q.state = 'queued' and q.due_at <= %(now)s
            and q.kind in ('page', 'test')
            and (q.kind = 'test' or q.due_at >= %(cutoff)s
                and (q.attempts > 0 or q.first_due_at >= %(cutoff)s))
        order by q.due_at, q.id
        limit lane.free
        for update of q skip locked
    ) as picked
) as due
where d.id = due.id
returning d.id, d.channel
"""

# A bundle that somebody is adding a page to right now is left for the next pass.
CLAIM_GATHERED = """
update deliveries d
set state = 'sending', leased_until = %(until)s, leased_by = %(node)s, started_at = %(now)s,
    fence = d.fence + 1, attempts = d.attempts + 1
from (
    select picked.id
    from unnest(%(channels)s::text[], %(free)s::int[]) as lane (channel, free)
    cross join lateral (
        select q.id from deliveries q
        join bundles b on b.id = q.bundle_id
        where q.channel = lane.channel and q.state = 'queued' and q.due_at <= %(now)s
            and q.kind in ('bundle', 'summary')
            and (q.kind = 'summary' or q.due_at >= %(cutoff)s
                and (q.attempts > 0 or q.first_due_at >= %(cutoff)s))
        order by q.due_at, q.id
        limit lane.free
        for update of q, b skip locked
    ) as picked
) as due
where d.id = due.id
returning d.id, d.channel
"""

# Status updates and hand-offs, with places of their own: a thousand mails keep no page waiting.
CLAIM_UPDATES = """
update deliveries d
set state = 'sending', leased_until = %(until)s, leased_by = %(node)s, started_at = %(now)s,
    fence = d.fence + 1, attempts = d.attempts + 1
from (
    select q.id from deliveries q
    where q.state = 'queued' and q.kind in ('status_update', 'handoff') and q.due_at <= %(now)s
        and q.channel = any(%(channels)s)
    order by q.due_at, q.id
    limit %(limit)s
    for update of q skip locked
) as due
where d.id = due.id
returning d.id, d.channel
"""

# Rows of a channel that no node seems to have; a node that has it would have taken them by now.
CLAIM_STRAYS = """
update deliveries d
set state = 'sending', leased_until = %(until)s, leased_by = %(node)s, started_at = %(now)s,
    fence = d.fence + 1, attempts = d.attempts + 1
from (
    select q.id from deliveries q
    where q.state = 'queued' and q.due_at <= %(before)s and q.channel <> all(%(channels)s)
    order by q.due_at, q.id
    limit %(limit)s
    for update of q skip locked
) as due
where d.id = due.id
returning d.id
"""

CLOSE_BUNDLES = """
update bundles b set closed_at = %(now)s
from deliveries d
where d.id = any(%(ids)s) and b.id = d.bundle_id and b.closed_at is null
"""

# A hand-off that is long over is no news: the ten minutes are those of handoffs.notices.GRACE.
SELECT_CLAIMED = """
select d.id, d.kind, d.cause, d.page_id, d.bundle_id, d.incident_id, d.user_id,
    d.contact_method_id, d.channel, d.reason, d.attempts as attempt, d.fence, d.first_due_at,
    d.started_at, coalesce(u.name, '') as user_name, coalesce(m.label, '') as method_label,
    coalesce(m.address_hint, '') as address_hint, m.address_sealed, m.secret_sealed,
    d.kind <> 'status_update' and (m.id is null or m.deleted_at is not null) as removed,
    case
        when d.kind = 'test' then true
        when d.kind = 'status_update' then u.deleted_at is null
        when d.kind = 'handoff' then u.deleted_at is null and exists (
            select from handoff_notices n
            where n.delivery_id = d.id and n.at > d.started_at - interval '10 minutes')
        when d.kind = 'page' then coalesce(p.state = 'open', false)
        when d.kind = 'bundle' then
            exists (select 1 from pages o where o.bundle_id = d.bundle_id and o.state = 'open')
        else exists (select 1 from summary_pages s join pages o on o.id = s.page_id
            where s.bundle_id = d.bundle_id and o.state = 'open')
    end as wanted, u.email, d.status_update_id
from deliveries d
left join contact_methods m on m.id = d.contact_method_id
left join users u on u.id = d.user_id
left join pages p on p.id = d.page_id
where d.id = any(%(ids)s)
order by d.due_at, d.id
"""

# Whether each of these is still ours and still about something open.
SELECT_WANTED = """
select d.id, d.fence, d.state,
    case
        when d.kind in ('test', 'status_update', 'handoff') then true
        when d.kind = 'page' then coalesce(p.state = 'open', false)
        when d.kind = 'bundle' then
            exists (select 1 from pages o where o.bundle_id = d.bundle_id and o.state = 'open')
        else exists (select 1 from summary_pages s join pages o on o.id = s.page_id
            where s.bundle_id = d.bundle_id and o.state = 'open')
    end as wanted
from deliveries d
left join pages p on p.id = d.page_id
where d.id = any(%(ids)s)
"""

SELECT_RECENT = """
select contact_method_id as id, count(*)::int as recent, min(at) as oldest
from (
    select contact_method_id, finished_at as at from deliveries
    where contact_method_id = any(%(ids)s) and state = 'sent' and finished_at > %(since)s
    union all
    select contact_method_id, started_at from deliveries
    where contact_method_id = any(%(ids)s) and state = 'sending' and leased_until > %(now)s
        and id <> all(%(claimed)s)
) as sends
group by contact_method_id
"""

PUT_BACK = """
update deliveries d
set state = 'queued', leased_until = null, due_at = back.due_at, attempts = d.attempts - 1,
    detail = back.detail
from unnest(%(ids)s::text[], %(due_ats)s::timestamptz[], %(details)s::text[])
    as back (id, due_at, detail)
where d.id = back.id and d.state = 'sending'
"""

# In order of id: receipts of two nodes never wait for each other in a circle.
LOCK_DELIVERIES = """
select id, fence, state from deliveries where id = any(%(ids)s) order by id for update
"""

FINISH = """
update deliveries d
set state = done.state, reason = coalesce(done.reason, d.reason), detail = done.detail,
    provider_id = coalesce(done.provider_id, d.provider_id), leased_until = null,
    due_at = coalesce(done.due_at, d.due_at),
    finished_at = case when done.state = 'queued' then null else %(now)s::timestamptz end
from unnest(%(ids)s::text[], %(states)s::text[], %(reasons)s::text[], %(details)s::text[],
    %(provider_ids)s::text[], %(due_ats)s::timestamptz[])
    as done (id, state, reason, detail, provider_id, due_at)
where d.id = done.id
"""

INSERT_ATTEMPTS = """
insert into delivery_attempts
    (delivery_id, number, fence, node, started_at, finished_at, outcome, detail)
select delivery_id, number, fence, node, started_at, finished_at, outcome, detail
from unnest(%(delivery_ids)s::text[], %(numbers)s::int[], %(fences)s::bigint[],
    %(nodes)s::text[], %(started_ats)s::timestamptz[], %(finished_ats)s::timestamptz[],
    %(outcomes)s::text[], %(details)s::text[])
    as new (delivery_id, number, fence, node, started_at, finished_at, outcome, detail)
on conflict (delivery_id, number) do update
set outcome = excluded.outcome, detail = excluded.detail, finished_at = excluded.finished_at
where delivery_attempts.outcome = 'lapsed' and delivery_attempts.fence = excluded.fence
"""

TAKE_BACK = """
update deliveries d set state = 'queued', leased_until = null
from (
    select id from deliveries
    where state = 'sending' and leased_until < %(now)s
    order by leased_until, id
    limit %(limit)s
    for update skip locked
) as expired
where d.id = expired.id
returning d.id, d.attempts, d.fence, d.started_at, d.leased_by
"""

# What the person's other methods have already been used for, on the same pages.
SELECT_SIBLINGS = """
select page_id, bundle_id, contact_method_id, id, state, attempts
from deliveries
where page_id = any(%(page_ids)s)
union all
select page_id, bundle_id, contact_method_id, id, state, attempts
from deliveries
where bundle_id = any(%(bundle_ids)s)
"""

BRING_FORWARD = """
update deliveries set due_at = %(now)s, first_due_at = least(first_due_at, %(now)s)
where id = any(%(ids)s) and state = 'queued' and due_at > %(now)s
"""

# The incidents each delivery told of: those still open when it was handed over.
SELECT_TOLD = """
select d.id as delivery_id, p.incident_id, p.service_id
from deliveries d
join pages p on p.id = d.page_id
where d.id = any(%(ids)s)
union all
select d.id, p.incident_id, p.service_id
from deliveries d
join pages p on p.bundle_id = d.bundle_id
where d.id = any(%(ids)s) and d.kind = 'bundle'
    and (p.stopped_at is null or p.stopped_at > d.started_at)
union all
select d.id, p.incident_id, p.service_id
from deliveries d
join summary_pages s on s.bundle_id = d.bundle_id
join pages p on p.id = s.page_id
where d.id = any(%(ids)s) and d.kind = 'summary'
    and (p.stopped_at is null or p.stopped_at > d.started_at)
"""

# People with late deliveries first, then all that is late for them, so that each gets one summary.
LOCK_LATE = """
with people as (
    select distinct user_id from (
        select user_id from deliveries
        where state = 'queued' and due_at <= %(now)s and kind in ('page', 'bundle')
            and (due_at < %(cutoff)s or attempts = 0 and first_due_at < %(cutoff)s)
        order by due_at
        limit %(limit)s
    ) as late
)
select d.id, d.user_id, coalesce(p.urgency, b.urgency, 'high') as urgency, d.contact_method_id,
    d.channel,
    case d.kind
        when 'page' then coalesce(p.state = 'open', false)
        else exists (select 1 from pages o where o.bundle_id = d.bundle_id and o.state = 'open')
    end as is_open
from deliveries d
join people on people.user_id = d.user_id
left join pages p on p.id = d.page_id
left join bundles b on b.id = d.bundle_id
where d.state = 'queued' and d.due_at <= %(now)s and d.kind in ('page', 'bundle')
    and (d.due_at < %(cutoff)s or d.attempts = 0 and d.first_due_at < %(cutoff)s)
order by d.due_at, d.id
for update of d skip locked
"""

FOLD_DELIVERIES = """
update deliveries d
set state = 'bundled', reason = %(reason)s, folded_into = folded.bundle_id, finished_at = %(now)s
from unnest(%(ids)s::text[], %(bundle_ids)s::text[]) as folded (id, bundle_id)
where d.id = folded.id
"""

CANCEL_DELIVERIES = """
update deliveries
set state = 'cancelled', leased_until = null, detail = %(detail)s, finished_at = %(now)s
where id = any(%(ids)s)
"""

# One node folds at a time, so that a person gets one summary and not one from each node.
TRY_FOLD_LOCK = "select pg_try_advisory_xact_lock(%(key)s)"

SELECT_NEXT_DUE = """
select least(
    (select min(head.due_at) from unnest(%(channels)s::text[]) as lane (channel)
        cross join lateral (
            select due_at from deliveries
            where channel = lane.channel and state = 'queued' order by due_at limit 1
        ) as head),
    (select min(leased_until) from deliveries where state = 'sending')
)
"""

SELECT_DELIVERY = """
select id, kind, cause, page_id, bundle_id, incident_id, user_id, contact_method_id, channel,
    state, reason, due_at, first_due_at, attempts, detail, provider_id, created_at, finished_at
from deliveries where id = %(id)s
"""

SELECT_ATTEMPTS = """
select delivery_id, number, fence, node, started_at, finished_at, outcome, detail
from delivery_attempts where delivery_id = any(%(ids)s)
order by delivery_id, number
limit %(limit)s
"""

COUNT_TESTS = """
select count(*) from (
    select 1 from deliveries
    where user_id = %(user_id)s and created_at > %(since)s and kind = 'test'
        and contact_method_id = %(contact_method_id)s
    limit %(limit)s
) as tests
"""
