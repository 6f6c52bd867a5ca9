"""Lists of incidents: whatever road they take, they show what the plainest statement would."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.accounts.model import Actor, Role
from tocsin.core.database import Database
from tocsin.core.errors import Forbidden
from tocsin.queries import incident_search
from tocsin.queries.incident_search import KEYS, Order, Road, Wanted, road

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Actor(kind="person", id="P1", label="Ann", role=Role.OWNER)
FILL = (
    """
    insert into users (id, name, email, role, time_zone, created_at)
    select 'P' || n, 'Person ' || n, 'p' || n || '@example.com', 'admin', 'Etc/UTC', '2026-01-01Z'
    from generate_series(1, 4) n
    """,
    """
    insert into teams (id, name, created_at)
    select 'PT' || n, 'Team ' || n, '2026-01-01Z' from generate_series(1, 3) n
    """,
    """
    insert into escalation_policies (id, name, team_id, created_at)
    select 'PP' || n, 'Policy ' || n, case when n < 3 then 'PT' || n end, '2026-01-01Z'
    from generate_series(1, 4) n
    """,
    """
    insert into services (id, name, escalation_policy_id, slice, created_at)
    select 'PS' || n, 'Service ' || n, 'PP' || (n % 4 + 1), 0, '2026-01-01Z'
    from generate_series(1, 8) n
    """,
    """
    insert into integrations (id, service_id, name, kind, key_digest, key_sealed, created_at)
    select 'PI' || n, 'PS' || n, 'events', 'events_api_v2', n::text::bytea, 'x', '2026-01-01Z'
    from generate_series(1, 8) n
    """,
    """
    insert into incidents (id, number, service_id, escalation_policy_id, title, status, urgency,
        incident_key, created_at, changed_at, resolved_at)
    select 'Q' || lpad(n::text, 4, '0'), 1 + n * 37 % 601, 'PS' || (n * 7 % 8 + 1), 'PP1', 'x',
        s.status, case when n % 5 = 0 then 'low' else 'high' end,
        case when n % 50 = 0 and s.status = 'resolved' then 'by-hand' end, t.at, t.at,
        case when s.status = 'resolved' then t.at + n * 13 % 97 * interval '1 hour' end
    from generate_series(1, 600) n
    cross join lateral (select case when n % 7 = 0 then 'triggered' when n % 11 = 0
        then 'acknowledged' else 'resolved' end as status) s
    cross join lateral (select '2026-01-01Z'::timestamptz + n / 3 * interval '1 hour' as at) t
    """,
    """
    insert into alerts (id, service_id, integration_id, incident_id, dedup_key, status, severity,
        summary, created_at, last_event_at)
    select 'QA' || number, service_id, 'PI' || right(service_id, 1), id,
        case when status = 'resolved' then 'key-' || number % 9 else 'open-' || number end,
        case when status = 'resolved' then status else 'triggered' end, 'critical', 's',
        created_at, created_at
    from incidents
    """,
    """
    insert into assignments (incident_id, user_id, at)
    select id, 'P' || n, created_at from incidents, generate_series(1, 4) n
    where status <> 'resolved' and (number + n) % 3 = 0
    """,
)
PLAIN = """
    select i.id, i.number as incident_number, i.created_at, i.resolved_at, i.urgency
    from incidents i
    join services s on s.id = i.service_id
    join escalation_policies p on p.id = s.escalation_policy_id
    where (%(statuses)s::text[] is null or i.status = any(%(statuses)s))
        and (%(urgencies)s::text[] is null or i.urgency = any(%(urgencies)s))
        and (%(service_ids)s::text[] is null or i.service_id = any(%(service_ids)s))
        and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s))
        and (%(user_ids)s::text[] is null or exists (select from assignments a
            where a.incident_id = i.id and a.user_id = any(%(user_ids)s)))
        and (%(key)s::text is null or i.incident_key = %(key)s or exists (select from alerts a
            where a.incident_id = i.id and a.dedup_key = %(key)s))
        and (%(since)s::timestamptz is null or i.created_at >= %(since)s)
        and (%(until)s::timestamptz is null or i.created_at < %(until)s)
