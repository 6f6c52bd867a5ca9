"""Business services, what depends on what, and what open incidents hit, over the REST API."""

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
from tocsin.accounts.model import SYSTEM, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import NewBusinessService

FIELDS = "name description point_of_contact team"
Relations = list[tuple[str, str]]


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


async def business(admin: Client, name: str = "Buying", **more: Any) -> dict[str, Any]:
    body = {"business_service": {"type": "business_service", "name": name, **more}}
    return dict((await admin.post("/business_services", body, 200))["business_service"])


def end(world: World, name: str) -> dict[str, str]:
    """A service by its name in the world, or a business service by its id."""
    if name in world.services:
        return {"id": world.services[name].id, "type": "service"}
    return {"id": name, "type": "business_service"}


def relation(world: World, dependent: str, supporting: str) -> dict[str, Any]:
    return {
        "dependent_service": end(world, dependent),
        "supporting_service": end(world, supporting),
    }


async def needs(
    world: World, client: Client, *pairs: tuple[str, str], status: int = 200
) -> dict[str, Any]:
    body = {"relationships": [relation(world, *pair) for pair in pairs]}
    return dict(await client.post("/service_dependencies/associate", body, status))


async def hits(admin: Client) -> dict[str, str]:
    found = (await admin.get("/business_services/impacts"))["services"]
    return {one["name"]: one["status"] for one in found}


# Business services


