"""Alerts of one service, or of several, are brought together in one incident."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.support.incidents_house import House, actor, level, stand_up, trigger, user
from tocsin.accounts.model import SYSTEM
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput, GroupingSetting
from tocsin.core.database import Database
from tocsin.events.model import Event
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import Urgency


def resolve(key: str) -> Event:
    return Event(action="resolve", dedup_key=key)


async def group(house: House, type: str, *services: str, **config: Any) -> GroupingSetting:
    wanted = GroupingInput(type=type, service_ids=services or ("shop",), **config)
    async with house.database.transaction() as tx:
        return await grouping.create_grouping(tx, SYSTEM, wanted, house.now)


async def where(house: House, *events: Event, service: str = "shop") -> list[str | None]:
    """The incidents that the events' alerts are under."""
    return [outcome.incident_id for outcome in await house.say(*events, service=service)]


async def test_by_time_until_the_time_is_over(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "time", timeout=600)
    first = await house.opened("a")
    house.clock.advance(timedelta(seconds=600))
    assert await where(house, trigger("b"), trigger("a")) == [first, first]
    house.clock.advance(timedelta(seconds=1))
    (other,) = await where(house, trigger("c"))
    assert other != first
    # The time is counted from the first alert, not from the last.
    assert await where(house, trigger("d")) == [other]
    incident = await house.incident(first)
    assert (incident["alert_count"], incident["open_alert_count"]) == (2, 2)
    assert incident["title"] == "a is broken"
    assert await house.paged(first) == [("alice", 1, "open")]
    assert [reason for _, reason in await house.story(first)] == [
        "new_alert",
        "opened",
        "alert_joined",
        "repeated_alert",
    ]
    numbers = await house.rows("select number from incidents order by number")
    assert numbers == [(1,), (2,)]


async def test_by_time_until_it_is_resolved(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "time", timeout=0)
    first = await house.opened("a")
    house.clock.advance(timedelta(days=400))
    assert await where(house, trigger("b")) == [first]
    await house.say(resolve("a"))
    assert (await house.incident(first))["status"] == "triggered"
    (outcome,) = await house.say(resolve("b"))
    assert outcome.reason == "resolved"
    assert (await house.incident(first))["status"] == "resolved"
    (second,) = await where(house, trigger("c"))
    assert second != first


async def test_by_content(database: Database) -> None:
    house = await stand_up(database)
    fields = ["component", "custom_details.place.rack"]
    await group(house, "content_based", aggregate="all", fields=fields, time_window=300)
    rack = {"place": {"rack": 7}}
    first = await house.opened("a", component="db", details=rack)
    same, other_rack, no_rack, text = await where(
        house,
        trigger("b", component="db", details=rack),
        trigger("c", component="db", details={"place": {"rack": 8}}),
        trigger("d", component="db"),
        trigger("e", component="db", details={"place": "rack 7"}),
    )
    assert same == first
    assert len({first, other_rack, no_rack, text}) == 4
    # What lacks a value is like nothing, not even another that lacks it.
    assert await where(house, trigger("f", component="db")) not in ([no_rack], [text])
    (data,) = await house.rows("select data->'why' from log_entries where reason = 'alert_joined'")
    assert data[0]["same"] == {"component": "db", "custom_details.place.rack": "7"}
    # The window is counted from the last alert that joined.
    for _ in range(3):
        house.clock.advance(timedelta(seconds=300))
        key = f"later-{house.now}"
        assert await where(house, trigger(key, component="db", details=rack)) == [first]
    house.clock.advance(timedelta(seconds=301))
    assert await where(house, trigger("g", component="db", details=rack)) != [first]


async def test_a_rolling_window_ends_after_a_day(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "content_based", aggregate="all", fields=["component"], time_window=3600)
    first = await house.opened("a", component="db")
    for hour in range(24):
        house.clock.advance(timedelta(hours=1))
        assert await where(house, trigger(f"h{hour}", component="db")) == [first]
    house.clock.advance(timedelta(seconds=1))
    assert await where(house, trigger("late", component="db")) != [first]


