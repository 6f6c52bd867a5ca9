"""Reassigning, escalating, merging: whoever owns it now is asked, and nobody else any more."""

from tests.support.world import World
from tocsin.incidents import actions as incidents


async def test_escalate_now_asks_the_next_rung(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=60, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await ann.acts(incidents.escalate, "db-down")
    bob.expects_page("db-down")


async def test_a_person_who_is_given_it_is_asked(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service("checkout", [["ann"]], minutes=60, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await ann.acts(incidents.reassign, "db-down", incidents.Reassignment(user_ids=(bob.user.id,)))
    bob.expects_page("db-down")
    await world.advance(hours=2)
    ann.expects_nothing()


async def test_a_merged_incident_asks_nobody(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service(
        "checkout",
        [["ann"], ["bob"]],
        minutes=5,
        acknowledgement_timeout=None,
        auto_resolve_timeout=None,
    )
    await world.trigger("checkout", "cause")
    await world.trigger("checkout", "effect")
    ann.expects_page("cause")
    ann.expects_page("effect")
    cause, effect = await world.incident("cause"), await world.incident("effect")
    async with world.database.transaction() as tx:
        await incidents.merge(tx, ann.actor, cause.id, [effect.id], world.clock.now())
    await ann.acknowledges("cause")
    await world.advance(days=1)
    bob.expects_nothing()
    assert await world.status("effect") == "resolved"
