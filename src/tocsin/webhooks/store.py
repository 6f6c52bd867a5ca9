"""SQL of subscriptions and their secrets, and of how far the timeline's reader has come."""

INSERT_SUBSCRIPTION = """
insert into webhook_subscriptions (id, description, filter_type, filter_id, events, url_sealed,
    url_hint, header_names, headers_sealed, active, starts_at, created_at)
values (%(id)s, %(description)s, %(filter_type)s, %(filter_id)s, %(events)s, %(url_sealed)s,
    %(url_hint)s, %(header_names)s, %(headers_sealed)s, %(active)s, %(starts_at)s, %(created_at)s)
"""

# What is shown of a subscription; the team is the one that decides who may see and change it.
SELECT_SUBSCRIPTIONS = """
select w.id, w.description, w.filter_type, w.filter_id, w.events, w.url_hint, w.header_names,
    w.active, w.disabled_at, w.disabled_until, w.disabled_reason, w.refusals, w.starts_at,
    w.created_at, w.deleted_at,
    case w.filter_type when 'team' then w.filter_id else p.team_id end as team_id
from webhook_subscriptions w
left join services s on w.filter_type = 'service' and s.id = w.filter_id
left join escalation_policies p on p.id = s.escalation_policy_id
where w.deleted_at is null
    and (%(filter_type)s::text is null or w.filter_type = %(filter_type)s)
    and (%(filter_id)s::text is null or w.filter_id = %(filter_id)s)
    and (%(visible)s::text[] is null
        or (w.filter_type = 'team' and w.filter_id = any(%(visible)s))
        or (w.filter_type = 'service' and p.team_id = any(%(visible)s)))
order by w.id
limit %(limit)s offset %(offset)s
"""

COUNT_SUBSCRIPTIONS = """
select count(*)
from webhook_subscriptions w
left join services s on w.filter_type = 'service' and s.id = w.filter_id
left join escalation_policies p on p.id = s.escalation_policy_id
where w.deleted_at is null
    and (%(filter_type)s::text is null or w.filter_type = %(filter_type)s)
    and (%(filter_id)s::text is null or w.filter_id = %(filter_id)s)
    and (%(visible)s::text[] is null
        or (w.filter_type = 'team' and w.filter_id = any(%(visible)s))
        or (w.filter_type = 'service' and p.team_id = any(%(visible)s)))
"""

SELECT_SUBSCRIPTIONS_BY_IDS = """
select w.id, w.description, w.filter_type, w.filter_id, w.events, w.url_hint, w.header_names,
    w.active, w.disabled_at, w.disabled_until, w.disabled_reason, w.refusals, w.starts_at,
    w.created_at, w.deleted_at,
    case w.filter_type when 'team' then w.filter_id else p.team_id end as team_id
from webhook_subscriptions w
left join services s on w.filter_type = 'service' and s.id = w.filter_id
left join escalation_policies p on p.id = s.escalation_policy_id
where w.id = any(%(ids)s)
order by w.id
"""

# In order of id, so that two who need several never wait for each other in a circle.
LOCK_SUBSCRIPTIONS = """
select id from webhook_subscriptions where id = any(%(ids)s) order by id for no key update
"""

SELECT_SEALED = """
select id, url_sealed, headers_sealed from webhook_subscriptions where id = any(%(ids)s)
"""

UPDATE_SUBSCRIPTION = """
update webhook_subscriptions
set description = %(description)s, filter_type = %(filter_type)s, filter_id = %(filter_id)s,
    events = %(events)s, url_sealed = %(url_sealed)s, url_hint = %(url_hint)s,
    header_names = %(header_names)s, headers_sealed = %(headers_sealed)s, active = %(active)s,
    starts_at = %(starts_at)s
where id = %(id)s
"""

ENABLE_SUBSCRIPTION = """
update webhook_subscriptions
set disabled_at = null, disabled_until = null, disabled_reason = null, refusals = 0,
    starts_at = %(starts_at)s
where id = %(id)s
"""

# A send that was taken proves that the other side is well again, unless it said that it is gone.
SET_STANDING = """
update webhook_subscriptions w
set refusals = s.refusals,
    disabled_at = case when s.reason is not null then %(now)s::timestamptz
        when s.well and w.disabled_until is not null then null else w.disabled_at end,
    disabled_reason = case when s.reason is not null then s.reason
        when s.well and w.disabled_until is not null then null else w.disabled_reason end,
    disabled_until = case when s.reason is not null then s.until
        when s.well then null else w.disabled_until end
from unnest(%(ids)s::text[], %(refusals)s::int[], %(wells)s::bool[], %(reasons)s::text[],
    %(untils)s::timestamptz[]) as s (id, refusals, well, reason, until)
where w.id = s.id
"""

DELETE_SUBSCRIPTION = """
update webhook_subscriptions set deleted_at = %(now)s, active = false where id = %(id)s
"""

# A deleted one stays until nothing that was sent to it is kept any more.
FORGET_DELETED = """
delete from webhook_subscriptions w where w.id in (
    select g.id from webhook_subscriptions g
    where g.deleted_at < %(before)s
        and not exists (select from webhook_deliveries d where d.subscription_id = g.id)
    limit %(limit)s
)
"""

# Those that are to be told: the engine's own view, without access.
SELECT_LISTENERS = """
select id, filter_type, filter_id, events, starts_at from webhook_subscriptions
where deleted_at is null and active and (disabled_at is null or disabled_until is not null)
order by id
limit %(limit)s
"""

# As above, of those that are locked: whoever was switched off a moment ago is not told any more.
SELECT_STILL_LISTENING = """
select id from webhook_subscriptions
where id = any(%(ids)s) and deleted_at is null and active
    and (disabled_at is null or disabled_until is not null)
"""

INSERT_SECRET = """
insert into webhook_secrets (id, subscription_id, secret_sealed, created_at)
values (%(id)s, %(subscription_id)s, %(secret_sealed)s, %(created_at)s)
"""

SELECT_SECRETS = """
select id, subscription_id, created_at from webhook_secrets
where subscription_id = %(subscription_id)s
order by id desc
limit %(limit)s
"""

DELETE_SECRET = """
delete from webhook_secrets where id = %(id)s and subscription_id = %(subscription_id)s
"""

DELETE_SECRETS_OF = "delete from webhook_secrets where subscription_id = %(subscription_id)s"

SELECT_SEALED_SECRETS = """
select subscription_id, id, secret_sealed from webhook_secrets
where subscription_id = any(%(ids)s)
order by subscription_id, id desc
"""

SELECT_DISABLED = """
select id, coalesce(description, url_hint) as name, url_hint, disabled_at, disabled_until,
    disabled_reason
from webhook_subscriptions
where deleted_at is null and active and disabled_at is not null
    and (disabled_until is null or disabled_until > %(now)s)
order by disabled_at, id
limit %(limit)s
"""
