"""An acknowledgement that leads nowhere runs out, and the person is asked again."""

from tests.support.world import World


async def test_the_incident_comes_back_after_the_timeout(world: World) -> None:
    await world.person("ann")
    await world.service(
        "checkout", [["ann"]], acknowledgement_timeout=1800, auto_resolve_timeout=None
    )
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await world["ann"].acknowledges("db-down")

    await world.advance(minutes=29)
    assert await world.status("db-down") == "acknowledged"
    world["ann"].expects_nothing()

    await world.advance(minutes=1)
    assert await world.status("db-down") == "triggered"
    world["ann"].expects_page("db-down")


async def test_an_incident_nobody_touches_resolves_itself(world: World) -> None:
    await world.person("ann")
    await world.service(
        "checkout", [["ann"]], acknowledgement_timeout=None, auto_resolve_timeout=14400
    )
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await world.advance(hours=4, minutes=1)
    assert await world.status("db-down") == "resolved"
