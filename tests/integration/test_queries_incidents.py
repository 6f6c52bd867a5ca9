"""The list and the page of an incident on many rows: each read follows an index and is bounded."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support.postgres import START, as_superuser
from tocsin.accounts.model import Actor, Role
from tocsin.core.database import Database
from tocsin.events import change_store
from tocsin.queries import alike, choices, first_event, incident, incidents, ladders, service_graph
from tocsin.queries.incidents import Filter

ROWS = 100_000
OWNER = Actor(kind="person", id="P0000002", label="Ann", role=Role.OWNER)
FAR = datetime(9999, 1, 1, tzinfo=UTC)

# 100,000 incidents on 200 services, of which 300 are triggered and 500 acknowledged; each with an
# alert, three timeline entries, a page and a delivery.
FILL = f"""
insert into users (id, name, email, role, time_zone, created_at)
    select 'P' || lpad(n::text, 7, '0'), 'Person ' || n, 'p' || n || '@example.com', 'admin',
        'Etc/UTC', '2026-01-01Z' from generate_series(1, 50) n;
insert into teams (id, name, created_at)
    select 'PT' || lpad(n::text, 6, '0'), 'Team ' || n, '2026-01-01Z' from generate_series(1, 10) n;
insert into escalation_policies (id, name, team_id, created_at)
    select 'PP' || lpad(n::text, 6, '0'), 'Policy ' || n, 'PT' || lpad((n % 10 + 1)::text, 6, '0'),
        '2026-01-01Z' from generate_series(1, 20) n;
insert into services (id, name, escalation_policy_id, slice, created_at)
    select 'PS' || lpad(n::text, 6, '0'), 'Service ' || n,
        'PP' || lpad((n % 20 + 1)::text, 6, '0'), n % 64, '2026-01-01Z'
    from generate_series(1, 200) n;
insert into contact_methods (id, user_id, channel, label, address_sealed, address_hint, created_at)
    select 'PC' || lpad(n::text, 6, '0'), 'P' || lpad(n::text, 7, '0'), 'email', 'Work', 'x', 'x',
        '2026-01-01Z' from generate_series(1, 50) n;
insert into incidents (id, number, service_id, escalation_policy_id, title, status, urgency,
        created_at, changed_at, alert_count, priority)
    select 'Q' || lpad(n::text, 9, '0'), n, 'PS' || lpad((n % 200 + 1)::text, 6, '0'),
        'PP' || lpad((n % 20 + 1)::text, 6, '0'), 'Thing ' || n || ' is wrong',
        case when n % 333 = 0 then 'triggered' when n % 200 = 0 then 'acknowledged'
            else 'resolved' end,
        case when n % 3 = 0 then 'low' else 'high' end,
        '2026-01-01Z'::timestamptz + n * interval '10 s',
        '2026-01-01Z'::timestamptz + n * interval '10 s', 1,
        case when n % 37 = 0 then 'P' || n / 37 % 5 + 1 end
    from generate_series(1, {ROWS}) n;
insert into assignments (incident_id, user_id, at)
    select id, 'P' || lpad((number % 50 + 1)::text, 7, '0'), created_at
    from incidents where status <> 'resolved';
insert into incident_timers (incident_id, kind, due_at)
    select id, 'auto_resolve', created_at + interval '4 h'
    from incidents where status <> 'resolved';
insert into alerts (id, service_id, incident_id, dedup_key, status, severity, summary, created_at,
        last_event_at)
    select 'QA' || lpad(number::text, 9, '0'), service_id, id, 'key', 'resolved', 'critical', 's',
        created_at, created_at from incidents;
insert into log_entries (id, at, incident_id, service_id, kind, reason, actor_kind, actor_label,
        data)
    select 'QL' || k || lpad(number::text, 9, '0'), created_at, id, service_id, 'assign', 'opened',
        'engine', 'Tocsin', '{{"step": 1, "level": 1, "loop": 0, "users": []}}'
    from incidents, generate_series(1, 3) k;
