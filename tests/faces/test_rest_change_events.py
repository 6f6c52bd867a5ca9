"""Change events over the REST API, and which of them may matter to an incident."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.rest import (
    BASE,
    Client,
    account_client,
    code_of,
    every_field,
    person_client,
)
from tests.support.world import World, make_world
from tocsin.accounts.model import Role

FIELDS = (
    "timestamp services integration routing_key source links images custom_details"
    " correlation_reason"
)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        for name in ("shop", "pay", "db"):
            await made.service(name, [["bob"]])
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def deployed(world: World, service: str, summary: str, ago: timedelta, **more: Any) -> None:
    """As a machine tells it."""
    at = (world.clock.now() - ago).isoformat()
    body = {
        "routing_key": world.keys[service],
        "payload": {"summary": summary, "timestamp": at, **more.pop("payload", {})},
        **more,
    }
    answer = await world.http.post("/v2/change/enqueue", json=body)
    assert answer.status_code == 202, answer.text


def names(found: dict[str, Any]) -> list[str]:
    return [one["summary"] for one in found["change_events"]]


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def test_what_a_machine_said_is_shown(world: World, admin: Client) -> None:
    await deployed(
        world,
        "shop",
        "Build 7",
        MINUTE,
        payload={"source": "ci", "custom_details": {"commit": "abc"}},
        links=[{"href": "https://ci.example.com/7", "text": "Build"}],
        images=[{"src": "https://ci.example.com/7.png"}],
    )
    (shown,) = (await admin.get("/change_events"))["change_events"]
    every_field(shown, FIELDS)
    assert (shown["type"], shown["summary"], shown["source"]) == ("change_event", "Build 7", "ci")
    at = (START - MINUTE).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    assert shown["timestamp"] == at
    assert shown["self"] == f"{BASE}/change_events/{shown['id']}"
    assert [one["id"] for one in shown["services"]] == [world.services["shop"].id]
    assert shown["services"][0]["type"] == "service_reference"
    assert shown["integration"]["type"] == "events_api_v2_inbound_integration_reference"
    assert shown["routing_key"] == world.keys["shop"]
    assert shown["links"] == [{"href": "https://ci.example.com/7", "text": "Build"}]
    assert shown["images"] == [{"src": "https://ci.example.com/7.png", "href": None, "alt": None}]
    assert shown["custom_details"] == {"commit": "abc"}
    assert shown["correlation_reason"] is None
    assert (await admin.get(f"/change_events/{shown['id']}"))["change_event"] == shown
    assert code_of(await admin.get("/change_events/PNONE", 404)) == 2100
    observer = await account_client(world, Role.OBSERVER)
    seen = (await observer.get(f"/change_events/{shown['id']}"))["change_event"]
    assert seen == {**shown, "routing_key": None}


async def test_the_list_is_newest_first_and_filtered(world: World, admin: Client) -> None:
    for service, summary, ago in (
        ("shop", "one", 3 * HOUR),
        ("pay", "two", 2 * HOUR),
        ("shop", "three", HOUR),
    ):
        await deployed(world, service, summary, ago)
    found = await admin.get("/change_events", limit=2, total="true")
    assert names(found) == ["three", "two"]
    assert (found["more"], found["total"], found["limit"], found["offset"]) == (True, 3, 2, 0)
    last = await admin.get("/change_events", limit=2, offset=2)
    assert (names(last), last["more"], last["total"]) == (["one"], False, None)
    since, until = (START - 2 * HOUR).isoformat(), (START - HOUR).isoformat()
    assert names(await admin.get("/change_events", since=since, until=until)) == ["two"]
    shop = world.services["shop"].id
    assert names(await admin.get(f"/services/{shop}/change_events")) == ["three", "one"]
    part = await admin.get(f"/services/{shop}/change_events", limit=1, total="true")
    assert (names(part), part["more"], part["total"]) == (["three"], True, 2)
    integration = found["change_events"][1]["integration"]["id"]
    assert names(await admin.get("/change_events", integration_ids=[integration])) == ["two"]
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]["id"]
    assert names(await admin.get("/change_events", team_ids=[team])) == []
    policy = world.services["pay"].escalation_policy_id
    await admin.put(f"/teams/{team}/escalation_policies/{policy}", {}, 204)
    assert names(await admin.get("/change_events", team_ids=[team])) == ["two"]
    wrong = await admin.get("/change_events", 400, since="yesterday")
    assert "since" in wrong["error"]["errors"][0]
    await admin.get("/services/PNONE/change_events", 404)
    # Who sees one team's things sees its changes alone.
    await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{team}/users/{world['eve'].user.id}", {"role": "observer"}, 204)
    eve = await person_client(world, "eve")
    mine = await eve.get("/change_events", total="true")
    assert (names(mine), mine["total"]) == (["two"], 1)
    await eve.get(f"/change_events/{found['change_events'][0]['id']}", 404)
    await eve.get(f"/services/{shop}/change_events", 404)


async def test_a_change_event_is_corrected(world: World, admin: Client) -> None:
    await deployed(world, "shop", "Biuld 7", MINUTE, payload={"source": "ci"})
    (old,) = (await admin.get("/change_events"))["change_events"]
    path = f"/change_events/{old['id']}"
    body = {"change_event": {"summary": "Build 7", "custom_details": {"n": [1]}, "source": "me"}}
    new = (await admin.put(path, body))["change_event"]
    assert new == {**old, "summary": "Build 7", "custom_details": {"n": [1]}}
    assert (await admin.get(path))["change_event"] == new
    kept = await admin.put(path, {"change_event": {"summary": None}})
    assert kept["change_event"] == new
    gone = await admin.put(path, {"change_event": {"custom_details": None}})
    assert gone["change_event"]["custom_details"] is None
    for value in ("", "x" * 1025, "two\nlines"):
        refused = await admin.put(path, {"change_event": {"summary": value}}, 400)
        assert "summary" in refused["error"]["errors"][0]
    await admin.put("/change_events/PNONE", body, 404)
    record = (await admin.get("/audit/records"))["records"]
    own = [one["action"] for one in record if one["root_resource"]["id"] == old["id"]]
    assert own == ["update", "update"]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.ADMIN, 200),
        (Role.MANAGER, 200),
        (Role.RESPONDER, 403),
        (Role.OBSERVER, 403),
        (Role.STAKEHOLDER, 403),
        (Role.RESTRICTED, 404),
    ],
)
async def test_roles(world: World, admin: Client, role: Role, status: int) -> None:
    await deployed(world, "shop", "Build 7", MINUTE)
    (one,) = (await admin.get("/change_events"))["change_events"]
    await world.person("eve", role=role)
    eve = await person_client(world, "eve")
    path = f"/change_events/{one['id']}"
    await eve.get(path, 404 if status == 404 else 200)
    await eve.get("/change_events", 403 if status == 404 else 200)
    await eve.put(path, {"change_event": {"summary": "Mine"}}, status)
    reader = await account_client(world, read_only=True)
    await reader.put(path, {"change_event": {"summary": "Mine"}}, 403)


async def test_a_change_event_is_sent_by_the_api_too(world: World, admin: Client) -> None:
    body = {
        "routing_key": world.keys["shop"],
        "payload": {"summary": "Build 8"},
        "links": [{"href": "https://ci.example.com/8", "text": "Build"}],
    }
    said = await admin.post("/change_events", body, 202)
    assert said == {"status": "success", "message": "Change event processed"}
    (shown,) = (await admin.get("/change_events"))["change_events"]
    assert (shown["summary"], shown["source"]) == ("Build 8", None)
    for wrong, word in (
        ({**body, "routing_key": "0" * 32}, "routing_key"),
        ({**body, "routing_key": None}, "routing_key"),
        ({**body, "payload": {}}, "payload.summary"),
        ({}, "payload"),
    ):
        refused = await admin.post("/change_events", wrong, 400)
        assert any(word in one for one in refused["error"]["errors"]), refused
    reader = await account_client(world, read_only=True)
    await reader.post("/change_events", body, 403)
    await world.person("eve", role=Role.RESTRICTED)
    await (await person_client(world, "eve")).post("/change_events", body, 400)
    assert len((await admin.get("/change_events"))["change_events"]) == 1


async def depends(world: World, admin: Client, dependent: str, supporting: str) -> None:
    pair = {
        "dependent_service": {"id": world.services[dependent].id, "type": "service"},
        "supporting_service": {"id": world.services[supporting].id, "type": "service"},
    }
    await admin.post("/service_dependencies/associate", {"relationships": [pair]}, 200)


async def test_what_changed_before_an_incident_is_found(world: World, admin: Client) -> None:
    await depends(world, admin, "shop", "pay")
    await deployed(world, "shop", "own, long ago", 20 * HOUR)
    await deployed(world, "shop", "own", 3 * HOUR)
    await deployed(world, "pay", "below", 5 * MINUTE)
    await deployed(world, "db", "elsewhere", MINUTE)
    await deployed(world, "shop", "last week", 8 * 24 * HOUR)
    await world.trigger("shop", "down")
    world["bob"].expects_page("down")
    await deployed(world, "shop", "afterwards", -MINUTE)
    incident = (await world.incident("down")).id
    path = f"/incidents/{incident}/related_change_events"
    found = await admin.get(path, total="true")
    assert names(found) == ["below", "own", "own, long ago"]
    assert (found["more"], found["total"]) == (False, 3)
    every_field(found["change_events"][0], FIELDS)
    below, own, _ = (one["correlation_reason"] for one in found["change_events"])
    assert below == {
        "reason": "related_service",
        "seconds_before": 300,
        "close_in_time": True,
        "distance": 1,
    }
    assert own == {
        "reason": "most_recent",
        "seconds_before": 10_800,
        "close_in_time": False,
        "distance": 0,
    }
    part = await admin.get(path, limit=1)
    assert (names(part), part["more"]) == (["below"], True)
    assert names(await admin.get(path, limit=1, offset=1)) == ["own"]
    await admin.get("/incidents/QNONE/related_change_events", 404)
    await admin.get(path, 400, limit="x")


async def test_changes_of_services_that_are_not_theirs_are_not_told(
    world: World, admin: Client
) -> None:
    await depends(world, admin, "shop", "pay")
    await deployed(world, "pay", "secret", MINUTE)
    await deployed(world, "shop", "own", HOUR)
    await world.trigger("shop", "down")
    world["bob"].expects_page("down")
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]["id"]
    policy = world.services["shop"].escalation_policy_id
    await admin.put(f"/teams/{team}/escalation_policies/{policy}", {}, 204)
    await world.person("eve", role=Role.RESTRICTED)
    body = {"role": "observer"}
    await admin.put(f"/teams/{team}/users/{world['eve'].user.id}", body, 204)
    eve = await person_client(world, "eve")
    incident = (await world.incident("down")).id
    assert names(await eve.get(f"/incidents/{incident}/related_change_events")) == ["own"]


async def test_change_events_are_kept_for_ninety_days(world: World, admin: Client) -> None:
    await deployed(world, "shop", "old", timedelta(0))
    await world.advance(days=89)
    await world.program.upkeep.run()
    assert names(await admin.get("/change_events")) == ["old"]
    await world.advance(days=2)
    await deployed(world, "shop", "new, dated long ago", timedelta(days=200))
    await world.program.upkeep.run()
    assert names(await admin.get("/change_events")) == ["new, dated long ago"]
