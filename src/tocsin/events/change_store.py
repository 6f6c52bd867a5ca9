"""The SQL of change events: list, look up, change, and forget the old."""

SELECT_CHANGES = """
    select c.id, c.service_id, p.team_id, c.integration_id, c.summary, c.source, c.at,
        c.received_at, c.links, c.images, c.details
    from change_events c
    join services s on s.id = c.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
        and (%(service_ids)s::text[] is null or c.service_id = any(%(service_ids)s::text[]))
        and (%(integration_ids)s::text[] is null
            or c.integration_id = any(%(integration_ids)s::text[]))
        and (%(since)s::timestamptz is null or c.at >= %(since)s::timestamptz)
        and (%(until)s::timestamptz is null or c.at < %(until)s::timestamptz)
    order by c.at desc, c.id desc
    limit %(limit)s offset %(offset)s
"""

COUNT_CHANGES = """
    select count(*)
    from change_events c
    join services s on s.id = c.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
        and (%(service_ids)s::text[] is null or c.service_id = any(%(service_ids)s::text[]))
        and (%(integration_ids)s::text[] is null
            or c.integration_id = any(%(integration_ids)s::text[]))
        and (%(since)s::timestamptz is null or c.at >= %(since)s::timestamptz)
        and (%(until)s::timestamptz is null or c.at < %(until)s::timestamptz)
"""

SELECT_CHANGES_BY_IDS = """
    select c.id, c.service_id, p.team_id, c.integration_id, c.summary, c.source, c.at,
        c.received_at, c.links, c.images, c.details
    from change_events c
    join services s on s.id = c.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where c.id = any(%(ids)s)
"""

LOCK_CHANGE = "select id from change_events where id = %(id)s for update"

UPDATE_CHANGE = """
    update change_events set summary = %(summary)s, details = %(details)s where id = %(id)s
"""

# The newest of each service within a window, so that a busy one hides no other.
SELECT_CHANGES_AROUND = """
    select c.id, c.service_id, p.team_id, c.integration_id, c.summary, c.source, c.at,
        c.received_at, c.links, c.images, c.details
    from unnest(%(service_ids)s::text[]) as wanted (service_id)
    cross join lateral (
        select * from change_events c
        where c.service_id = wanted.service_id
            and c.at >= %(since)s and c.at < %(until)s
        order by c.at desc, c.id desc limit %(each)s
    ) c
    join services s on s.id = c.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))
"""

# Change events are kept for ninety days, as the Events API documents; one that was dated long ago
# counts from its arrival.
DELETE_OLD_CHANGES = """
    delete from change_events where id in (
        select id from change_events
        where at < %(before)s and received_at < %(before)s
        order by at limit %(limit)s
    )
"""