async def test_by_any_of_the_contents(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "content_based", aggregate="any", fields=["source", "component"])
    first = await house.opened("a", source="one", component="x")
    assert await where(house, trigger("b", source="one", component="y")) == [first]
    # It shares its component with the second alert alone.
    assert await where(house, trigger("c", source="two", component="y")) == [first]
    # The same value in another field is another value.
    (other,) = await where(house, trigger("d", source="x"))
    assert other != first


async def test_by_text(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "intelligent", text_fields=["summary"])
    first = await house.opened("a", summary="Disk /var is 91 % full on web-01.eu")
    near, far = await where(
        house,
        trigger("b", summary="Disk /var is 97 % full on web-17.eu"),
        trigger("c", summary="Payment provider refuses all cards"),
    )
    assert (near, far == first) == (first, False)
    (entry,) = await house.rows("select data->'why' from log_entries where reason = 'alert_joined'")
    assert entry[0]["score"] == 100
    assert entry[0]["like"] == "Disk /var is 91 % full on web-01.eu"
    assert await where(house, trigger("e", summary="Disk /var almost full on web-02")) == [first]


async def test_by_content_and_text(database: Database) -> None:
    house = await stand_up(database)
    await group(
        house, "content_based_intelligent", aggregate="all", fields=["component"],
        text_fields=["summary"],
    )  # fmt: skip
    first = await house.opened("a", component="db", summary="Replica lag above 30 s")
    same, elsewhere, else_said = await where(
        house,
        trigger("b", component="db", summary="Replica lag above 55 s"),
        trigger("c", component="cache", summary="Replica lag above 55 s"),
        trigger("d", component="db", summary="Out of connections"),
    )
    assert same == first
    assert len({first, elsewhere, else_said}) == 3


async def test_one_setting_over_two_services(database: Database) -> None:
    house = await stand_up(database)
    policy = await house.policy(level(user("bob")), name="Other")
    await house.service(policy, "till")
    await house.service(policy, "depot")
    await group(house, "content_based", "shop", "till", aggregate="all", fields=["component"])
    first = await house.opened("a", component="db")
    assert await where(house, trigger("b", component="db"), service="till") == [first]
    assert await where(house, trigger("c", component="db"), service="depot") != [first]
    (entry,) = await house.rows(
        "select data->'service'->>'name' from log_entries where reason = 'alert_joined'"
    )
    assert entry == ("till",)
    assert await house.rows("select service_id from alerts where dedup_key = 'b'") == [("till",)]
    await house.say(resolve("a"))
    await house.say(resolve("b"), service="till")
    assert (await house.incident(first))["status"] == "resolved"


async def test_two_slices_decide_one_after_the_other(database: Database) -> None:
    house = await stand_up(database)
    policy = await house.policy(level(user("bob")), name="Other")
    for index in range(4):
        await house.service(policy, f"s{index}")
    names = [f"s{index}" for index in range(4)]
    await group(house, "content_based", *names, aggregate="all", fields=["component"])
    for turn in range(5):
        events = [trigger(f"{turn}-{i}", component=f"c{turn}") for i in range(9)]
        said = [where(house, *events, service=name) for name in names]
        found = {id for ids in await asyncio.gather(*said) for id in ids}
        assert len(found) == 1
    assert await house.rows("select distinct open_alert_count from incidents") == [(36,)]


async def test_an_acknowledged_incident_is_not_paged_again_and_says_so(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "time")
    first = await house.opened("a")
    async with database.transaction() as tx:
        await incidents.acknowledge(tx, actor("alice"), [first], house.now)
    assert await where(house, trigger("b")) == [first]
    assert await house.paged(first) == [("alice", 1, "stopped")]
    incident = await house.incident(first)
    assert (incident["status"], incident["open_alert_count"]) == ("acknowledged", 2)
    assert (await house.story(first))[-1] == (
        "field_value_change",
        "alert_joined_while_acknowledged",
    )


