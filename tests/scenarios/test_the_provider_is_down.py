"""A provider that fails is tried again; a dead address gives way to the next one at once."""

from tests.support.world import World
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent


async def test_it_is_tried_again_until_it_works(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]], minutes=30)
    down = True

    def answer(message: Message, address: str) -> Receipt:
        return Retry(detail="HTTP 503") if down else Sent(detail="ok")

    world.channels["phone"].outcome = answer
    await world.trigger("checkout", "db-down")
    ann.expects_nothing()
    down = False
    await world.advance(minutes=2)
    message = ann.expects_page("db-down")
    assert message.attempt > 1
    ann.expects_nothing()


async def test_a_dead_address_gives_way_to_the_next_at_once(world: World) -> None:
    rules = [("phone", "high", 0), ("mail", "high", 20)]
    ann = await world.person("ann", rules=rules, channels=["phone", "mail"])
    await world.service("checkout", [["ann"]], minutes=60)
    world.channels["phone"].outcome = lambda message, address: Dead(detail="HTTP 410: gone")

    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down", channel="mail")


async def test_when_every_address_is_dead_all_are_tried_all_the_same(world: World) -> None:
    ann = await world.person("ann", channels=["phone", "mail"])
    await world.service("checkout", [["ann"]], minutes=30)
    for phone in world.channels.values():
        phone.outcome = lambda message, address: Dead(detail="HTTP 410: gone")
    await world.trigger("checkout", "first")
    for phone in world.channels.values():
        phone.outcome = None
    await world.trigger("checkout", "second")
    assert ann.shown("phone") or ann.shown("mail")
    for channel in ("phone", "mail"):
        if ann.shown(channel):
            ann.expects_page("second", channel=channel)
