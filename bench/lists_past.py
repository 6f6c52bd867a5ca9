"""A million incidents over two years for the measurement of lists, with what a list shows of them.

Made by SQL, as `history` is, but with ids of the product's own form, times that end now, teams,
services of which a few make most of the noise, and some thousand incidents that are still open.
One incident has a thousand alerts and five thousand log entries.
"""

from typing import LiteralString

import psycopg

SPAN_DAYS = 730
OPEN = 3_000
TEAMS = 20
BIG_ALERTS = 1_000
BIG_ENTRIES = 5_000

PREPARE: tuple[LiteralString, ...] = (
    """
    create function head(at timestamptz) returns text immutable language sql as $$
        select 'Q' || string_agg(
            substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                ((floor(extract(epoch from at) * 1000)::bigint / power(36, k)::bigint) %% 36)::int
                    + 1, 1), '' order by k desc)
        from generate_series(0, 7) as k
    $$
    """,
    """
    insert into teams (id, name, created_at)
    select 'PTEAM' || n, 'Team ' || n, %(now)s from generate_series(1, %(teams)s) as n
    """,
    """
    update escalation_policies p set team_id = 'PTEAM' || (x.place %% %(teams)s + 1)
    from (select id, row_number() over (order by id) as place from escalation_policies) as x
    where x.id = p.id
    """,
    """
    create table listed as
    select n, one.at, head(one.at) || lpad(n::text, 7, '0') as incident_id,
        head(one.at) || 'A' || lpad(n::text, 6, '0') as alert_id, s.*,
        case when n > %(size)s - %(open)s or n %% 5000 = 0
            then case when n %% 3 = 0 then 'triggered' else 'acknowledged' end
            else 'resolved' end as status
    from generate_series(1, %(size)s) as n
    cross join lateral (
        select date_trunc('milliseconds',
            %(now)s::timestamptz - (%(size)s - n) * (interval '1 day' * %(days)s / %(size)s)) as at
    ) as one
    join (
        select row_number() over (order by s.id) - 1 as place, s.id as service_id,
            s.escalation_policy_id as policy_id, i.id as integration_id, t.target_id as user_id
        from services s
        join integrations i on i.service_id = s.id
        join escalation_levels l on l.policy_id = s.escalation_policy_id
        join escalation_targets t on t.level_id = l.id
    ) as s on s.place = case when n %% 2 = 0 then n / 2 %% 10
        else n / 2 %% (select count(*) from services) end
    """,
    "create index listed_n on listed (n)",
)
# Each statement fills the numbers from %(first)s to %(last)s of one table.
STATEMENTS: tuple[LiteralString, ...] = (
    """
    insert into incidents (id, number, service_id, escalation_policy_id, title, status, urgency,
        created_at, changed_at, resolved_at, alert_count, open_alert_count, last_alert_at, priority)
    select incident_id, n, service_id, policy_id, 'Disk 97 %% full on db' || n %% 1000, status,
        case when n %% 3 = 0 then 'low' else 'high' end, at,
        case when status = 'resolved' then at + n %% 120 * interval '1 min' else at end,
        case when status = 'resolved' then at + n %% 120 * interval '1 min' end, 1,
        case when status = 'resolved' then 0 else 1 end, at,
        case when n %% 50 = 0 then 'P' || n / 50 %% 5 + 1 end
    from listed where n between %(first)s and %(last)s
    """,
    """
    insert into alerts (id, service_id, integration_id, incident_id, dedup_key, status, severity,
        summary, source, details, created_at, last_event_at, resolved_at)
    select alert_id, service_id, integration_id, incident_id, 'disk-' || n / 10,
        case when status = 'resolved' then 'resolved' else 'triggered' end, 'critical',
        'Disk 97 %% full on db' || n %% 1000, 'db7.example.com',
        jsonb_build_object('firing', repeat('label = value ', 15)), at, at,
        case when status = 'resolved' then at + n %% 120 * interval '1 min' end
    from listed where n between %(first)s and %(last)s
    on conflict do nothing
    """,
    """
    insert into log_entries
        (id, at, incident_id, service_id, kind, reason, actor_kind, actor_label, data)
    select head(l.at) || k || lpad(n::text, 6, '0'), l.at, incident_id, service_id,
        (array['trigger', 'assign', 'resolve'])[k],
        (array['new_alert', 'opened', 'last_alert_resolved'])[k], 'integration', 'events',
        jsonb_build_object('alert_id', alert_id)
    from listed l cross join generate_series(1, 3) as k
    where n between %(first)s and %(last)s
    """,
    """
    insert into escalation_runs (incident_id, policy_id, ladder, state, reason, changed_at)
    select incident_id, policy_id,
        jsonb_build_object('policy_id', policy_id, 'policy_name', 'bench', 'loops', 0,
            'levels', jsonb_build_array()), 'stopped', 'resolved', at
    from listed where n between %(first)s and %(last)s
    """,
    """
    insert into assignments (incident_id, user_id, at)
    select incident_id, user_id, at from listed
    where n between %(first)s and %(last)s and status <> 'resolved'
    """,
)
FINISH: tuple[LiteralString, ...] = (
    """
    insert into alerts (id, service_id, integration_id, incident_id, dedup_key, status, severity,
        summary, created_at, last_event_at, resolved_at)
    select head(b.at) || 'B' || lpad(k::text, 6, '0'), b.service_id, b.integration_id,
        b.incident_id, 'big-' || k, 'resolved', 'critical', 'Pod is gone', b.at, b.at, b.at
    from generate_series(2, %(alerts)s) as k
    cross join (select * from listed where n = %(big)s) as b
    """,
    """
    insert into log_entries
        (id, at, incident_id, service_id, kind, reason, actor_kind, actor_label, data)
    select head(b.at) || 'C' || lpad(k::text, 6, '0'), b.at, b.incident_id, b.service_id,
        'trigger', 'repeated_alert', 'integration', 'events', jsonb_build_object('events', 1)
    from generate_series(1, %(entries)s) as k
    cross join (select * from listed where n = %(big)s) as b
    """,
    "select setval('incident_numbers', %(size)s)",
    "vacuum analyze",
)
STEP = 100_000


def fill(connection: "psycopg.Connection[tuple[int]]", size: int, now: object) -> None:
    """Fill a database that has services, each with one integration and one person; once. Needs a
    connection in autocommit mode. `now` is an aware datetime: when the last incident opened."""
    connection.execute("set synchronous_commit = off")
    connection.execute("set maintenance_work_mem = '256MB'")
    asked = {
        "now": now,
        "size": size,
        "open": min(OPEN, size // 10),
        "teams": TEAMS,
        "days": SPAN_DAYS,
        "big": size // 2 + 1,
        "alerts": BIG_ALERTS,
        "entries": BIG_ENTRIES,
    }
    for statement in PREPARE:
        connection.execute(statement, asked)
    for first in range(1, size + 1, STEP):
        for statement in STATEMENTS:
            connection.execute(statement, {"first": first, "last": min(size, first + STEP - 1)})
    for statement in FINISH:
        connection.execute(statement, asked)
