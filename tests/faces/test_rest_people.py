"""People, how they are reached, teams, and what is the same everywhere, over the REST API."""

from collections.abc import AsyncIterator
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
from tocsin.accounts.model import Role

USER_FIELDS = (
    "name email time_zone color role avatar_url description invitation_sent job_title teams"
    " contact_methods notification_rules coordinated_incidents"
)
METHOD_FIELDS = (
    "label address secret blacklisted enabled send_short_email send_html_email country_code"
)
RULE_FIELDS = "start_delay_in_minutes contact_method urgency"
TEAM_FIELDS = "name description default_role parent"


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def test_a_user_from_first_to_last(admin: Client) -> None:
    made = await admin.post(
        "/users",
        {
            "user": {
                "type": "user",
                "name": "Eve Moore",
                "email": "eve@example.com",
                "role": "user",
                "time_zone": "Europe/Berlin",
                "job_title": "SRE",
                "description": "Nights",
                "license": reference("license", "PX"),
                "id": "PMINE",
            }
        },
    )
    user = made["user"]
    every_field(user, USER_FIELDS)
    assert user["id"] != "PMINE"
    assert user["self"] == f"{BASE}/users/{user['id']}"
    assert user["html_url"] == f"{BASE}/app/people/{user['id']}"
    assert (user["type"], user["summary"], user["role"]) == ("user", "Eve Moore", "user")
    assert (user["teams"], user["contact_methods"], user["avatar_url"]) == ([], [], None)
    path = f"/users/{user['id']}"
    assert await admin.get(path) == made
    # Partial, and what is read-only in what is sent back is ignored.
    changed = await admin.put(path, {"user": {**user, "job_title": None, "name": "Eve"}})
    assert (changed["user"]["name"], changed["user"]["job_title"]) == ("Eve", None)
    assert changed["user"]["description"] == "Nights"
    only = await admin.put(path, {"user": {"time_zone": "Etc/UTC"}})
    assert (only["user"]["time_zone"], only["user"]["name"]) == ("Etc/UTC", "Eve")
    assert await admin.get(path) == only
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 2100
    assert code_of(await admin.delete(path, 404)) == 2100


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"name": "Eve"}, "email"),
        ({"email": "eve@example.com"}, "name"),
        ({"name": "", "email": "eve@example.com"}, "name"),
        ({"name": "x" * 101, "email": "eve@example.com"}, "name"),
        ({"name": 5.5, "email": "eve@example.com"}, "name"),
        ({"name": "Eve", "email": "nowhere"}, "email"),
        ({"name": "Eve", "email": "bob@example.com"}, "email"),
        ({"name": "Eve", "email": "eve@example.com", "role": "king"}, "role"),
        ({"name": "Eve", "email": "eve@example.com", "time_zone": "Mars"}, "time_zone"),
    ],
)
async def test_a_wrong_user_names_the_field(
    admin: Client, values: dict[str, Any], word: str
) -> None:
    body = await admin.post("/users", {"user": values}, 400)
    assert code_of(body) == 2001
    assert body["error"]["message"] == "Invalid Input Provided"
    assert body["error"]["errors"][0].startswith(word)


