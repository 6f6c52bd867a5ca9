"""After an outage of our own there is no flood: what is stale is told once, in one message."""

from datetime import timedelta

from tests.support.world import World


async def test_stale_steps_become_one_summary(world: World) -> None:
    ann = await world.person("ann", rules=[("phone", "high", 5)])
    await world.service("checkout", [["ann"]], minutes=120, auto_resolve_timeout=None)
    titles = ["first", "second", "third"]
    for title in titles:
        await world.trigger("checkout", title)
    ann.expects_nothing()

    # The engine stands still for an hour: time moves and nothing runs.
    world.clock.advance(timedelta(hours=1))
    await world.settle()
    ann.expects_page(*titles)
    ann.expects_nothing()
