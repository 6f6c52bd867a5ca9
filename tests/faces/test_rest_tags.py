"""Tags over the REST API, and giving them to people, teams and escalation policies."""

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


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["bob"]])
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def tag(admin: Client, label: str) -> dict[str, Any]:
    made = await admin.post("/tags", {"tag": {"type": "tag", "label": label}})
    return dict(made["tag"])


async def team(admin: Client, name: str) -> str:
    return str((await admin.post("/teams", {"team": {"name": name}}))["team"]["id"])


async def test_a_tag_is_made_found_and_deleted(world: World, admin: Client) -> None:
    made = await tag(admin, " Night crew ")
    every_field(made, "label")
    assert (made["label"], made["type"], made["summary"]) == ("Night crew", "tag", "Night crew")
    assert made["self"] == f"{BASE}/tags/{made['id']}"
    assert (await admin.get(f"/tags/{made['id']}"))["tag"] == made
    again = await admin.post("/tags", {"tag": {"label": "NIGHT CREW"}}, 400)
    assert "label is already" in again["error"]["errors"][0]
    await admin.delete(f"/tags/{made['id']}")
    assert code_of(await admin.get(f"/tags/{made['id']}", 404)) == 2100
    await admin.delete(f"/tags/{made['id']}", 404)
    record = (await admin.get("/audit/records"))["records"]
    own = [one["action"] for one in record if one["root_resource"]["id"] == made["id"]]
    assert own == ["delete", "create"]


async def test_tags_are_listed_by_label(world: World, admin: Client) -> None:
    for label in ("Core", "beta", "Alpha"):
        await tag(admin, label)
    found = await admin.get("/tags", limit=2, total="true")
    assert [one["label"] for one in found["tags"]] == ["Alpha", "beta"]
    assert (found["more"], found["total"], found["limit"], found["offset"]) == (True, 3, 2, 0)
    last = await admin.get("/tags", limit=2, offset=2)
    assert ([one["label"] for one in last["tags"]], last["more"]) == (["Core"], False)
    assert last["total"] is None
    assert [one["label"] for one in (await admin.get("/tags", query="ET"))["tags"]] == ["beta"]


@pytest.mark.parametrize("label", ["", " ", "x" * 192, "two\nlines", None, 7])
async def test_a_label_is_checked(world: World, admin: Client, label: Any) -> None:
    refused = await admin.post("/tags", {"tag": {"label": label}}, 400)
    assert "label" in refused["error"]["errors"][0]


async def test_the_longest_label_is_kept(world: World, admin: Client) -> None:
    assert len((await tag(admin, "x" * 191))["label"]) == 191


async def test_tags_are_given_and_taken(world: World, admin: Client) -> None:
    night = await tag(admin, "Night")
    bob = world["bob"].user.id
    core = await team(admin, "Core")
    policy = world.services["shop"].escalation_policy_id
    for kind, id in (("users", bob), ("teams", core), ("escalation_policies", policy)):
        add = [{"type": "tag_reference", "id": night["id"]}, {"type": "tag", "label": "berlin"}]
        assert await admin.post(f"/{kind}/{id}/change_tags", {"add": add}, 200) == {}
        # The same again, in another case: nothing changes, and no tag is made twice.
        again = [{"label": "BERLIN"}, {"label": "Berlin"}]
        await admin.post(f"/{kind}/{id}/change_tags", {"add": again}, 200)
        found = await admin.get(f"/{kind}/{id}/tags", total="true")
        assert [one["label"] for one in found["tags"]] == ["berlin", "Night"]
        assert (found["total"], found["more"]) == (2, False)
        every_field(found["tags"][0], "label")
        carriers = await admin.get(f"/tags/{night['id']}/{kind}", total="true")
        assert [one["id"] for one in carriers[kind]] == [id]
        assert (carriers["total"], carriers["more"], carriers["limit"]) == (1, False, 25)
        singular = "escalation_policy" if kind == "escalation_policies" else kind[:-1]
        (shown,) = carriers[kind]
        assert shown["type"] == f"{singular}_reference"
        assert shown["self"] == f"{BASE}/{kind}/{id}"
        gone = [{"type": "tag_reference", "id": night["id"]}, {"id": "PGONE"}]
        await admin.post(f"/{kind}/{id}/change_tags", {"remove": gone}, 200)
        left = (await admin.get(f"/{kind}/{id}/tags"))["tags"]
        assert [one["label"] for one in left] == ["berlin"]
    assert len((await admin.get("/tags"))["tags"]) == 2


