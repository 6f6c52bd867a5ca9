"""The SQL of accounts: people, teams, sessions, keys, throttling, the audit record, settings."""

# People -------------------------------------------------------------------------------------

INSERT_USER = """
    insert into users (id, name, email, role, time_zone, job_title, description, color,
        password_hash, created_at)
    values (%(id)s, %(name)s, %(email)s, %(role)s, %(time_zone)s, %(job_title)s, %(description)s,
        %(color)s, %(password_hash)s, %(created_at)s)
    on conflict (lower(email)) where deleted_at is null do nothing
"""

UPDATE_USER = """
    update users set name = %(name)s, email = %(email)s, role = %(role)s,
        time_zone = %(time_zone)s, job_title = %(job_title)s, description = %(description)s,
        color = %(color)s
    where id = %(id)s and not exists (
        select from users o
        where lower(o.email) = lower(%(email)s) and o.deleted_at is null and o.id <> %(id)s)
"""

SELECT_USERS_BY_IDS = """
    select id, name, email, role, time_zone, job_title, description, color, created_at, deleted_at
    from users where id = any(%(ids)s)
"""

SELECT_USER_FOR_UPDATE = """
    select id, name, email, role, time_zone, job_title, description, color, created_at, deleted_at
    from users where id = %(id)s and deleted_at is null
    for update
"""

SELECT_USER_BY_EMAIL = """
    select id, name, email, role, time_zone, job_title, description, color, created_at, deleted_at
    from users where lower(email) = lower(%(email)s) and deleted_at is null
"""

SELECT_USERS = """
    select id, name, email, role, time_zone, job_title, description, color, created_at, deleted_at
    from users u
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0
            or position(lower(%(query)s::text) in lower(email)) > 0)
        and (%(team_ids)s::text[] is null or exists (
            select from team_members m
            where m.user_id = u.id and m.team_id = any(%(team_ids)s::text[])))
        and (%(tag_id)s::text is null or exists (
            select from taggings g
            where g.kind = 'user' and g.entity_id = u.id and g.tag_id = %(tag_id)s::text))
        and (%(after_name)s::text is null
            or (lower(name), id) > (%(after_name)s::text, %(after_id)s::text))
    order by lower(name), id
    limit %(limit)s offset %(offset)s
"""

COUNT_USERS = """
    select count(*) from users u
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0
            or position(lower(%(query)s::text) in lower(email)) > 0)
        and (%(team_ids)s::text[] is null or exists (
            select from team_members m
            where m.user_id = u.id and m.team_id = any(%(team_ids)s::text[])))
"""

COUNT_OWNERS_BESIDE = """
    select count(*) from (
        select from users where role = 'owner' and deleted_at is null and id <> %(id)s for update
    ) owners
"""

SELECT_ANY_USER = "select exists (select from users)"

SELECT_PASSWORD = """
    select id, password_hash from users where lower(email) = lower(%(email)s)
        and deleted_at is null
"""

SELECT_PASSWORD_BY_ID = """
    select password_hash from users where id = %(id)s and deleted_at is null
"""

UPDATE_PASSWORD = "update users set password_hash = %(hash)s where id = %(id)s"

DEACTIVATE_USER = """
    update users set deleted_at = %(now)s, password_hash = null where id = %(id)s
"""

SELECT_POLICIES_TARGETING = """
    select distinct p.id, p.name
    from escalation_targets t
    join escalation_levels l on l.id = t.level_id
    join escalation_policies p on p.id = l.policy_id
    where t.kind = 'user' and t.target_id = %(id)s and p.deleted_at is null
    order by p.name limit 10
"""

SELECT_SCHEDULES_WITH = """
    select s.id, s.name from schedules s
    where s.deleted_at is null and (
        exists (select from schedule_layers l
            where l.schedule_id = s.id and %(id)s = any(l.members)
                and (l.ends_at is null or l.ends_at > %(now)s))
        or exists (select from schedule_overrides o
            where o.schedule_id = s.id and o.user_id = %(id)s and o.ends_at > %(now)s))
    order by s.name limit 10
"""

