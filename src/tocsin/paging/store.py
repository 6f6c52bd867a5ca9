"""SQL of pages, bundles, contact methods and rules. The delivery ledger's is in delivery_store."""

SELECT_METHODS = """
select id, user_id, channel, label, address_hint, created_at, proven_at, dead_since, dead_reason
from contact_methods
where user_id = any(%(user_ids)s) and deleted_at is null
order by user_id, created_at, id
"""

SELECT_METHOD = """
select id, user_id, channel, label, address_hint, created_at, proven_at, dead_since, dead_reason
from contact_methods
where id = %(id)s and deleted_at is null
"""

SELECT_ADDRESSES = "select id, address_sealed from contact_methods where id = any(%(ids)s)"

LOCK_METHOD = """
select id, user_id, channel, label, address_hint, created_at, proven_at, dead_since, dead_reason
from contact_methods
where id = %(id)s and deleted_at is null
for update
"""

# Serialises two additions for one person, so that the first method is known to be the first.
LOCK_PERSON = """
select id from users where id = %(user_id)s and deleted_at is null for update
"""

INSERT_METHOD = """
insert into contact_methods
    (id, user_id, channel, label, address_sealed, secret_sealed, address_hint, created_at)
values (%(id)s, %(user_id)s, %(channel)s, %(label)s, %(address_sealed)s, %(secret_sealed)s,
    %(address_hint)s, %(now)s)
"""

UPDATE_METHOD_LABEL = "update contact_methods set label = %(label)s where id = %(id)s"

UPDATE_METHOD_ADDRESS = """
update contact_methods
set address_sealed = %(address_sealed)s, address_hint = %(address_hint)s,
    proven_at = null, dead_since = null, dead_reason = null
where id = %(id)s
"""

UPDATE_METHOD_SECRET = """
update contact_methods set secret_sealed = %(secret_sealed)s where id = %(id)s
"""

DELETE_METHOD = "update contact_methods set deleted_at = %(now)s where id = %(id)s"

DELETE_RULES_OF_METHOD = """
delete from notification_rules where contact_method_id = %(contact_method_id)s
"""

# Locked in order of id, so that two nodes never wait for each other in a circle.
MARK_PROVEN = """
update contact_methods set proven_at = %(now)s, dead_since = null, dead_reason = null
where id in (
    select id from contact_methods
    where id = any(%(ids)s)
        and (proven_at is null or proven_at < %(stale)s or dead_since is not null)
    order by id for update
)
"""

MARK_DEAD = """
update contact_methods m
set dead_since = coalesce(m.dead_since, %(now)s), dead_reason = dead.reason
from unnest(%(ids)s::text[], %(reasons)s::text[]) as dead (id, reason)
where m.id = dead.id and m.id in (
    select id from contact_methods where id = any(%(ids)s) order by id for update
)
"""

SELECT_RULES = """
select id, user_id, contact_method_id, urgency, delay_seconds
from notification_rules
where user_id = any(%(user_ids)s)
order by user_id, urgency, delay_seconds, id
"""

SELECT_RULE = """
select id, user_id, contact_method_id, urgency, delay_seconds
from notification_rules where id = %(id)s
"""

INSERT_RULE = """
insert into notification_rules (id, user_id, contact_method_id, urgency, delay_seconds)
values (%(id)s, %(user_id)s, %(contact_method_id)s, %(urgency)s, %(delay_seconds)s)
"""

UPDATE_RULE = """
update notification_rules
set contact_method_id = %(contact_method_id)s, urgency = %(urgency)s,
    delay_seconds = %(delay_seconds)s
where id = %(id)s
"""

DELETE_RULE = "delete from notification_rules where id = %(id)s"

# Makes the rows so that they can be locked; in order, as every paging transaction does it.
ENSURE_WINDOWS = """
insert into page_windows (user_id, urgency, opened_at, singles)
select user_id, urgency, %(long_ago)s, 0
from unnest(%(user_ids)s::text[], %(urgencies)s::text[]) as asked (user_id, urgency)
order by user_id, urgency
on conflict (user_id, urgency) do nothing
"""

