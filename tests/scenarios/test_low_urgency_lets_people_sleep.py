"""A low-urgency incident uses the low rules and does not climb."""

from tests.support.world import World


async def test_a_warning_uses_the_low_rules_and_stays_with_the_first(world: World) -> None:
    rules = [("phone", "high", 0), ("mail", "low", 0)]
    ann = await world.person("ann", rules=rules, channels=["phone", "mail"])
    await world.person("bob")
    await world.service(
        "checkout",
        [["ann"], ["bob"]],
        minutes=5,
        urgency_rule="severity_based",
        auto_resolve_timeout=None,
    )
    await world.trigger("checkout", "disk-filling", severity="warning")
    ann.expects_page("disk-filling", channel="mail")
    await world.advance(hours=12)

    await world.trigger("checkout", "disk-full", severity="critical")
    ann.expects_page("disk-full", channel="phone")
    await world.resolve("checkout", "disk-full")