SELECT_OPEN_INCIDENTS_OF = """
    select i.id, i.number, i.title
    from assignments a join incidents i on i.id = a.incident_id
    where a.user_id = %(id)s and i.status <> 'resolved'
    order by i.number limit 10
"""

# Teams --------------------------------------------------------------------------------------

INSERT_TEAM = """
    insert into teams (id, name, description, default_role, created_at)
    values (%(id)s, %(name)s, %(description)s, %(default_role)s, %(created_at)s)
    on conflict (lower(name)) where deleted_at is null do nothing
"""

UPDATE_TEAM = """
    update teams set name = %(name)s, description = %(description)s,
        default_role = %(default_role)s
    where id = %(id)s and not exists (
        select from teams o
        where lower(o.name) = lower(%(name)s) and o.deleted_at is null and o.id <> %(id)s)
"""

SELECT_TEAM_FOR_UPDATE = """
    select id, name, description, default_role, created_at, deleted_at
    from teams where id = %(id)s and deleted_at is null
    for update
"""

SELECT_TEAMS_BY_IDS = """
    select id, name, description, default_role, created_at, deleted_at
    from teams where id = any(%(ids)s)
"""

SELECT_TEAMS = """
    select id, name, description, default_role, created_at, deleted_at
    from teams t
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0)
        and (%(team_ids)s::text[] is null or id = any(%(team_ids)s::text[]))
        and (%(tag_id)s::text is null or exists (
            select from taggings g
            where g.kind = 'team' and g.entity_id = t.id and g.tag_id = %(tag_id)s::text))
        and (%(after_name)s::text is null
            or (lower(name), id) > (%(after_name)s::text, %(after_id)s::text))
    order by lower(name), id
    limit %(limit)s offset %(offset)s
"""

COUNT_TEAMS = """
    select count(*) from teams
    where deleted_at is null
        and (%(query)s::text is null or position(lower(%(query)s::text) in lower(name)) > 0)
        and (%(team_ids)s::text[] is null or id = any(%(team_ids)s::text[]))
"""

DELETE_TEAM = "update teams set deleted_at = %(now)s where id = %(id)s"

SELECT_OWNED_BY_TEAM = """
    select 'escalation policy' as kind, name from escalation_policies
    where team_id = %(id)s and deleted_at is null
    union all
    select 'schedule', name from schedules where team_id = %(id)s and deleted_at is null
    union all
    select 'business service', name from business_services
    where team_id = %(id)s and deleted_at is null
    order by 1, 2 limit 10
"""

MOVE_OWNED_BY_TEAM = """
    with policies as (
        update escalation_policies set team_id = %(to)s
        where team_id = %(id)s and deleted_at is null returning id, name
    ), moved_schedules as (
        update schedules set team_id = %(to)s
        where team_id = %(id)s and deleted_at is null returning id, name
    ), businesses as (
        update business_services set team_id = %(to)s
        where team_id = %(id)s and deleted_at is null returning id, name
    )
    select 'escalation_policy' as kind, id, name from policies
    union all select 'schedule', id, name from moved_schedules
    union all select 'business_service', id, name from businesses
"""

UPSERT_MEMBER = """
    insert into team_members (team_id, user_id, role)
    values (%(team_id)s, %(user_id)s, %(role)s)
    on conflict (team_id, user_id) do update set role = excluded.role
"""

SELECT_MEMBER = """
    select team_id, user_id, role from team_members
    where team_id = %(team_id)s and user_id = %(user_id)s
"""

SELECT_MEMBERS = """
    select m.team_id, m.user_id, m.role from team_members m join users u on u.id = m.user_id
    where m.team_id = %(team_id)s and (%(after_id)s::text is null or m.user_id > %(after_id)s)
    order by m.user_id
    limit %(limit)s offset %(offset)s
"""

COUNT_MEMBERS = "select count(*) from team_members where team_id = %(team_id)s"

SELECT_MEMBERSHIPS = """
    select m.team_id, m.user_id, m.role
    from team_members m join teams t on t.id = m.team_id
    where m.user_id = any(%(user_ids)s) and t.deleted_at is null
    order by m.user_id, lower(t.name)
"""

