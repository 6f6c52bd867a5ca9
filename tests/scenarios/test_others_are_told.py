"""Other programs are told what happens: a slow one and a sick one, neither at the other's cost."""

from tests.support.fake_providers import Slow, Status
from tests.support.webhooks import subscriber
from tests.support.world import World
from tocsin.incidents import actions as incidents

STORY = [
    "incident.triggered",
    "incident.escalated",
    "incident.acknowledged",
    "incident.resolved",
]


async def test_a_slow_one_and_one_that_fails_and_gets_well(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.advance(seconds=1)
    pump = world.program.webhook_pump
    async with subscriber(world, *STORY) as slow, subscriber(world, *STORY) as sick:
        slow.http.script(Slow(60), Slow(60))
        sick.http.always = Status(503)

        # The first two attempts end for both as they must, however late the machine is: one is
        # not waited for, the other fails. From then on there is all the time in the world.
        pump.answer_seconds = 1.0
        await world.trigger("checkout", "db-down")
        ann.expects_page("db-down")
        await world.advance(seconds=10)
        pump.answer_seconds = 60.0
        await world.advance(minutes=4, seconds=50)
        bob.expects_page("db-down")
        await bob.acknowledges("db-down")
        await world.advance(minutes=10)

        # The slow one did not answer in time twice, and was told again under the same id.
        assert slow.types == [STORY[0], STORY[0], STORY[0], STORY[1], STORY[2]]
        ids = [request.headers["x-webhook-id"] for request in slow.requests]
        assert len(set(ids[:3])) == 1
        assert len(set(ids)) == 3
        # The sick one knows of the first event only, and hears of nothing later before it.
        assert set(sick.types) == {STORY[0]}
        assert await sick.states() == ["queued", "waiting", "waiting"]

        sick.http.always = None
        sick.http.requests.clear()
        await bob.acts(incidents.resolve, "db-down")
        assert slow.types[-1] == STORY[3]
        await world.advance(hours=1)
        assert sick.types == STORY
        assert [event["data"]["status"] for event in sick.events] == [
            "triggered",
            "triggered",
            "acknowledged",
            "resolved",
        ]
        assert set(await sick.states()) == set(await slow.states()) == {"delivered"}
