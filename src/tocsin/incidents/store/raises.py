"""The SQL of urgencies that are raised at the edges of support hours. Only this area uses it.

Those that wait longest come first.
"""

DUE = """
    select service_id, due_at from urgency_raises
    where due_at <= %(now)s order by due_at, service_id limit %(limit)s
"""
CLAIM = """
    select i.id from incidents i join urgency_raises r on r.service_id = i.service_id
    where r.service_id = any(%(service_ids)s) and i.status <> 'resolved' and i.urgency = 'low'
        and i.created_at <= r.due_at
    order by i.id limit %(limit)s
    for update of i skip locked
"""
LEFT = """
    select distinct i.service_id
    from incidents i join urgency_raises r on r.service_id = i.service_id
    where r.service_id = any(%(service_ids)s) and i.status <> 'resolved' and i.urgency = 'low'
        and i.created_at <= r.due_at
"""
PUSH_BACK = """
    update urgency_raises
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where service_id = %(service_id)s and due_at <= %(now)s
"""
