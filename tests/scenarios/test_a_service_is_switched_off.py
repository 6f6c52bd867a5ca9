"""A disabled service pages nobody; its events are accepted and kept, with the reason."""

from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.catalog import actions as catalog


async def _switch(world: World, service: str, enabled: bool) -> None:
    async with world.database.transaction() as tx:
        await catalog.set_enabled(
            tx, SYSTEM, world.services[service].id, enabled, world.clock.now()
        )
    world.program.door.forget()


async def test_its_events_are_kept_and_page_nobody(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await _switch(world, "checkout", False)
    await world.trigger("checkout", "db-down")
    await world.advance(days=1)
    async with world.database.transaction() as tx:
        assert await tx.value("select count(*) from incidents") == 0
        assert await tx.value("select count(*) from inbox") == 0
        [row] = await tx.tuples(
            "select convert_from(e.body, 'UTF8'), o.reason"
            " from events e join event_outcomes o using (seq)"
        )
    assert "db-down" in row[0]
    assert row[1] == "service_disabled"

    await _switch(world, "checkout", True)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await world.resolve("checkout", "db-down")


async def test_what_was_open_goes_on(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await _switch(world, "checkout", False)
    await world.advance(minutes=5)
    bob.expects_page("db-down")
    await bob.acknowledges("db-down")
    await _switch(world, "checkout", True)
    await world.resolve("checkout", "db-down")
