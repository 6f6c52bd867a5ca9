"""Alert grouping settings, and the settings of a service that decide when it pages, over the REST
API: what is accepted works."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.rest import (
    BASE,
    Client,
    account_client,
    code_of,
    every_field,
    person_client,
    reference,
)
from tests.support.world import World, make_world
from tocsin.accounts.model import Role

FIELDS = "name description config services created_at updated_at"
PATH = "/alert_grouping_settings"
# A Sunday evening.
START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        for name in ("shop", "till", "depot"):
            await made.service(name, [["bob"]])
        yield made
        made.ends()


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


def setting(world: World, type: str, *services: str, **config: Any) -> dict[str, Any]:
    return {
        "alert_grouping_setting": {
            "type": type,
            "config": config,
            "services": [reference("service", world.services[name].id) for name in services],
        }
    }


async def make(admin: Client, world: World, type: str, *services: str, **config: Any) -> Any:
    made = await admin.post(PATH, setting(world, type, *services, **config))
    return made["alert_grouping_setting"]


async def put(admin: Client, made: Any, status: int = 200, **values: Any) -> Any:
    body = await admin.put(f"{PATH}/{made['id']}", {"alert_grouping_setting": values}, status)
    return body["alert_grouping_setting"] if status == 200 else body


async def audited(world: World, kind: str) -> list[str]:
    async with world.database.transaction() as tx:
        rows = await tx.tuples(
            "select action from audit where subject_type = %(kind)s order by seq",
            {"kind": kind},
        )
    return [str(row[0]).rpartition(".")[2] for row in rows]


async def test_a_setting_from_first_to_last(world: World, admin: Client) -> None:
    body = setting(world, "content_based", "shop", "till", aggregate="all", fields=["component"])
    body["alert_grouping_setting"] |= {"name": "Databases", "description": "By component"}
    made = (await admin.post(PATH, body))["alert_grouping_setting"]
    every_field(made, FIELDS)
    assert made["type"] == "content_based"
    assert made["self"] == f"{BASE}{PATH}/{made['id']}"
    assert (made["name"], made["summary"]) == ("Databases", "Databases")
    assert made["config"] == {
        "aggregate": "all",
        "fields": ["component"],
        "time_window": 0,
        "recommended_time_window": 300,
    }
    assert [one["summary"] for one in made["services"]] == ["shop", "till"]
    assert made["services"][0]["type"] == "service_reference"
    assert made["created_at"] == made["updated_at"] == "2026-03-01T20:00:00Z"
    path = f"{PATH}/{made['id']}"
    assert (await admin.get(path))["alert_grouping_setting"] == made
    assert await put(admin, made, **made) == made
    # It works: Bob is asked once for two alerts of two services.
    await world.trigger("shop", "a", component="db")
    world["bob"].expects_page("a")
    await world.trigger("till", "b", component="db")
    world["bob"].expects_nothing()
    found = await admin.get("/incidents", date_range="all")
    (incident,) = found["incidents"]
    assert incident["alert_counts"]["all"] == 2
    assert incident["alert_grouping"] == {
        "grouping_type": "rules",
        "started_at": "2026-03-01T20:00:00Z",
        "ended_at": None,
        "alert_grouping_active": True,
    }
    log = await admin.get(f"/incidents/{incident['id']}/log_entries")
    (joined,) = [e for e in log["log_entries"] if e["channel"]["reason"] == "alert_joined"]
    assert joined["channel"]["details"]["why"]["same"] == {"component": "db"}
    # A change keeps what it does not name.
    world.clock.advance(timedelta(minutes=1))
    renamed = await put(admin, made, name="Stores")
    assert renamed == {
        **made,
        "name": "Stores",
        "summary": "Stores",
        "updated_at": "2026-03-01T20:01:00Z",
    }
    fewer = await put(admin, made, services=[reference("service", world.services["shop"].id)])
    assert [one["summary"] for one in fewer["services"]] == ["shop"]
    timed = await put(admin, made, type="time", config={"timeout": 600})
    assert (timed["type"], timed["config"]) == ("time", {"timeout": 600})
    await admin.delete(path)
    await admin.get(path, 404)
    await admin.put(path, {"alert_grouping_setting": {"name": "x"}}, 404)
    await admin.delete(path, 404)
    assert await audited(world, "alert_grouping_setting") == [
        "create",
        "update",
        "update",
        "update",
        "delete",
    ]
    await world.trigger("shop", "c", component="db")
    world["bob"].expects_page("c")


@pytest.mark.parametrize(
    ("type", "config", "shown"),
    [
        ("time", {"timeout": 0}, {"timeout": 0}),
        ("time", {}, {"timeout": 0}),
        (
            "intelligent",
            {"time_window": 900},
            {"time_window": 900, "recommended_time_window": 300, "iag_fields": ["summary"]},
        ),
        (
            "content_based_intelligent",
            {"aggregate": "any", "fields": ["custom_details.a.b"], "iag_fields": ["source"]},
            {
                "time_window": 0,
                "recommended_time_window": 300,
                "aggregate": "any",
                "fields": ["custom_details.a.b"],
                "iag_fields": ["source"],
            },
        ),
        (
            "content_based",
            {"aggregate": "all", "fields": ["class", "group"], "time_window": 86400},
            {
                "time_window": 86400,
                "recommended_time_window": 300,
                "aggregate": "all",
                "fields": ["class", "group"],
            },
        ),
    ],
)
async def test_each_type(
    world: World, admin: Client, type: str, config: dict[str, Any], shown: dict[str, Any]
) -> None:
    made = await make(admin, world, type, "shop", **config)
    assert (made["type"], made["config"]) == (type, shown)
    assert await put(admin, made, **made) == made
    service = (await admin.get(f"/services/{world.services['shop'].id}"))["service"]
    assert service["alert_grouping_parameters"]["type"] == type
    # What a client sends back as it read it changes nothing.
    same = await admin.put(f"/services/{service['id']}", {"service": service})
    assert same["service"] == service
    assert (await admin.get(f"{PATH}/{made['id']}"))["alert_grouping_setting"] == made


async def test_the_list_and_its_cursors(world: World, admin: Client) -> None:
    made = [await make(admin, world, "time", name) for name in ("shop", "till", "depot")]
    ids = [one["id"] for one in made]

    async def listed(**asked: Any) -> Any:
        found = await admin.get(PATH, **asked)
        assert set(found) == {"alert_grouping_settings", "after", "before", "limit", "total"}
        return (
            [one["id"] for one in found["alert_grouping_settings"]],
            found["before"],
            found["after"],
        )

    assert await listed() == (ids, None, None)
    assert await listed(limit=2) == (ids[:2], None, ids[1])
    assert await listed(limit=2, after=ids[1]) == (ids[2:], ids[2], None)
    assert await listed(limit=1, after=ids[0]) == ([ids[1]], ids[1], ids[1])
    assert await listed(limit=1, before=ids[2]) == ([ids[1]], ids[1], ids[1])
    assert await listed(limit=5, before=ids[2]) == (ids[:2], None, ids[1])
    till = world.services["till"].id
    assert await listed(service_ids=[till]) == ([ids[1]], None, None)
    found = await admin.get(PATH, total="true", limit=1)
    assert (found["total"], found["limit"]) == (3, 1)
    assert (await admin.get(PATH))["total"] is None
    await admin.get(PATH, 400, after="a", before="b")
    assert code_of(await admin.get(PATH, 400, limit="some")) == 2001


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"type": None}, "type"),
        ({"type": "magic"}, "type"),
        ({"config": None}, "config"),
        ({"config": {"timeout": 5}}, "config.timeout"),
        ({"config": {"timeout": "soon"}}, "config.timeout"),
        ({"type": "intelligent", "config": {"time_window": 1}}, "config.time_window"),
        ({"type": "content_based", "config": {"aggregate": "all"}}, "config.fields"),
        (
            {"type": "content_based", "config": {"aggregate": "x", "fields": ["source"]}},
            "config.aggregate",
        ),
        ({"services": None}, "services"),
        ({"services": []}, "services"),
        ({"services": [{"id": "PNONE"}]}, "services"),
        ({"name": "x" * 256}, "name"),
        ({"description": "x" * 1025}, "description"),
    ],
)
async def test_what_is_wrong_is_named(
    world: World, admin: Client, values: dict[str, Any], name: str
) -> None:
    body = setting(world, "time", "shop", timeout=60)
    body["alert_grouping_setting"] |= values
    answer = await admin.post(PATH, body, 400)
    assert code_of(answer) == 2001
    assert answer["error"]["errors"][0].startswith(name), answer
    assert (await admin.get(PATH))["alert_grouping_settings"] == []


async def test_a_service_is_in_one_setting(world: World, admin: Client) -> None:
    first = await make(admin, world, "time", "shop")
    body = setting(world, "content_based", "shop", "till", aggregate="all", fields=["source"])
    answer = await admin.post(PATH, body, 400)
    assert first["id"] in answer["error"]["errors"][0]
    # Settings by time or text are of one service.
    await admin.post(PATH, setting(world, "time", "till", "depot"), 400)


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 201), ("user", 201), ("limited_user", 403), ("observer", 403)]
)
async def test_roles(world: World, admin: Client, role: str, status: int) -> None:
    client = await account_client(world, role)
    made = await make(admin, world, "time", "till")
    await client.get(f"{PATH}/{made['id']}")
    assert len((await client.get(PATH))["alert_grouping_settings"]) == 1
    answer = await client.post(PATH, setting(world, "time", "shop"), status)
    if status == 403:
        assert code_of(answer) == 2010
        changed = {"alert_grouping_setting": {"name": "x"}}
        await client.put(f"{PATH}/{made['id']}", changed, 403)
        await client.delete(f"{PATH}/{made['id']}", 403)


async def test_a_read_only_key_and_a_team(world: World, admin: Client) -> None:
    reader = await account_client(world, read_only=True)
    await reader.post(PATH, setting(world, "time", "shop"), 403)
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    policy = world.services["shop"].escalation_policy_id
    await admin.put(f"/teams/{team['id']}/escalation_policies/{policy}", {}, 204)
    await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{team['id']}/users/{world['eve'].user.id}", {"role": "manager"}, 204)
    eve = await person_client(world, "eve")
    hidden = await make(admin, world, "time", "till")
    await eve.get(f"{PATH}/{hidden['id']}", 404)
    await eve.delete(f"{PATH}/{hidden['id']}", 404)
    mine = await make(eve, world, "time", "shop")
    found = await eve.get(PATH, total="true")
    assert [one["id"] for one in found["alert_grouping_settings"]] == [mine["id"]]
    assert found["total"] == 1
    # A setting may not reach into services that she may not manage.
    depot = reference("service", world.services["depot"].id)
    config = {"aggregate": "all", "fields": ["source"]}
    await put(
        eve, mine, 403, type="content_based", config=config, services=[*mine["services"], depot]
    )


async def change(admin: Client, world: World, name: str, status: int = 200, **values: Any) -> Any:
    path = f"/services/{world.services[name].id}"
    body = await admin.put(path, {"service": values}, status)
    return body["service"] if status == 200 else body


async def test_grouping_in_the_service(world: World, admin: Client) -> None:
    config = {"aggregate": "all", "fields": ["source"]}
    shared = await make(admin, world, "content_based", "shop", "till", **config)
    # A service that gets a grouping of its own leaves the one that it shares.
    timed = await change(
        admin, world, "shop", alert_grouping_parameters={"type": "time", "config": {"timeout": 5}}
    )
    assert timed["alert_grouping_parameters"] == {"type": "time", "config": {"timeout": 5}}
    assert (timed["alert_grouping"], timed["alert_grouping_timeout"]) == ("time", 5)
    left = (await admin.get(f"{PATH}/{shared['id']}"))["alert_grouping_setting"]
    assert [one["summary"] for one in left["services"]] == ["till"]
    found = await admin.get(PATH, service_ids=[world.services["shop"].id])
    (own,) = found["alert_grouping_settings"]
    assert (own["type"], own["config"]) == ("time", {"timeout": 300})
    # The older form.
    older = await change(admin, world, "shop", alert_grouping="intelligent")
    assert older["alert_grouping_parameters"]["type"] == "intelligent"
    assert (older["alert_grouping"], older["alert_grouping_timeout"]) == ("intelligent", None)
    kept = await admin.get(PATH, service_ids=[world.services["shop"].id])
    assert [one["id"] for one in kept["alert_grouping_settings"]] == [own["id"]]
    assert (await change(admin, world, "shop", alert_grouping=None))["alert_grouping"] is None
    await admin.get(f"{PATH}/{own['id']}", 404)
    # The last service of a setting takes it along.
    off = await change(admin, world, "till", alert_grouping_parameters={"type": None})
    assert off["alert_grouping_parameters"] == {"type": None, "config": None}
    assert (await admin.get(PATH))["alert_grouping_settings"] == []
    await make(admin, world, "time", "depot")
    await admin.delete(f"/services/{world.services['depot'].id}")
    assert (await admin.get(PATH))["alert_grouping_settings"] == []


async def test_support_hours(world: World, admin: Client) -> None:
    hours = {
        "type": "fixed_time_per_day",
        "time_zone": "Europe/Berlin",
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    }
    rule = {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    }
    action = {
        "type": "urgency_change",
        "at": {"type": "named_time", "name": "support_hours_start"},
        "to_urgency": "high",
    }
    made = await change(
        admin,
        world,
        "shop",
        incident_urgency_rule=rule,
        support_hours=hours,
        scheduled_actions=[action],
        auto_resolve_timeout=None,
    )
    assert made["incident_urgency_rule"] == rule
    assert made["support_hours"] == hours
    assert made["scheduled_actions"] == [action]
    path = f"/services/{made['id']}"
    assert (await admin.put(path, {"service": made}))["service"] == made
    # It works: low at night, and high at nine on Monday.
    await world.trigger("shop", "night")
    world["bob"].expects_page("night")
    (incident,) = (await admin.get("/incidents"))["incidents"]
    assert incident["urgency"] == "low"
    (pending,) = [one for one in incident["pending_actions"] if one["type"] == "urgency_change"]
    assert pending == {"type": "urgency_change", "at": "2026-03-02T08:00:00Z", "to": "high"}
    await world.advance(hours=12)
    world["bob"].expects_page("night")
    (incident,) = (await admin.get("/incidents"))["incidents"]
    assert incident["urgency"] == "high"
    await world.resolve("shop", "night")
    # What is not named stays; a constant rule ends the hours.
    later = await change(admin, world, "shop", support_hours={**hours, "end_time": "18:00"})
    assert later["support_hours"]["end_time"] == "18:00:00"
    assert later["scheduled_actions"] == [action]
    none = await change(admin, world, "shop", scheduled_actions=[])
    assert (none["scheduled_actions"], none["support_hours"]["end_time"]) == ([], "18:00:00")
    await change(admin, world, "shop", 400, support_hours=None)
    constant = {"type": "constant", "urgency": "low"}
    off = await change(admin, world, "shop", incident_urgency_rule=constant)
    assert (off["incident_urgency_rule"], off["support_hours"]) == (constant, None)
    assert off["scheduled_actions"] == []


async def test_a_pause(world: World, admin: Client) -> None:
    pause = {"enabled": True, "timeout": 120}
    made = await change(admin, world, "shop", auto_pause_notifications_parameters=pause)
    assert made["auto_pause_notifications_parameters"] == pause
    await world.trigger("shop", "blip")
    await world.advance(seconds=119)
    assert (await admin.get("/incidents"))["incidents"] == []
    await world.advance(seconds=1)
    world["bob"].expects_page("blip")
    off = {"enabled": False, "timeout": None}
    made = await change(admin, world, "shop", auto_pause_notifications_parameters=off)
    assert made["auto_pause_notifications_parameters"] == off
    await world.trigger("shop", "second")
    world["bob"].expects_page("second")
