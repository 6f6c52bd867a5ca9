"""Policies for people, and ladders against a real schedule and a real database."""

from datetime import timedelta

import pytest

from tests.support.incidents_house import House, actor, level, schedule, stand_up, trigger, user
from tocsin.accounts.model import Role
from tocsin.core.database import Database
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput
from tocsin.incidents import actions as incidents

MANAGER = actor("mia", Role.MANAGER)


async def empty_schedule(house: House, id: str = "PEMPTY") -> str:
    await house.rows(
        "insert into schedules (id, name, time_zone, created_at)"
        " values (%(id)s, %(id)s, 'UTC', %(now)s) returning id",
        id=id,
        now=house.now,
    )
    return id


async def test_an_empty_level_is_skipped_and_the_skip_is_told(database: Database) -> None:
    house = await stand_up(database)
    nobody = await empty_schedule(house)
    policy = await house.policy(level(schedule(nobody)), level(user("bob")), name="Gap")
    await house.service(policy, "gap")
    (outcome,) = await house.say(trigger("db"), service="gap")
    assert outcome.incident_id is not None
    assert await house.paged(outcome.incident_id) == [("bob", 1, "open")]
    data = await house.row("select data from log_entries where kind = 'assign'")
    assert data["data"]["level"] == 2
    assert data["data"]["skipped"] == [
        {
            "level": 1,
            "kind": "schedule",
            "id": nobody,
            "reason": "nobody_on_call",
            "user_id": None,
        }
    ]


async def test_nobody_on_call_pages_the_owner(database: Database) -> None:
    house = await stand_up(database)
    nobody = await empty_schedule(house)
    policy = await house.policy(level(schedule(nobody)), name="Nobody")
    await house.service(policy, "none")
    (outcome,) = await house.say(trigger("db"), service="none")
    id = outcome.incident_id
    assert id is not None
    assert await house.paged(id) == [("olga", 1, "open")]
    assert await house.story(id) == [("trigger", "new_alert"), ("assign", "nobody_on_call")]
    await house.pass_time(minutes=6)
    assert (await house.run(id))["state"] == "exhausted"


async def test_the_chosen_catch_all_comes_before_the_owner(database: Database) -> None:
    house = await stand_up(database)
    await house.person("carol")
    await house.rows(
        "insert into instance (name, value) values ('catch_all_user_id', '\"carol\"')"
        " returning name"
    )
    nobody = await empty_schedule(house)
    policy = await house.policy(level(schedule(nobody)), name="Nobody")
    await house.service(policy, "none")
    (outcome,) = await house.say(trigger("db"), service="none")
    assert outcome.incident_id is not None
    assert await house.paged(outcome.incident_id) == [("carol", 1, "open")]


async def test_a_chosen_catch_all_whom_nothing_reaches_is_no_end_to_it(database: Database) -> None:
    house = await stand_up(database)
    await house.person("mute", phone=False)
    await house.rows(
        "insert into instance (name, value) values ('catch_all_user_id', '\"mute\"') returning name"
    )
    nobody = await empty_schedule(house)
    policy = await house.policy(level(schedule(nobody)), name="Nobody")
    await house.service(policy, "none")
    (outcome,) = await house.say(trigger("db"), service="none")
    assert outcome.incident_id is not None
    assert await house.paged(outcome.incident_id) == [("olga", 1, "open")]


async def test_people_without_a_phone_and_people_who_left_are_passed_over(
    database: Database,
) -> None:
    house = await stand_up(database)
    await house.person("mute", phone=False)
    await house.person("gone")
    policy = await house.policy(level(user("mute"), user("gone")), level(user("bob")), name="Thin")
    await house.service(policy, "thin")
    await house.rows("update users set deleted_at = created_at where id = 'gone' returning id")
    (outcome,) = await house.say(trigger("db"), service="thin")
    assert outcome.incident_id is not None
    assert await house.paged(outcome.incident_id) == [("bob", 1, "open")]
    data = await house.row("select data from log_entries where kind = 'assign'")
    assert [(skip["id"], skip["reason"]) for skip in data["data"]["skipped"]] == [
        ("mute", "no_contact_method"),
        ("gone", "user_gone"),
    ]


