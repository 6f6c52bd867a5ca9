"""A person without a contact method costs no time, and the record says that nobody was told."""

from tests.support.world import World
from tocsin.paging import actions as paging


async def test_the_next_rung_is_asked_at_once(world: World) -> None:
    await world.person("ann")
    await world.person("mute", channels=())
    bob = await world.person("bob")
    await world.service("checkout", [["mute"], ["bob"]], minutes=30, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    bob.expects_page("db-down")
    incident = await world.incident("db-down")
    async with world.database.transaction() as tx:
        skipped = await tx.value(
            "select data->'skipped' from log_entries"
            " where incident_id = %(id)s and kind = 'assign'",
            {"id": incident.id},
        )
    assert [(one["level"], one["reason"]) for one in skipped] == [(1, "no_contact_method")]
    await world.resolve("checkout", "db-down")


async def test_with_somebody_else_on_the_rung_it_waits(world: World) -> None:
    ann = await world.person("ann")
    await world.person("mute", channels=())
    bob = await world.person("bob")
    await world.service(
        "checkout", [["mute", "ann"], ["bob"]], minutes=30, auto_resolve_timeout=None
    )
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    bob.expects_nothing()
    await world.advance(minutes=30)
    bob.expects_page("db-down")
    await world.resolve("checkout", "db-down")


async def test_a_ladder_of_mutes_ends_at_the_catch_all(world: World) -> None:
    ann = await world.person("ann")
    await world.person("mute", channels=())
    await world.service("checkout", [["mute"]], minutes=30, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await world.resolve("checkout", "db-down")


async def test_a_method_that_is_taken_away_before_its_turn(world: World) -> None:
    """Ann's only method goes while the delivery waits: bob does not wait for her any longer than
    the rung says, and nothing is sent to where she cannot be reached."""
    ann = await world.person("ann", rules=[("phone", "high", 3)])
    bob = await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    async with world.database.transaction() as tx:
        [method] = await paging.contact_methods(tx, ann.actor, ann.user.id)
        await paging.remove_contact_method(tx, ann.actor, method.id, world.clock.now())
    await world.advance(minutes=5)
    ann.expects_nothing()
    bob.expects_page("db-down")
    await world.resolve("checkout", "db-down")
