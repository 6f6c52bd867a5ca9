"""Two nodes on one database share the work, and one goes on where the other died."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.settings import settings_for
from tests.support.world import World
from tocsin.app import Program
from tocsin.core import crash_points
from tocsin.core.crash_points import Crash
from tocsin.core.database import Database

TEAMS = 8


@pytest.fixture(autouse=True)
def no_crash_afterwards() -> Iterator[None]:
    yield
    crash_points.handle(None)


def second_node(world: World, database: Database, name: str = "second") -> Program:
    """Another process' program, with the same phones to reach people on."""
    settings = settings_for(world.program.settings.data_dir, node_name=name)
    return Program(
        settings,
        clock=world.clock,
        database=database,
        web_database=database,
        door_database=database,
        extra_channels=list(world.channels.values()),
    )


async def accept(world: World, service: str, key: str) -> None:
    """Have an event accepted, without any engine working on it."""
    body = {
        "routing_key": world.keys[service],
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {"summary": key, "source": "monitor", "severity": "critical"},
    }
    response = await world.http.post("/v2/enqueue", json=body)
    assert response.status_code == 202


async def test_both_work_and_nobody_is_paged_twice(world: World) -> None:
    names = [f"person-{number}" for number in range(TEAMS)]
    for name in names:
        await world.person(name)
        await world.service(name, [[name]], minutes=30, auto_resolve_timeout=None)
    async with Database(world.database.dsn, size=4) as database:
        other = second_node(world, database)
        for name in names:
            for number in range(3):
                await accept(world, name, f"{name}-{number}")
        await asyncio.gather(world.program.engine.run_until_idle(), other.engine.run_until_idle())
        # What one node had in hand while the other looked is done by whoever comes next.
        await world.settle()
        for name in names:
            told = [world[name].shown().pop(0) for _ in range(3)]
            titles = sorted(line.title for message in told for line in message.incidents)
            assert titles == [f"{name}-{number}" for number in range(3)]
            world[name].expects_nothing()
        await other.outbound.aclose()
    async with world.database.transaction() as tx:
        assert await tx.value("select count(*) from incidents") == 3 * TEAMS
        assert await tx.value("select count(*) from deliveries where state = 'sent'") == 3 * TEAMS
        assert await tx.value("select count(*) from delivery_attempts") == 3 * TEAMS


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ("intake.recorded", 1),
        ("intake.committed", 1),
        ("deliveries.claimed", 1),
        ("deliveries.before_send", 1),
        # It died after the provider had it and before it could say so: the repeat says so itself.
        ("deliveries.after_send", 2),
    ],
)
async def test_the_other_goes_on_where_one_died(world: World, point: str, told: int) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service(
        "checkout",
        [["ann"], ["bob"]],
        minutes=5,
        acknowledgement_timeout=None,
        auto_resolve_timeout=None,
    )
    await accept(world, "checkout", "db-down")

    def die(reached: str) -> None:
        if reached == point:
            crash_points.handle(None)
            raise Crash(point)

    async with Database(world.database.dsn, size=4) as database:
        dying = second_node(world, database, "dying")
        crash_points.handle(die)
        with pytest.raises((Crash, BaseExceptionGroup)):
            await dying.engine.run_until_idle()
        await dying.outbound.aclose()

    # Within its lease of fifteen seconds, and the pump's look once a second.
    await world.advance(seconds=17)
    messages = [ann.expects_page("db-down") for _ in range(told)]
    assert [message.attempt > 1 for message in messages[1:]] == [True] * (told - 1)
    ann.expects_nothing()
    await world.advance(minutes=5)
    bob.expects_page("db-down")
    await bob.acknowledges("db-down")
    await world.advance(days=2)


async def test_a_restart_forgets_nothing(world: World) -> None:
    rules = [("phone", "high", 0), ("mail", "high", 3)]
    ann = await world.person("ann", rules=rules, channels=["phone", "mail"])
    bob = await world.person("bob")
    await world.service(
        "checkout", [["ann"], ["bob"]], minutes=5, acknowledgement_timeout=1800, loops=0
    )
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await accept(world, "checkout", "not-yet-looked-at")

    # From here on every minute has an engine of its own that knows only what is stored.
    async def minutes(number: int) -> None:
        for _ in range(number):
            world.program = second_node(world, world.database)
            await world.advance(minutes=1)
            await world.program.outbound.aclose()

    world.program = second_node(world, world.database)
    await world.settle()
    ann.expects_page("not-yet-looked-at")
    await ann.acknowledges("not-yet-looked-at")
    await minutes(3)
    ann.expects_page("db-down", channel="mail")
    await minutes(2)
    bob.expects_page("db-down")
    await bob.acknowledges("db-down")
    await minutes(24)
    bob.expects_nothing()
    # The acknowledgement timeouts were rows as well: that of ann's ran out 30 minutes after hers.
    await minutes(2)
    ann.expects_page("not-yet-looked-at")
    await world.resolve("checkout", "not-yet-looked-at")
    await world.resolve("checkout", "db-down")