async def test_a_severe_alert_that_joins_makes_the_incident_urgent(database: Database) -> None:
    house = await stand_up(database, urgency_rule="severity_based")
    await group(house, "time")
    first = await house.opened("a", severity="info")
    assert (await house.incident(first))["urgency"] == "low"
    assert await where(house, trigger("b", severity="warning")) == [first]
    assert (await house.incident(first))["urgency"] == "low"
    await where(house, trigger("c", severity="critical"))
    assert (await house.incident(first))["urgency"] == "high"
    assert ("urgency_change", "urgent_alert_joined") in await house.story(first)
    assert (await house.run(first))["state"] == "running"


async def test_what_a_person_lowered_stays_low(database: Database) -> None:
    house = await stand_up(database, urgency_rule="high")
    await group(house, "time")
    first = await house.opened("a")
    async with database.transaction() as tx:
        await incidents.set_urgency(tx, actor("alice"), [first], Urgency.LOW, house.now)
    await where(house, trigger("b", severity="critical"))
    assert (await house.incident(first))["urgency"] == "low"


async def test_a_thousand_alerts_are_enough(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "time")
    found: list[str | None] = []
    for start in range(0, 2100, 300):
        found += await where(house, *[trigger(f"k{n}") for n in range(start, start + 300)])
    assert len(set(found)) == 3
    assert [found.count(id) for id in dict.fromkeys(found)] == [1000, 1000, 100]
    assert await house.rows("select count(*) from pages") == [(3,)]


async def test_a_merged_or_resolved_incident_is_not_joined(database: Database) -> None:
    house = await stand_up(database)
    loose = await house.opened("loose")
    await group(house, "time")
    first = await house.opened("a")
    assert first != loose
    async with database.transaction() as tx:
        await incidents.merge(tx, actor("alice"), loose, [first], house.now)
    (second,) = await where(house, trigger("b"))
    assert second not in (first, loose)
    assert second is not None
    async with database.transaction() as tx:
        await incidents.resolve(tx, actor("alice"), [second], house.now)
    assert await where(house, trigger("c")) not in ([first], [second], [loose])


async def test_a_changed_setting_begins_new_groups(database: Database) -> None:
    house = await stand_up(database)
    setting = await group(house, "time")
    first = await house.opened("a", component="db")
    async with database.transaction() as tx:
        wanted = GroupingInput(
            type="content_based", service_ids=["shop"], aggregate="all", fields=["component"]
        )
        await grouping.update_grouping(tx, SYSTEM, setting.id, wanted, house.now)
    (second,) = await where(house, trigger("b", component="db"))
    assert second != first
    assert await where(house, trigger("c", component="db")) == [second]
    async with database.transaction() as tx:
        await grouping.delete_grouping(tx, SYSTEM, setting.id, house.now)
    assert await where(house, trigger("d", component="db")) not in ([first], [second])


async def test_groups_that_are_over_are_forgotten(database: Database) -> None:
    house = await stand_up(database)
    await group(house, "time", timeout=60)
    await house.opened("a")
    house.clock.advance(timedelta(seconds=61))
    await house.opened("b")
    async with database.transaction() as tx:
        assert await incidents.forget_groups(tx, house.now) == 1
    assert await house.rows("select count(*) from alert_group_marks") == [(1,)]


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_batch_costs_no_statement_for_each_alert(database: Database, grouped: bool) -> None:
    house = await stand_up(database)
    if grouped:
        await group(house, "content_based", aggregate="all", fields=["source"])
    counts = []
    for size in (3, 30, 60):
        async with database.transaction() as tx:
            count = 0
            for name in ("tuples", "rows", "all", "one", "value", "execute", "copy"):
                original = getattr(tx, name)

                def counting(*args: Any, original: Any = original, **named: Any) -> Any:
                    nonlocal count
                    count += 1
                    return original(*args, **named)

                setattr(tx, name, counting)
            events = [trigger(f"{size}-{n}", source=f"{size} {n % 2}") for n in range(size)]
            await incidents.record_events(tx, [house.arrived(events)], house.now)
            counts.append(count)
    # A storm may take fewer, because its pages are bundled.
    assert counts[2] <= counts[1] < 40
