"""The SQL of what people do to single alerts. Only this area uses it."""

SELECT_ALERTS = """
    select id, service_id, integration_id, incident_id, dedup_key, status, severity, summary,
        source, component, grouping, class as class_, client, client_url, details, links, images,
        event_count, created_at, last_event_at, resolved_at
    from alerts where id = any(%(ids)s)
"""
RESOLVE = """
    update alerts set status = 'resolved', resolved_at = %(now)s
    where id = any(%(ids)s) and status = 'triggered'
"""
MOVE = """
    update alerts a
    set incident_id = x.target, opened_in = coalesce(a.opened_in, a.incident_id)
    from unnest(%(ids)s::text[], %(targets)s::text[]) as x (id, target)
    where a.id = x.id
"""
