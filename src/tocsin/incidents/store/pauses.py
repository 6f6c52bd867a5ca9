"""The SQL of alerts that wait before they open an incident. Only this area uses it."""

HOLD = """
    insert into pause_holds as h (service_id, due_at)
    select * from unnest(%(service_ids)s::text[], %(due_ats)s::timestamptz[]) as x (service_id, due)
    order by service_id
    on conflict (service_id) do update set due_at = excluded.due_at
    where h.due_at > excluded.due_at
"""
DUE = """
    select h.service_id, s.slice
    from pause_holds h join services s on s.id = h.service_id
    where h.due_at <= %(now)s
    order by h.due_at, h.service_id limit %(limit)s
"""
CLAIM = """
    select service_id from pause_holds
    where due_at <= %(now)s and service_id = any(%(service_ids)s)
    order by service_id
    for update skip locked
"""
NEXT_DUE = "select min(due_at) from pause_holds"
# The oldest of each service first, at most so many of all.
SELECT_DUE_ALERTS = """
    select id, service_id, integration_id, dedup_key, severity, summary, source, component,
        grouping, class as class_, client, client_url, details, links, images, created_at,
        suppressed_by
    from alerts
    where service_id = any(%(service_ids)s) and paused_until <= %(now)s and incident_id is null
        and suppressed_by is null and status = 'triggered'
    order by paused_until, id limit %(limit)s
"""
# The window takes over from the pause: who ends it lets the alerts go on.
SUPPRESS = """
    update alerts a set suppressed_by = x.window_id
    from unnest(%(service_ids)s::text[], %(window_ids)s::text[]) as x (service_id, window_id)
    where a.service_id = x.service_id and a.paused_until <= %(now)s and a.incident_id is null
        and a.suppressed_by is null and a.status = 'triggered'
"""
# Nobody is to be told of what a disabled or deleted service has still waiting.
LET_GO = """
    update alerts set status = 'resolved', resolved_at = %(now)s
    where service_id = any(%(service_ids)s) and paused_until is not null and incident_id is null
        and suppressed_by is null and status = 'triggered'
"""
# When the first alert of a service that still waits has waited long enough.
WAIT = """
    update pause_holds h set due_at = x.due, attempts = 0, error = null
    from (
        select a.service_id, min(a.paused_until) as due from alerts a
        where a.service_id = any(%(service_ids)s) and a.paused_until is not null
            and a.incident_id is null and a.suppressed_by is null and a.status = 'triggered'
        group by a.service_id
    ) as x
    where h.service_id = x.service_id
"""
DONE = """
    delete from pause_holds h
    where h.service_id = any(%(service_ids)s) and not exists (
        select from alerts a
        where a.service_id = h.service_id and a.paused_until is not null
            and a.incident_id is null and a.suppressed_by is null and a.status = 'triggered')
"""
PUSH_BACK = """
    update pause_holds
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where service_id = %(service_id)s and due_at <= %(now)s
"""
