"""Maintenance windows on a real database: what they hold back, and what goes on when they end."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.incidents_house import House, actor, stand_up, trigger
from tocsin.accounts.model import SYSTEM
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput
from tocsin.core.database import Database
from tocsin.engine import auditor, maintenance, pauses
from tocsin.engine.isolate import DueStage
from tocsin.escalations import actions as escalations
from tocsin.events.model import Event
from tocsin.incidents import actions as incidents_actions
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow, Window, WindowChange

pytestmark = pytest.mark.asyncio
OLGA = actor("olga")
ALERTS = """
    select dedup_key, status, incident_id is not null as opened, suppressed_by, event_count
    from alerts order by created_at, id
"""
HOLDS = "select service_id, due_at from maintenance_holds order by service_id"


@pytest.fixture
async def house(database: Database) -> House:
    return await stand_up(database, urgency_rule="severity_based")


async def window(house: House, *services: str, start: float = 0, minutes: float = 60) -> Window:
    begins = house.now + timedelta(minutes=start)
    new = NewWindow(
        service_ids=services or ("shop",),
        starts_at=begins,
        ends_at=begins + timedelta(minutes=minutes),
        description="new disks",
    )
    async with house.database.transaction() as tx:
        return await suppression.create(tx, SYSTEM, new, house.now)


async def change(house: House, id: str, **what: Any) -> Window:
    async with house.database.transaction() as tx:
        return await suppression.update(tx, SYSTEM, id, WindowChange(**what), house.now)


async def remove(house: House, id: str) -> str:
    async with house.database.transaction() as tx:
        return await suppression.remove(tx, SYSTEM, id, house.now)


async def look(house: House) -> int:
    """The engine's stage, until nothing is due."""
    done = 0
    while True:
        async with house.database.transaction() as tx:
            found = await maintenance.WORK.run(tx, house.now, 50, None)
        if not found:
            return done
        done += found


