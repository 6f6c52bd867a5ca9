"""Whatever machines say, people do and time brings, in any order: the invariants of incidents hold.

Runs against a real database; each example has a service and integration of its own in it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.incidents_house import House, actor, level, stand_up, trigger, user
from tocsin.accounts.model import Role
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Problem
from tocsin.events.model import Event
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Reassignment
from tocsin.incidents.model import Urgency

PEOPLE = {id: actor(id, Role.RESPONDER) for id in ("alice", "bob", "carol")}
KEYS = ["a", "b", "c"]
Word = Literal["trigger", "acknowledge", "resolve"]
words: st.SearchStrategy[Word] = st.sampled_from(["trigger", "trigger", "acknowledge", "resolve"])
batches = st.lists(
    st.tuples(words, st.sampled_from(KEYS), st.sampled_from(["critical", "info"])),
    min_size=1,
    max_size=5,
)
steps = st.one_of(
    st.tuples(st.just("say"), batches),
    st.tuples(
        st.sampled_from(
            ["acknowledge", "resolve", "unacknowledge", "snooze", "escalate", "merge", "low",
             "high", "to_carol", "to_policy"]
        ),
        st.tuples(st.sampled_from(sorted(PEOPLE)), st.integers(0, 5)),
    ),
    st.tuples(st.just("pass"), st.integers(1, 40)),
)  # fmt: skip

WRONG_COUNTS = """
    select i.id from incidents i
    left join alerts a on a.incident_id = i.id
    group by i.id
    having i.alert_count <> count(a.id)
        or i.open_alert_count <> count(a.id) filter (where a.status = 'triggered')
"""
OPEN_ALERT_OF_RESOLVED = """
    select a.id from alerts a join incidents i on i.id = a.incident_id
    where i.status = 'resolved' and a.status <> 'resolved'
"""
RESOLVED_WITH_LEFTOVERS = """
    select i.id from incidents i
    where i.status = 'resolved' and (
        exists (select from incident_timers t where t.incident_id = i.id)
        or exists (select from assignments t where t.incident_id = i.id)
        or exists (select from acknowledgements t where t.incident_id = i.id)
        or exists (select from escalation_runs t where t.incident_id = i.id and state = 'running')
        or exists (select from pages t where t.incident_id = i.id and state = 'open'))
"""
PAGED_WHILE_ACKNOWLEDGED = """
    select i.id from incidents i
    where i.status = 'acknowledged' and (
        exists (select from escalation_runs t where t.incident_id = i.id and state = 'running')
        or exists (select from pages t where t.incident_id = i.id and state = 'open'))
"""
SILENT = """
    select i.id from incidents i join escalation_runs r on r.incident_id = i.id
    where i.status = 'triggered' and not (
        exists (select from pages t where t.incident_id = i.id and state = 'open')
        and exists (select from assignments t where t.incident_id = i.id))
"""
HIGH_WITHOUT_FUTURE = """
    select i.id from incidents i join escalation_runs r on r.incident_id = i.id
    where i.status = 'triggered' and i.urgency = 'high'
        and r.state = 'stopped' and r.reason <> 'reassigned'
"""
STATUS_OUT_OF_STEP = """
    select id from incidents
    where (status = 'resolved') <> (resolved_at is not null)
        or (snoozed_until is not null and status <> 'acknowledged')
        or (status = 'triggered' and acknowledged_at is not null)
        or (status = 'acknowledged' and acknowledged_at is null)
"""
INVARIANTS = (
    WRONG_COUNTS,
    OPEN_ALERT_OF_RESOLVED,
    RESOLVED_WITH_LEFTOVERS,
    PAGED_WHILE_ACKNOWLEDGED,
    SILENT,
    HIGH_WITHOUT_FUTURE,
    STATUS_OUT_OF_STEP,
)


async def take(house: House, service: str, policy_id: str, step: tuple[str, Any]) -> None:
    """One step; what the product refuses is a step too, and must leave no trace."""
    what, with_what = step
    if what == "say":
        events = [
            trigger(key, severity=severity)
            if word == "trigger"
            else Event(action=word, dedup_key=key)
            for word, key, severity in with_what
        ]
        await house.say(*events, service=service)
        return
    if what == "pass":
        await house.pass_time(minutes=with_what)
        return
    who, index = with_what
    rows = await house.rows(
        "select id from incidents where service_id = %(s)s order by number desc limit 6",
        s=service,
    )
    if not rows:
        return
    id, other = rows[index % len(rows)][0], rows[(index + 1) % len(rows)][0]
    person, now = PEOPLE[who], house.now
    acts: dict[str, Callable[[Tx], Awaitable[object]]] = {
        "acknowledge": lambda tx: incidents.acknowledge(tx, person, [id], now),
        "resolve": lambda tx: incidents.resolve(tx, person, [id], now),
        "unacknowledge": lambda tx: incidents.unacknowledge(tx, person, [id], now),
        "snooze": lambda tx: incidents.snooze(tx, person, [id], 900, now),
        "escalate": lambda tx: incidents.escalate(tx, person, [id], now),
        "merge": lambda tx: incidents.merge(tx, person, id, [other], now),
        "low": lambda tx: incidents.set_urgency(tx, person, [id], Urgency.LOW, now),
        "high": lambda tx: incidents.set_urgency(tx, person, [id], Urgency.HIGH, now),
        "to_carol": lambda tx: incidents.reassign(
            tx, person, [id], Reassignment(user_ids=("carol",)), now
        ),
        "to_policy": lambda tx: incidents.reassign(
            tx, person, [id], Reassignment(policy_id=policy_id), now
        ),
    }
    with contextlib.suppress(Problem):
        async with house.database.transaction() as tx:
            await acts[what](tx)


async def live(dsn: str, number: int, story: list[tuple[str, Any]]) -> None:
    database = Database(dsn, size=2)
    await database.open()
    try:
        house = House(database)
        if number == 1:
            house = await stand_up(database)
            await house.person("carol")
            await house.policy(level(user("carol")), level(user("bob")), name="Other")
        (policy_id,) = (
            await house.rows("select id from escalation_policies where name = 'Other'")
        )[0]
        # Time goes on from example to example, as it does in one installation.
        house.clock.advance(timedelta(days=number))
        async with database.transaction() as tx:
            await incidents.run_timers(tx, house.now, 1000)
        policy = await house.policy(
            level(user("alice")), level(user("bob")), loops=1, name=f"Policy {number}"
        )
        service = await house.service(
            policy,
            f"service-{number}",
            urgency_rule="severity_based",
            auto_resolve_timeout=3600,
            acknowledgement_timeout=600,
        )
        for step in story:
            await take(house, service, policy_id, step)
            for invariant in INVARIANTS:
                assert await house.rows(invariant) == [], (invariant, step)
    finally:
        await database.close()


def test_invariants_hold_whatever_happens(fresh_dsn: str) -> None:
    count = 0

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, min_size=1, max_size=14))
    def run(story: list[tuple[str, Any]]) -> None:
        nonlocal count
        count += 1
        asyncio.run(live(fresh_dsn, count, story))

    run()


@pytest.mark.parametrize("repeats", [2, 5])
async def test_repeating_triggers_opens_nothing_twice(database: Database, repeats: int) -> None:
    house = await stand_up(database)
    for _ in range(repeats):
        await house.say(*[trigger(key) for key in KEYS * repeats])
    found = await house.rows("select dedup_key, event_count from alerts order by dedup_key")
    assert found == [(key, repeats * repeats) for key in KEYS]
    assert await house.rows("select count(*) from incidents") == [(3,)]
    assert await house.rows("select count(*) from pages") == [(3,)]
