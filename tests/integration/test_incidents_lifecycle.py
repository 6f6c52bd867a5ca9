"""What people do to incidents, and what time brings."""

from datetime import timedelta

import pytest

from tests.support.incidents_house import House, actor, level, stand_up, trigger, user
from tocsin.accounts.model import Actor, Role
from tocsin.core.database import Database
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Reassignment
from tocsin.incidents.model import Incident, NewIncident, Status, Urgency

ALICE, BOB, OLGA = actor("alice"), actor("bob"), actor("olga", Role.OWNER)


async def ack(house: House, id: str, who: Actor = ALICE) -> list[Incident]:
    async with house.database.transaction() as tx:
        return await incidents.acknowledge(tx, who, [id], house.now)


async def test_acknowledgement_stops_ladder_and_pages_and_makes_the_person_assignee(
    database: Database,
) -> None:
    house = await stand_up(database)
    id = await house.opened()
    (incident,) = await ack(house, id, BOB)
    assert incident.status is Status.ACKNOWLEDGED
    assert incident.acknowledged_at == house.now
    assert await house.assignees(id) == ["bob"]
    assert await house.paged(id) == [("alice", 1, "stopped")]
    assert await house.timers(id) == ["acknowledgement_timeout"]
    await house.pass_time(minutes=29)
    assert await house.paged(id) == [("alice", 1, "stopped")]


