"""The tables of the hand-offs area: rules and what notices tell.

A rule whose contact method was removed is no rule any more, though its row stays.
"""

SELECT_RULES = """
select r.id, r.user_id, r.contact_method_id, r.direction, r.advance_seconds, m.channel
from handoff_rules r
join contact_methods m on m.id = r.contact_method_id and m.deleted_at is null
join users u on u.id = r.user_id and u.deleted_at is null
where %(user_ids)s::text[] is null or r.user_id = any(%(user_ids)s::text[])
order by r.user_id, r.advance_seconds, r.id
"""

LONGEST_ADVANCE = "select max(advance_seconds) from handoff_rules"

LOCK_PERSON = "select id from users where id = %(user_id)s and deleted_at is null for update"

INSERT_RULE = """
insert into handoff_rules (id, user_id, contact_method_id, direction, advance_seconds)
values (%(id)s, %(user_id)s, %(contact_method_id)s, %(direction)s, %(advance_seconds)s)
"""

UPDATE_RULE = """
update handoff_rules set contact_method_id = %(contact_method_id)s, direction = %(direction)s,
    advance_seconds = %(advance_seconds)s
where id = %(id)s
"""

DELETE_RULE = "delete from handoff_rules where id = %(id)s"

# A notice that was told before is known by its cause, and changes nothing.
INSERT_NOTICES = """
insert into handoff_notices (delivery_id, schedule_id, direction, at, ends_at, other_user_id)
select new.delivery_id, new.schedule_id, new.direction, new.at, new.ends_at, new.other_user_id
from unnest(%(delivery_ids)s::text[], %(schedule_ids)s::text[], %(directions)s::text[],
    %(ats)s::timestamptz[], %(ends_ats)s::timestamptz[], %(other_user_ids)s::text[])
    as new (delivery_id, schedule_id, direction, at, ends_at, other_user_id)
join deliveries d on d.id = new.delivery_id
"""
