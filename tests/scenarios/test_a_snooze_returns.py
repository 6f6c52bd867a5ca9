"""A snooze is quiet until its time, and then it is loud again."""

from tests.support.world import World
from tocsin.incidents import actions as incidents


async def test_a_snoozed_incident_pages_again_at_its_time(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")

    await ann.acts(incidents.snooze, "db-down", 3600)
    assert await world.status("db-down") == "acknowledged"
    await world.advance(minutes=59)
    ann.expects_nothing()
    await world.advance(minutes=1)
    assert await world.status("db-down") == "triggered"
    ann.expects_page("db-down")


async def test_a_resolve_ends_the_snooze(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await ann.acts(incidents.snooze, "db-down", 3600)
    await world.resolve("checkout", "db-down")
    await world.advance(days=1)
    assert await world.status("db-down") == "resolved"
