"""An alert that ends by itself within the pause wakes nobody; one that stays does."""

from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import ServiceChange

STATES = "select status, incident_id is null as alone from alerts order by id"
OUTCOMES = "select reason from event_outcomes order by seq"


async def test_what_ends_by_itself_wakes_nobody(world: World) -> None:
    await world.person("ann")
    await world.service("web", [["ann"]], pause_seconds=300)
    await world.trigger("web", "blip")
    await world.advance(minutes=4)
    world["ann"].expects_nothing()
    await world.resolve("web", "blip")
    await world.advance(minutes=30)
    world["ann"].expects_nothing()
    async with world.database.transaction() as tx:
        assert await tx.tuples(STATES) == [("resolved", True)]
        assert await tx.tuples(OUTCOMES) == [("paused",), ("resolved_in_pause",)]
        assert await tx.value("select count(*) from pause_holds") == 0


async def test_what_stays_pages_when_the_pause_is_over(world: World) -> None:
    await world.person("ann")
    await world.service("web", [["ann"]], pause_seconds=300)
    await world.trigger("web", "down")
    await world.advance(minutes=2)
    # Said again, it waits no longer than from the first time.
    await world.trigger("web", "down", severity="critical")
    await world.trigger("web", "slow")
    await world.advance(minutes=2, seconds=59)
    world["ann"].expects_nothing()
    await world.advance(seconds=1)
    world["ann"].expects_page("down")
    assert (await world.reasons("down"))[0] == ("trigger", "pause_ended")
    await world.advance(minutes=2)
    world["ann"].expects_page("slow")
    async with world.database.transaction() as tx:
        events = await tx.tuples("select event_count from alerts order by id")
    assert events == [(2,), (1,)]
    await world.resolve("web", "down")
    assert await world.status("down") == "resolved"
    await world.resolve("web", "slow")


async def test_a_service_that_is_switched_off_lets_go(world: World) -> None:
    await world.person("ann")
    service = await world.service("web", [["ann"]], pause_seconds=120)
    await world.trigger("web", "down")
    async with world.database.transaction() as tx:
        await catalog.set_enabled(tx, SYSTEM, service.id, False, world.clock.now())
    await world.advance(minutes=3)
    world["ann"].expects_nothing()
    async with world.database.transaction() as tx:
        await catalog.set_enabled(tx, SYSTEM, service.id, True, world.clock.now())
        # Without the pause the next alert opens at once.
        change = ServiceChange(pause_seconds=None)
        await catalog.update_service(tx, SYSTEM, service.id, change, world.clock.now())
    await world.trigger("web", "down")
    world["ann"].expects_page("down")