DELETE_MEMBER = """
    delete from team_members where team_id = %(team_id)s and user_id = %(user_id)s
"""

DELETE_MEMBERS_OF_TEAM = "delete from team_members where team_id = %(team_id)s"

DELETE_MEMBERSHIPS = "delete from team_members where user_id = %(user_id)s"

SELECT_TEAM_POLICIES_TARGETING = """
    select distinct p.id, p.name
    from escalation_targets t
    join escalation_levels l on l.id = t.level_id
    join escalation_policies p on p.id = l.policy_id
    where t.kind = 'user' and t.target_id = %(user_id)s and p.team_id = %(team_id)s
        and p.deleted_at is null
    order by p.name limit 10
"""

# Sessions and sign-in -----------------------------------------------------------------------

INSERT_SESSION = """
    insert into sessions (digest, user_id, created_at, last_seen_at, expires_at, user_agent,
        address)
    values (%(digest)s, %(user_id)s, %(now)s, %(now)s, %(expires_at)s, %(user_agent)s,
        %(address)s)
"""

SELECT_SESSION_ACTOR = """
    select u.id as user_id, u.name, u.role, s.last_seen_at, s.expires_at,
        coalesce((select jsonb_object_agg(m.team_id, m.role)
            from team_members m where m.user_id = u.id), '{}') as teams
    from sessions s join users u on u.id = s.user_id
    where s.digest = %(digest)s and u.deleted_at is null
"""

TOUCH_SESSION = """
    update sessions set last_seen_at = %(now)s
    where digest = %(digest)s and last_seen_at < %(now)s
"""

SELECT_SESSIONS = """
    select encode(digest, 'hex') as id, user_id, created_at, last_seen_at, expires_at,
        user_agent, address
    from sessions
    where user_id = %(user_id)s and expires_at > %(now)s and last_seen_at > %(idle_since)s
    order by last_seen_at desc
    limit 100
"""

DELETE_SESSION = "delete from sessions where digest = %(digest)s"

DELETE_SESSION_OF_USER = """
    delete from sessions where user_id = %(user_id)s and encode(digest, 'hex') = %(id)s
"""

DELETE_SESSIONS = "delete from sessions where user_id = %(user_id)s"

DELETE_DEAD_SESSIONS = """
    delete from sessions where digest in (
        select digest from sessions
        where expires_at <= %(now)s or last_seen_at <= %(idle_since)s
        limit %(limit)s)
"""

INSERT_THROTTLES = """
    insert into login_throttle (subject, failures, last_at)
    select subject, 0, %(now)s from unnest(%(subjects)s::text[]) as given (subject)
    order by subject
    on conflict (subject) do nothing
"""

SELECT_THROTTLES = """
    select subject, failures, last_at, locked_until from login_throttle
    where subject = any(%(subjects)s)
    order by subject
    for update
"""

UPDATE_THROTTLE = """
    update login_throttle set failures = %(failures)s, last_at = %(last_at)s,
        locked_until = %(locked_until)s
    where subject = %(subject)s
"""

DELETE_THROTTLE = "delete from login_throttle where subject = %(subject)s"

DELETE_OLD_THROTTLES = """
    delete from login_throttle where subject in (
        select subject from login_throttle where last_at < %(before)s limit %(limit)s)
"""

# REST keys ----------------------------------------------------------------------------------

INSERT_KEY = """
    insert into api_keys (id, name, user_id, role, digest, hint, read_only, created_by, created_at)
    values (%(id)s, %(name)s, %(user_id)s, %(role)s, %(digest)s, %(hint)s, %(read_only)s,
        %(created_by)s, %(created_at)s)
"""

SELECT_KEY_ACTOR = """
    select k.id, k.name, k.user_id, coalesce(u.role, k.role) as role, k.hint, k.read_only,
        k.last_used_at, u.name as user_name,
        coalesce((select jsonb_object_agg(m.team_id, m.role)
            from team_members m where m.user_id = u.id), '{}') as teams
    from api_keys k left join users u on u.id = k.user_id
    where k.digest = %(digest)s and k.revoked_at is null and u.deleted_at is null
"""

