"""Trouble in Tocsin itself becomes an incident at its own door, asked of the catch-all person."""

from collections.abc import Callable

import pytest

from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import ServiceChange
from tocsin.channels.model import Message, Receipt, Retry, Sent
from tocsin.engine import self_service
from tocsin.incidents import actions as incidents

OWN = "select title, status, number from incidents where service_id = %(id)s order by number"
QUARANTINE = "update inbox set quarantined = true, attempts = 3, error = 'LookupError()'"


@pytest.fixture(autouse=True)
def room_on_the_disk(world: World) -> None:
    """Whatever disk these tests run on."""
    world.program.self_watch.space = lambda: (100 * 1024**3, 200 * 1024**3)


async def minutes_pass(world: World, minutes: float) -> None:
    """The engine looks every ten seconds; a world that jumps would make it look only once."""
    for _ in range(round(minutes * 6)):
        await world.advance(seconds=10)


async def own_incidents(world: World) -> list[tuple[str, str]]:
    """Title and status of each incident about Tocsin itself, oldest first."""
    async with world.database.transaction() as tx:
        door = await self_service.known(tx)
        if door is None:
            return []
        rows = await tx.tuples(OWN, {"id": door.service_id})
    return [(title, status) for title, status, _ in rows]


def failing(is_down: Callable[[], bool]) -> Callable[[Message, str], Receipt]:
    def answer(message: Message, address: str) -> Receipt:
        return Retry(detail="HTTP 503") if is_down() else Sent(detail="ok")

    return answer


async def test_a_provider_that_fails_everything_pages_by_another_way_and_resolves(
    world: World,
) -> None:
    ann = await world.person("ann", channels=["phone", "mail"])
    await world.person("bob")
    await world.service("checkout", [["bob"]], minutes=120)
    down = True
    world.channels["phone"].outcome = failing(lambda: down)
    await world.trigger("checkout", "db-down")
    await minutes_pass(world, 4.5)
    assert await own_incidents(world) == []
    ann.expects_nothing()
    await minutes_pass(world, 1)
    ((title, status),) = await own_incidents(world)
    assert title.startswith("Nothing gets through phone: every attempt since 09:00:00 UTC failed")
    assert "HTTP 503" in title
    assert status == "triggered"
    # Her phone fails as well: the page takes the other way.
    page = ann.expects_page(title, channel="mail")
    assert "/app/incidents/" in (page.incident_url or "")
    await ann.acknowledges(title)
    # It stays wrong, and nobody is told twice.
    await minutes_pass(world, 15)
    assert len(await own_incidents(world)) == 1
    ann.expects_nothing()
    down = False
    await minutes_pass(world, 3)
    world["bob"].expects_page("db-down")
    assert await own_incidents(world) == [(title, "resolved")]
    assert ("resolve", "last_alert_resolved") in await world.reasons(title)


async def quarantined_event(world: World) -> None:
    body = {
        "routing_key": world.keys["checkout"],
        "event_action": "trigger",
        "dedup_key": "odd",
        "payload": {"summary": "odd", "source": "m", "severity": "error"},
    }
    response = await world.http.post("/v2/enqueue", json=body)
    assert response.status_code == 202
    async with world.database.transaction() as tx:
        await tx.execute(QUARANTINE)


async def the_event_is_mended(world: World) -> None:
    async with world.database.transaction() as tx:
        await tx.execute("delete from inbox where quarantined")


async def test_an_event_in_quarantine_opens_one_incident(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await quarantined_event(world)
    await minutes_pass(world, 0.5)
    ann.expects_nothing()
    await minutes_pass(world, 1)
    ((title, _),) = await own_incidents(world)
    assert title.startswith("1 event could not be processed and was set aside")
    ann.expects_page(title)
    await ann.acknowledges(title)
    # More of them are the same trouble.
    await quarantined_event(world)
    await minutes_pass(world, 30)
    assert len(await own_incidents(world)) == 1
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)
    assert await own_incidents(world) == [(title, "resolved")]
    # When it happens again it is told again.
    await quarantined_event(world)
    await minutes_pass(world, 1.5)
    assert [status for _, status in await own_incidents(world)] == ["resolved", "triggered"]
    ann.shown().clear()
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)


async def test_closed_too_early_it_opens_again_after_an_hour(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await quarantined_event(world)
    await minutes_pass(world, 1.5)
    ((title, _),) = await own_incidents(world)
    ann.expects_page(title)
    await ann.acts(incidents.resolve, title)
    await minutes_pass(world, 50)
    assert await own_incidents(world) == [(title, "resolved")]
    ann.expects_nothing()
    await minutes_pass(world, 11)
    assert [status for _, status in await own_incidents(world)] == ["resolved", "triggered"]
    ann.shown().clear()
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)


async def test_people_may_rename_re_point_and_disable_the_service(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    await world.service("checkout", [["bob"]])
    await quarantined_event(world)
    await minutes_pass(world, 1.5)
    ((title, _),) = await own_incidents(world)
    ann.expects_page(title)
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)
    async with world.database.transaction() as tx:
        door = await self_service.known(tx)
        assert door is not None
        change = ServiceChange(
            name="The pager",
            escalation_policy_id=world.services["checkout"].escalation_policy_id,
        )
        await catalog.update_service(tx, SYSTEM, door.service_id, change, world.clock.now())
    await quarantined_event(world)
    await minutes_pass(world, 1.5)
    assert len(await own_incidents(world)) == 2
    bob.expects_page((await own_incidents(world))[1][0])
    ann.expects_nothing()
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)
    async with world.database.transaction() as tx:
        await catalog.set_enabled(tx, SYSTEM, door.service_id, False, world.clock.now())
    await quarantined_event(world)
    await minutes_pass(world, 5)
    assert len(await own_incidents(world)) == 2
    await the_event_is_mended(world)
    await minutes_pass(world, 1.5)


async def test_nobody_to_reach_on_call_is_told_before_it_matters(world: World) -> None:
    ann = await world.person("ann")
    await world.person("bob", channels=[])
    await world.service("checkout", [["bob"]])
    # They may be about to add one.
    await minutes_pass(world, 9.5)
    assert await own_incidents(world) == []
    await minutes_pass(world, 1)
    ann.expects_page("On call without any working contact method: bob")
    await ann.acknowledges("On call without any working contact method: bob")


async def test_a_disk_that_fills_up_is_told(world: World) -> None:
    ann = await world.person("ann")
    world.program.self_watch.space = lambda: (300 * 1024**2, 200 * 1024**3)
    await minutes_pass(world, 1.5)
    ann.expects_page("The disk of the database on test has only 300 MiB free")
    world.program.self_watch.space = lambda: (3 * 1024**3, 100 * 1024**3)
    await minutes_pass(world, 1.5)
    assert await own_incidents(world) == [
        ("The disk of the database on test has only 300 MiB free", "resolved")
    ]


async def test_when_all_is_well_nothing_is_made(world: World) -> None:
    ann = await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await ann.acknowledges("db-down")
    await minutes_pass(world, 5)
    assert await own_incidents(world) == []
    async with world.database.transaction() as tx:
        assert await tx.count("services") == 1
