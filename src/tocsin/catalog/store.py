"""The SQL of the catalog: services, integrations, and the look-up of a key."""

INSERT_SERVICE = """
    insert into services (id, name, description, escalation_policy_id, urgency_rule,
        acknowledgement_timeout, auto_resolve_timeout, slice, created_at, urgency_outside,
        support_time_zone, support_days, support_start, support_end, raise_at, pause_seconds)
    values (%(id)s, %(name)s, %(description)s, %(escalation_policy_id)s, %(urgency_rule)s,
        %(acknowledgement_timeout)s, %(auto_resolve_timeout)s, %(slice)s, %(created_at)s,
        %(urgency_outside)s, %(support_time_zone)s, %(support_days)s::smallint[],
        %(support_start)s, %(support_end)s, %(raise_at)s::text[], %(pause_seconds)s)
    on conflict (lower(name)) where deleted_at is null do nothing
"""

UPDATE_SERVICE = """
    update services set name = %(name)s, description = %(description)s,
        escalation_policy_id = %(escalation_policy_id)s, urgency_rule = %(urgency_rule)s,
        acknowledgement_timeout = %(acknowledgement_timeout)s,
        auto_resolve_timeout = %(auto_resolve_timeout)s, disabled_at = %(disabled_at)s,
        urgency_outside = %(urgency_outside)s, support_time_zone = %(support_time_zone)s,
        support_days = %(support_days)s::smallint[], support_start = %(support_start)s,
        support_end = %(support_end)s, raise_at = %(raise_at)s::text[],
        pause_seconds = %(pause_seconds)s
    where id = %(id)s and not exists (
        select from services o
        where lower(o.name) = lower(%(name)s) and o.deleted_at is null and o.id <> %(id)s)
"""

DELETE_SERVICE = """
    update services set deleted_at = %(now)s, grouping_setting_id = null where id = %(id)s
"""

# Taken before the service is read with its policy: locking a join would lock the policy too.
LOCK_SERVICE = "select id from services where id = %(id)s and deleted_at is null for update"

SELECT_SERVICES_BY_IDS = """
    select s.id, s.name, s.description, s.escalation_policy_id, p.team_id, s.urgency_rule,
        s.acknowledgement_timeout, s.auto_resolve_timeout, s.slice, s.created_at,
        s.last_incident_at, s.disabled_at, s.deleted_at, s.urgency_outside, s.support_time_zone,
        s.support_days, s.support_start, s.support_end, s.raise_at, s.pause_seconds,
        s.grouping_setting_id
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.id = any(%(ids)s)
"""

SELECT_SERVICES = """
    select s.id, s.name, s.description, s.escalation_policy_id, p.team_id, s.urgency_rule,
        s.acknowledgement_timeout, s.auto_resolve_timeout, s.slice, s.created_at,
        s.last_incident_at, s.disabled_at, s.deleted_at, s.urgency_outside, s.support_time_zone,
        s.support_days, s.support_start, s.support_end, s.raise_at, s.pause_seconds,
        s.grouping_setting_id
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(s.name)) > 0)
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
        and (%(policy_id)s::text is null or s.escalation_policy_id = %(policy_id)s::text)
        and (%(name)s::text is null or lower(s.name) = lower(%(name)s::text))
        and (%(after_name)s::text is null
            or (lower(s.name), s.id) > (%(after_name)s::text, %(after_id)s::text))
    order by case when %(descending)s then lower(s.name) end desc, lower(s.name), s.id
    limit %(limit)s offset %(offset)s
"""

COUNT_SERVICES = """
    select count(*)
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(s.name)) > 0)
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
        and (%(name)s::text is null or lower(s.name) = lower(%(name)s::text))
"""

# Holds the policy against deletion until the service that names it is committed.
SELECT_POLICY_TEAM = """
    select team_id from escalation_policies
    where id = %(id)s and deleted_at is null
    for share
"""

SELECT_OPEN_INCIDENTS = """
    select number, title from incidents
    where service_id = %(id)s and status <> 'resolved'
    order by number limit 10
"""

TOUCH_LAST_INCIDENT = """
    update services set last_incident_at = %(at)s
    where id in (select id from services where id = any(%(ids)s) order by id for no key update)
        and (last_incident_at is null or last_incident_at < %(at)s)
"""

INSERT_INTEGRATION = """
    insert into integrations (id, service_id, name, kind, key_digest, key_sealed, created_at)
    values (%(id)s, %(service_id)s, %(name)s, %(kind)s, %(digest)s, %(sealed)s, %(created_at)s)
"""

UPDATE_INTEGRATION = "update integrations set name = %(name)s, kind = %(kind)s where id = %(id)s"

UPDATE_KEY = """
    update integrations set key_digest = %(digest)s, key_sealed = %(sealed)s where id = %(id)s
"""

DELETE_INTEGRATION = "update integrations set deleted_at = %(now)s where id = %(id)s"

DELETE_INTEGRATIONS_OF = """
    update integrations set deleted_at = %(now)s
    where service_id = %(service_id)s and deleted_at is null
"""

SELECT_INTEGRATION = """
    select id, service_id, name, kind, created_at, deleted_at
    from integrations where id = %(id)s and deleted_at is null
"""

