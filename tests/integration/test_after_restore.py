"""What a restored database may still do, row by row."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.paging_house import PagingHouse, stand_up
from tests.support.postgres import START
from tocsin.core.database import Database
from tocsin.engine.after_restore import Settled, settle
from tocsin.paging import actions as paging
from tocsin.paging.model import StatusMail

BACKED_UP_AT = START + timedelta(minutes=3)
NOW = START + timedelta(hours=9)


@pytest.fixture
async def house(database: Database) -> PagingHouse:
    house = PagingHouse(database)
    await house.person("ann", "mail", "push")
    return house


async def sql(database: Database, statement: Any, **params: Any) -> None:
    async with database.transaction() as tx:
        await tx.execute(statement, params)


async def settled(database: Database) -> Settled:
    async with database.transaction() as tx:
        return await settle(tx, BACKED_UP_AT, NOW)


INSERT_RUN = """
insert into escalation_runs (incident_id, policy_id, ladder, state, due_at, reason, changed_at)
values (%(id)s, 'P', '{}', 'running', %(due_at)s, 'opened', %(at)s)
"""
INSERT_REQUEST = """
insert into responder_requests (id, incident_id, requester_label, message, at)
values ('Q1', %(incident)s, 'Ann', 'Please', %(at)s)
"""
INSERT_TARGET = """
insert into responder_targets (id, request_id, incident_id, kind, target_id, label, state, reason,
    changed_at, ladder, due_at)
values ('Q2', 'Q1', %(incident)s, 'escalation_policy', 'P', 'Policy', 'pending', 'responder_asked',
    %(at)s, '{}', %(due_at)s)
"""
INSERT_TIMER = """
insert into incident_timers (incident_id, kind, due_at) values (%(id)s, %(kind)s, %(due_at)s)
"""


@pytest.mark.parametrize(
    ("left", "after"),
    [
        # What was late already waits a minute, so that the summary comes first.
        (timedelta(minutes=-2), timedelta(minutes=1)),
        (timedelta(seconds=20), timedelta(minutes=1)),
        (timedelta(minutes=4), timedelta(minutes=4)),
        # What is due after the restore keeps its time.
        (timedelta(hours=12), timedelta(hours=12) - (NOW - BACKED_UP_AT)),
    ],
)
async def test_ladders_and_time_outs_keep_the_time_that_was_left(
    database: Database, left: timedelta, after: timedelta
) -> None:
    due_at = BACKED_UP_AT + left
    await sql(database, INSERT_RUN, id="Q1", due_at=due_at, at=START)
    await sql(database, INSERT_TIMER, id="Q1", kind="acknowledgement_timeout", due_at=due_at)
    await settled(database)
    async with database.transaction() as tx:
        assert await tx.value("select due_at from escalation_runs") == NOW + after
        assert await tx.value("select due_at from incident_timers") == NOW + after


async def test_a_snooze_ends_when_its_person_said(database: Database) -> None:
    due_at = START + timedelta(hours=1)
    await sql(database, INSERT_TIMER, id="Q1", kind="snooze", due_at=due_at)
    await settled(database)
    async with database.transaction() as tx:
        assert await tx.value("select due_at from incident_timers") == due_at


async def test_a_waiting_test_message_is_cancelled(house: PagingHouse) -> None:
    (method, *_) = await house.person("bob", "mail")
    from tocsin.accounts.model import SYSTEM

    async with house.database.transaction() as tx:
        await paging.send_test(tx, SYSTEM, method.id, START)
    assert (await settled(house.database)).cancelled == 1
    async with house.database.transaction() as tx:
        rows = await tx.tuples("select state, detail from deliveries")
    assert rows == [("cancelled", "restored")]


async def test_nodes_and_stages_of_then_are_forgotten(database: Database) -> None:
    await sql(
        database,
        "insert into nodes values ('P1', 'old', 'all', '1', %(at)s, %(at)s)",
        at=START,
    )
    await sql(
        database,
        "insert into stages (name, finished_at, node) values ('intake', %(at)s, 'P1')",
        at=START,
    )
    await settled(database)
    async with database.transaction() as tx:
        assert await tx.value("select count(*) from nodes") == 0
        assert await tx.value("select count(*) from stages") == 0


async def test_an_asked_policy_keeps_the_time_that_was_left_and_a_mail_is_not_repeated(
    database: Database,
) -> None:
    house = await stand_up(database)
    await house.person("ann", "mail")
    (incident,) = await house.incidents()
    await sql(database, INSERT_REQUEST, incident=incident, at=START)
    due_at = BACKED_UP_AT - timedelta(minutes=2)
    await sql(database, INSERT_TARGET, incident=incident, at=START, due_at=due_at)
    async with database.transaction() as tx:
        mail = StatusMail(update_id="Q3", incident_id=incident, user_id="ann")
        await paging.mail_updates(tx, [mail], START)
    found = await settled(database)
    assert (found.ladders, found.cancelled) == (1, 1)
    async with database.transaction() as tx:
        moved = await tx.value("select due_at from responder_targets")
        assert moved == NOW + timedelta(minutes=1)
        assert await tx.tuples("select state, detail from deliveries") == [
            ("cancelled", "restored")
        ]