async def test_a_business_service_is_made_changed_and_deleted(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    made = await business(
        admin,
        description="What pays us",
        point_of_contact="Ines, 4711",
        team=reference("team", team["id"]),
    )
    every_field(made, FIELDS)
    assert (made["type"], made["summary"]) == ("business_service", "Buying")
    assert made["self"] == f"{BASE}/business_services/{made['id']}"
    assert made["html_url"] == f"{BASE}/app/business-services/{made['id']}"
    assert made["team"]["type"] == "team_reference"
    path = f"/business_services/{made['id']}"
    assert (await admin.get(path))["business_service"] == made
    answer = await admin.put(path, {"business_service": {"point_of_contact": None, "team": None}})
    changed = answer["business_service"]
    assert changed == {**made, "point_of_contact": None, "team": None}
    assert (await admin.get(path))["business_service"] == changed
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 2100
    await admin.delete(path, 404)
    await admin.put(path, {"business_service": {"name": "x"}}, 404)
    record = (await admin.get("/audit/records"))["records"]
    own = [one["action"] for one in record if one["root_resource"]["id"] == made["id"]]
    assert own == ["delete", "update", "create"]


async def test_business_services_are_listed_by_name(world: World, admin: Client) -> None:
    for name in ("buying", "Accounts", "Search"):
        await business(admin, name)
    found = await admin.get("/business_services", limit=2, total="true")
    assert [one["name"] for one in found["business_services"]] == ["Accounts", "buying"]
    assert (found["more"], found["total"], found["limit"], found["offset"]) == (True, 3, 2, 0)
    last = await admin.get("/business_services", limit=2, offset=2)
    assert ([one["name"] for one in last["business_services"]], last["more"]) == (["Search"], False)


async def test_what_is_wrong_with_a_business_service_is_named(world: World, admin: Client) -> None:
    await business(admin)
    for field, value in (
        ("name", ""),
        ("name", "buying"),
        ("name", "x" * 256),
        ("team", {"id": "PNONE"}),
        ("description", "x" * 5000),
        ("point_of_contact", "x" * 256),
    ):
        body = {"business_service": {"name": "Other", field: value}}
        refused = await admin.post("/business_services", body, 400)
        assert field in refused["error"]["errors"][0]


async def test_a_team_that_owns_one_is_not_deleted(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    made = await business(admin, team=reference("team", team["id"]))
    refused = await admin.ask("DELETE", f"/teams/{team['id']}")
    assert refused.status_code == 400
    assert "business service Buying" in refused.text
    await admin.delete(f"/business_services/{made['id']}")
    await admin.delete(f"/teams/{team['id']}")


@pytest.mark.parametrize(
    ("role", "sees", "manages"),
    [
        (Role.ADMIN, 200, True),
        (Role.MANAGER, 200, True),
        (Role.RESPONDER, 200, False),
        (Role.OBSERVER, 200, False),
        (Role.STAKEHOLDER, 200, False),
        (Role.RESTRICTED, 404, False),
    ],
)
async def test_roles(world: World, admin: Client, role: Role, sees: int, manages: bool) -> None:
    made = await business(admin)
    await needs(world, admin, (made["id"], "pay"))
    await world.person("eve", role=role)
    client = await person_client(world, "eve")
    path = f"/business_services/{made['id']}"
    await client.get(path, sees)
    await client.get(f"/service_dependencies/business_services/{made['id']}", sees)
    await client.get("/business_services", 403 if sees == 404 else 200)
    await client.get("/business_services/impacts", 403 if sees == 404 else 200)
    refused = 404 if sees == 404 else 403
    body = {"business_service": {"name": "Mine"}}
    await client.post("/business_services", body, 200 if manages else 403)
    await client.put(path, {"business_service": {"description": "x"}}, 200 if manages else refused)
    await needs(world, client, ("shop", "pay"), status=200 if manages else refused)
    gone = {"relationships": [relation(world, made["id"], "pay")]}
    await client.post("/service_dependencies/disassociate", gone, 200 if manages else refused)
    threshold = {"global_threshold": {"id": "PPRIORITY2"}}
    path_of_threshold = "/business_services/priority_thresholds"
    await client.put(path_of_threshold, threshold, 200 if manages else 403)
    await client.delete(path, 204 if manages else refused)


async def test_a_read_only_key_changes_nothing(world: World, admin: Client) -> None:
    made = await business(admin)
    client = await account_client(world, read_only=True)
    await client.get(f"/business_services/{made['id']}")
    await client.post("/business_services", {"business_service": {"name": "x"}}, 403)
    await client.delete(f"/business_services/{made['id']}", 403)
    await needs(world, client, ("shop", "pay"), status=403)


# Dependencies


async def test_dependencies_are_added_listed_and_taken_away(world: World, admin: Client) -> None:
    made = await business(admin)
    body = {
        "relationships": [
            relation(world, made["id"], "shop"),
            # As an answer writes it, and as a reference.
            {
                "dependent_service": {**end(world, "shop"), "type": "technical_service_reference"},
                "supporting_service": {**end(world, "pay"), "type": "service_reference"},
            },
        ]
    }
    found = await admin.post("/service_dependencies/associate", body, 200)
    first, second = found["relationships"]
    assert set(first) == {"id", "type", "supporting_service", "dependent_service"}
    assert first["type"] == "service_dependency"
    assert first["dependent_service"]["type"] == "business_service_reference"
    shown = second["supporting_service"]
    assert shown["type"] == "technical_service_reference"
    assert shown["self"] == f"{BASE}/services/{world.services['pay'].id}"
    assert (shown["summary"], shown["id"]) == ("pay", world.services["pay"].id)
    # The same again is no error and no second one.
    assert await admin.post("/service_dependencies/associate", body, 200) == found
    shop = world.services["shop"].id
    path = f"/service_dependencies/technical_services/{shop}"
    assert (await admin.get(path))["relationships"] == [first, second]
    of_business = f"/service_dependencies/business_services/{made['id']}"
    assert (await admin.get(of_business))["relationships"] == [first]
    gone = {"relationships": [{"id": first["id"]}, relation(world, "shop", "pay")]}
    taken = await admin.post("/service_dependencies/disassociate", gone, 200)
    assert taken["relationships"] == [first, second]
    assert (await admin.get(path))["relationships"] == []
    again = await admin.post("/service_dependencies/disassociate", gone, 200)
    assert again["relationships"] == []
    record = (await admin.get("/audit/records"))["records"]
    actions = [one["action"] for one in record if one["root_resource"]["id"] == first["id"]]
    assert actions == ["delete", "create"]


async def test_a_circle_is_refused_and_named(world: World, admin: Client) -> None:
    await needs(world, admin, ("shop", "pay"), ("pay", "db"))
    refused = await needs(world, admin, ("db", "shop"), status=400)
    assert "shop → pay → db → shop" in refused["error"]["message"]
    await needs(world, admin, ("db", "db"), status=400)
    # All or none: the good one of a refused request was not kept.
    await needs(world, admin, ("shop", "db"), ("db", "pay"), status=400)
    path = f"/service_dependencies/technical_services/{world.services['db'].id}"
    assert len((await admin.get(path))["relationships"]) == 1


async def test_what_is_wrong_with_a_dependency_is_named(world: World, admin: Client) -> None:
    path = "/service_dependencies/associate"
    good = relation(world, "shop", "pay")
    for body, word in (
        ({}, "relationships"),
        ({"relationships": []}, "relationships"),
        ({"relationships": [{}]}, "supporting_service"),
        ({"relationships": [{**good, "dependent_service": None}]}, "dependent_service"),
        ({"relationships": [{**good, "supporting_service": {"id": "P1", "type": "x"}}]}, "type"),
        ({"relationships": [good] * 251}, "250"),
    ):
        refused = await admin.post(path, body, 400)
        assert word in refused["error"]["errors"][0]
    for kind in ("service", "business_service"):
        wrong = {**good, "supporting_service": {"id": "PNONE", "type": kind}}
        await admin.post(path, {"relationships": [wrong]}, 404)
    # A service under the name of the other kind is not there.
    wrong = {**good, "supporting_service": {**end(world, "pay"), "type": "business_service"}}
    await admin.post(path, {"relationships": [wrong]}, 404)
    nothing = {"relationships": [{"id": None}]}
    await admin.post("/service_dependencies/disassociate", nothing, 400)
    await admin.get("/service_dependencies/technical_services/PNONE", 404)
    await admin.get("/service_dependencies/business_services/PNONE", 404)


async def test_what_is_deleted_takes_its_dependencies_along(world: World, admin: Client) -> None:
    made = await business(admin)
    await needs(world, admin, (made["id"], "shop"), ("shop", "pay"))
    await admin.delete(f"/services/{world.services['shop'].id}")
    of_business = f"/service_dependencies/business_services/{made['id']}"
    assert (await admin.get(of_business))["relationships"] == []
    pay = f"/service_dependencies/technical_services/{world.services['pay'].id}"
    await needs(world, admin, (made["id"], "pay"))
    await admin.delete(f"/business_services/{made['id']}")
    assert (await admin.get(pay))["relationships"] == []


async def test_nobody_learns_of_services_that_are_not_theirs(world: World, admin: Client) -> None:
    await needs(world, admin, ("shop", "pay"))
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    policy = world.services["shop"].escalation_policy_id
    await admin.put(f"/teams/{team['id']}/escalation_policies/{policy}", {}, 204)
    made = await business(admin, team=reference("team", team["id"]))
    await needs(world, admin, (made["id"], "shop"))
    await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{team['id']}/users/{world['eve'].user.id}", {"role": "manager"}, 204)
    eve = await person_client(world, "eve")
    path = f"/service_dependencies/technical_services/{world.services['shop'].id}"
    seen = (await eve.get(path))["relationships"]
    assert [one["dependent_service"]["id"] for one in seen] == [made["id"]]
    await eve.get(f"/service_dependencies/technical_services/{world.services['pay'].id}", 404)
    await needs(world, eve, ("shop", "db"), status=404)
    gone = {"relationships": [relation(world, "shop", "pay")]}
    await eve.post("/service_dependencies/disassociate", gone, 404)
    # What hits theirs is true all the same; who did it stays unnamed.
    await world.trigger("pay", "down")
    world["bob"].expects_page("down")
    found = (await eve.get("/business_services/impacts"))["services"]
    assert [one["status"] for one in found] == ["impacted"]
    assert (await eve.get("/business_services/impactors"))["impactors"] == []


# Impacts


async def test_an_incident_hits_what_depends_on_its_service(world: World, admin: Client) -> None:
    buying, search = await business(admin, "Buying"), await business(admin, "Search")
    whole = await business(admin, "Company")
    await needs(world, admin, (buying["id"], "shop"), ("shop", "pay"), (search["id"], "db"))
    await needs(world, admin, (whole["id"], buying["id"]), (whole["id"], search["id"]))
    quiet = await admin.get("/business_services/impacts")
    assert set(quiet) == {"services", "limit", "more", "additional_fields"}
    assert {one["status"] for one in quiet["services"]} == {"not_impacted"}
    assert [one["name"] for one in quiet["services"]] == ["Buying", "Company", "Search"]
    await world.trigger("pay", "down")
    world["bob"].expects_page("down")
    incident = (await world.incident("down")).id
    found = await admin.get("/business_services/impacts")
    first = found["services"][0]
    assert set(first) == {"id", "name", "type", "status", "additional_fields"}
    assert first["additional_fields"] == {"highest_impacting_priority": None}
    assert found["additional_fields"] == {"total_impacted_count": 2}
    assert await hits(admin) == {
        "Buying": "impacted",
        "Company": "impacted",
        "Search": "not_impacted",
    }
    some = await admin.get("/business_services/impacts", ids=[search["id"], "PNONE"])
    assert [one["id"] for one in some["services"]] == [search["id"]]
    below = await admin.get(f"/business_services/{whole['id']}/supporting_services/impacts")
    assert [(one["name"], one["status"]) for one in below["services"]] == [
        ("Buying", "impacted"),
        ("Search", "not_impacted"),
    ]
    impactors = await admin.get("/business_services/impactors")
    assert set(impactors) == {"impactors", "limit", "more"}
    assert [one["id"] for one in impactors["impactors"]] == [incident]
    assert impactors["impactors"][0]["type"] == "incident_reference"
    own = await admin.get(f"/incidents/{incident}/business_services/impacts")
    assert [one["name"] for one in own["services"]] == ["Buying", "Company"]
    await admin.get("/incidents/QNONE/business_services/impacts", 404)
    await admin.get("/business_services/PNONE/supporting_services/impacts", 404)
    await admin.get("/business_services/impacts", 400, additional_fields=["x"])
    await world.resolve("pay", "down")
    assert set((await hits(admin)).values()) == {"not_impacted"}
    own = await admin.get(f"/incidents/{incident}/business_services/impacts")
    assert own["services"] == []


async def test_what_is_hit_is_shown_however_many_there_are(world: World, admin: Client) -> None:
    async with world.database.transaction() as tx:
        for number in range(205):
            new = NewBusinessService(name=f"A {number:03}")
            await catalog.create_business_service(tx, SYSTEM, new, START)
    last = await business(admin, "Z")
    await needs(world, admin, (last["id"], "pay"))
    await world.trigger("pay", "down")
    world["bob"].expects_page("down")
    found = await admin.get("/business_services/impacts")
    assert (found["services"][0]["name"], found["services"][0]["status"]) == ("Z", "impacted")
    assert (len(found["services"]), found["more"]) == (200, True)
    assert found["additional_fields"] == {"total_impacted_count": 1}
    assert len((await admin.get("/business_services/impactors"))["impactors"]) == 1


async def test_only_what_matters_enough_hits(world: World, admin: Client) -> None:
    buying = await business(admin)
    await needs(world, admin, (buying["id"], "pay"))
    await world.trigger("pay", "down")
    world["bob"].expects_page("down")
    incident = (await world.incident("down")).id
    path = "/business_services/priority_thresholds"
    assert await admin.get(path) == {"global_threshold": None}
    order = {one["id"]: one["order"] for one in (await admin.get("/priorities"))["priorities"]}
    threshold = {"global_threshold": {"id": "PPRIORITY2", "order": order["PPRIORITY2"]}}
    assert await admin.put(path, threshold) == threshold
    assert await admin.get(path) == threshold
    # It has no priority yet, and then one that is too low.
    assert await hits(admin) == {"Buying": "not_impacted"}

    async def ranked(priority: str) -> None:
        body = {"incident": {"type": "incident", "priority": reference("priority", priority)}}
        await admin.put(f"/incidents/{incident}", body)

    await ranked("PPRIORITY3")
    assert await hits(admin) == {"Buying": "not_impacted"}
    own = await admin.get(f"/incidents/{incident}/business_services/impacts")
    assert own["services"] == []
    await ranked("PPRIORITY1")
    (found,) = (await admin.get("/business_services/impacts"))["services"]
    assert found["status"] == "impacted"
    assert found["additional_fields"]["highest_impacting_priority"] == {
        "id": "PPRIORITY1",
        "order": order["PPRIORITY1"],
    }
    await ranked("PPRIORITY5")
    await admin.delete(path)
    assert await hits(admin) == {"Buying": "impacted"}
    for wrong in ({"id": "PNONE"}, {"id": None}, {}):
        await admin.put(path, {"global_threshold": wrong}, 400)
