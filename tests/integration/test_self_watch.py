"""The watch over Tocsin itself on a real database: what it measures, its door, and its restarts."""

from datetime import timedelta

import pytest

from tests.support.postgres import START
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role, User
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewService
from tocsin.core.clock import ManualClock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Forbidden
from tocsin.engine import self_service, self_store, self_watch
from tocsin.engine.self_watch import SelfWatch
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.events.formats import events_of

BOX = SecretBox(b"k" * 32)
BODIES = "select format, body, service_id, integration_id from events order by seq"
LATE_TIMER = """
insert into incident_timers (incident_id, kind, due_at) values ('Q1', 'snooze', %(at)s)
"""
INSERT_DELIVERY = """
insert into deliveries (id, kind, cause, user_id, contact_method_id, channel, state, reason,
    due_at, first_due_at, attempts, created_at)
values (%(id)s, 'page', %(id)s, 'U', 'M', %(channel)s, 'queued', 'notification_rule',
    %(at)s, %(at)s, 1, %(at)s)
"""
INSERT_ATTEMPT = """
insert into delivery_attempts (delivery_id, number, fence, node, started_at, finished_at, outcome,
    detail)
values (%(id)s, %(number)s, 1, 'n', %(at)s, %(at)s, %(outcome)s, %(detail)s)
"""


async def owner(tx: Tx, name: str = "ann", role: Role = Role.OWNER) -> User:
    new = NewUser(name=name, email=f"{name}@example.com", role=role)
    if await accounts.needs_first_run(tx):
        new = NewUser(name=name, email=f"{name}@example.com", password="correct horse battery")
        return await accounts.first_run(tx, new, START)
    return await accounts.create_user(tx, SYSTEM, new, START)


def watch_of(database: Database, clock: ManualClock, node: str = "one") -> SelfWatch:
    return SelfWatch(
        database,
        clock,
        node=node,
        base_url="http://tocsin.test",
        secret_box=BOX,
        channels=["phone"],
        space=None,
    )


