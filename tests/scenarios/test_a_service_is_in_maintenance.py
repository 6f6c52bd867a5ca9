"""A service is taken down on purpose: nobody is woken, and what is still broken afterwards is."""

from datetime import timedelta

from tests.support.world import World
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow, Window


async def planned(world: World, *services: str, minutes: int) -> Window:
    """A window that begins now, made by Ann."""
    now = world.clock.now()
    new = NewWindow(
        service_ids=tuple(world.services[name].id for name in services),
        starts_at=now,
        ends_at=now + timedelta(minutes=minutes),
    )
    async with world.database.transaction() as tx:
        return await suppression.create(tx, world["ann"].actor, new, now)


async def test_nobody_is_woken_and_what_still_holds_pages_at_the_end(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    await world.service("database", [["ann"], ["bob"]], minutes=5)
    await planned(world, "database", minutes=60)
    await world.trigger("database", "disk missing")
    await world.trigger("database", "replica away")
    await world.advance(minutes=59)
    await world.resolve("database", "replica away")
    world.ends()
    await world.advance(minutes=1)
    world["ann"].expects_page("disk missing")
    assert (await world.reasons("disk missing"))[0] == ("trigger", "maintenance_ended")
    # From there the ladder is the one of every incident.
    await world.advance(minutes=5)
    world["bob"].expects_page("disk missing")
    world.ends()


async def test_whoever_is_ready_early_ends_it_and_hears_at_once(world: World) -> None:
    await world.person("ann")
    await world.service("database", [["ann"]])
    window = await planned(world, "database", minutes=600)
    await world.trigger("database", "disk missing")
    await world.advance(minutes=20)
    world.ends()
    async with world.database.transaction() as tx:
        await suppression.remove(tx, world["ann"].actor, window.id, world.clock.now())
    await world.settle()
    world["ann"].expects_page("disk missing")
    world.ends()


async def test_an_incident_that_was_open_goes_on(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    await world.service("database", [["ann"], ["bob"]], minutes=5)
    await world.trigger("database", "slow")
    world["ann"].expects_page("slow")
    await planned(world, "database", minutes=60)
    await world.trigger("database", "slow")
    await world.advance(minutes=5)
    world["bob"].expects_page("slow")
    await world.resolve("database", "slow")
    assert await world.status("slow") == "resolved"
    world.ends()


async def test_an_engine_that_stood_still_forgets_nothing(world: World) -> None:
    await world.person("ann")
    await world.service("database", [["ann"]])
    await world.service("cache", [["ann"]])
    await planned(world, "database", "cache", minutes=30)
    await world.trigger("database", "disk missing")
    await world.trigger("cache", "cold")
    # Nobody worked at anything while the window ended, and long after.
    world.clock.move_to(world.clock.now() + timedelta(hours=3))
    await world.settle()
    world["ann"].expects_page("disk missing")
    world["ann"].expects_page("cold")
    world.ends()
