"""A past for the database: resolved incidents with everything the product keeps about them.

Made by SQL, set by set, because sending a million events would take all day. One alert has one
event, one outcome, one incident, three timeline entries, a ladder that stopped, a page that was
stopped, and one delivery for five of them; ended, as almost everything in a long history has.
"""

from typing import LiteralString

import psycopg

# Each statement fills the numbers from %(first)s to %(last)s of one table.
STATEMENTS: tuple[LiteralString, ...] = (
    """
    insert into events (seq, received_at, service_id, integration_id, format, body)
    select -n, p.at, p.service_id, p.integration_id, 'pagerduty_v2',
        convert_to(repeat('x', 500), 'UTF8')
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into event_outcomes (seq, position, reason, alert_id, incident_id)
    select -n, 0, 'opened', 'QA' || p.tag, 'QI' || p.tag
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into incidents (id, number, service_id, escalation_policy_id, title, status, urgency,
        created_at, changed_at, resolved_at, alert_count, open_alert_count, last_alert_at)
    select 'QI' || p.tag, 1000000000 + n, p.service_id, p.policy_id, 'Disk 97 %% full on db' || n,
        'resolved', 'high', p.at, p.at + interval '9 min', p.at + interval '9 min', 1, 0, p.at
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into alerts (id, service_id, integration_id, incident_id, dedup_key, status, severity,
        summary, source, details, created_at, last_event_at, resolved_at)
    select 'QA' || p.tag, p.service_id, p.integration_id, 'QI' || p.tag, 'past-' || n, 'resolved',
        'critical', 'Disk 97 %% full on db' || n, 'db7.example.com',
        jsonb_build_object('firing', repeat('label = value ', 15)), p.at, p.at,
        p.at + interval '9 min'
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into log_entries
        (id, at, incident_id, service_id, kind, reason, actor_kind, actor_label, data)
    select 'QL' || p.tag || k, p.at, 'QI' || p.tag, p.service_id, 'trigger', 'new_alert',
        'integration', 'events', jsonb_build_object('alert_id', 'QA' || p.tag)
    from past p cross join generate_series(1, 3) as k
    where n between %(first)s and %(last)s
    """,
    """
    insert into escalation_runs (incident_id, policy_id, ladder, state, reason, changed_at)
    select 'QI' || p.tag, p.policy_id, p.ladder, 'stopped', 'resolved', p.at
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into pages (id, incident_id, service_id, user_id, step, urgency, reason, state,
        created_at, stopped_at, stopped_reason)
    select 'QP' || p.tag, 'QI' || p.tag, p.service_id, p.user_id, 1, 'high', 'begin', 'stopped',
        p.at, p.at + interval '9 min', 'resolved'
    from past p where n between %(first)s and %(last)s
    """,
    """
    insert into deliveries (id, kind, cause, page_id, incident_id, user_id, contact_method_id,
        channel, state, reason, due_at, first_due_at, attempts, created_at, finished_at)
    select 'QD' || p.tag, 'page', 'page:QP' || p.tag || ':past', 'QP' || p.tag, 'QI' || p.tag,
        p.user_id, p.method_id, 'simulated', 'sent', 'rule', p.at, p.at, 1, p.at, p.at
    from past p where n between %(first)s and %(last)s and n %% 5 = 0
    """,
)
PAST = """
create view past as
select n, lpad(to_hex(n), 12, '0') as tag,
    timestamptz '2026-01-01 00:00Z' + n * interval '10 s' as at,
    one.*
from generate_series(1, 1000000) as n
join (
    select row_number() over (order by s.id) - 1 as place, s.id as service_id,
        s.escalation_policy_id as policy_id, i.id as integration_id, t.target_id as user_id,
        m.id as method_id,
        jsonb_build_object('policy_id', s.escalation_policy_id, 'policy_name', s.name, 'loops', 0,
            'levels', jsonb_build_array()) as ladder
    from services s
    join integrations i on i.service_id = s.id
    join escalation_levels l on l.policy_id = s.escalation_policy_id
    join escalation_targets t on t.level_id = l.id
    join contact_methods m on m.user_id = t.target_id
) as one on one.place = n % (select count(*) from services)
"""
STEP = 100_000


def grow_to(connection: "psycopg.Connection[tuple[int]]", size: int) -> None:
    """Fill the past up to `size` alerts, and let the planner know. Needs a connection in
    autocommit mode, and services with one integration and one person each."""
    connection.execute("set synchronous_commit = off")
    connection.execute("set maintenance_work_mem = '256MB'")
    missing = connection.execute("select to_regclass('past') is null").fetchone()
    if missing and missing[0]:
        connection.execute(PAST)
        connection.execute("create table past_size as select 0 as size")
    row = connection.execute("select size from past_size").fetchone()
    done = int(row[0]) if row else 0
    for first in range(done + 1, size + 1, STEP):
        last = min(size, first + STEP - 1)
        for statement in STATEMENTS:
            connection.execute(statement, {"first": first, "last": last})
    connection.execute("update past_size set size = %(size)s", {"size": size})
    connection.execute("set synchronous_commit = on")
    connection.execute("analyze")