LOCK_INTEGRATION = """
    select id, service_id, name, kind, created_at, deleted_at
    from integrations where id = %(id)s and deleted_at is null
    for update
"""

SELECT_SEALED_KEY = "select key_sealed from integrations where id = %(id)s"

SELECT_SEALED_KEYS = "select id, key_sealed from integrations where id = any(%(ids)s)"

SELECT_INTEGRATIONS_OF = """
    select id, service_id, name, kind, created_at, deleted_at
    from integrations
    where service_id = any(%(service_ids)s) and deleted_at is null
    order by service_id, id
    limit %(limit)s
"""

COUNT_INTEGRATIONS_OF = """
    select count(*) from integrations where service_id = %(service_id)s and deleted_at is null
"""

SELECT_INTEGRATIONS_BY_IDS = """
    select id, service_id, name, kind, created_at, deleted_at
    from integrations where id = any(%(ids)s)
"""

SELECT_TARGET = """
    select i.id as integration_id, i.service_id, s.slice, i.kind, s.disabled_at is null as enabled
    from integrations i join services s on s.id = i.service_id
    where i.key_digest = %(digest)s and i.deleted_at is null and s.deleted_at is null
"""

SET_NEXT_RAISE = """
    insert into urgency_raises (service_id, due_at) values (%(service_id)s, %(due_at)s)
    on conflict (service_id) do update
    set due_at = excluded.due_at, attempts = 0, error = null
"""

DELETE_NEXT_RAISE = "delete from urgency_raises where service_id = %(service_id)s"

INSERT_GROUPING = """
    insert into grouping_settings (id, name, description, type, timeout, time_window, aggregate,
        fields, text_fields, revision, created_at, updated_at)
    values (%(id)s, %(name)s, %(description)s, %(type)s, %(timeout)s, %(time_window)s,
        %(aggregate)s, %(fields)s::text[], %(text_fields)s::text[], %(revision)s, %(created_at)s,
        %(updated_at)s)
"""

UPDATE_GROUPING = """
    update grouping_settings set name = %(name)s, description = %(description)s, type = %(type)s,
        timeout = %(timeout)s, time_window = %(time_window)s, aggregate = %(aggregate)s,
        fields = %(fields)s::text[], text_fields = %(text_fields)s::text[],
        revision = %(revision)s, updated_at = %(updated_at)s
    where id = %(id)s
"""

DELETE_EMPTY_GROUPING = """
    delete from grouping_settings g
    where g.id = %(id)s
        and not exists (select from services s where s.grouping_setting_id = g.id)
"""

DELETE_GROUPING = "delete from grouping_settings where id = %(id)s"

LOCK_SERVICES = """
    select id from services where id = any(%(ids)s) order by id for no key update
"""

GROUP_SERVICES = """
    update services set grouping_setting_id = %(id)s where id = any(%(service_ids)s)
"""

UNGROUP_SERVICES = """
    update services set grouping_setting_id = null where grouping_setting_id = %(id)s
"""

UNGROUP_SERVICE = "update services set grouping_setting_id = null where id = %(service_id)s"

LOCK_GROUPING = """
    select g.id, g.name, g.description, g.type, g.timeout, g.time_window, g.aggregate, g.fields,
        g.text_fields, g.revision, g.created_at, g.updated_at,
        array(select s.id from services s where s.grouping_setting_id = g.id
            order by lower(s.name), s.id) as service_ids
    from grouping_settings g where g.id = %(id)s
    for update of g
"""

SELECT_GROUPINGS_BY_IDS = """
    select g.id, g.name, g.description, g.type, g.timeout, g.time_window, g.aggregate, g.fields,
        g.text_fields, g.revision, g.created_at, g.updated_at,
        array(select s.id from services s where s.grouping_setting_id = g.id
            order by lower(s.name), s.id) as service_ids
    from grouping_settings g where g.id = any(%(ids)s)
"""

SELECT_GROUPINGS = """
    select g.id, g.name, g.description, g.type, g.timeout, g.time_window, g.aggregate, g.fields,
        g.text_fields, g.revision, g.created_at, g.updated_at,
        array(select s.id from services s where s.grouping_setting_id = g.id
            order by lower(s.name), s.id) as service_ids
    from grouping_settings g
    where (%(only)s::text is null or g.id = %(only)s::text)
        and (%(service_ids)s::text[] is null or exists (
            select from services s
            where s.grouping_setting_id = g.id and s.id = any(%(service_ids)s::text[])))
        and (%(visible)s::text[] is null or exists (
            select from services s join escalation_policies p on p.id = s.escalation_policy_id
            where s.grouping_setting_id = g.id and p.team_id = any(%(visible)s::text[])))
        and (%(after)s::text is null or g.id > %(after)s::text)
        and (%(before)s::text is null or g.id < %(before)s::text)
    order by case when %(backwards)s then g.id end desc, g.id
    limit %(limit)s
"""

COUNT_GROUPINGS = """
    select count(*)
    from grouping_settings g
    where (%(service_ids)s::text[] is null or exists (
            select from services s
            where s.grouping_setting_id = g.id and s.id = any(%(service_ids)s::text[])))
        and (%(visible)s::text[] is null or exists (
            select from services s join escalation_policies p on p.id = s.escalation_policy_id
            where s.grouping_setting_id = g.id and p.team_id = any(%(visible)s::text[])))
"""
