"""The reader of the timeline: what happened becomes events, once, whole and in order."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.webhooks import subscriber
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import ENGINE, SYSTEM, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewService, ServiceChange
from tocsin.core import crash_points
from tocsin.core.database import Database
from tocsin.engine import react
from tocsin.engine.react import React
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest, Reassignment
from tocsin.incidents.responders import Answer, AskKind, Wanted
from tocsin.incidents.status_updates import NewUpdate
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import FilterType, SubscriptionChange

SECOND = timedelta(seconds=1)
PLACE = "select log_seq, audit_chain from timeline_readers where name = 'webhooks'"


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["ann"], ["bob"]])
        made.clock.advance(SECOND)
        yield made


async def test_what_happens_to_an_incident_is_told_in_order(world: World) -> None:
    async with subscriber(world) as shop:
        await world.trigger("shop", "db-down")
        ann, bob = world["ann"], world["bob"]
        await world.advance(minutes=5)
        await ann.acts(incidents.acknowledge, "db-down")
        await ann.acts(incidents.unacknowledge, "db-down")
        await ann.acts(incidents.reassign, "db-down", Reassignment(user_ids=(bob.user.id,)))
        await bob.acts(incidents.snooze, "db-down", 3600)
        id = (await world.incident("db-down")).id
        async with world.database.transaction() as tx:
            note = await incidents.add_note(tx, bob.actor, id, "It is the disk", world.clock.now())
        await bob.acts(incidents.resolve, "db-down")
        assert shop.types == [
            "incident.triggered",
            "incident.escalated",
            "incident.acknowledged",
            "incident.unacknowledged",
            "incident.reassigned",
            "incident.acknowledged",
            "incident.annotated",
            "incident.resolved",
        ]
        assert [event["data"].get("status") for event in shop.events] == [
            "triggered",
            "triggered",
            "acknowledged",
            "triggered",
            "triggered",
            "acknowledged",
            None,
            "resolved",
        ]
        assert shop.events[6]["data"] == {
            "incident": {**shop.events[6]["data"]["incident"], "id": id},
            "id": note.id,
            "content": "It is the disk",
            "trimmed": False,
            "type": "incident_note",
        }
        assert len({event["id"] for event in shop.events}) == 8
    for person in (ann, bob):
        person.shown().clear()


async def test_a_policy_is_told_as_a_delegation(world: World) -> None:
    other = await world.service("other", [["bob"]])
    async with subscriber(world, "incident.reassigned", "incident.delegated") as shop:
        await world.trigger("shop", "db-down")
        to = Reassignment(policy_id=other.escalation_policy_id)
        await world["ann"].acts(incidents.reassign, "db-down", to)
        assert shop.types == ["incident.delegated"]
        assert shop.events[0]["data"]["escalation_policy"]["id"] == other.escalation_policy_id


async def test_people_who_are_asked_and_what_is_published_are_told(world: World) -> None:
    other = await world.service("other", [["bob"]])
    ann, bob = world["ann"], world["bob"]
    cat = await world.person("cat")
    world.clock.advance(SECOND)
    types = [
        "incident.responder.added",
        "incident.responder.replied",
        "incident.status_update_published",
    ]
    async with subscriber(world, *types) as shop:
        await world.trigger("shop", "db-down")
        id = (await world.incident("db-down")).id
        targets = (
            Wanted(AskKind.USER, cat.user.id),
            Wanted(AskKind.POLICY, other.escalation_policy_id),
        )
        async with world.database.transaction() as tx:
            now = world.clock.now()
            new = NewRequest(targets=targets, message="The disk again")
            await incidents.ask_responders(tx, ann.actor, id, new, now)
        async with world.database.transaction() as tx:
            await incidents.answer_request(tx, bob.actor, id, Answer.JOIN, now, note="On it")
        async with world.database.transaction() as tx:
            update = NewUpdate(message="We look into it")
            published = await incidents.publish_update(tx, ann.actor, id, update, now)
        await world.settle()
        assert shop.types == [types[0], types[0], types[1], types[2]]
        asked, found, joined, told = [event["data"] for event in shop.events]
        assert asked["incident"]["id"] == id
        assert asked["type"] == "incident_responder"
        assert (asked["user"]["summary"], found["user"]["summary"]) == ("cat", "bob")
        assert asked["escalation_policy"] is None
        assert found["escalation_policy"]["id"] == other.escalation_policy_id
        assert (asked["state"], asked["message"]) == ("pending", "The disk again")
        assert (joined["user"]["id"], joined["state"]) == (bob.user.id, "joined")
        assert joined["message"] == "On it"
        assert told == {
            "incident": asked["incident"],
            "id": published.id,
            "message": "We look into it",
            "trimmed": False,
            "type": "incident_status_update",
        }


async def test_a_service_is_told_from_the_audit_record(world: World) -> None:
    async with subscriber(world) as shop:
        made = await world.service("cart", [["ann"]])
        async with world.database.transaction() as tx:
            change = ServiceChange(name="basket")
            await catalog.update_service(tx, world["ann"].actor, made.id, change, world.clock.now())
            await catalog.set_enabled(tx, SYSTEM, made.id, False, world.clock.now())
            await catalog.delete_service(tx, SYSTEM, made.id, world.clock.now())
        await world.settle()
        # The seal gives the rows their numbers: what is sealed in one pass is told in the next.
        await world.settle()
        assert shop.types == [
            "service.created",
            "service.updated",
            "service.updated",
            "service.deleted",
        ]
        last = shop.events[-1]
        assert last["resource_type"] == "service"
        assert last["data"]["id"] == made.id
        assert last["data"]["self"] is None
        assert shop.events[1]["agent"]["summary"] == "ann"
        assert shop.events[2]["agent"] is None


async def test_a_filter_keeps_out_what_is_not_its_own(world: World) -> None:
    async with world.database.transaction() as tx:
        team = await accounts.create_team(tx, SYSTEM, world.clock.now(), name="Core")
    other = await world.service("other", [["bob"]])
    async with world.database.transaction() as tx:
        await tx.execute(
            "update escalation_policies set team_id = %(team)s where id = %(id)s",
            {"team": team.id, "id": other.escalation_policy_id},
        )
    world.clock.advance(SECOND)
    shop_id = world.services["shop"].id
    async with (
        subscriber(world, filter_type=FilterType.SERVICE, filter_id=shop_id) as one,
        subscriber(world, filter_type=FilterType.TEAM, filter_id=team.id) as two,
        subscriber(world, "incident.resolved") as three,
    ):
        await world.trigger("shop", "a")
        await world.trigger("other", "b")
        await world.resolve("shop", "a")
        await world.resolve("other", "b")
        assert one.types == ["incident.triggered", "incident.resolved"]
        assert {event["data"]["title"] for event in one.events} == {"a"}
        assert {event["data"]["title"] for event in two.events} == {"b"}
        assert two.events[0]["data"]["teams"][0]["id"] == team.id
        assert three.types == ["incident.resolved"] * 2


async def test_what_was_before_is_not_told(world: World) -> None:
    await world.trigger("shop", "early")
    world.clock.advance(SECOND)
    async with subscriber(world) as shop:
        await world.trigger("shop", "late")
        assert {event["data"]["title"] for event in shop.events} == {"late"}
        async with world.database.transaction() as tx:
            box, now = world.program.secret_box, world.clock.now()
            off = SubscriptionChange(active=False)
            await webhooks.update(tx, SYSTEM, shop.id, off, now, box=box)
        await world.trigger("shop", "unheard")
        world.clock.advance(SECOND)
        async with world.database.transaction() as tx:
            on = SubscriptionChange(active=True)
            await webhooks.update(tx, SYSTEM, shop.id, on, world.clock.now(), box=box)
        await world.trigger("shop", "last")
        assert {event["data"]["title"] for event in shop.events} == {"late", "last"}


async def test_a_writer_that_commits_late_is_not_skipped(world: World) -> None:
    """Its entries have lower numbers than those of others that are committed before."""
    async with subscriber(world, "incident.acknowledged") as shop:
        await world.trigger("shop", "slow")
        await world.trigger("shop", "fast")
        slow, fast = await world.incident("slow"), await world.incident("fast")

        def entry(incident_id: str) -> Entry:
            return Entry(
                incident_id=incident_id,
                service_id=slow.service_id,
                kind=Kind.ACKNOWLEDGE,
                reason="test",
                actor=ENGINE,
                at=world.clock.now(),
            )

        async with world.database.transaction() as late:
            await feed.append(late, [entry(slow.id)])
            async with world.database.transaction() as early:
                await feed.append(early, [entry(fast.id)])
            await world.settle()
            assert shop.types == []
        await world.settle()
        assert [event["data"]["id"] for event in shop.events] == [slow.id, fast.id]


async def test_an_audit_row_that_commits_late_is_not_skipped(world: World) -> None:
    async with subscriber(world, "service.created") as shop:
        async with world.database.transaction() as late:
            policy = world.services["shop"].escalation_policy_id
            first = NewService(name="first", escalation_policy_id=policy)
            await catalog.create_service(late, SYSTEM, first, world.clock.now())
            async with world.database.transaction() as early:
                second = NewService(name="second", escalation_policy_id=policy)
                await catalog.create_service(early, SYSTEM, second, world.clock.now())
            await world.settle()
            await world.settle()
            assert [event["data"]["summary"] for event in shop.events] == ["second"]
        await world.settle()
        await world.settle()
        assert [event["data"]["summary"] for event in shop.events] == ["second", "first"]


async def test_without_subscriptions_nothing_is_read_and_the_place_moves_on(world: World) -> None:
    await world.trigger("shop", "a")
    async with world.database.transaction() as tx:
        (before,) = await tx.tuples(PLACE)
        end = await feed.horizon(tx)
        assert before[0] == end > 0
        assert await tx.count("webhook_events") == 0
    await world.settle()
    async with world.database.transaction() as tx:
        assert (await tx.tuples(PLACE)) == [before]


async def test_a_pass_reads_a_bounded_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read piece by piece, and cut where too many deliveries would come of one: nothing is lost."""
    monkeypatch.setattr(react, "AT_ONCE", 3)
    monkeypatch.setattr(react, "MOST_DELIVERIES", 2)
    async with subscriber(world) as one, subscriber(world) as two:
        for name in ("a", "b", "c", "d", "e"):
            await world.trigger("shop", name)
        for name in ("a", "b", "c", "d", "e"):
            await world.resolve("shop", name)
        for shop in (one, two):
            assert sorted(shop.types) == ["incident.resolved"] * 5 + ["incident.triggered"] * 5
            for name in ("a", "b", "c", "d", "e"):
                assert shop.about(name) == ["incident.triggered", "incident.resolved"]


