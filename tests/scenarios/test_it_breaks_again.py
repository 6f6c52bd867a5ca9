"""What was resolved and breaks again is a new incident; a repeat of what is open is not."""

from tests.support.world import World


async def test_a_trigger_after_a_resolve_opens_a_new_incident(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    first = await world.incident("db-down")

    await world.resolve("checkout", "db-down")
    assert await world.status("db-down") == "resolved"
    await world.advance(minutes=30)
    ann.expects_nothing()

    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    second = await world.incident("db-down")
    assert second.id != first.id
    assert second.number > first.number


async def test_repeats_of_an_open_alert_page_nobody(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    for _ in range(5):
        await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    ann.expects_nothing()


async def test_words_about_nothing_that_is_open_are_dropped(world: World) -> None:
    await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.resolve("checkout", "never-was")
    await world.event("checkout", "acknowledge", "never-was")
    await world.advance(hours=1)
    async with world.database.transaction() as tx:
        assert await tx.value("select count(*) from incidents") == 0
        assert await tx.value("select count(*) from inbox") == 0