async def test_users_are_found(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    bob = world["bob"].user.id
    await admin.ask("PUT", f"/teams/{team['id']}/users/{bob}")
    assert [u["name"] for u in (await admin.get("/users", query="BOB"))["users"]] == ["bob"]
    found = await admin.get("/users", team_ids=[team["id"]], include=["teams", "contact_methods"])
    (user,) = found["users"]
    assert user["id"] == bob
    every_field(user["teams"][0], TEAM_FIELDS)
    assert user["contact_methods"][0]["address"] == "bob"
    (plain,) = (await admin.get("/users", team_ids=[team["id"]]))["users"]
    assert plain["teams"] == [
        {
            "id": team["id"],
            "type": "team_reference",
            "summary": "Core",
            "self": f"{BASE}/teams/{team['id']}",
            "html_url": f"{BASE}/app/teams/{team['id']}",
        }
    ]
    assert plain["contact_methods"][0]["type"] == "phone_contact_method_reference"
    assert (await admin.get("/users", team_ids=["PNOTEAM"]))["users"] == []


async def test_who_the_key_belongs_to(world: World, admin: Client) -> None:
    bob = await person_client(world, "bob")
    mine = await bob.get("/users/me")
    assert mine["user"]["email"] == "bob@example.com"
    every_field(mine["user"], USER_FIELDS)
    refused = await admin.ask("GET", "/users/me")
    assert refused.status_code == 400
    assert "account-level access token" in refused.json()["error"]


async def test_a_user_who_is_needed_stays(world: World, admin: Client) -> None:
    await world.service("checkout", [["bob"]])
    answer = await admin.delete(f"/users/{world['bob'].user.id}", 400)
    assert code_of(answer) == 2015
    assert "escalation policy" in answer["error"]["message"]


async def test_contact_methods(world: World, admin: Client) -> None:
    path = f"/users/{world['bob'].user.id}/contact_methods"
    made = await admin.post(
        path,
        {"contact_method": {"type": "mail_contact_method", "label": "Work", "address": "bob2"}},
    )
    method = made["contact_method"]
    every_field(method, METHOD_FIELDS)
    assert method["self"] == f"{BASE}{path}/{method['id']}"
    assert (method["type"], method["label"], method["address"], method["html_url"]) == (
        "mail_contact_method",
        "Work",
        "bob2",
        None,
    )
    assert await admin.get(f"{path}/{method['id']}") == made
    listed = await admin.get(path)
    assert set(listed) == {"contact_methods"}
    assert [m["type"] for m in listed["contact_methods"]] == [
        "phone_contact_method",
        "mail_contact_method",
    ]
    changed = await admin.put(
        f"{path}/{method['id']}", {"contact_method": {**method, "label": "Home"}}
    )
    assert changed["contact_method"]["label"] == "Home"
    moved = await admin.put(f"{path}/{method['id']}", {"contact_method": {"address": "bob3"}})
    assert moved["contact_method"]["address"] == "bob3"
    await admin.delete(f"{path}/{method['id']}")
    assert code_of(await admin.get(f"{path}/{method['id']}", 404)) == 2100
    wrong = {"contact_method": {"type": "pigeon_contact_method", "address": "x"}}
    assert "type must be one of" in (await admin.post(path, wrong, 400))["error"]["errors"][0]
    elsewhere = f"/users/{world['ann'].user.id}/contact_methods"
    theirs = (await admin.get(elsewhere))["contact_methods"][0]["id"]
    await admin.get(f"{path}/{theirs}", 404)
    await admin.delete(f"{path}/{theirs}", 404)
    await admin.get("/users/PNOBODY/contact_methods", 404)


async def test_an_address_is_shown_to_who_may_know_it(world: World, admin: Client) -> None:
    path = f"/users/{world['ann'].user.id}/contact_methods"
    ann, bob = await person_client(world, "ann"), await person_client(world, "bob")
    for client, clear in ((admin, True), (ann, True), (bob, False)):
        method = (await client.get(path))["contact_methods"][0]
        assert (method["address"] == "ann") is clear
    # What is masked and comes back unchanged changes nothing.
    own = f"/users/{world['bob'].user.id}/contact_methods"
    method = (await bob.get(own))["contact_methods"][0]
    await bob.put(f"{own}/{method['id']}", {"contact_method": method})
    assert (await bob.get(own))["contact_methods"][0]["address"] == "bob"


async def test_notification_rules(world: World, admin: Client) -> None:
    user = f"/users/{world['bob'].user.id}"
    path = f"{user}/notification_rules"
    phone = (await admin.get(f"{user}/contact_methods"))["contact_methods"][0]
    made = await admin.post(
        path,
        {
            "notification_rule": {
                "type": "assignment_notification_rule",
                "start_delay_in_minutes": 5,
                "contact_method": {"id": phone["id"], "type": "phone_contact_method"},
                "urgency": "high",
            }
        },
    )
    rule = made["notification_rule"]
    every_field(rule, RULE_FIELDS)
    assert (rule["type"], rule["start_delay_in_minutes"]) == ("assignment_notification_rule", 5)
    assert rule["contact_method"]["type"] == "phone_contact_method_reference"
    assert await admin.get(f"{path}/{rule['id']}") == made
    high = await admin.get(path, urgency="high", include=["contact_methods"])
    assert [r["start_delay_in_minutes"] for r in high["notification_rules"]] == [0, 5]
    every_field(high["notification_rules"][0]["contact_method"], METHOD_FIELDS)
    assert len((await admin.get(path))["notification_rules"]) == 3
    changed = await admin.put(
        f"{path}/{rule['id']}", {"notification_rule": {"start_delay_in_minutes": 7}}
    )
    assert changed["notification_rule"]["start_delay_in_minutes"] == 7
    await admin.delete(f"{path}/{rule['id']}")
    await admin.get(f"{path}/{rule['id']}", 404)
    for wrong in (
        {"start_delay_in_minutes": -1},
        {"urgency": "medium"},
        {"contact_method": reference("contact_method", "PNONE")},
    ):
        body = {
            "start_delay_in_minutes": 1,
            "contact_method": {"id": phone["id"]},
            "urgency": "low",
            **wrong,
        }
        assert code_of(await admin.post(path, {"notification_rule": body}, 400)) == 2001


async def test_a_team_from_first_to_last(admin: Client) -> None:
    made = await admin.post("/teams", {"team": {"name": "Core", "description": "The core"}})
    team = made["team"]
    every_field(team, TEAM_FIELDS)
    assert (team["type"], team["summary"], team["default_role"]) == ("team", "Core", "manager")
    assert team["self"] == f"{BASE}/teams/{team['id']}"
    assert await admin.get(f"/teams/{team['id']}") == made
    changed = await admin.put(f"/teams/{team['id']}", {"team": {"description": None}})
    assert (changed["team"]["name"], changed["team"]["description"]) == ("Core", None)
    assert [t["id"] for t in (await admin.get("/teams", query="cor"))["teams"]] == [team["id"]]
    assert (await admin.get("/teams", total="true"))["total"] == 1
    assert code_of(await admin.post("/teams", {"team": {"name": "core"}}, 400)) == 2001
    assert code_of(await admin.post("/teams", {"team": {}}, 400)) == 2001
    await admin.delete(f"/teams/{team['id']}", 204)
    assert code_of(await admin.get(f"/teams/{team['id']}", 404)) == 2100


async def test_a_team_that_owns_something_leaves_it_to_another(admin: Client) -> None:
    old, heir = [
        (await admin.post("/teams", {"team": {"name": name}}))["team"]["id"]
        for name in ("Core", "Edge")
    ]
    layer = {
        "start": "2030-01-01T00:00:00Z",
        "rotation_virtual_start": "2030-01-01T00:00:00Z",
        "rotation_turn_length_seconds": 86400,
        "users": [{"user": {"id": (await admin.get("/users"))["users"][0]["id"]}}],
    }
    schedule = {
        "name": "Nights",
        "time_zone": "Etc/UTC",
        "teams": [{"id": old}],
        "schedule_layers": [layer],
    }
    made = (await admin.post("/schedules", {"schedule": schedule}))["schedule"]
    assert [team["id"] for team in made["teams"]] == [old]
    await admin.delete(f"/teams/{old}", 400)
    await admin.delete(f"/teams/{old}?reassignment_team=PNOTHERE", 404)
    await admin.delete(f"/teams/{old}?reassignment_team={old}", 400)
    await admin.delete(f"/teams/{old}?reassignment_team={heir}")
    now = (await admin.get(f"/schedules/{made['id']}"))["schedule"]
    assert [team["id"] for team in now["teams"]] == [heir]


async def test_members(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]["id"]
    bob, ann = world["bob"].user.id, world["ann"].user.id
    path = f"/teams/{team}/users"
    await admin.put(f"{path}/{bob}", {"role": "responder"}, 204)
    answer = await admin.ask("PUT", f"{path}/{ann}")
    assert (answer.status_code, answer.content) == (204, b"")
    # Without a role whoever is a member stays what they are.
    assert (await admin.ask("PUT", f"{path}/{bob}")).status_code == 204
    found = await admin.get(f"/teams/{team}/members", total="true")
    assert {m["user"]["id"]: m["role"] for m in found["members"]} == {
        bob: "responder",
        ann: "manager",
    }
    assert (found["total"], found["more"], found["limit"]) == (2, False, 25)
    assert found["members"][0]["user"]["type"] == "user_reference"
    whole = await admin.get(f"/teams/{team}/members", include=["users"], limit=1)
    every_field(whole["members"][0]["user"], USER_FIELDS)
    assert whole["more"] is True
    assert code_of(await admin.put(f"{path}/{bob}", {"role": "king"}, 400)) == 2001
    await admin.put(f"{path}/PNOBODY", {}, 404)
    await admin.delete(f"{path}/{bob}")
    await admin.delete(f"{path}/{bob}", 404)
    await admin.get("/teams/PNONE/members", 404)


async def test_what_is_the_same_everywhere(world: World, admin: Client) -> None:
    found = await admin.get("/priorities", total="true")
    assert [p["name"] for p in found["priorities"]] == ["P1", "P2", "P3", "P4", "P5"]
    every_field(found["priorities"][0], "name description color order account_id schema_version")
    assert (found["total"], found["more"]) == (5, False)
    second = await admin.get("/priorities", limit=2, offset=2)
    assert [p["name"] for p in second["priorities"]] == ["P3", "P4"]
    vendors = (await admin.get("/vendors"))["vendors"]
    assert len(vendors) == 3
    one = await admin.get(f"/vendors/{vendors[0]['id']}")
    assert one["vendor"] == vendors[0]
    assert code_of(await admin.get("/vendors/PNONE", 404)) == 5001
    (license,) = (await admin.get("/licenses"))["licenses"]
    every_field(
        license, "name description valid_roles role_group current_value allocations_available"
    )
    assert license["current_value"] == 2
    theirs = await admin.get(f"/users/{world['bob'].user.id}/license")
    assert theirs["license"] == license


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("admin", 200, 201),
        ("user", 200, 403),
        ("limited_user", 200, 403),
        ("observer", 200, 403),
    ],
)
async def test_roles_of_people(world: World, role: str, reads: int, writes: int) -> None:
    client = await account_client(world, role, sender="ann@example.com")
    await client.get("/users", reads)
    await client.get(f"/users/{world['bob'].user.id}", reads)
    await client.post("/users", {"user": {"name": "Eve", "email": "e@example.com"}}, writes)
    team = 201 if role in ("admin", "user") else 403
    answer = await client.post("/teams", {"team": {"name": "Core"}}, team)
    if team == 403:
        assert code_of(answer) == 2010


async def test_a_restricted_person_sees_only_themselves(world: World) -> None:
    await world.person("eve", role=Role.RESTRICTED)
    eve = await person_client(world, "eve")
    assert (await eve.get("/users/me"))["user"]["name"] == "eve"
    await eve.get("/users", 403)
    await eve.get(f"/users/{world['bob'].user.id}", 403)
    await eve.get("/teams", 403)
