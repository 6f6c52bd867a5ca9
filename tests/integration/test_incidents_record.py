"""Machines' events become alerts and incidents."""

from tests.support.incidents_house import actor, level, stand_up, trigger, user
from tocsin.core.database import Database
from tocsin.events.model import Event
from tocsin.incidents import actions as incidents


def acknowledge(key: str) -> Event:
    return Event(action="acknowledge", dedup_key=key)


def resolve(key: str) -> Event:
    return Event(action="resolve", dedup_key=key)


async def test_trigger_opens_an_incident_and_pages_level_one(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened("db", severity="critical", details={"host": "a"})
    incident = await house.incident(id)
    assert (incident["status"], incident["urgency"], incident["title"]) == (
        "triggered",
        "high",
        "db is broken",
    )
    assert (incident["alert_count"], incident["open_alert_count"]) == (1, 1)
    assert await house.paged(id) == [("alice", 1, "open")]
    assert await house.assignees(id) == ["alice"]
    assert await house.story(id) == [("trigger", "new_alert"), ("assign", "opened")]
    run = await house.run(id)
    assert (run["state"], run["level"], run["step"]) == ("running", 1, 1)
    assert (run["due_at"] - house.now).total_seconds() == 300


async def test_repeats_count_on_the_alert_and_page_nobody_again(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened("db", details={"n": 1})
    outcomes = await house.say(*[trigger("db", details={"n": n}) for n in range(2, 7)])
    assert {outcome.reason for outcome in outcomes} == {"repeated"}
    alert = await house.row("select * from alerts")
    assert (alert["event_count"], alert["details"], alert["incident_id"]) == (6, {"n": 6}, id)
    assert await house.paged(id) == [("alice", 1, "open")]
    assert await house.story(id) == [
        ("trigger", "new_alert"),
        ("assign", "opened"),
        ("trigger", "repeated_alert"),
    ]
    (entry,) = await house.rows(
        "select data->>'events' from log_entries where reason = 'repeated_alert'"
    )
    assert entry == ("5",)


async def test_resolve_ends_alert_and_incident_and_the_next_trigger_opens_another(
    database: Database,
) -> None:
    house = await stand_up(database, auto_resolve_timeout=3600)
    first = await house.opened("db")
    (outcome,) = await house.say(resolve("db"))
    assert (outcome.reason, outcome.incident_id) == ("resolved", first)
    incident = await house.incident(first)
    assert (incident["status"], incident["open_alert_count"]) == ("resolved", 0)
    assert await house.paged(first) == [("alice", 1, "stopped")]
    assert await house.timers(first) == []
    assert await house.assignees(first) == []
    assert (await house.run(first))["state"] == "stopped"
    second = await house.opened("db")
    assert second != first
    assert [row[0] for row in await house.rows("select number from incidents order by number")] == [
        1,
        2,
    ]


async def test_events_of_one_batch_apply_in_order(database: Database) -> None:
    house = await stand_up(database)
    outcomes = await house.say(
        trigger("db"), trigger("db"), resolve("db"), trigger("db"), acknowledge("db"), resolve("x")
    )
    assert [outcome.reason for outcome in outcomes] == [
        "opened",
        "repeated",
        "resolved",
        "opened",
        "acknowledged",
        "no_open_alert",
    ]
    first, second = outcomes[0].incident_id, outcomes[3].incident_id
    assert first is not None
    assert second is not None
    assert first != second
    # Resolved and acknowledged before the batch was done: nobody is woken.
    assert await house.rows("select * from pages") == []
    assert (await house.incident(first))["status"] == "resolved"
    assert (await house.incident(second))["status"] == "acknowledged"
    assert await house.timers(second) == ["acknowledgement_timeout"]
    assert (await house.run(second))["state"] == "stopped"


async def test_resolve_and_reopen_of_a_stored_alert_in_one_batch(database: Database) -> None:
    house = await stand_up(database)
    first = await house.opened("db")
    outcomes = await house.say(resolve("db"), trigger("db"))
    assert [outcome.reason for outcome in outcomes] == ["resolved", "opened"]
    assert outcomes[1].incident_id != first
    assert await house.rows("select status, count(*) from alerts group by 1 order by 1") == [
        ("resolved", 1),
        ("triggered", 1),
    ]


async def test_acknowledge_event_stops_the_ladder_and_further_triggers_stay_quiet(
    database: Database,
) -> None:
    house = await stand_up(database)
    id = await house.opened("db")
    outcomes = await house.say(acknowledge("db"), acknowledge("db"))
    assert [outcome.reason for outcome in outcomes] == ["acknowledged", "already_acknowledged"]
    await house.say(trigger("db"))
    await house.pass_time(minutes=20)
    assert await house.paged(id) == [("alice", 1, "stopped")]
    assert await house.rows("select user_id, label from acknowledgements") == [
        (None, "shop monitor")
    ]


async def test_a_disabled_service_drops_events_and_says_so(database: Database) -> None:
    house = await stand_up(database)
    await house.rows("update services set disabled_at = created_at returning id")
    (outcome,) = await house.say(trigger("db"))
    assert (outcome.reason, outcome.alert_id) == ("service_disabled", None)
    (gone,) = await house.say(trigger("db"), service="nowhere")
    assert gone.reason == "service_gone"
    assert await house.rows("select * from incidents") == []


async def test_the_same_key_through_two_integrations_is_two_alerts(database: Database) -> None:
    house = await stand_up(database)
    first = await house.opened("db")
    async with database.transaction() as tx:
        one = house.arrived([trigger("db")])
        other = type(one)(
            seq=one.seq,
            service_id="shop",
            integration_id="another-key",
            received_at=house.now,
            events=one.events,
        )
        (outcome,) = await incidents.record_events(tx, [other], house.now)
    assert outcome.reason == "opened"
    assert outcome.incident_id != first


async def test_severity_decides_the_urgency_and_may_raise_it(database: Database) -> None:
    house = await stand_up(database, urgency_rule="severity_based")
    id = await house.opened("db", severity="warning")
    assert (await house.incident(id))["urgency"] == "low"
    assert (await house.run(id))["reason"] == "low_urgency"
    await house.pass_time(minutes=30)
    assert await house.paged(id) == [("alice", 1, "open")]
    await house.say(trigger("db", severity="critical"))
    assert (await house.incident(id))["urgency"] == "high"
    assert await house.paged(id) == [("alice", 1, "stopped"), ("alice", 2, "open")]
    assert (await house.run(id))["state"] == "running"
    await house.say(trigger("db", severity="info"))
    assert (await house.incident(id))["urgency"] == "high"
    await house.pass_time(minutes=6)
    assert (await house.paged(id))[-1] == ("bob", 3, "open")


async def test_an_incident_with_two_alerts_ends_with_the_last_one(database: Database) -> None:
    house = await stand_up(database)
    first = await house.opened("db")
    second = await house.opened("web")
    async with database.transaction() as tx:
        await incidents.merge(tx, actor("alice"), first, [second], house.now)
    await house.say(resolve("web"))
    assert (await house.incident(first))["status"] == "triggered"
    assert (await house.incident(first))["open_alert_count"] == 1
    await house.say(resolve("db"))
    assert (await house.incident(first))["status"] == "resolved"


async def test_round_robin_turns_through_a_batch(database: Database) -> None:
    house = await stand_up(database)
    await house.person("carol")
    policy = await house.policy(
        level(user("alice"), user("bob"), user("carol"), in_turn=True), name="Turns"
    )
    await house.service(policy, "turns")
    await house.say(*[trigger(f"k{n}") for n in range(4)], service="turns")
    await house.say(trigger("k4"), service="turns")
    found = await house.rows(
        "select p.user_id from pages p join incidents i on i.id = p.incident_id order by i.number"
    )
    assert [row[0] for row in found] == ["alice", "bob", "carol", "alice", "bob"]