"""
ORDERS: list[Order] = [
    tuple(zip(keys, downs, strict=True))
    for count in (1, 2)
    for keys in itertools.permutations(KEYS, count)
    for downs in itertools.product((False, True), repeat=count)
]
# With one key there are more roads than with two.
ORDERS += [order for order in ORDERS if len(order) == 1] * 8


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as tx:
        for statement in FILL:
            await tx.execute(statement)
    return database


def sorted_plainly(rows: list[dict[str, Any]], order: Order) -> list[str]:
    """By the last key first, because sorting is stable; what has no value comes last."""
    key, down = order[0]
    rows = sorted(rows, key=lambda row: str(row["id"]), reverse=down and key != "urgency")
    full = order if order[0][0] != "urgency" or len(order) > 1 else (*order, ("created_at", False))
    for key, down in reversed(full):
        valued = [row for row in rows if row[key] is not None]
        valued.sort(key=lambda row: row[key])
        if down:
            # Reversed, equal ones would change places.
            groups = [list(g) for _, g in itertools.groupby(valued, key=lambda row: row[key])]
            valued = [row for group in reversed(groups) for row in group]
        rows = valued + [row for row in rows if row[key] is None]
    return [row["id"] for row in rows]


def any_wanted(dice: random.Random) -> Wanted:
    def some(values: list[str], most: int) -> list[str] | None:
        return dice.sample(values, dice.randint(1, most)) if dice.random() < 0.35 else None

    since = BEGIN + timedelta(hours=dice.randint(0, 150)) if dice.random() < 0.5 else None
    until = BEGIN + timedelta(hours=dice.randint(100, 250)) if dice.random() < 0.3 else None
    key = dice.choice(["by-hand", "key-3", "open-7", "none"]) if dice.random() < 0.15 else None
    return Wanted(
        statuses=some(["triggered", "acknowledged", "resolved"], 3),
        urgencies=some(["high", "low"], 2),
        service_ids=some([f"PS{n}" for n in range(1, 10)], 5),
        team_ids=some(["PT1", "PT2", "PT3"], 2),
        user_ids=some(["P1", "P2", "P3"], 2) if dice.random() < 0.5 else None,
        key=key,
        since=since,
        until=until,
    )


@pytest.mark.parametrize("seed", range(6))
async def test_every_road_leads_to_the_same_incidents(filled: Database, seed: int) -> None:
    dice = random.Random(seed)
    found_some = 0
    roads = set()
    async with filled.transaction() as tx:
        for order in ORDERS:
            wanted = any_wanted(dice)
            limit, offset = dice.choice([(5, 0), (26, 0), (10, 10), (101, 300)])
            rows = await tx.rows(PLAIN, {f: getattr(wanted, f) for f in wanted.__struct_fields__})
            expected = sorted_plainly(rows, order)
            found = await incident_search.incident_ids(
                tx, OWNER, wanted, order, limit=limit, offset=offset
            )
            services = None if wanted.service_ids is None else len(wanted.service_ids)
            roads.add(road(wanted, order, services, limit + offset))
            assert found == expected[offset : offset + limit], (wanted, order, limit, offset)
            assert await incident_search.count_incidents(tx, OWNER, wanted) == len(expected)
            found_some += bool(found)
    assert found_some > len(ORDERS) // 4
    assert len(roads) >= 5


def test_the_road() -> None:
    now = BEGIN
    down, up = (("created_at", True),), (("created_at", False),)
    recent = Wanted(since=now)
    number: Order = (("incident_number", False),)
    assert road(recent, up, None, 26) is Road.WALK
    assert road(Wanted(statuses=["triggered"]), down, None, 26) is Road.BY_STATUS
    assert road(Wanted(statuses=["triggered", "resolved"]), down, None, 26) is Road.WALK
    assert road(recent, up, 200, 26) is Road.BY_SERVICE
    # So deep that taking the first of each service would read more than the walk.
    assert road(recent, up, 200, 10_000) is Road.WALK
    assert road(Wanted(user_ids=["P1"], since=now), up, 1, 26) is Road.OF_USERS
    assert road(Wanted(user_ids=["P1"], key="x"), up, None, 26) is Road.OF_KEY
    # The numbers of the month are not the first of the index: all of the month is sorted.
    assert road(recent, number, None, 26) is Road.COLLECT
    assert road(Wanted(), number, None, 26) is Road.WALK
    assert road(recent, (("incident_number", True),), None, 26) is Road.WALK
    assert road(recent, (("urgency", True), ("created_at", False)), None, 26) is Road.BY_URGENCY
    assert road(recent, (("urgency", True), ("created_at", True)), None, 26) is Road.COLLECT


async def test_who_sees_what(filled: Database) -> None:
    member = Actor(
        kind="person", id="P2", label="Bob", role=Role.RESTRICTED, teams={"PT1": "responder"}
    )
    stranger = Actor(kind="person", id="P3", label="Eve", role=Role.RESTRICTED)
    own = "select id from incidents where service_id in ('PS4', 'PS8') order by created_at, id"
    async with filled.transaction() as tx:
        expected = [id for (id,) in await tx.tuples(own)]
        found = await incident_search.incident_ids(
            tx, member, Wanted(), incident_search.DEFAULT, limit=1000, offset=0
        )
        assert found == expected
        assert expected
        assert await incident_search.count_incidents(tx, member, Wanted()) == len(expected)
        other = Wanted(team_ids=["PT2"])
        assert await incident_search.count_incidents(tx, member, other) == 0
        with pytest.raises(Forbidden):
            await incident_search.count_incidents(tx, stranger, Wanted())
