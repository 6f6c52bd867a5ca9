"""Nobody is on call: an empty rung is skipped at once, and an empty ladder asks the catch-all."""

from datetime import timedelta

from tests.support.world import World
from tocsin.schedules.drafts import LayerDraft


async def _empty_schedule(world: World, name: str) -> str:
    """A schedule whose only layer begins next year."""
    return await world.schedule(
        name,
        "Etc/UTC",
        [
            LayerDraft(
                start=world.clock.now() + timedelta(days=365),
                rotation_virtual_start=world.clock.now() + timedelta(days=365),
                rotation_turn_length_seconds=86_400,
                members=(world["ann"].user.id,),
            )
        ],
    )


async def test_an_empty_rung_costs_no_time(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    empty = await _empty_schedule(world, "nights")
    await world.service("checkout", [[empty], ["bob"]], minutes=10)
    await world.trigger("checkout", "db-down")
    world["bob"].expects_page("db-down")


async def test_an_empty_ladder_is_never_silent(world: World) -> None:
    """The first person of an installation is its owner, and the catch-all."""
    await world.person("ann")
    await world.person("bob")
    empty = await _empty_schedule(world, "nights")
    await world.service("checkout", [[empty]], minutes=10, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    assert ("assign", "nobody_on_call") in await world.reasons("db-down")
