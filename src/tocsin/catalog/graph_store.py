"""The SQL of business services and of what depends on what.

The walks are recursive queries whose `union` keeps each service once: they visit no service twice,
so they end and cost no more than the graph, which is bounded (`graph.MOST_IN_ALL`).
"""

INSERT_BUSINESS = """
    insert into business_services (id, name, description, point_of_contact, team_id, created_at)
    values (%(id)s, %(name)s, %(description)s, %(point_of_contact)s, %(team_id)s, %(created_at)s)
    on conflict (lower(name)) where deleted_at is null do nothing
"""

UPDATE_BUSINESS = """
    update business_services set name = %(name)s, description = %(description)s,
        point_of_contact = %(point_of_contact)s, team_id = %(team_id)s
    where id = %(id)s and not exists (
        select from business_services o
        where lower(o.name) = lower(%(name)s) and o.deleted_at is null and o.id <> %(id)s)
"""

DELETE_BUSINESS = "update business_services set deleted_at = %(now)s where id = %(id)s"

LOCK_BUSINESS = """
    select id, name, description, point_of_contact, team_id, created_at, deleted_at
    from business_services where id = %(id)s and deleted_at is null
    for update
"""

SELECT_BUSINESS_BY_IDS = """
    select id, name, description, point_of_contact, team_id, created_at, deleted_at
    from business_services where id = any(%(ids)s)
"""

SELECT_BUSINESS = """
    select id, name, description, point_of_contact, team_id, created_at, deleted_at
    from business_services
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0)
        and (%(visible)s::text[] is null or team_id = any(%(visible)s::text[]))
        and (%(after_name)s::text is null
            or (lower(name), id) > (%(after_name)s::text, %(after_id)s::text))
    order by lower(name), id
    limit %(limit)s offset %(offset)s
"""

COUNT_BUSINESS = """
    select count(*) from business_services
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0)
        and (%(visible)s::text[] is null or team_id = any(%(visible)s::text[]))
"""

# Holds the team against deletion until what it owns is committed.
SELECT_TEAM = "select id from teams where id = %(id)s and deleted_at is null for share"

# Two people who add dependencies at once could close a cycle that neither sees.
LOCK_GRAPH = "select pg_advisory_xact_lock(%(key)s)"

SELECT_NODES = """
    select s.id, 'service' as kind, s.name, p.team_id, s.disabled_at is not null as disabled
    from services s join escalation_policies p on p.id = s.escalation_policy_id
    where s.id = any(%(ids)s) and s.deleted_at is null
    union all
    select id, 'business_service', name, team_id, false
    from business_services where id = any(%(ids)s) and deleted_at is null
"""

# Kept alive until the dependency on them is committed.
HOLD_SERVICES = """
    select id from services where id = any(%(ids)s) and deleted_at is null
    order by id for key share
"""
HOLD_BUSINESS = """
    select id from business_services where id = any(%(ids)s) and deleted_at is null
    order by id for key share
"""

SELECT_DEPENDENCIES = """
    select id, supporting_kind, supporting_id, dependent_kind, dependent_id
    from service_dependencies
    order by created_at, id limit %(limit)s
"""

SELECT_DEPENDENCIES_OF = """
    select id, supporting_kind, supporting_id, dependent_kind, dependent_id
    from service_dependencies
    where supporting_id = %(id)s or dependent_id = %(id)s
    order by created_at, id limit %(limit)s
"""

SELECT_BELOW = """
    with recursive below (id) as (
        select unnest(%(ids)s::text[])
        union
        select d.supporting_id from below join service_dependencies d on d.dependent_id = below.id
    )
    select d.id, d.supporting_kind, d.supporting_id, d.dependent_kind, d.dependent_id
    from below join service_dependencies d on d.dependent_id = below.id
    order by d.created_at, d.id limit %(limit)s
"""

SELECT_ABOVE = """
    with recursive above (id) as (
        select unnest(%(ids)s::text[])
        union
        select d.dependent_id from above join service_dependencies d on d.supporting_id = above.id
    )
    select d.id, d.supporting_kind, d.supporting_id, d.dependent_kind, d.dependent_id
    from above join service_dependencies d on d.supporting_id = above.id
    order by d.created_at, d.id limit %(limit)s
"""

INSERT_DEPENDENCY = """
    insert into service_dependencies
        (id, supporting_kind, supporting_id, dependent_kind, dependent_id, created_at)
    values (%(id)s, %(supporting_kind)s, %(supporting_id)s, %(dependent_kind)s, %(dependent_id)s,
        %(now)s)
"""

DELETE_DEPENDENCIES = "delete from service_dependencies where id = any(%(ids)s)"

# What is left of a service that is gone.
DELETE_DEPENDENCIES_OF = """
    delete from service_dependencies where supporting_id = %(id)s or dependent_id = %(id)s
"""