async def alerts(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(ALERTS)


def later(house: House, **by: float) -> datetime:
    house.clock.move_to(house.now + timedelta(**by))
    return house.now


async def incidents(house: House) -> list[tuple[Any, ...]]:
    return await house.rows("select title, status, urgency from incidents order by number")


async def test_an_alert_in_a_window_is_kept_and_opens_nothing(house: House) -> None:
    made = await window(house)
    (first,) = await house.say(trigger("disk"))
    assert (first.reason, first.incident_id) == ("suppressed_by_maintenance", None)
    (again,) = await house.say(trigger("disk"))
    assert (again.reason, again.alert_id) == ("suppressed_by_maintenance", first.alert_id)
    assert await alerts(house) == [("disk", "triggered", False, made.id, 2)]
    assert await incidents(house) == []
    assert await house.rows("select 1 from pages") == []
    assert await look(house) == 1
    assert await house.rows(HOLDS) == [("shop", made.ends_at)]


async def test_when_the_window_ends_what_still_holds_opens_and_pages(house: House) -> None:
    made = await window(house)
    await house.say(trigger("disk"), trigger("net", severity="warning"))
    later(house, minutes=59)
    assert await look(house) == 1
    assert await look(house) == 0
    later(house, minutes=1)
    assert await look(house) == 1
    assert await incidents(house) == [
        ("disk is broken", "triggered", "high"),
        ("net is broken", "triggered", "low"),
    ]
    assert [row[2:4] for row in await alerts(house)] == [(True, None), (True, None)]
    assert await house.rows(HOLDS) == []
    id, *_ = (await house.rows("select id from incidents order by number"))[0]
    assert (await house.story(id))[0] == ("trigger", "maintenance_ended")
    assert await house.paged(id) == [("alice", 1, "open")]
    (data,) = (
        await house.rows("select data from log_entries where kind = 'trigger' order by seq limit 1")
    )[0]
    assert data["window_id"] == made.id
    # From here on it is an alert like any other.
    (repeat,) = await house.say(trigger("disk"))
    assert (repeat.reason, repeat.incident_id) == ("repeated", id)
    (over,) = await house.say(Event(action="resolve", dedup_key="disk"))
    assert over.reason == "resolved"
    assert (await house.incident(id))["status"] == "resolved"


async def test_what_is_resolved_in_the_window_never_opens(house: House) -> None:
    made = await window(house)
    outcomes = await house.say(
        trigger("disk"),
        Event(action="acknowledge", dedup_key="disk"),
        Event(action="resolve", dedup_key="disk"),
        Event(action="resolve", dedup_key="disk"),
        trigger("net"),
    )
    assert [one.reason for one in outcomes] == [
        "suppressed_by_maintenance",
        "suppressed_by_maintenance",
        "resolved",
        "no_open_alert",
        "suppressed_by_maintenance",
    ]
    (over,) = await house.say(Event(action="resolve", dedup_key="net"))
    assert (over.reason, over.incident_id) == ("resolved", None)
    later(house, hours=1)
    await look(house)
    assert await incidents(house) == []
    assert await alerts(house) == [
        ("disk", "resolved", False, made.id, 1),
        ("net", "resolved", False, made.id, 1),
    ]
    assert await house.rows(HOLDS) == []


async def test_an_incident_that_was_open_keeps_its_state_and_is_resolved_as_ever(
    house: House,
) -> None:
    id = await house.opened("disk", severity="warning")
    await window(house)
    (repeat,) = await house.say(trigger("disk", severity="critical"))
    assert (repeat.reason, repeat.incident_id) == ("repeated", id)
    # The louder urgency would page, so it waits for the end of the window.
    assert (await house.incident(id))["urgency"] == "low"
    paged = await house.paged(id)
    later(house, hours=1)
    await look(house)
    assert (await house.incident(id))["urgency"] == "high"
    assert len(await house.paged(id)) > len(paged)
    assert ("urgency_change", "severity_raised") in await house.story(id)
    assert [row[3] for row in await alerts(house)] == [None]

    await window(house)
    (over,) = await house.say(Event(action="resolve", dedup_key="disk"))
    assert (over.reason, over.incident_id) == ("resolved", id)
    assert (await house.incident(id))["status"] == "resolved"


async def test_other_services_go_on(house: House) -> None:
    policy = (await house.rows("select escalation_policy_id from services"))[0][0]
    async with house.database.transaction() as tx:
        other = (await escalations.policies_by_ids(tx, [policy]))[policy]
    await house.service(other, "bank")
    await window(house)
    (outcome,) = await house.say(trigger("disk"), service="bank")
    assert outcome.reason == "opened"


async def test_of_windows_that_overlap_the_last_to_end_lets_go(house: House) -> None:
    await window(house, minutes=30)
    await house.say(trigger("disk"))
    second = await window(house, start=20, minutes=30)
    await look(house)
    later(house, minutes=30)
    assert await look(house) == 1
    assert await incidents(house) == []
    assert await house.rows(HOLDS) == [("shop", second.ends_at)]
    later(house, minutes=20)
    await look(house)
    assert len(await incidents(house)) == 1


@pytest.mark.parametrize("how", ["removed", "shortened", "service_left"])
async def test_ending_early_lets_go_at_once(house: House, how: str) -> None:
    policy = (await house.rows("select escalation_policy_id from services"))[0][0]
    async with house.database.transaction() as tx:
        other = (await escalations.policies_by_ids(tx, [policy]))[policy]
    await house.service(other, "bank")
    made = await window(house, "shop", "bank")
    await house.say(trigger("disk"))
    await look(house)
    later(house, minutes=10)
    if how == "removed":
        assert await remove(house, made.id) == "ended_now"
    elif how == "shortened":
        await change(house, made.id, ends_at=house.now + timedelta(seconds=1))
        await look(house)
        later(house, seconds=1)
    else:
        await change(house, made.id, service_ids=("bank",))
    await look(house)
    assert [row[0] for row in await incidents(house)] == ["disk is broken"]
    assert await house.rows(HOLDS) == []


async def test_a_window_that_is_made_longer_holds_longer(house: House) -> None:
    made = await window(house, minutes=30)
    await house.say(trigger("disk"))
    longer = await change(house, made.id, ends_at=made.ends_at + timedelta(minutes=30))
    later(house, minutes=30)
    await look(house)
    assert await incidents(house) == []
    assert await house.rows(HOLDS) == [("shop", longer.ends_at)]
    later(house, minutes=30)
    await look(house)
    assert len(await incidents(house)) == 1


async def test_a_window_that_ends_while_the_intake_decides_by_it_holds_nothing(
    house: House,
) -> None:
    made = await window(house)
    async with house.database.transaction() as tx:
        one = house.arrived([trigger("disk")])
        (outcome,) = await incidents_actions.record_events(tx, [one], house.now)
        # Somebody ends it meanwhile, and does not wait for the intake.
        assert await remove(house, made.id) == "ended_now"
    assert outcome.reason == "suppressed_by_maintenance"
    await look(house)
    assert len(await incidents(house)) == 1


async def test_a_window_that_ends_while_the_engine_looks_is_looked_at_again(house: House) -> None:
    made = await window(house)
    await house.say(trigger("disk"))
    async with house.database.transaction() as tx:
        assert await maintenance.WORK.run(tx, house.now, 50, None) == 1
        ending = asyncio.create_task(remove(house, made.id))
        # It waits for the hold that the engine is at.
        await asyncio.sleep(0.1)
        assert not ending.done()
    await ending
    await look(house)
    assert len(await incidents(house)) == 1


async def test_a_disabled_service_keeps_its_alerts_until_it_is_enabled(house: House) -> None:
    await window(house)
    await house.say(trigger("disk"))
    disable = "update services set disabled_at = created_at"
    async with house.database.transaction() as tx:
        await tx.execute(disable)
    later(house, hours=1)
    await look(house)
    assert await incidents(house) == []
    async with house.database.transaction() as tx:
        await tx.execute("update services set disabled_at = null")
    later(house, minutes=1)
    await look(house)
    assert len(await incidents(house)) == 1


async def test_a_deleted_service_lets_go_of_its_alerts_unopened(house: House) -> None:
    await window(house)
    await house.say(trigger("disk"))
    async with house.database.transaction() as tx:
        await tx.execute("update services set deleted_at = created_at")
    later(house, hours=1)
    await look(house)
    assert await incidents(house) == []
    assert [row[:3] for row in await alerts(house)] == [("disk", "resolved", False)]
    assert await house.rows(HOLDS) == []


async def test_more_than_fit_in_a_pass_all_open(house: House) -> None:
    await window(house)
    await house.say(*(trigger(f"disk-{number}") for number in range(8)))
    later(house, hours=1)
    for opened in (3, 6, 8):
        async with house.database.transaction() as tx:
            assert await incidents_actions.release_held(tx, house.now, ["shop"], most=3) == 1
        assert len(await incidents(house)) == opened
    assert len(await incidents(house)) == 8
    assert await house.rows(HOLDS) == []


async def test_a_batch_costs_one_query_more_and_no_number(house: House) -> None:
    """Numbers of incidents have no holes for what was held back."""
    first = await house.opened("one")
    await window(house)
    await house.say(*(trigger(f"held-{number}") for number in range(5)))
    later(house, hours=1)
    await look(house)
    numbers = [row[0] for row in await house.rows("select number from incidents order by number")]
    start = (await house.incident(first))["number"]
    assert numbers == list(range(start, start + 6))


async def test_what_nobody_lets_go_on_is_found(house: House) -> None:
    await window(house)
    await house.say(trigger("disk"))
    await look(house)
    later(house, hours=1, seconds=29)
    async with house.database.transaction() as tx:
        assert await auditor.audit(tx, house.now) == ()
    later(house, seconds=2)
    async with house.database.transaction() as tx:
        (finding,) = await auditor.audit(tx, house.now)
    assert (finding.kind, finding.count, finding.example) == ("holds_overdue", 1, "shop")


async def test_a_service_that_fails_is_pushed_back_and_told(house: House) -> None:
    await window(house)
    await house.say(trigger("disk"))
    async with house.database.transaction() as tx:
        await maintenance.WORK.push_back(tx, "shop", "RuntimeError('no')", house.now)
    assert await house.rows(HOLDS) == [("shop", house.now + timedelta(seconds=5))]
    later(house, hours=2)
    await look(house)
    assert len(await incidents(house)) == 1


async def test_an_alert_that_cannot_be_opened_holds_up_no_other(house: House) -> None:
    await window(house)
    await house.say(trigger("disk"), trigger("net"), trigger("cpu"))
    later(house, hours=1)
    poison = "update alerts set links = '[{\"href\": 7}]' where dedup_key = 'net'"
    async with house.database.transaction() as tx:
        await tx.execute(poison)
    stage = DueStage(house.database, house.clock, maintenance.WORK)
    assert await stage.run() == 1
    assert [row[0] for row in await incidents(house)] == ["disk is broken", "cpu is broken"]
    (error,) = (await house.rows("select error from maintenance_holds"))[0]
    assert "net" in error or "alert Q" in error
    # It goes on being tried, and opens once it can be.
    async with house.database.transaction() as tx:
        await tx.execute("update alerts set links = '[]' where dedup_key = 'net'")
    later(house, minutes=5)
    await stage.run()
    assert len(await incidents(house)) == 3
    assert await house.rows(HOLDS) == []


async def test_what_goes_on_together_comes_under_one_incident(house: House) -> None:
    async with house.database.transaction() as tx:
        wanted = GroupingInput(type="time", service_ids=("shop",), timeout=0)
        await grouping.create_grouping(tx, SYSTEM, wanted, house.now)
    before = await house.opened("cpu", severity="critical")
    made = await window(house)
    # During maintenance nothing joins what is open, either.
    outcomes = await house.say(trigger("disk"), trigger("net"))
    assert {one.reason for one in outcomes} == {"suppressed_by_maintenance"}
    assert (await house.incident(before))["alert_count"] == 1
    await house.say(Event(action="resolve", dedup_key="cpu"))
    await remove(house, made.id)
    await look(house)
    (first, last) = await house.rows("select id, alert_count from incidents order by number")
    assert (first[1], last[1]) == (1, 2)
    reasons = [reason for _, reason in await house.story(last[0])]
    assert reasons[0] == "maintenance_ended"
    assert "alert_joined" in reasons


async def test_a_pause_that_ends_in_a_window_ends_with_the_window(house: House) -> None:
    async with house.database.transaction() as tx:
        await tx.execute("update services set pause_seconds = 300")
    (waits,) = await house.say(trigger("disk"))
    assert waits.reason == "paused"
    made = await window(house, start=2, minutes=30)
    later(house, minutes=3)
    (again,) = await house.say(trigger("disk"))
    assert again.alert_id == waits.alert_id
    later(house, minutes=2)
    async with house.database.transaction() as tx:
        assert await pauses.WORK.run(tx, house.now, 50, None) == 1
    await look(house)
    assert await incidents(house) == []
    assert await house.rows(HOLDS) == [("shop", made.ends_at)]
    later(house, minutes=27)
    await look(house)
    assert [row[0] for row in await incidents(house)] == ["disk is broken"]
    # It has waited enough: nothing waits again when the window is over.
    assert [row[2:4] for row in await alerts(house)] == [(True, None)]
