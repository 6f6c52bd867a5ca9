"""Nobody answers: every rung is asked, then the ladder starts again, and then it says so."""

from tests.support.world import World


async def test_each_rung_is_asked_in_turn_and_then_again(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5, loops=1)

    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    world["bob"].expects_nothing()

    await world.advance(minutes=4, seconds=59)
    world["bob"].expects_nothing()
    await world.advance(seconds=1)
    world["bob"].expects_page("db-down")

    await world.advance(minutes=5)
    world["ann"].expects_page("db-down")
    await world.advance(minutes=5)
    world["bob"].expects_page("db-down")

    await world.advance(hours=3)
    assert await world.status("db-down") == "triggered"
    kinds = [kind for kind, _ in await world.reasons("db-down")]
    assert kinds.count("repeat_escalation_path") == 1
    assert kinds.count("exhaust_escalation_path") == 1