LOCK_WINDOWS = """
select w.user_id, w.urgency, w.opened_at, w.singles, w.bundle_id
from page_windows w
join unnest(%(user_ids)s::text[], %(urgencies)s::text[]) as asked (user_id, urgency)
    on w.user_id = asked.user_id and w.urgency = asked.urgency
order by w.user_id, w.urgency
for update of w
"""

# Whoever sends the bundle takes these rows FOR UPDATE first and sets closed_at.
JOIN_BUNDLES = """
select id, due_at from bundles
where id = any(%(ids)s) and closed_at is null
order by id
for key share
"""

UPDATE_WINDOWS = """
update page_windows w
set opened_at = new.opened_at, singles = new.singles, bundle_id = new.bundle_id
from unnest(%(user_ids)s::text[], %(urgencies)s::text[], %(opened_ats)s::timestamptz[],
    %(singles)s::int[], %(bundle_ids)s::text[])
    as new (user_id, urgency, opened_at, singles, bundle_id)
where w.user_id = new.user_id and w.urgency = new.urgency
"""

INSERT_BUNDLES = """
insert into bundles (id, kind, user_id, urgency, opened_at, due_at)
select id, kind, user_id, urgency, %(now)s, due_at
from unnest(%(ids)s::text[], %(kinds)s::text[], %(user_ids)s::text[], %(urgencies)s::text[],
    %(due_ats)s::timestamptz[]) as new (id, kind, user_id, urgency, due_at)
"""

SELECT_KNOWN_PAGES = """
select p.incident_id, p.user_id, p.step
from pages p
join unnest(%(incident_ids)s::text[], %(user_ids)s::text[], %(steps)s::int[])
    as asked (incident_id, user_id, step)
    on p.incident_id = asked.incident_id and p.user_id = asked.user_id and p.step = asked.step
"""

INSERT_PAGES = """
insert into pages (id, incident_id, service_id, user_id, step, urgency, reason, state, created_at,
    bundle_id, responder_request_id)
select id, incident_id, service_id, user_id, step, urgency, reason, 'open', %(now)s, bundle_id,
    request_id
from unnest(%(ids)s::text[], %(incident_ids)s::text[], %(service_ids)s::text[],
    %(user_ids)s::text[], %(steps)s::int[], %(urgencies)s::text[], %(reasons)s::text[],
    %(bundle_ids)s::text[], %(request_ids)s::text[])
    as new (id, incident_id, service_id, user_id, step, urgency, reason, bundle_id, request_id)
on conflict (incident_id, user_id, step) do nothing
returning id
"""

# Those of the ladder: an acknowledgement does not call off whom somebody has asked to join.
STOP_PAGES = """
update pages set state = 'stopped', stopped_at = %(now)s, stopped_reason = %(reason)s
where incident_id = any(%(incident_ids)s) and state = 'open' and responder_request_id is null
returning id, bundle_id
"""

STOP_ASKING = """
update pages p set state = 'stopped', stopped_at = %(now)s, stopped_reason = asked.reason
from unnest(%(incident_ids)s::text[], %(user_ids)s::text[], %(reasons)s::text[])
    as asked (incident_id, user_id, reason)
where p.incident_id = asked.incident_id and p.user_id = asked.user_id and p.state = 'open'
    and p.responder_request_id is not null
returning p.id, p.bundle_id
"""

INSERT_SUMMARY_PAGES = """
insert into summary_pages (bundle_id, page_id)
select distinct folded.bundle_id, p.id
from unnest(%(delivery_ids)s::text[], %(bundle_ids)s::text[]) as folded (delivery_id, bundle_id)
join deliveries d on d.id = folded.delivery_id
join pages p on p.state = 'open' and (p.id = d.page_id or p.bundle_id = d.bundle_id)
on conflict do nothing
"""

# A summary that is not on its way yet takes more pages in.
JOIN_SUMMARIES = """
select id, user_id from bundles
where kind = 'summary' and closed_at is null and user_id = any(%(user_ids)s)
for key share skip locked
"""
