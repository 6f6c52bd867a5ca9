"""A person's rules say which way they are told, and when. An acknowledgement may hold for ever."""

from tests.support.world import World

RULES = [("phone", "high", 0), ("mail", "high", 3)]


async def test_mail_follows_after_three_minutes(world: World) -> None:
    ann = await world.person("ann", rules=RULES, channels=["phone", "mail"])
    await world.service("checkout", [["ann"]], minutes=30, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down", channel="phone")
    await world.advance(minutes=2, seconds=59)
    ann.expects_nothing()
    await world.advance(seconds=1)
    ann.expects_page("db-down", channel="mail")
    ann.expects_nothing()
    await world.resolve("checkout", "db-down")


async def test_what_is_left_of_a_persons_rules_dies_when_the_ladder_moves_on(world: World) -> None:
    """The incident is bob's by then, as its page says, and ann is not woken for it any more."""
    ann = await world.person(
        "ann", rules=[("phone", "high", 0), ("mail", "high", 7)], channels=["phone", "mail"]
    )
    bob = await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down", channel="phone")
    await world.advance(minutes=5)
    bob.expects_page("db-down")
    await world.advance(hours=1)
    ann.expects_nothing()
    await world.resolve("checkout", "db-down")


async def test_without_a_timeout_an_acknowledgement_holds(world: World) -> None:
    ann = await world.person("ann")
    await world.service(
        "checkout", [["ann"]], acknowledgement_timeout=None, auto_resolve_timeout=None, loops=2
    )
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await ann.acknowledges("db-down")
    await world.advance(days=30)
    assert await world.status("db-down") == "acknowledged"
    await world.resolve("checkout", "db-down")
