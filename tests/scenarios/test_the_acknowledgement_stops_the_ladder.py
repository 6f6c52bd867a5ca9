"""One tap acknowledges: the ladder stops and nobody is told anything more."""

from tests.support.world import World


async def test_one_tap_stops_everything(world: World) -> None:
    await world.person(
        "ann", rules=[("phone", "high", 0), ("mail", "high", 3)], channels=["phone", "mail"]
    )
    await world.person("bob")
    await world.service(
        "checkout",
        [["ann"], ["bob"]],
        minutes=5,
        loops=2,
        acknowledgement_timeout=None,
        auto_resolve_timeout=None,
    )
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")

    await world["ann"].acknowledges("db-down")
    assert await world.status("db-down") == "acknowledged"

    # Neither the mail that was queued for ann nor bob's rung comes, however long we wait.
    await world.advance(days=2)


async def test_looking_at_the_link_acknowledges_nothing(world: World) -> None:
    await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    message = world["ann"].expects_page("db-down")

    assert message.acknowledge_url is not None
    path = message.acknowledge_url.removeprefix("http://tocsin.test")
    for method in ("GET", "HEAD"):
        response = await world.http.request(method, path)
        assert response.status_code == 200
    assert await world.status("db-down") == "triggered"


async def test_an_event_acknowledges_as_well(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    await world.service(
        "checkout", [["ann"], ["bob"]], acknowledgement_timeout=None, auto_resolve_timeout=None
    )
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")

    await world.event("checkout", "acknowledge", "db-down")
    assert await world.status("db-down") == "acknowledged"
    await world.trigger("checkout", "db-down")
    await world.advance(days=1)