async def test_an_incident_keeps_the_policy_as_it_was(database: Database) -> None:
    house = await stand_up(database)
    await house.person("carol")
    id = await house.opened()
    async with database.transaction() as tx:
        run = await incidents.get_run(tx, id)
        assert run is not None
        await escalations.update_policy(
            tx,
            MANAGER,
            run.ladder.policy_id,
            PolicyInput(name="Policy", levels=(level(user("carol")),)),
            house.now,
        )
    await house.pass_time(minutes=6)
    assert (await house.paged(id))[-1] == ("bob", 2, "open")
    assert await house.paged(await house.opened("new")) == [("carol", 1, "open")]


async def test_preview_says_who_is_next_and_when(database: Database) -> None:
    house = await stand_up(database, loops=1)
    id = await house.opened()
    async with database.transaction() as tx:
        rungs = await escalations.preview(tx, id, house.now)
    start = house.now
    assert [(rung.at, rung.user_ids, rung.reason.value) for rung in rungs] == [
        (start + timedelta(minutes=5), ("bob",), "no_answer"),
        (start + timedelta(minutes=10), ("alice",), "repeated"),
        (start + timedelta(minutes=15), ("bob",), "no_answer"),
        (start + timedelta(minutes=20), (), "nobody_answered"),
    ]
    async with database.transaction() as tx:
        await incidents.acknowledge(tx, actor("alice"), [id], house.now)
        assert await escalations.preview(tx, id, house.now) == ()


async def test_a_level_that_keeps_its_id_keeps_its_turn(database: Database) -> None:
    house = await stand_up(database)
    policy = await house.policy(level(user("alice"), user("bob"), in_turn=True), name="Turns")
    await house.service(policy, "turns")
    await house.say(trigger("db"), service="turns")
    kept = LevelInput(
        id=policy.levels[0].id,
        delay_minutes=9,
        strategy=policy.levels[0].strategy,
        targets=policy.levels[0].targets,
    )
    async with database.transaction() as tx:
        after = await escalations.update_policy(
            tx, MANAGER, policy.id, PolicyInput(name="Turns", levels=(kept,)), house.now
        )
    assert [(one.id, one.delay_seconds) for one in after.levels] == [(policy.levels[0].id, 540)]
    assert await house.rows(
        "select turn from escalation_turns where level_id = %(id)s", id=policy.levels[0].id
    ) == [(1,)]


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("name", PolicyInput(name=" ", levels=(level(user("alice")),))),
        ("escalation_rules", PolicyInput(name="x", levels=())),
        ("num_loops", PolicyInput(name="x", levels=(level(user("alice")),), loops=10)),
        ("targets", PolicyInput(name="x", levels=(level(),))),
        ("targets", PolicyInput(name="x", levels=(level(user("ghost")),))),
        ("targets", PolicyInput(name="x", levels=(level(schedule("alice")),))),
        ("delay", PolicyInput(name="x", levels=(level(user("alice"), minutes=0),))),
        ("delay", PolicyInput(name="x", levels=(level(user("alice"), minutes=1441),))),
        ("team", PolicyInput(name="x", levels=(level(user("alice")),), team_id="PNONE")),
        ("name", PolicyInput(name="policy", levels=(level(user("alice")),))),
    ],
)
async def test_a_bad_policy_is_refused_by_field(
    database: Database, field: str, wanted: PolicyInput
) -> None:
    house = await stand_up(database)
    with pytest.raises(Invalid, match=field):
        async with database.transaction() as tx:
            await escalations.create_policy(tx, MANAGER, wanted, house.now)


async def test_policies_are_listed_used_audited_and_guarded(database: Database) -> None:
    house = await stand_up(database)
    async with database.transaction() as tx:
        made = await escalations.create_policy(
            tx, MANAGER, PolicyInput(name="Zed", levels=(level(user("bob")),)), house.now
        )
        assert [p.name for p in await escalations.list_policies(tx, MANAGER, limit=10)] == [
            "Policy",
            "Zed",
        ]
        used = (await escalations.list_policies(tx, MANAGER, limit=1))[0]
    with pytest.raises(Refused, match="shop") as refused:
        async with database.transaction() as tx:
            await escalations.delete_policy(tx, MANAGER, used.id, house.now)
    assert refused.value.reason == "policy_in_use"
    with pytest.raises(Forbidden):
        async with database.transaction() as tx:
            await escalations.delete_policy(tx, actor("alice"), made.id, house.now)
    async with database.transaction() as tx:
        await escalations.delete_policy(tx, MANAGER, made.id, house.now)
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await escalations.get_policy(tx, MANAGER, made.id)
    found = await house.rows(
        "select action from audit where subject_id = %(id)s order by seq", id=made.id
    )
    assert len(found) == 2
