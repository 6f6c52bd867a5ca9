"""The SQL of tags. What is deleted carries no tag any more: every read joins what is alive."""

INSERT_TAG = """
    insert into tags (id, label, created_at) values (%(id)s, %(label)s, %(created_at)s)
    on conflict (lower(label)) do nothing
"""

LOCK_TAG = "select id, label, created_at from tags where id = %(id)s for update"

SELECT_BY_IDS = "select id, label, created_at from tags where id = any(%(ids)s)"

# Held so that a tag cannot go between being found and being given.
HOLD_TAGS = """
    select id, label, created_at from tags
    where id = any(%(ids)s)
        or lower(label) in (select lower(wanted) from unnest(%(labels)s::text[]) as wanted)
    order by id for key share
"""

SELECT_TAGS = """
    select id, label, created_at from tags
    where (%(query)s::text is null or position(lower(%(query)s::text) in lower(label)) > 0)
    order by lower(label), id
    limit %(limit)s offset %(offset)s
"""

COUNT_TAGS = """
    select count(*) from tags
    where (%(query)s::text is null or position(lower(%(query)s::text) in lower(label)) > 0)
"""

SELECT_USES = """
    select t.id, t.label,
        (select count(*) from taggings g join users u on u.id = g.entity_id
            where g.tag_id = t.id and g.kind = 'user' and u.deleted_at is null) as users,
        (select count(*) from taggings g join teams e on e.id = g.entity_id
            where g.tag_id = t.id and g.kind = 'team' and e.deleted_at is null
                and (%(visible)s::text[] is null or e.id = any(%(visible)s::text[]))) as teams,
        (select count(*) from taggings g join escalation_policies p on p.id = g.entity_id
            where g.tag_id = t.id and g.kind = 'escalation_policy' and p.deleted_at is null
                and (%(visible)s::text[] is null
                    or p.team_id = any(%(visible)s::text[]))) as policies
    from tags t where t.id = any(%(ids)s)
"""

DELETE_TAG = "delete from tags where id = %(id)s"

SELECT_TAGS_OF = """
    select g.entity_id, t.id, t.label, t.created_at
    from taggings g join tags t on t.id = g.tag_id
    where g.kind = %(kind)s and g.entity_id = any(%(entity_ids)s)
    order by g.entity_id, lower(t.label), t.id
"""

INSERT_TAGGINGS = """
    insert into taggings (tag_id, kind, entity_id)
    select id, %(kind)s, %(entity_id)s from unnest(%(ids)s::text[]) as wanted (id)
    on conflict do nothing
"""

DELETE_TAGGINGS = """
    delete from taggings
    where kind = %(kind)s and entity_id = %(entity_id)s and tag_id = any(%(ids)s)
"""

SELECT_USERS_WITH = """
    select u.id from taggings g join users u on u.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'user' and u.deleted_at is null
    order by lower(u.name), u.id
    limit %(limit)s offset %(offset)s
"""

SELECT_TEAMS_WITH = """
    select e.id from taggings g join teams e on e.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'team' and e.deleted_at is null
        and (%(visible)s::text[] is null or e.id = any(%(visible)s::text[]))
    order by lower(e.name), e.id
    limit %(limit)s offset %(offset)s
"""

SELECT_POLICIES_WITH = """
    select p.id from taggings g join escalation_policies p on p.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'escalation_policy' and p.deleted_at is null
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
    order by lower(p.name), p.id
    limit %(limit)s offset %(offset)s
"""

COUNT_USERS_WITH = """
    select count(*) from taggings g join users u on u.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'user' and u.deleted_at is null
"""

COUNT_TEAMS_WITH = """
    select count(*) from taggings g join teams e on e.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'team' and e.deleted_at is null
        and (%(visible)s::text[] is null or e.id = any(%(visible)s::text[]))
"""

COUNT_POLICIES_WITH = """
    select count(*) from taggings g join escalation_policies p on p.id = g.entity_id
    where g.tag_id = %(id)s and g.kind = 'escalation_policy' and p.deleted_at is null
        and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
"""