insert into pages (id, incident_id, service_id, user_id, step, urgency, reason, state, created_at)
    select 'QP' || lpad(number::text, 9, '0'), id, service_id,
        'P' || lpad((number % 50 + 1)::text, 7, '0'), 1, urgency, 'opened', 'stopped', created_at
    from incidents;
insert into deliveries (id, kind, cause, page_id, incident_id, user_id, contact_method_id, channel,
        state, reason, due_at, first_due_at, created_at, finished_at)
    select 'QD' || lpad(number::text, 9, '0'), 'page', 'c' || number,
        'QP' || lpad(number::text, 9, '0'), id, 'P' || lpad((number % 50 + 1)::text, 7, '0'),
        'PC' || lpad((number % 50 + 1)::text, 6, '0'), 'email', 'sent', 'notification_rule',
        created_at, created_at, created_at, created_at
    from incidents;
insert into change_events (id, service_id, integration_id, summary, at, received_at)
    select 'QX' || lpad(n::text, 9, '0'), 'PS' || lpad((n % 200 + 1)::text, 6, '0'), 'PI', 's',
        '2026-01-01Z'::timestamptz + n * interval '10 s', '2026-01-01Z'
    from generate_series(1, 20000) n;
insert into events (received_at, service_id, integration_id, format, body)
    select '2026-01-01Z', 'PS' || lpad((n % 200 + 1)::text, 6, '0'), 'PI', 'pagerduty_v2', 'x'
    from generate_series(1, 20000) n;
insert into event_outcomes (seq, position, reason)
    select n, 0, 'repeated' from generate_series(1, 20000) n;
