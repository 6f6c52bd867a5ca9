"""Somebody says how much an incident matters and where people talk: whoever is asked next hears it.

And an alert that a person closes ends its incident for the phones, as if the machine had said so.
"""

from tests.support.world import World
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import AlertChange, Conference, Priority, Status

ALERTS = "select id from alerts where incident_id = %(id)s"


async def test_the_next_on_the_ladder_hears_the_priority_and_where_to_talk(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.trigger("checkout", "checkout-down")
    first = ann.expects_page("checkout-down").incidents[0]
    assert (first.priority, first.conference_number) == (None, None)
    incident = await world.incident("checkout-down")
    room = Conference(number="+1 415 555 1212", url="https://meet.example.com/checkout")
    async with world.database.transaction() as tx:
        now = world.clock.now()
        await incidents.set_priority(tx, ann.actor, [incident.id], Priority.P1, now)
        await incidents.set_conference(tx, ann.actor, [incident.id], room, now)
    await world.settle()
    # Nobody is paged for a mark.
    ann.expects_nothing()
    bob.expects_nothing()
    await world.advance(minutes=5)
    page = bob.expects_page("checkout-down").incidents[0]
    assert page.priority == "P1"
    assert (page.conference_number, page.conference_url) == (room.number, room.url)


async def test_after_the_last_alert_is_closed_by_hand_nobody_is_asked(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.trigger("checkout", "checkout-down")
    ann.expects_page("checkout-down")
    incident = await world.incident("checkout-down")
    async with world.database.transaction() as tx:
        ((alert_id,),) = await tx.tuples(ALERTS, {"id": incident.id})
        change = AlertChange(alert_id=alert_id, status=Status.RESOLVED)
        await incidents.change_alerts(tx, ann.actor, incident.id, [change], world.clock.now())
    await world.settle()
    assert await world.status("checkout-down") == "resolved"
    await world.advance(hours=1)
    bob.expects_nothing()
    # It breaks again: that is another incident, and somebody is asked.
    await world.trigger("checkout", "checkout-down")
    ann.expects_page("checkout-down")


async def test_an_alert_that_moves_takes_its_noise_along(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    await world.trigger("checkout", "checkout-slow")
    ann.expects_page("checkout-slow")
    await ann.acknowledges("db-down")
    cause, symptom = await world.incident("db-down"), await world.incident("checkout-slow")
    async with world.database.transaction() as tx:
        ((alert_id,),) = await tx.tuples(ALERTS, {"id": symptom.id})
        change = AlertChange(alert_id=alert_id, to_incident_id=cause.id)
        await incidents.change_alerts(tx, ann.actor, symptom.id, [change], world.clock.now())
    await world.settle()
    # The symptom is over as an incident, and the one that somebody has keeps its state.
    assert await world.status("checkout-slow") == "resolved"
    assert await world.status("db-down") == "acknowledged"
    await world.advance(minutes=20)
    bob.expects_nothing()
    # Both machines have to say that it is over.
    await world.resolve("checkout", "db-down")
    assert await world.status("db-down") == "acknowledged"
    await world.resolve("checkout", "checkout-slow")
    assert await world.status("db-down") == "resolved"
