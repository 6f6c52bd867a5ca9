"""Alerts that belong together wake one person once."""

from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput


async def group(world: World, type: str, *services: str, **config: object) -> None:
    wanted = GroupingInput(
        type=type,
        service_ids=[world.services[name].id for name in services],
        **config,  # type: ignore[arg-type]
    )
    async with world.database.transaction() as tx:
        await grouping.create_grouping(tx, SYSTEM, wanted, world.clock.now())


async def test_a_database_takes_its_callers_with_it(world: World) -> None:
    await world.person("ann")
    await world.person("bob")
    await world.service("shop", [["ann"]])
    await world.service("till", [["bob"]])
    await group(world, "content_based", "shop", "till", aggregate="all", fields=["component"])
    await world.trigger("shop", "shop-db", component="orders-db")
    world["ann"].expects_page("shop-db")
    await world["ann"].acknowledges("shop-db")
    # Bob is not woken for what Ann has in hand.
    await world.trigger("till", "till-db", component="orders-db")
    world["bob"].expects_nothing()
    assert (await world.reasons("shop-db"))[-1] == (
        "field_value_change",
        "alert_joined_while_acknowledged",
    )
    await world.trigger("till", "printer", component="printer")
    world["bob"].expects_page("printer")
    await world.resolve("shop", "shop-db")
    assert await world.status("shop-db") == "acknowledged"
    await world.resolve("till", "till-db")
    assert await world.status("shop-db") == "resolved"
    await world.resolve("till", "printer")


async def test_one_page_for_a_disk_that_fills_up_everywhere(world: World) -> None:
    await world.person("ann")
    await world.service("web", [["ann"]], minutes=30)
    await group(world, "intelligent", "web")
    for host in range(1, 8):
        await world.trigger(
            "web", f"disk-{host}", summary=f"Disk /var is {90 + host} % full on web-{host}"
        )
    world["ann"].expects_page("Disk /var is 91 % full on web-1")
    await world.trigger("web", "cert", summary="The certificate expires tomorrow")
    world["ann"].expects_page("The certificate expires tomorrow")