async def test_a_change_of_tags_is_in_the_record(world: World, admin: Client) -> None:
    bob = world["bob"].user.id
    await admin.post(f"/users/{bob}/change_tags", {"add": [{"label": "Night"}]}, 200)
    await admin.post(f"/users/{bob}/change_tags", {"add": [{"label": "night"}]}, 200)
    found = await admin.get(f"/users/{bob}/audit/records")
    changes = [one for one in found["records"] if one["action"] == "update"]
    assert len(changes) == 1
    assert changes[0]["details"]["fields"][0]["name"] == "tags"


async def test_what_is_deleted_carries_no_tag(world: World, admin: Client) -> None:
    night = await tag(admin, "Night")
    core = await team(admin, "Core")
    add = {"add": [{"id": night["id"]}]}
    await admin.post(f"/teams/{core}/change_tags", add, 200)
    await admin.delete(f"/teams/{core}")
    found = await admin.get(f"/tags/{night['id']}/teams", total="true")
    assert (found["teams"], found["total"]) == ([], 0)
    bob = world["bob"].user.id
    await admin.post(f"/users/{bob}/change_tags", add, 200)
    await admin.delete(f"/tags/{night['id']}")
    assert (await admin.get(f"/users/{bob}/tags"))["tags"] == []


async def test_what_is_wrong_is_named(world: World, admin: Client) -> None:
    bob = world["bob"].user.id
    path = f"/users/{bob}/change_tags"
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"add": []},
        {"add": [{}]},
        {"add": "x"},
        {"remove": [{"type": "tag"}]},
    )
    for body in bodies:
        refused = await admin.post(path, body, 400)
        assert "add" in refused["error"]["errors"][0] or "remove" in refused["error"]["errors"][0]
    await admin.post(path, {"add": [{"id": "PNONE"}]}, 404)
    many = [{"label": f"l{number}"} for number in range(51)]
    assert "at most 50" in (await admin.post(path, {"add": many}, 400))["error"]["errors"][0]
    assert (await admin.get("/tags"))["tags"] == []
    await admin.post("/users/PNONE/change_tags", {"add": [{"label": "x"}]}, 404)
    await admin.post("/services/PNONE/change_tags", {"add": [{"label": "x"}]}, 404)
    await admin.get(f"/services/{world.services['shop'].id}/tags", 404)
    await admin.get("/tags/PNONE/users", 404)
    night = await tag(admin, "Night")
    await admin.get(f"/tags/{night['id']}/services", 404)


@pytest.mark.parametrize(
    ("role", "makes", "tags_people", "deletes"),
    [
        (Role.OWNER, 201, 200, 204),
        (Role.ADMIN, 201, 200, 204),
        (Role.MANAGER, 201, 403, 204),
        (Role.RESPONDER, 403, 403, 403),
        (Role.OBSERVER, 403, 403, 403),
        (Role.STAKEHOLDER, 403, 403, 403),
        (Role.RESTRICTED, 403, 403, 403),
    ],
)
async def test_roles(
    world: World, admin: Client, role: Role, makes: int, tags_people: int, deletes: int
) -> None:
    made = await tag(admin, "Night")
    await world.person("eve", role=role)
    client = await person_client(world, "eve")
    await client.get("/tags", 403 if role is Role.RESTRICTED else 200)
    answer = await client.post("/tags", {"tag": {"label": "Day"}}, makes)
    if makes == 403:
        assert code_of(answer) == 2010
    body = {"add": [{"label": "Night"}]}
    await client.post(f"/users/{world['bob'].user.id}/change_tags", body, tags_people)
    await client.delete(f"/tags/{made['id']}", deletes)


async def test_a_read_only_key_changes_no_tag(world: World, admin: Client) -> None:
    made = await tag(admin, "Night")
    client = await account_client(world, read_only=True)
    await client.get("/tags")
    await client.post("/tags", {"tag": {"label": "Day"}}, 403)
    body = {"add": [{"label": "Night"}]}
    await client.post(f"/users/{world['bob'].user.id}/change_tags", body, 403)
    await client.delete(f"/tags/{made['id']}", 403)


async def test_a_team_s_manager_tags_what_is_theirs_and_sees_no_other(
    world: World, admin: Client
) -> None:
    core, other = await team(admin, "Core"), await team(admin, "Other")
    night = await tag(admin, "Night")
    await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{core}/users/{world['eve'].user.id}", {"role": "manager"}, 204)
    eve = await person_client(world, "eve")
    add = {"add": [reference("tag", night["id"])]}
    await admin.post(f"/teams/{other}/change_tags", add, 200)
    await eve.post(f"/teams/{core}/change_tags", add, 200)
    await eve.post(f"/teams/{other}/change_tags", add, 404)
    await eve.get(f"/teams/{other}/tags", 404)
    found = await eve.get(f"/tags/{night['id']}/teams", total="true")
    assert ([one["id"] for one in found["teams"]], found["total"]) == ([core], 1)
    await eve.delete(f"/tags/{night['id']}", 403)