async def passes(watch: SelfWatch, clock: ManualClock, seconds: int) -> int:
    """Let that much time go by in passes; how many events were sent."""
    sent = 0
    for _ in range(seconds // 10):
        sent += await watch.run()
        clock.advance(timedelta(seconds=10))
    return sent


async def be_late(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(LATE_TIMER, {"at": START - timedelta(hours=1)})


async def said(database: Database) -> list[tuple[str, str, str]]:
    """Each event of ours as (action, dedup key, summary)."""
    found: list[tuple[str, str, str]] = []
    async with database.transaction() as tx:
        for format, body, _, _ in await tx.tuples(BODIES):
            events = events_of(format, bytes(body), None)
            assert isinstance(events, tuple), events
            found += [(one.action, one.dedup_key, one.summary) for one in events]
    return found


async def test_the_door_is_made_once_and_asks_the_catch_all(database: Database) -> None:
    async with database.transaction() as tx:
        ann = await owner(tx)
        first = await self_service.ready(tx, BOX, START)
        second = await self_service.ready(tx, BOX, START)
        assert first == second
        assert first is not None
        service = (await catalog.services_by_ids(tx, [first.service_id]))[first.service_id]
        policy = await escalations.get_policy(tx, SYSTEM, first.policy_id)
    assert (service.name, service.urgency_rule, service.auto_resolve_timeout) == (
        "Tocsin",
        "high",
        None,
    )
    assert [target.id for level in policy.levels for target in level.targets] == [ann.id]


async def test_its_names_may_be_taken(database: Database) -> None:
    async with database.transaction() as tx:
        ann = await owner(tx)
        level = LevelInput(delay_minutes=5, targets=(Target(kind=TargetKind.USER, id=ann.id),))
        wanted = PolicyInput(name="TOCSIN", levels=(level,))
        policy = await escalations.create_policy(tx, SYSTEM, wanted, START)
        new = NewService(name="tocsin", escalation_policy_id=policy.id)
        await catalog.create_service(tx, SYSTEM, new, START)
        door = await self_service.ready(tx, BOX, START)
        assert door is not None
        made = (await catalog.services_by_ids(tx, [door.service_id]))[door.service_id]
    assert made.name == "Tocsin itself"


async def test_it_follows_the_catch_all_until_people_shape_the_policy(database: Database) -> None:
    async with database.transaction() as tx:
        await owner(tx)
        bob = await owner(tx, "bob")
        eve = await owner(tx, "eve")
        door = await self_service.ready(tx, BOX, START)
        assert door is not None

        async def asked() -> list[str]:
            policy = await escalations.get_policy(tx, SYSTEM, door.policy_id)
            return [target.id for level in policy.levels for target in level.targets]

        await accounts.change_instance(tx, SYSTEM, START, catch_all_user_id=bob.id)
        await self_service.ready(tx, BOX, START)
        assert await asked() == [bob.id]
        targets = tuple(Target(kind=TargetKind.USER, id=id) for id in (bob.id, eve.id))
        shaped = PolicyInput(name="Ours", levels=(LevelInput(delay_minutes=5, targets=targets),))
        await escalations.update_policy(tx, SYSTEM, door.policy_id, shaped, START)
        await accounts.change_instance(tx, SYSTEM, START, catch_all_user_id=eve.id)
        await self_service.ready(tx, BOX, START)
        assert await asked() == [bob.id, eve.id]


@pytest.mark.parametrize("what", ["service", "integration"])
async def test_what_people_delete_is_made_again_only_when_asked(
    database: Database, what: str
) -> None:
    async with database.transaction() as tx:
        ann = await owner(tx)
        door = await self_service.ready(tx, BOX, START)
        assert door is not None
        if what == "service":
            await catalog.delete_service(tx, SYSTEM, door.service_id, START)
        else:
            await catalog.remove_integration(tx, SYSTEM, door.integration_id, START)
        assert await self_service.ready(tx, BOX, START) is None
    await be_late(database)
    clock = ManualClock(START)
    watch = watch_of(database, clock)
    assert await passes(watch, clock, 120) == 0
    async with database.transaction() as tx:
        assert all(one.raised_at is None for one in (await self_watch.remembered(tx)).values())
        responder = await owner(tx, "rob", Role.RESPONDER)
        for user, allowed in ((responder, False), (ann, True)):
            actor = SYSTEM.__class__(
                kind="person", id=user.id, label=user.name, role=Role(user.role)
            )
            if not allowed:
                with pytest.raises(Forbidden):
                    await self_service.make_again(tx, actor, BOX, START)
                continue
            made = await self_service.make_again(tx, actor, BOX, START)
            assert made is not None
            assert made != door
    # What stayed wrong all the while is told at the next pass.
    assert await passes(watch, clock, 10) == 1


async def test_trouble_is_told_once_by_whichever_node_and_outlives_restarts(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await owner(tx)
    await be_late(database)
    clock = ManualClock(START)
    one, two = watch_of(database, clock), watch_of(database, clock, "two")
    sent = 0
    for step in range(30):
        sent += await one.run() + await two.run()
        # Nobody works on the inbox here, and that it waits would be trouble too.
        async with database.transaction() as tx:
            await tx.execute("delete from inbox")
        if step == 10:
            one = watch_of(database, clock)
        clock.advance(timedelta(seconds=10))
    assert sent == 1
    ((action, key, summary),) = await said(database)
    assert (action, key) == ("trigger", "tocsin/timers_overdue")
    assert summary == "1 timer of an incident is due and has not run"
    async with database.transaction() as tx:
        await tx.execute("delete from incident_timers")
    one = watch_of(database, clock)
    assert await passes(one, clock, 50) == 0
    assert await passes(one, clock, 30) == 1
    assert [(action, key) for action, key, _ in await said(database)] == [
        ("trigger", "tocsin/timers_overdue"),
        ("resolve", "tocsin/timers_overdue"),
    ]


async def test_one_node_at_a_time(database: Database) -> None:
    clock = ManualClock(START)
    async with database.transaction() as tx:
        await owner(tx)
        await tx.execute(LATE_TIMER, {"at": START - timedelta(hours=1)})
    async with database.transaction() as tx:
        assert await self_store.lock(tx)
        assert await watch_of(database, clock).run() == 0
        assert await self_watch.remembered(tx) == {}
    await watch_of(database, clock).run()
    async with database.transaction() as tx:
        assert list(await self_watch.remembered(tx)) == ["timers_overdue"]


async def test_nobody_to_ask_yet_is_no_error(database: Database) -> None:
    await be_late(database)
    clock = ManualClock(START)
    assert await passes(watch_of(database, clock), clock, 120) == 0
    async with database.transaction() as tx:
        assert await tx.count("services") == 0


async def attempts(
    tx: Tx, channel: str, *tries: tuple[int, str], id: str = "D1", made: int = 600
) -> None:
    """A delivery with attempts, each so many seconds before the start."""
    at = START - timedelta(seconds=made)
    await tx.execute(INSERT_DELIVERY, {"id": id, "channel": channel, "at": at})
    for number, (ago, outcome) in enumerate(tries, 1):
        values = {
            "id": id,
            "number": number,
            "at": START - timedelta(seconds=ago),
            "outcome": outcome,
            "detail": f"{outcome} {ago}",
        }
        await tx.execute(INSERT_ATTEMPT, values)


async def test_a_channels_record_counts_what_failed_since_the_last_success(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await attempts(tx, "phone", (500, "retry"), (400, "sent"), id="D1")
        await attempts(tx, "phone", (390, "retry"), (300, "dead"), (9, "lapsed"), id="D2")
        await attempts(tx, "mail", (300, "retry"), (10, "sent"), id="D3")
        # A rule with a delay: made long ago, tried just now.
        await attempts(tx, "push", (60, "retry"), id="D4", made=7200)
        # Too old to say anything about now.
        await attempts(tx, "sms", (3000, "retry"), id="D5", made=4000)
        found = await self_store.channel_records(tx, START)
    assert [(one.channel, one.failed, one.detail) for one in found] == [
        ("phone", 2, "dead 300"),
        ("push", 1, "retry 60"),
    ]
    assert found[0].since == START - timedelta(seconds=390)
    assert found[0].last_at == START - timedelta(seconds=300)