TOUCH_KEY = """
    update api_keys set last_used_at = %(now)s
    where id = %(id)s and (last_used_at is null or last_used_at < %(now)s)
"""

SELECT_KEY_FOR_UPDATE = """
    select id, name, user_id, role, hint, read_only, created_by, created_at, last_used_at,
        revoked_at
    from api_keys where id = %(id)s and revoked_at is null
    for update
"""

SELECT_KEYS = """
    select id, name, user_id, role, hint, read_only, created_by, created_at, last_used_at,
        revoked_at
    from api_keys
    where revoked_at is null and (%(user_id)s::text is null or user_id = %(user_id)s::text)
        and (%(after_id)s::text is null or id > %(after_id)s::text)
    order by id
    limit %(limit)s
"""

REVOKE_KEY = "update api_keys set revoked_at = %(now)s where id = %(id)s"

REVOKE_KEYS_OF_USER = """
    update api_keys set revoked_at = %(now)s where user_id = %(user_id)s and revoked_at is null
"""

# Audit --------------------------------------------------------------------------------------

INSERT_AUDIT = """
    with fresh as (
        insert into audit (at, actor_kind, actor_id, actor_label, method, address, action,
            subject_type, subject_id, subject_label, before, after)
        values (%(at)s, %(actor_kind)s, %(actor_id)s, %(actor_label)s, %(method)s, %(address)s,
            %(action)s, %(subject_type)s, %(subject_id)s, %(subject_label)s, %(before)s, %(after)s)
        returning seq)
    insert into audit_pending (seq) select seq from fresh
"""

TRY_SEAL_LOCK = "select pg_try_advisory_xact_lock(%(key)s)"

TAKE_PENDING = """
    delete from audit_pending where seq in (
        select seq from audit_pending order by seq limit %(limit)s for update skip locked)
    returning seq
"""

SELECT_AUDIT_BY_SEQS = """
    select seq, at, actor_kind, actor_id, actor_label, method, address, action, subject_type,
        subject_id, subject_label, before, after
    from audit where seq = any(%(seqs)s)
    order by seq
"""

SELECT_HEAD = "select chain, hash from audit_chain order by chain desc limit 1"

SELECT_LINKS = """
    select chain, audit_seq, hash from audit_chain
    where chain > %(after)s order by chain limit %(limit)s
"""

SELECT_SEALED = """
    select a.seq, a.at, a.actor_kind, a.actor_id, a.actor_label, a.method, a.address, a.action,
        a.subject_type, a.subject_id, a.subject_label, a.before, a.after
    from audit_chain c join audit a on a.seq = c.audit_seq
    where c.chain > %(after)s and c.chain <= %(upto)s and a.subject_type = any(%(subject_types)s)
    order by c.chain
    limit %(limit)s
"""

SELECT_UNCHAINED = """
    select min(a.seq) from audit a
    where not exists (select from audit_chain c where c.audit_seq = a.seq)
        and not exists (select from audit_pending p where p.seq = a.seq)
"""

SELECT_AUDIT = """
    select seq, at, actor_kind, actor_id, actor_label, method, address, action, subject_type,
        subject_id, subject_label, before, after
    from audit
    where (%(before_seq)s::bigint is null or seq < %(before_seq)s::bigint)
        and (%(since)s::timestamptz is null or at >= %(since)s::timestamptz)
        and (%(until)s::timestamptz is null or at < %(until)s::timestamptz)
        and (%(subject_type)s::text is null or subject_type = %(subject_type)s::text)
        and (%(subject_id)s::text is null or subject_id = %(subject_id)s::text)
        and (%(actor_id)s::text is null or actor_id = %(actor_id)s::text)
        and (%(action)s::text is null or action = %(action)s::text)
    order by seq desc
    limit %(limit)s
"""

# What the installation knows of itself ------------------------------------------------------

TAKE_SETUP_LOCK = "select pg_advisory_xact_lock(%(key)s)"

SELECT_INSTANCE = "select name, value from instance where name = any(%(names)s)"

UPSERT_INSTANCE = """
    insert into instance (name, value) values (%(name)s, %(value)s)
    on conflict (name) do update set value = excluded.value
"""
