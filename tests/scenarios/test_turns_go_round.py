"""On a round-robin rung each new incident goes to the next person."""

from tests.support.world import World


async def test_incidents_take_turns(world: World) -> None:
    for name in ("ann", "bob", "cleo"):
        await world.person(name)
    await world.service(
        "checkout",
        [["ann", "bob", "cleo"]],
        minutes=60,
        strategy="round_robin",
        auto_resolve_timeout=None,
    )
    for number, name in enumerate(["ann", "bob", "cleo", "ann"]):
        await world.trigger("checkout", f"alert-{number}")
        world[name].expects_page(f"alert-{number}")
