"""Maintenance windows and notifications over the REST API."""

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
    reference,
)
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Member, Role, TeamRole

FIELDS = "sequence_number start_time end_time description created_by services teams"
NOTIFICATION_FIELDS = {
    "id",
    "type",
    "started_at",
    "address",
    "conferenceAddress",
    "status",
    "user",
}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    channels = ("phone", "email")
    async with make_world(fresh_dsn, tmp_path, START, channels) as made:
        await made.person("ann", role=Role.OWNER)
        rules = (("phone", "high", 0), ("email", "high", 0))
        await made.person("bob", channels=channels, rules=rules)
        await made.person("eve", role=Role.RESTRICTED)
        await made.service("shop", [["bob"]])
        await made.service("bank", [["bob"]])
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def body(world: World, *services: str, start: float = 0, end: float = 60, **more: Any) -> Any:
    return {
        "maintenance_window": {
            "type": "maintenance_window",
            "start_time": at(start),
            "end_time": at(end),
            "description": "new disks",
            "services": [
                reference("service", world.services[name].id) for name in services or ("shop",)
            ],
            **more,
        }
    }


async def make(client: Client, world: World, *services: str, **more: Any) -> dict[str, Any]:
    made = await client.post("/maintenance_windows", body(world, *services, **more))
    return dict(made["maintenance_window"])


async def listed(client: Client, **params: Any) -> list[str]:
    found = await client.get("/maintenance_windows", **params)
    return [window["id"] for window in found["maintenance_windows"]]


async def test_a_window_from_first_to_last(world: World, admin: Client) -> None:
    made = await make(admin, world, "shop", "bank", start=10)
    every_field(made, FIELDS)
    assert made["type"] == "maintenance_window"
    assert made["summary"] == made["description"] == "new disks"
    assert made["self"] == f"{BASE}/maintenance_windows/{made['id']}"
    assert made["html_url"] == f"{BASE}/app/maintenance/{made['id']}"
    assert (made["start_time"], made["end_time"]) == (at(10), at(60))
    assert made["sequence_number"] >= 1
    assert made["created_by"]["id"] == world["ann"].user.id
    assert made["created_by"]["type"] == "user_reference"
    assert [one["summary"] for one in made["services"]] == ["shop", "bank"]
    assert made["teams"] == []
    path = f"/maintenance_windows/{made['id']}"
    assert (await admin.get(path))["maintenance_window"] == made

    # As Terraform does: what was read goes back, with one thing changed.
    changed = await admin.put(path, {"maintenance_window": {**made, "description": "disks"}})
    assert changed["maintenance_window"] == {**made, "description": "disks", "summary": "disks"}
    partial = await admin.put(path, {"maintenance_window": {"end_time": at(90)}})
    assert partial["maintenance_window"]["end_time"] == at(90)
    assert len(partial["maintenance_window"]["services"]) == 2
    empty = await admin.put(path, {"maintenance_window": {"description": None}})
    assert empty["maintenance_window"]["description"] == ""
    assert empty["maintenance_window"]["summary"].startswith("Maintenance window ")

    full = await admin.get(path, include=["services", "users", "teams"])
    assert full["maintenance_window"]["services"][0]["escalation_policy"]
    assert full["maintenance_window"]["created_by"]["email"] == "ann@example.com"

    await admin.delete(path)
    await admin.get(path, 404)
    assert await listed(admin) == []
    records = await admin.get("/audit/records")
    ours = [r for r in records["records"] if r["root_resource"]["id"] == made["id"]]
    assert [one["action"] for one in ours] == ["delete", *["update"] * 3, "create"]


async def test_deleting_depends_on_when(world: World, admin: Client) -> None:
    ongoing = await make(admin, world)
    path = f"/maintenance_windows/{ongoing['id']}"
    await world.advance(minutes=10)
    await admin.delete(path)
    ended = (await admin.get(path))["maintenance_window"]
    assert ended["end_time"] == at(10)
    refusal = await admin.delete(path, 405)
    assert refusal["error"]["errors"]
    over = await admin.put(path, {"maintenance_window": {"description": "x"}}, 400)
    assert "over" in over["error"]["errors"][0]
    await admin.delete("/maintenance_windows/PNONE", 404)