async def test_acknowledging_twice_is_quiet_and_another_person_joins(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    await ack(house, id)
    before = await house.story(id)
    await ack(house, id)
    assert await house.story(id) == before
    await ack(house, id, BOB)
    assert await house.assignees(id) == ["alice", "bob"]
    assert await house.story(id) == [*before, ("acknowledge", "acknowledged_by_person")]


async def test_acknowledgement_times_out_and_pages_where_the_ladder_was(
    database: Database,
) -> None:
    house = await stand_up(database)
    id = await house.opened()
    await house.pass_time(minutes=6)
    await ack(house, id, BOB)
    await house.pass_time(minutes=30)
    incident = await house.incident(id)
    assert (incident["status"], incident["acknowledged_at"]) == ("triggered", None)
    assert await house.rows("select * from acknowledgements") == []
    assert await house.paged(id) == [
        ("alice", 1, "stopped"),
        ("bob", 2, "stopped"),
        ("bob", 3, "open"),
    ]
    assert (await house.run(id))["level"] == 2
    assert (await house.story(id))[-2:] == [
        ("unacknowledge", "acknowledgement_timeout"),
        ("assign", "acknowledgement_timeout"),
    ]
    await house.pass_time(minutes=5)
    assert (await house.run(id))["state"] == "exhausted"
    assert (await house.incident(id))["status"] == "triggered"
    assert (await house.story(id))[-1] == ("exhaust_escalation_path", "nobody_answered")


async def test_nobody_answers(database: Database) -> None:
    house = await stand_up(database, loops=1)
    id = await house.opened()
    await house.pass_time(minutes=60)
    assert await house.paged(id) == [
        ("alice", 1, "stopped"),
        ("bob", 2, "stopped"),
        ("alice", 3, "stopped"),
        ("bob", 4, "open"),
    ]
    assert await house.story(id) == [
        ("trigger", "new_alert"),
        ("assign", "opened"),
        ("escalate", "no_answer"),
        ("repeat_escalation_path", "repeated"),
        ("escalate", "no_answer"),
        ("exhaust_escalation_path", "nobody_answered"),
    ]
    at = await house.rows("select at from log_entries where kind = 'exhaust_escalation_path'")
    assert at[0][0] - (await house.incident(id))["created_at"] == timedelta(minutes=20)


async def test_resolve_with_a_note_ends_everything(database: Database) -> None:
    house = await stand_up(database, auto_resolve_timeout=3600)
    id = await house.opened()
    async with database.transaction() as tx:
        (incident,) = await incidents.resolve(tx, ALICE, [id], house.now, note="flag off")
    assert (incident.status, incident.resolution) == (Status.RESOLVED, "flag off")
    assert incident.open_alert_count == 0
    assert await house.rows("select status from alerts") == [("resolved",)]
    assert await house.timers(id) == []
    assert await house.paged(id) == [("alice", 1, "stopped")]
    assert (await house.run(id))["reason"] == "resolved"


@pytest.mark.parametrize("act", ["acknowledge", "resolve", "unacknowledge", "snooze", "escalate"])
async def test_a_resolved_incident_refuses(database: Database, act: str) -> None:
    house = await stand_up(database)
    id = await house.opened()
    async with database.transaction() as tx:
        await incidents.resolve(tx, ALICE, [id], house.now)
    calls = {
        "acknowledge": lambda tx: incidents.acknowledge(tx, ALICE, [id], house.now),
        "resolve": lambda tx: incidents.resolve(tx, ALICE, [id], house.now),
        "unacknowledge": lambda tx: incidents.unacknowledge(tx, ALICE, [id], house.now),
        "snooze": lambda tx: incidents.snooze(tx, ALICE, [id], 60, house.now),
        "escalate": lambda tx: incidents.escalate(tx, ALICE, [id], house.now),
    }
    with pytest.raises(Refused) as refused:
        async with database.transaction() as tx:
            await calls[act](tx)
    assert refused.value.reason == "already_resolved"


async def test_bulk_is_all_or_nothing(database: Database) -> None:
    house = await stand_up(database)
    first, second = await house.opened("a"), await house.opened("b")
    async with database.transaction() as tx:
        await incidents.resolve(tx, ALICE, [second], house.now)
    with pytest.raises(Refused):
        async with database.transaction() as tx:
            await incidents.acknowledge(tx, ALICE, [first, second], house.now)
    assert (await house.incident(first))["status"] == "triggered"
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await incidents.acknowledge(tx, ALICE, [first, "QNOTHERE"], house.now)
    with pytest.raises(Invalid):
        async with database.transaction() as tx:
            await incidents.acknowledge(tx, ALICE, ["Q"] * 251, house.now)


async def test_an_observer_may_not_respond(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    with pytest.raises(Forbidden):
        await ack(house, id, actor("eve", Role.OBSERVER))
    assert (await house.incident(id))["status"] == "triggered"


async def test_snooze_returns_and_pages(database: Database) -> None:
    house = await stand_up(database, auto_resolve_timeout=600)
    id = await house.opened()
    async with database.transaction() as tx:
        (incident,) = await incidents.snooze(tx, BOB, [id], 7200, house.now)
    assert incident.status is Status.ACKNOWLEDGED
    assert incident.snoozed_until == house.now + timedelta(hours=2)
    assert await house.timers(id) == ["snooze"]
    await house.pass_time(minutes=119)
    assert await house.paged(id) == [("alice", 1, "stopped")]
    await house.pass_time(minutes=1)
    row = await house.incident(id)
    assert (row["status"], row["snoozed_until"]) == ("triggered", None)
    assert await house.timers(id) == ["auto_resolve"]
    # Whoever snoozed it, and whoever is on call at the level it was on.
    assert await house.paged(id) == [
        ("alice", 1, "stopped"),
        ("alice", 2, "open"),
        ("bob", 2, "open"),
    ]
    assert (await house.story(id))[-2:] == [
        ("unacknowledge", "snooze_ended"),
        ("assign", "snooze_ended"),
    ]


@pytest.mark.parametrize("seconds", [0, 604_801])
async def test_snooze_is_bounded(database: Database, seconds: int) -> None:
    house = await stand_up(database)
    id = await house.opened()
    with pytest.raises(Invalid, match="duration"):
        async with database.transaction() as tx:
            await incidents.snooze(tx, BOB, [id], seconds, house.now)


async def test_auto_resolve_waits_for_the_last_trigger(database: Database) -> None:
    house = await stand_up(database, auto_resolve_timeout=3600)
    id = await house.opened()
    await house.pass_time(minutes=50)
    await house.say(trigger("db"))
    await house.pass_time(minutes=59)
    assert (await house.incident(id))["status"] == "triggered"
    await house.pass_time(minutes=1)
    assert (await house.incident(id))["status"] == "resolved"
    assert (await house.story(id))[-1] == ("resolve", "auto_resolve_timeout")
    assert await house.rows("select status from alerts") == [("resolved",)]


async def test_reassign_to_people_pages_them_and_rests_the_ladder(database: Database) -> None:
    house = await stand_up(database)
    await house.person("carol")
    id = await house.opened()
    await ack(house, id)
    async with database.transaction() as tx:
        (incident,) = await incidents.reassign(
            tx, ALICE, [id], Reassignment(user_ids=("carol",)), house.now
        )
    assert incident.status is Status.TRIGGERED
    assert await house.assignees(id) == ["carol"]
    assert await house.timers(id) == []
    await house.pass_time(hours=2)
    assert await house.paged(id) == [("alice", 1, "stopped"), ("carol", 2, "open")]
    await ack(house, id, actor("carol"))
    await house.pass_time(minutes=31)
    assert (await house.paged(id))[-1] == ("carol", 3, "open")


async def test_reassign_to_a_policy_begins_its_ladder(database: Database) -> None:
    house = await stand_up(database)
    await house.person("carol")
    other = await house.policy(level(user("carol"), minutes=1), level(user("bob")), name="Other")
    id = await house.opened()
    async with database.transaction() as tx:
        (incident,) = await incidents.reassign(
            tx, ALICE, [id], Reassignment(policy_id=other.id), house.now
        )
    assert incident.escalation_policy_id == other.id
    assert await house.paged(id) == [("alice", 1, "stopped"), ("carol", 2, "open")]
    await house.pass_time(minutes=2)
    assert (await house.paged(id))[-1] == ("bob", 3, "open")


async def test_reassign_refuses_nobody_both_and_the_unreachable(database: Database) -> None:
    house = await stand_up(database)
    await house.person("mute", phone=False)
    id = await house.opened()
    for to in (
        Reassignment(),
        Reassignment(user_ids=("bob",), policy_id="P"),
        Reassignment(user_ids=("ghost",)),
        Reassignment(user_ids=("mute",)),
        Reassignment(policy_id="PNOTHERE"),
    ):
        with pytest.raises(Invalid):
            async with database.transaction() as tx:
                await incidents.reassign(tx, ALICE, [id], to, house.now)
    assert await house.assignees(id) == ["alice"]


async def test_escalate_now_to_a_level_and_beyond(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    await ack(house, id)
    async with database.transaction() as tx:
        (incident,) = await incidents.escalate(tx, ALICE, [id], house.now)
    assert incident.status is Status.TRIGGERED
    assert await house.paged(id) == [("alice", 1, "stopped"), ("bob", 2, "open")]
    assert (await house.story(id))[-1] == ("escalate", "escalated_by_person")
    for wanted in (None, 3, 0):
        with pytest.raises(Refused) as refused:
            async with database.transaction() as tx:
                await incidents.escalate(tx, ALICE, [id], house.now, level=wanted)
        assert refused.value.reason == "cannot_escalate"
    async with database.transaction() as tx:
        await incidents.escalate(tx, ALICE, [id], house.now, level=1)
    assert (await house.paged(id))[-1] == ("alice", 3, "open")


async def test_escalating_to_nobody_is_refused(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    await house.rows("update users set deleted_at = created_at where id = 'bob' returning id")
    with pytest.raises(Refused) as refused:
        async with database.transaction() as tx:
            await incidents.escalate(tx, ALICE, [id], house.now)
    assert refused.value.reason == "nobody_on_call"
    assert await house.paged(id) == [("alice", 1, "open")]


async def test_urgency_by_hand(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    async with database.transaction() as tx:
        await incidents.set_urgency(tx, ALICE, [id], Urgency.LOW, house.now)
    run = await house.run(id)
    assert (run["state"], run["reason"]) == ("stopped", "low_urgency")
    assert await house.rows("select urgency, state from pages order by step") == [
        ("high", "stopped"),
        ("low", "open"),
    ]
    await house.pass_time(minutes=30)
    async with database.transaction() as tx:
        await incidents.set_urgency(tx, ALICE, [id], Urgency.HIGH, house.now)
    await house.pass_time(minutes=6)
    assert (await house.paged(id))[-1] == ("bob", 4, "open")


async def test_merge_moves_alerts_and_resolves_the_sources(database: Database) -> None:
    house = await stand_up(database)
    target, source, third = [await house.opened(key) for key in "abc"]
    async with database.transaction() as tx:
        merged = await incidents.merge(tx, ALICE, target, [source, third], house.now)
    assert (merged.alert_count, merged.open_alert_count) == (3, 3)
    row = await house.incident(source)
    assert (row["status"], row["merged_into"], row["alert_count"]) == ("resolved", target, 0)
    assert await house.rows("select distinct incident_id, status from alerts") == [
        (target, "triggered")
    ]
    assert await house.paged(source) == [("alice", 1, "stopped")]
    assert await house.paged(target) == [("alice", 1, "open")]
    with pytest.raises(Refused) as refused:
        async with database.transaction() as tx:
            await incidents.merge(tx, ALICE, target, [source], house.now)
    assert refused.value.reason == "already_merged"
    with pytest.raises(Refused) as refused:
        async with database.transaction() as tx:
            await incidents.merge(tx, ALICE, source, [target], house.now)
    assert refused.value.reason == "already_resolved"
    # The moved alert lives on: its repeats and its end reach the target.
    (outcome,) = await house.say(trigger("b"))
    assert (outcome.reason, outcome.incident_id) == ("repeated", target)


async def test_create_by_hand(database: Database) -> None:
    house = await stand_up(database)
    async with database.transaction() as tx:
        incident = await incidents.create(
            tx,
            ALICE,
            NewIncident(service_id="shop", title=" Checkout slow ", incident_key="k"),
            house.now,
        )
    assert (incident.title, incident.status, incident.number) == (
        "Checkout slow",
        Status.TRIGGERED,
        1,
    )
    assert await house.paged(incident.id) == [("alice", 1, "open")]
    with pytest.raises(Refused) as refused:
        async with database.transaction() as tx:
            await incidents.create(
                tx, ALICE, NewIncident(service_id="shop", title="x", incident_key="k"), house.now
            )
    assert refused.value.reason == "duplicate_incident_key"


async def test_create_for_oneself_starts_acknowledged_and_pages_nobody(database: Database) -> None:
    house = await stand_up(database)
    async with database.transaction() as tx:
        incident = await incidents.create(
            tx,
            BOB,
            NewIncident(service_id="shop", title="mine", assignee_ids=("bob",)),
            house.now,
        )
    assert incident.status is Status.ACKNOWLEDGED
    assert await house.paged(incident.id) == []
    assert await house.assignees(incident.id) == ["bob"]
    await house.pass_time(minutes=31)
    assert await house.paged(incident.id) == [("bob", 1, "open")]


async def test_create_for_another_pages_them_alone(database: Database) -> None:
    house = await stand_up(database)
    async with database.transaction() as tx:
        incident = await incidents.create(
            tx,
            OLGA,
            NewIncident(service_id="shop", title="yours", assignee_ids=("bob",)),
            house.now,
        )
    await house.pass_time(minutes=31)
    assert await house.paged(incident.id) == [("bob", 1, "open")]
    async with database.transaction() as tx:
        await incidents.escalate(tx, OLGA, [incident.id], house.now)
    assert (await house.paged(incident.id))[-1] == ("alice", 2, "open")


async def test_notes_and_titles(database: Database) -> None:
    house = await stand_up(database)
    id = await house.opened()
    async with database.transaction() as tx:
        await incidents.add_note(tx, ALICE, id, "looking", house.now)
        await incidents.set_title(tx, ALICE, id, "Database down", house.now)
    async with database.transaction() as tx:
        assert [note.content for note in await incidents.notes(tx, id)] == ["looking"]
        assert (await incidents.get(tx, ALICE, id)).title == "Database down"
    assert (await house.story(id))[-2:] == [
        ("annotate", "note_added"),
        ("field_value_change", "title_set_by_person"),
    ]
    with pytest.raises(Invalid, match="content"):
        async with database.transaction() as tx:
            await incidents.add_note(tx, ALICE, id, "x" * 2001, house.now)


async def test_a_failing_ladder_is_pushed_back_and_blocks_nobody(database: Database) -> None:
    house = await stand_up(database)
    bad, good = await house.opened("bad"), await house.opened("good")
    house.clock.advance(timedelta(minutes=5))
    async with database.transaction() as tx:
        assert set(await incidents.due_escalations(tx, house.now, 10)) == {bad, good}
        await incidents.push_back(tx, bad, "boom", house.now)
        assert await incidents.advance_escalations(tx, house.now, 10, only=[good]) == 1
        assert await incidents.advance_escalations(tx, house.now, 10) == 0
    run = await house.run(bad)
    assert (run["error"], run["attempts"]) == ("boom", 1)
    assert run["due_at"] == house.now + timedelta(seconds=5)
    await house.pass_time(seconds=5)
    run = await house.run(bad)
    assert (run["level"], run["error"], run["attempts"]) == (2, None, 0)


async def test_an_incident_that_somebody_holds_is_skipped_by_the_ladder(
    database: Database,
) -> None:
    house = await stand_up(database)
    id = await house.opened()
    house.clock.advance(timedelta(minutes=5))
    async with database.transaction() as holder:
        await incidents.acknowledge(holder, ALICE, [id], house.now)
        async with database.transaction() as other:
            assert await incidents.advance_escalations(other, house.now, 10) == 0
    assert await house.paged(id) == [("alice", 1, "stopped")]