@pytest.mark.parametrize("name", ["react.uncommitted", "react.committed"])
async def test_a_death_amid_reading_tells_nothing_twice(world: World, name: str) -> None:
    async with subscriber(world, "incident.triggered") as shop:
        died: list[str] = []

        def die(point: str) -> None:
            if point == name and not died:
                died.append(point)
                raise crash_points.Crash(point)

        crash_points.handle(die)
        try:
            with pytest.raises(crash_points.Crash):
                await world.trigger("shop", "db-down")
        finally:
            crash_points.handle(None)
        await world.settle()
        assert died
        assert shop.types == ["incident.triggered"]
        assert await shop.states() == ["delivered"]


async def test_two_nodes_tell_everything_once(world: World) -> None:
    """A second reader finds the place taken, or sees what the first has read."""
    async with Database(world.database.dsn, size=2) as own, subscriber(world) as shop:
        other = React(own, world.clock, base_url="http://tocsin.test")
        async with world.database.transaction() as tx:
            await tx.execute("select from timeline_readers for update")
            assert await other.run() == 0
        await world.trigger("shop", "a")
        assert await other.run() == 0
        await world.resolve("shop", "a")
        assert shop.types == ["incident.triggered", "incident.resolved"]


async def test_an_event_that_cannot_be_written_holds_up_no_other(world: World) -> None:
    """It is shown as dropped, with why."""
    async with subscriber(world, "incident.resolved") as shop:
        await world.trigger("shop", "a")
        incident = await world.incident("a")
        about_nothing = Entry(
            incident_id="QNOWHERE",
            service_id=incident.service_id,
            kind=Kind.RESOLVE,
            reason="test",
            actor=ENGINE,
            at=world.clock.now(),
        )
        async with world.database.transaction() as tx:
            await feed.append(tx, [about_nothing])
        await world.resolve("shop", "a")
        assert shop.types == ["incident.resolved"]
        assert await shop.states() == ["dropped", "delivered"]
        dropped, _ = await shop.deliveries()
        assert dropped.detail == "it could not be written: KeyError"


async def test_finished_deliveries_are_forgotten_after_a_week(world: World) -> None:
    async with subscriber(world) as shop:
        await world.trigger("shop", "a")
        assert len(await shop.deliveries()) == 1
        world.clock.advance(timedelta(days=6))
        await world.program.upkeep.run()
        assert len(await shop.deliveries()) == 1
        world.clock.advance(timedelta(days=2))
        assert await world.program.upkeep.run() > 0
        assert await shop.deliveries() == ()
        async with world.database.transaction() as tx:
            assert await tx.count("webhook_events") == 0
            await webhooks.delete(tx, SYSTEM, shop.id, world.clock.now())
        assert await world.program.upkeep.run() == 0
        world.clock.advance(timedelta(days=8))
        assert await world.program.upkeep.run() == 1
        async with world.database.transaction() as tx:
            assert await tx.count("webhook_subscriptions") == 0
