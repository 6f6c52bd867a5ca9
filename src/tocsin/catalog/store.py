"""The SQL of the catalog: services, integrations, and the look-up of a key."""

INSERT_SERVICE = """
    insert into services (id, name, description, escalation_policy_id, urgency_rule,
        acknowledgement_timeout, auto_resolve_timeout, slice, created_at)
    values (%(id)s, %(name)s, %(description)s, %(escalation_policy_id)s, %(urgency_rule)s,
        %(acknowledgement_timeout)s, %(auto_resolve_timeout)s, %(slice)s, %(created_at)s)
    on conflict (lower(name)) where deleted_at is null do nothing
"""

UPDATE_SERVICE = """
    update services set name = %(name)s, description = %(description)s,
        escalation_policy_id = %(escalation_policy_id)s, urgency_rule = %(urgency_rule)s,
        acknowledgement_timeout = %(acknowledgement_timeout)s,
        auto_resolve_timeout = %(auto_resolve_timeout)s, disabled_at = %(disabled_at)s
    where id = %(id)s and not exists (
        select from services o
        where lower(o.name) = lower(%(name)s) and o.deleted_at is null and o.id <> %(id)s)
"""

DELETE_SERVICE = "update services set deleted_at = %(now)s where id = %(id)s"

# Taken before the service is read with its policy: locking a join would lock the policy too.
LOCK_SERVICE = "select id from services where id = %(id)s and deleted_at is null for update"

SELECT_SERVICES_BY_IDS = """
    select s.id, s.name, s.description, s.escalation_policy_id, p.team_id, s.urgency_rule,
        s.acknowledgement_timeout, s.auto_resolve_timeout, s.slice, s.created_at,
        s.last_incident_at, s.disabled_at, s.deleted_at
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.id = any(%(ids)s)
"""

SELECT_SERVICES = """
    select s.id, s.name, s.description, s.escalation_policy_id, p.team_id, s.urgency_rule,
        s.acknowledgement_timeout, s.auto_resolve_timeout, s.slice, s.created_at,
        s.last_incident_at, s.disabled_at, s.deleted_at
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