async def test_the_filters(world: World, admin: Client) -> None:
    past = await make(admin, world, end=5)
    await world.advance(minutes=6)
    ongoing = await make(admin, world, "bank", end=60, description="Network")
    future = await make(admin, world, "shop", "bank", start=70, end=80)
    ids = {"past": past["id"], "ongoing": ongoing["id"], "future": future["id"]}
    for name, id in ids.items():
        assert await listed(admin, filter=name) == [id]
    assert await listed(admin, filter="open") == [ids["future"], ids["ongoing"]]
    everything = [ids["future"], ids["ongoing"], ids["past"]]
    assert await listed(admin, filter="all") == await listed(admin) == everything
    assert await listed(admin, query="netw") == [ids["ongoing"]]
    shop = world.services["shop"].id
    assert await listed(admin, service_ids=[shop]) == [ids["future"], ids["past"]]
    assert await listed(admin, team_ids=["PNONE"]) == []
    part = await admin.get("/maintenance_windows", limit=2, offset=1, total="true")
    assert [one["id"] for one in part["maintenance_windows"]] == everything[1:]
    assert (part["total"], part["more"], part["limit"], part["offset"]) == (3, False, 2, 1)
    first = await admin.get("/maintenance_windows", limit=1)
    assert (first["more"], first["total"]) == (True, None)
    assert code_of(await admin.get("/maintenance_windows", 400, filter="soon")) == 2001


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"start_time": None}, "start_time"),
        ({"end_time": None}, "end_time"),
        ({"services": None}, "services"),
        ({"services": []}, "services"),
        ({"services": [{"id": "PNONE", "type": "service_reference"}]}, "services"),
        ({"start_time": "soon"}, "start_time"),
        ({"start_time": "2030-01-01T00:00:00"}, "start_time"),
        ({"end_time": at(-5)}, "end_time"),
        ({"start_time": at(70)}, "end_time"),
        ({"end_time": "9999-01-01T00:00:00Z"}, "end_time"),
        ({"description": "x" * 1025}, "description"),
    ],
)
async def test_what_is_refused_names_its_field(
    world: World, admin: Client, change: dict[str, Any], field: str
) -> None:
    refusal = await admin.post("/maintenance_windows", body(world, **change), 400)
    assert code_of(refusal) == 2001
    assert field in refusal["error"]["errors"][0]


async def test_it_begins_in_the_past_at_the_earliest_now(world: World, admin: Client) -> None:
    made = await make(admin, world, start=-30)
    assert made["start_time"] == at(0)
    path = f"/maintenance_windows/{made['id']}"
    await world.advance(minutes=5)
    refusal = await admin.put(path, {"maintenance_window": {"start_time": at(30)}}, 400)
    assert "start_time" in refusal["error"]["errors"][0]


async def test_who_may(world: World, admin: Client) -> None:
    responder = await person_client(world, "bob")
    made = await make(responder, world)
    assert made["created_by"]["id"] == world["bob"].user.id
    path = f"/maintenance_windows/{made['id']}"
    looks = await account_client(world, Role.OBSERVER, sender="ann@example.com")
    assert (await looks.get(path))["maintenance_window"]["id"] == made["id"]
    await looks.post("/maintenance_windows", body(world), 403)
    await looks.put(path, {"maintenance_window": {"description": "x"}}, 403)
    await looks.delete(path, 403)
    reads = await account_client(world, read_only=True, sender="ann@example.com")
    await reads.post("/maintenance_windows", body(world), 403)
    await reads.delete(path, 403)
    nobody = await account_client(world)
    assert code_of(await nobody.post("/maintenance_windows", body(world), 400)) == 1008


async def test_a_member_of_one_team_sees_and_makes_its_own(world: World, admin: Client) -> None:
    eve = world["eve"].user
    async with world.database.transaction() as tx:
        now = world.clock.now()
        team = await accounts.create_team(tx, SYSTEM, now, name="Shop")
        member = Member(team_id=team.id, user_id=eve.id, role=TeamRole.RESPONDER)
        await accounts.set_member(tx, SYSTEM, member, now)
    policy = world.services["shop"].escalation_policy_id
    await admin.put(f"/teams/{team.id}/escalation_policies/{policy}", {}, 204)
    both = await make(admin, world, "bank", "shop")
    bank = await make(admin, world, "bank")
    assert [one["id"] for one in both["teams"]] == [team.id]
    assert await listed(admin, team_ids=[team.id]) == [both["id"]]
    client = await person_client(world, "eve")
    assert await listed(client) == [both["id"]]
    shown = (await client.get(f"/maintenance_windows/{both['id']}"))["maintenance_window"]
    assert [one["summary"] for one in shown["services"]] == ["shop"]
    await client.get(f"/maintenance_windows/{bank['id']}", 404)
    await client.delete(f"/maintenance_windows/{bank['id']}", 404)
    await client.delete(f"/maintenance_windows/{both['id']}", 403)
    own = await make(client, world, "shop")
    await client.post("/maintenance_windows", body(world, "shop", "bank"), 403)
    await client.delete(f"/maintenance_windows/{own['id']}")


