"""SQL for the delivery pump: the incidents that claimed deliveries are about, as they are now."""

SELECT_OF_PAGES = """
select d.id as delivery_id, 1 as total, p.reason, i.test as is_test, i.id as incident_id,
    i.number, i.title, s.name as service, i.urgency, i.status, i.created_at, i.alert_count,
    i.priority, i.conference_number, i.conference_url, r.requester_label as asked_by,
    r.message as asked_for
from deliveries d
join pages p on p.id = d.page_id
join incidents i on i.id = p.incident_id
join services s on s.id = i.service_id
left join responder_requests r on r.id = p.responder_request_id
where d.id = any(%(ids)s)
"""

SELECT_OF_UPDATES = """
select d.id as delivery_id, i.id as incident_id, i.number, i.title, s.name as service, i.urgency,
    i.status, i.created_at, i.alert_count, u.subject, u.message, u.html, u.label, u.at
from deliveries d
join status_updates u on u.id = d.status_update_id
join incidents i on i.id = u.incident_id
join services s on s.id = i.service_id
where d.id = any(%(ids)s)
"""

SELECT_OF_HANDOFFS = """
select d.id as delivery_id, n.direction, n.schedule_id, s.name as schedule, n.at, n.ends_at,
    o.name as other_name, u.time_zone
from deliveries d
join handoff_notices n on n.delivery_id = d.id
join schedules s on s.id = n.schedule_id
join users u on u.id = d.user_id
left join users o on o.id = n.other_user_id
where d.id = any(%(ids)s)
"""

# The oldest few of each gathering, and how many there are.
SELECT_OF_GATHERED = """
with member as (
    select d.id as delivery_id, p.incident_id, min(p.reason) as reason,
        case when bool_and(p.responder_request_id is not null)
            then max(p.responder_request_id) end as request_id
    from deliveries d join pages p on p.bundle_id = d.bundle_id
    where d.id = any(%(ids)s) and d.kind = 'bundle' and p.state = 'open'
    group by d.id, p.incident_id
    union all
    select d.id, p.incident_id, min(p.reason),
        case when bool_and(p.responder_request_id is not null)
            then max(p.responder_request_id) end
    from deliveries d
    join summary_pages m on m.bundle_id = d.bundle_id
    join pages p on p.id = m.page_id
    where d.id = any(%(ids)s) and d.kind = 'summary' and p.state = 'open'
    group by d.id, p.incident_id
), ranked as (
    select member.delivery_id, count(*) over (partition by member.delivery_id)::int as total,
        member.reason, i.test as is_test, i.id as incident_id, i.number, i.title,
        s.name as service, i.urgency, i.status, i.created_at, i.alert_count, i.priority,
        i.conference_number, i.conference_url, r.requester_label as asked_by,
        r.message as asked_for,
        row_number() over (partition by member.delivery_id order by i.created_at, i.id) as rank
    from member
    join incidents i on i.id = member.incident_id
    join services s on s.id = i.service_id
    left join responder_requests r on r.id = member.request_id
)
select delivery_id, total, reason, is_test, incident_id, number, title, service, urgency, status,
    created_at, alert_count, priority, conference_number, conference_url, asked_by, asked_for
from ranked
where rank <= %(most)s
order by delivery_id, rank
"""
