"""Alerts that wait before they open an incident: with grouping, in maintenance, in numbers."""

from datetime import timedelta
from typing import Any

from tests.support.incidents_house import House, level, stand_up, trigger, user
from tocsin.accounts.model import SYSTEM
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput
from tocsin.core.database import Database
from tocsin.events.model import Event
from tocsin.incidents import actions as incidents
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow

PAUSE = "update services set pause_seconds = %(seconds)s where id = %(id)s"


async def pausing(database: Database, seconds: int = 120, **service: Any) -> House:
    house = await stand_up(database, **service)
    async with database.transaction() as tx:
        await tx.execute(PAUSE, {"seconds": seconds, "id": "shop"})
    return house


async def end(house: House) -> int:
    """What the engine does, once."""
    async with house.database.transaction() as tx:
        due = await incidents.due_pauses(tx, house.now, 50)
        return await incidents.end_pauses(tx, house.now, [id for id, _ in due])


async def states(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "select dedup_key, status, incident_id is not null, event_count from alerts order by id"
    )


async def test_words_about_what_waits(database: Database) -> None:
    house = await pausing(database)
    outcomes = await house.say(
        trigger("a"),
        Event(action="acknowledge", dedup_key="a"),
        trigger("a"),
        Event(action="resolve", dedup_key="a"),
        trigger("a"),
    )
    assert [one.reason for one in outcomes] == [
        "paused",
        "paused",
        "paused",
        "resolved_in_pause",
        "paused",
    ]
    assert all(one.incident_id is None for one in outcomes)
    assert await states(house) == [("a", "resolved", False, 2), ("a", "triggered", False, 1)]
    assert await end(house) == 0
    house.clock.advance(timedelta(seconds=120))
    assert await end(house) == 1
    assert await states(house) == [("a", "resolved", False, 2), ("a", "triggered", True, 1)]
    assert await house.rows("select count(*) from pause_holds") == [(0,)]
    (incident,) = await house.rows("select id, alert_count, open_alert_count from incidents")
    assert incident[1:] == (1, 1)
    assert await house.paged(incident[0]) == [("alice", 1, "open")]


async def test_what_waited_joins_its_group(database: Database) -> None:
    house = await pausing(database)
    async with database.transaction() as tx:
        wanted = GroupingInput(type="time", service_ids=["shop"], timeout=600)
        await grouping.create_grouping(tx, SYSTEM, wanted, house.now)
    await house.say(trigger("a"), trigger("b"))
    house.clock.advance(timedelta(seconds=120))
    await end(house)
    await house.say(trigger("c"))
    house.clock.advance(timedelta(seconds=120))
    await end(house)
    (incident,) = await house.rows("select id, alert_count from incidents")
    assert incident[1] == 3
    assert await house.paged(incident[0]) == [("alice", 1, "open")]
    reasons = [reason for _, reason in await house.story(incident[0])]
    assert reasons == ["pause_ended", "alert_joined", "opened", "alert_joined"]


async def test_a_window_takes_over(database: Database) -> None:
    house = await pausing(database)
    await house.say(trigger("a"))
    async with database.transaction() as tx:
        new = NewWindow(
            service_ids=("shop",),
            starts_at=house.now + timedelta(seconds=60),
            ends_at=house.now + timedelta(seconds=600),
        )
        await suppression.create(tx, SYSTEM, new, house.now)
    house.clock.advance(timedelta(seconds=120))
    await end(house)
    assert await house.rows("select count(*) from incidents") == [(0,)]
    (held,) = await house.rows("select suppressed_by is not null from alerts")
    assert held == (True,)
    # Now the window answers for it.
    (outcome,) = await house.say(trigger("a"))
    assert outcome.reason == "suppressed_by_maintenance"
    house.clock.advance(timedelta(seconds=600))
    async with database.transaction() as tx:
        assert await incidents.release_held(tx, house.now, ["shop"]) == 1
    assert await states(house) == [("a", "triggered", True, 2)]
    (reason,) = await house.rows("select reason from log_entries where kind = 'trigger'")
    assert reason == ("maintenance_ended",)


async def test_many_are_let_go_a_piece_at_a_time(database: Database) -> None:
    house = await pausing(database)
    await house.say(*[trigger(f"k{n}") for n in range(700)])
    house.clock.advance(timedelta(seconds=120))
    assert await end(house) == 1
    assert await house.rows("select count(*) from incidents") == [(500,)]
    assert await end(house) == 1
    assert await house.rows("select count(*) from incidents") == [(700,)]
    assert await end(house) == 0


async def test_a_failing_service_is_pushed_back(database: Database) -> None:
    house = await pausing(database)
    policy = await house.policy(level(user("bob")), name="Other")
    await house.service(policy, "till")
    await house.say(trigger("a"))
    house.clock.advance(timedelta(seconds=120))
    async with database.transaction() as tx:
        await incidents.push_back_pause(tx, "shop", "broken", house.now)
    assert await end(house) == 0
    house.clock.advance(timedelta(seconds=5))
    assert await end(house) == 1