async def test_it_holds_back_and_the_service_says_so(world: World, admin: Client) -> None:
    made = await make(admin, world, end=30)
    path = f"/services/{world.services['shop'].id}"
    assert (await admin.get(path))["service"]["status"] == "maintenance"
    shown = (await admin.get(path))["service"]
    kept = await admin.put(path, {"service": shown})
    assert kept["service"]["status"] == "maintenance"
    bank = (await admin.get(f"/services/{world.services['bank'].id}"))["service"]
    assert bank["status"] == "active"

    await world.trigger("shop", "disk")
    world["bob"].expects_nothing()
    assert (await admin.get("/incidents"))["incidents"] == []
    await admin.delete(f"/maintenance_windows/{made['id']}")
    await world.settle()
    world["bob"].expects_page("disk")
    (incident,) = (await admin.get("/incidents"))["incidents"]
    assert (await admin.get(path))["service"]["status"] == "critical"
    (alert,) = (await admin.get(f"/incidents/{incident['id']}/alerts"))["alerts"]
    assert (alert["status"], alert["suppressed"]) == ("triggered", False)
    log = await admin.get(f"/incidents/{incident['id']}/log_entries")
    first = log["log_entries"][-1]
    assert first["channel"]["reason"] == "maintenance_ended"
    assert first["channel"]["details"]["window_id"] == made["id"]


async def notifications(client: Client, **params: Any) -> list[dict[str, Any]]:
    found = await client.get("/notifications", since=at(-10), until=at(60), **params)
    return list(found["notifications"])


async def test_what_was_sent_is_listed(world: World, admin: Client) -> None:
    await world.trigger("shop", "disk")
    world["bob"].expects_page("disk")
    found = await notifications(admin)
    assert [set(one) for one in found] == [NOTIFICATION_FIELDS] * 2
    by_type = {one["type"]: one for one in found}
    assert set(by_type) == {"email_notification", "push_notification"}
    mail, push = by_type["email_notification"], by_type["push_notification"]
    assert (mail["address"], push["address"]) == ("bob", None)
    assert mail["status"] == push["status"] == "success"
    assert mail["started_at"] == at(0)
    assert mail["user"]["id"] == world["bob"].user.id
    assert mail["user"]["type"] == "user_reference"
    for name, one in by_type.items():
        assert await notifications(admin, filter=name) == [one]
    for name in ("sms_notification", "phone_notification"):
        assert await notifications(admin, filter=name) == []
    (full,) = await notifications(admin, filter="email_notification", include=["users"])
    assert full["user"]["email"] == "bob@example.com"

    params = {"since": at(-10), "until": at(60)}
    part = await admin.get("/notifications", **params, limit=1, total="true")
    assert (part["more"], part["total"], part["limit"]) == (True, 2, 1)
    rest = await admin.get("/notifications", **params, limit=1, offset=1)
    assert (rest["more"], rest["total"]) == (False, None)
    assert [*part["notifications"], *rest["notifications"]] == found
    late = await admin.get("/notifications", since=at(1), until=at(60))
    assert late["notifications"] == []
    there = await admin.get("/notifications", **params, time_zone="America/New_York")
    assert not there["notifications"][0]["started_at"].endswith("Z")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "since"),
        ({"since": at(0)}, "until"),
        ({"until": at(0)}, "since"),
        ({"since": at(10), "until": at(0)}, "until"),
        ({"since": at(0), "until": "2030-01-01T00:00:00Z"}, "until"),
        ({"since": at(0), "until": at(1), "filter": "fax"}, "filter"),
        ({"since": "yesterday", "until": at(1)}, "since"),
    ],
)
async def test_what_notifications_need(
    world: World, admin: Client, params: dict[str, str], words: str
) -> None:
    refusal = await admin.get("/notifications", 400, **params)
    assert words in refusal["error"]["errors"][0]


async def test_whose_notifications_one_sees(world: World, admin: Client) -> None:
    await world.trigger("shop", "disk")
    world["bob"].expects_page("disk")
    observer = await account_client(world, Role.OBSERVER)
    masked = await notifications(observer, filter="email_notification")
    assert [one["address"] for one in masked] == ["…"]
    own = await person_client(world, "bob", read_only=True)
    shown = await notifications(own, filter="email_notification")
    assert [one["address"] for one in shown] == ["bob"]
    await (await person_client(world, "eve")).get("/notifications", 403, since=at(0), until=at(60))