analyze;
"""


@pytest.fixture(scope="module")
def many(server_dsn: str, worker_id: str) -> Iterator[str]:
    """The DSN of a full database. It is filled once, because no test here changes anything."""
    name = f"many_{worker_id}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "tocsin_template_{worker_id}"')
    dsn = psycopg.conninfo.make_conninfo(server_dsn, dbname=name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
    yield dsn
    with psycopg.connect(as_superuser(server_dsn), autocommit=True) as connection:
        connection.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture
async def database(many: str) -> AsyncIterator[Database]:
    async with Database(many, size=2) as found:
        yield found


ONE = "Q000099900"
LIST: dict[str, Any] = {
    "after_at": FAR,
    "after_id": "~",
    "urgency": None,
    "service_ids": None,
    "team_ids": None,
    "visible": None,
    "mine": None,
    "words": None,
    "number": None,
    "priority": None,
    "priorities": None,
    "unmarked": False,
    "since": None,
    "limit": 26,
}
PAST: dict[str, Any] = {
    "id": ONE,
    "service_id": "PS000101",
    "since": START - timedelta(days=400),
    "before": FAR,
    "limit": 100,
}
AROUND: dict[str, Any] = {
    "service_id": "PS000101",
    "services": None,
    "at": START - timedelta(days=50),
    "near": timedelta(hours=1),
    "limit": 250,
}
STATEMENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("open", incidents.SELECT_OPEN, {**LIST, "status": "triggered"}),
    ("open, mine", incidents.SELECT_OPEN, {**LIST, "status": "triggered", "mine": "P0000002"}),
    (
        "open, team",
        incidents.SELECT_OPEN,
        {**LIST, "status": "triggered", "team_ids": ["PT000001"]},
    ),
    ("open, words", incidents.SELECT_OPEN, {**LIST, "status": "acknowledged", "words": "99 is"}),
    ("resolved", incidents.SELECT_RESOLVED, LIST),
    ("open P2", incidents.SELECT_OPEN, {**LIST, "status": "triggered", "priority": "P2"}),
    ("resolved P2", incidents.SELECT_RESOLVED, {**LIST, "priority": "P2"}),
    ("resolved, P1 or P2", incidents.SELECT_RESOLVED, {**LIST, "priorities": ["P1", "P2"]}),
    ("resolved, unmarked", incidents.SELECT_RESOLVED, {**LIST, "unmarked": True}),
    ("resolved, service", incidents.SELECT_RESOLVED, {**LIST, "service_ids": ["PS000007"]}),
    ("resolved, words", incidents.SELECT_RESOLVED, {**LIST, "words": "9 is wrong"}),
    ("counts", incidents.SELECT_COUNTS, {"visible": None, "user_id": "P0000001", "most": 100}),
    ("counts, teams", incidents.SELECT_COUNTS, {"visible": ["PT000001"], "user_id": "", "most": 9}),
    ("triggered", incidents.SELECT_TRIGGERED_COUNT, {"visible": None, "most": 100}),
    ("assignees", incidents.SELECT_ASSIGNEES, {"ids": [ONE, "Q000099800"]}),
    ("number", incidents.SELECT_BY_NUMBER, {"number": 5000}),
    ("proof", incidents.SELECT_LAST_PROOF, {}),
    ("head", incident.SELECT_HEAD, {"id": ONE, "visible": None}),
    ("assigned", incident.SELECT_ASSIGNED, {"id": ONE}),
    ("alerts", incident.SELECT_ALERTS, {"id": ONE, "before": "~", "limit": 26}),
    ("pages", incident.SELECT_PAGES, {"id": ONE, "limit": 100}),
    ("deliveries", incident.SELECT_DELIVERIES, {"id": ONE, "limit": 200}),
    ("levels", incident.SELECT_STEP_LEVELS, {"id": ONE, "limit": 100}),
    ("merged", incident.SELECT_MERGED_FROM, {"id": ONE, "limit": 50}),
    (
        "changes",
        change_store.SELECT_CHANGES_AROUND,
        {
            "service_ids": ["PS000007", "PS000008"],
            "since": START - timedelta(days=40),
            "until": FAR,
            "each": 5,
            "visible": None,
        },
    ),
    (
        "open on",
        service_graph.SELECT_OPEN_ON,
        {"ids": ["PS000007", "PS000008"], "most": 1000, "priorities": None},
    ),
    (
        "open incidents",
        service_graph.SELECT_OPEN_INCIDENTS,
        {"ids": ["PS000007"], "each": 10, "priorities": ["P1", "P2"]},
    ),
    (
        "past by key",
        alike.SELECT_WITH_KEYS,
        {**PAST, "keys": ["key", "other"]},
    ),
    ("past", alike.SELECT_EARLIER, PAST),
    ("keys", alike.SELECT_KEYS, {"id": ONE, "limit": 10}),
    ("around before", alike.SELECT_JUST_BEFORE, AROUND),
    ("around after", alike.SELECT_JUST_AFTER, AROUND),
    ("alike shown", alike.SELECT_SHOWN, {"ids": [ONE]}),
    ("steps", ladders.SELECT_STEPS, {"incident_id": ONE, "limit": 60}),
    (
        "first event",
        first_event.SELECT_LATEST,
        {"service_id": "PS000007", "integration_id": "PI"},
    ),
    ("outcome", first_event.SELECT_OUTCOME, {"seq": 7}),
]
BIG = (
    "incidents",
    "alerts",
    "log_entries",
    "pages",
    "deliveries",
    "events",
    "change_events",
    "event_outcomes",
)


def test_every_read_follows_an_index(many: str) -> None:
    """No plan reads one of the tables that grow from end to end."""
    scans = {}
    with psycopg.connect(many, autocommit=True) as connection:
        for name, statement, params in STATEMENTS:
            rows = connection.execute(f"explain {statement}".encode(), params).fetchall()
            plan = "\n".join(row[0] for row in rows)
            found = [table for table in BIG if re.search(rf"Seq Scan on {table}\b", plan)]
            if found:
                scans[name] = (found, plan)
    assert scans == {}, "\n".join(plan for _, plan in scans.values())


def test_a_page_reads_few_rows_whatever_the_history_weighs(many: str) -> None:
    with psycopg.connect(many, autocommit=True) as connection:
        for name, statement, params in STATEMENTS:
            # What a filter or a search leaves out depends on how rare the wanted is.
            if "," in name:
                continue
            rows = connection.execute(
                f"explain (analyze, timing off, summary off) {statement}".encode(), params
            ).fetchall()
            plan = "\n".join(row[0] for row in rows)
            removed = [int(n) for n in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
            assert sum(removed) < 2_000, (name, plan)


async def test_pages_follow_each_other_without_a_hole(database: Database) -> None:
    wanted = Filter(statuses=("triggered", "acknowledged"))
    seen: list[tuple[str, datetime]] = []
    cursor = None
    async with database.transaction() as tx:
        while True:
            found = await incidents.page(tx, OWNER, wanted, cursor=cursor, limit=25)
            seen += [(row.status, row.created_at) for row in found.items]
            cursor = found.next
            if cursor is None:
                break
    assert len(seen) == 300 + 500 - ROWS // (333 * 200)
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen)


async def test_by_priority_what_matters_most_comes_first(database: Database) -> None:
    services = tuple(f"PS000{37 * n + 1:03}" for n in range(1, 6))
    wanted = Filter(statuses=incidents.STATUSES, by_priority=True, service_ids=services)
    seen: list[incidents.Row] = []
    cursor = None
    async with database.transaction() as tx:
        while True:
            found = await incidents.page(tx, OWNER, wanted, cursor=cursor, limit=100)
            seen += found.items
            cursor = found.next
            if cursor is None:
                break
        some = Filter(statuses=incidents.STATUSES, priorities=("P1", "P3"))
        marked = await incidents.page(tx, OWNER, some, limit=100)
        both = Filter(statuses=incidents.STATUSES, priorities=("P3",), by_priority=True)
        only = await incidents.page(tx, OWNER, both, limit=100)
    assert len(seen) == len({row.id for row in seen}) == 5 * ROWS // 200
    ranks = [
        (row.priority or "P9", incidents.STATUSES.index(row.status), -row.created_at.timestamp())
        for row in seen
    ]
    assert ranks == sorted(ranks)
    assert {row.priority for row in seen} == {None, "P1", "P2", "P3", "P4", "P5"}
    assert {row.priority for row in marked.items} == {"P1", "P3"}
    assert {row.priority for row in only.items} == {"P3"}


async def test_a_page_may_hold_the_end_of_one_status_and_the_start_of_the_next(
    database: Database,
) -> None:
    wanted = Filter(statuses=incidents.STATUSES, service_ids=("PS000001",))
    async with database.transaction() as tx:
        first = await incidents.page(tx, OWNER, wanted, limit=25)
        statuses = [row.status for row in first.items]
        second = await incidents.page(tx, OWNER, wanted, cursor=first.next, limit=25)
    assert statuses == sorted(statuses, key=incidents.STATUSES.index)
    assert {row.id for row in first.items}.isdisjoint({row.id for row in second.items})


async def test_counts_stop_at_their_bound(database: Database) -> None:
    async with database.transaction() as tx:
        counts = await incidents.counts(tx, OWNER)
    assert counts.triggered == incidents.COUNT_AT_MOST
    assert counts.acknowledged == incidents.COUNT_AT_MOST
    assert 0 < counts.mine < incidents.COUNT_AT_MOST


async def test_a_member_of_a_team_sees_its_incidents_only(database: Database) -> None:
    member = Actor(
        kind="person",
        id="P0000003",
        label="Bob",
        role=Role.RESTRICTED,
        teams={"PT000001": "responder"},
    )
    async with database.transaction() as tx:
        mine = await incidents.page(tx, member, Filter(), limit=100)
        offered = await choices.services(tx, member)
        everyone = await choices.services(tx, OWNER)
    own = {choice.id for choice in offered}
    assert 0 < len(own) < len(everyone)
    assert {row.service_id for row in mine.items} <= own
    assert mine.items
