"""Many incidents in a minute reach a person as a few messages, the first of them at once."""

from tests.support.world import World


async def test_the_first_come_singly_and_the_rest_together(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]], minutes=60, auto_resolve_timeout=None)
    titles = [f"alert-{number:02}" for number in range(20)]
    for title in titles:
        await world.trigger("checkout", title)
    for title in titles[:3]:
        ann.expects_page(title)
    ann.expects_nothing()
    await world.advance(seconds=60)
    # Ten are named, oldest first, and the others are counted.
    bundle = ann.expects_page(*titles[3:13])
    assert bundle.kind == "bundle"
    assert bundle.more == 7
    ann.expects_nothing()
