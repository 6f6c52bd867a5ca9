"""Past, related and outlier incidents, over the REST API and on the page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.faces.test_rest_incidents import FIELDS, quiet, wire
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
        for name in ("shop", "database", "mail"):
            await made.service(name, [["bob"]])
        yield made
        quiet(made)


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def breaks(world: World, service: str, key: str, title: str) -> str:
    await world.trigger(service, key, summary=title)
    return (await world.incident(title)).id


async def test_past_incidents(world: World, admin: Client) -> None:
    same = await breaks(world, "shop", "disk-db7", "Disk 91 % full on db7")
    await world.resolve("shop", "disk-db7")
    await world.advance(hours=1)
    like = await breaks(world, "shop", "disk-db9", "Disk 95 % full on db9")
    await breaks(world, "shop", "cert", "Certificate of web1 expires")
    await breaks(world, "database", "disk-db7", "Disk 96 % full on db7")
    await world.advance(hours=1)
    now = await breaks(world, "shop", "disk-db7", "Disk 97 % full on db7")
    found = await admin.get(f"/incidents/{now}/past_incidents", total="true")
    assert (found["limit"], found["total"]) == (5, 2)
    assert found["past_incidents"] == [
        {
            "incident": {
                "id": same,
                "created_at": wire(),
                "self": f"{BASE}/incidents/{same}",
                "title": "Disk 91 % full on db7",
            },
            "score": 100.0,
            "reason": "same_key",
        },
        {
            "incident": {
                "id": like,
                "created_at": wire(hours=1),
                "self": f"{BASE}/incidents/{like}",
                "title": "Disk 95 % full on db9",
            },
            "score": 100.0,
            "reason": "similar_title",
        },
    ]
    fewer = await admin.get(f"/incidents/{now}/past_incidents", limit=1)
    assert (len(fewer["past_incidents"]), fewer["limit"], fewer["total"]) == (1, 1, None)
    none = await admin.get(f"/incidents/{same}/past_incidents", total="true")
    assert (none["past_incidents"], none["total"]) == ([], 0)
    for wrong in (0, 1000, "many"):
        assert code_of(await admin.get(f"/incidents/{now}/past_incidents", 400, limit=wrong))
    await admin.get("/incidents/QNONE/past_incidents", 404)


async def test_related_incidents(world: World, admin: Client) -> None:
    await breaks(world, "mail", "old", "Checkout database timeouts yesterday")
    await world.advance(hours=3)
    by_words = await breaks(world, "mail", "slow", "Timeouts of checkout database")
    await breaks(world, "mail", "other", "Certificate of mx1 expires")
    connected = await breaks(world, "database", "disk", "Disk full on db7")
    await world.advance(minutes=10)
    own = await breaks(world, "shop", "own", "Checkout database slow")
    now = await breaks(world, "shop", "now", "Checkout database timeouts")
    found = (await admin.get(f"/incidents/{now}/related_incidents"))["related_incidents"]
    assert [one["incident"]["id"] for one in found] == [by_words]
    shop, database = world.services["shop"].id, world.services["database"].id
    needs = {
        "supporting_service": {"id": database, "type": "service"},
        "dependent_service": {"id": shop, "type": "service"},
    }
    await admin.post("/service_dependencies/associate", {"relationships": [needs]}, 200)
    found = (await admin.get(f"/incidents/{now}/related_incidents"))["related_incidents"]
    assert [one["incident"]["id"] for one in found] == [connected, by_words]
    (first,) = found[0]["relationships"]
    assert (first["type"], first["metadata"]["reason"]) == (
        "service_dependency",
        "supporting_service",
    )
    assert [s["id"] for s in first["metadata"]["supporting_services"]] == [database]
    assert [s["id"] for s in first["metadata"]["dependent_services"]] == [shop]
    (second,) = found[1]["relationships"]
    assert second["type"] == "machine_learning_inferred"
    assert second["metadata"]["shared_words"] == ["checkout", "database", "timeouts"]
    assert second["metadata"]["grouping_classification"] == "similar_contents"
    other_way = (await admin.get(f"/incidents/{connected}/related_incidents"))["related_incidents"]
    assert {one["relationships"][0]["metadata"]["reason"] for one in other_way} == {
        "dependent_service"
    }
    assert {one["incident"]["id"] for one in other_way} == {own, now}
    whole = await admin.get(f"/incidents/{now}/related_incidents", additional_details=["incident"])
    every_field(whole["related_incidents"][0]["incident"], FIELDS)
    wrong = await admin.get(f"/incidents/{now}/related_incidents", 400, additional_details=["x"])
    assert wrong["error"]["errors"][0].startswith("additional_details")
    await admin.get("/incidents/QNONE/related_incidents", 404)


async def test_how_usual_an_incident_is(world: World, admin: Client) -> None:
    for n in range(4):
        await breaks(world, "shop", f"cert-{n}", f"Certificate of web{n} expires")
    first = await breaks(world, "shop", "disk-1", "Disk 91 % full on db7")
    await world.advance(hours=1)
    second = await breaks(world, "shop", "disk-2", "Disk 92 % full on db8")

    async def occurrence(id: str, **asked: Any) -> Any:
        found = (await admin.get(f"/incidents/{id}/outlier_incident", **asked))["outlier_incident"]
        assert set(found) == {"incident", "incident_template"}
        assert set(found["incident_template"]) == {"id", "cluster_id", "mined_text"}
        assert set(found["incident"]) == {"id", "created_at", "self", "title", "occurrence"}
        return {**found["incident"]["occurrence"], "text": found["incident_template"]["mined_text"]}

    assert (await occurrence(first))["category"] == "anomaly"
    usual = await occurrence(second)
    assert (usual["count"], usual["frequency"], usual["category"]) == (1, 0.2, "frequent")
    assert usual["text"] == "Disk * % full on *"
    assert (usual["since"], usual["until"]) == (wire(days=-30, hours=1), wire(hours=1))
    late = await occurrence(second, since=wire(minutes=30))
    assert (late["count"], late["category"]) == (0, "anomaly")
    path = f"/incidents/{second}/outlier_incident"
    for since in (wire(days=1), wire(days=-200), "soon"):
        assert code_of(await admin.get(path, 400, since=since)) == 2001
    await admin.get("/incidents/QNONE/outlier_incident", 404)


async def test_who_may_not_see_it_finds_nothing(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Shop"}}))["team"]["id"]
    policy = (await admin.get(f"/services/{world.services['shop'].id}"))["service"]
    id = policy["escalation_policy"]["id"]
    await admin.put(
        f"/escalation_policies/{id}",
        {"escalation_policy": {"teams": [reference("team", team)]}},
    )
    eve = await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{team}/users/{eve.user.id}", {"role": "responder"}, 204)
    now = await breaks(world, "shop", "now", "Checkout database timeouts")
    other = await breaks(world, "mail", "slow", "Timeouts of checkout database")
    client = await person_client(world, "eve")
    assert (await client.get(f"/incidents/{now}/related_incidents"))["related_incidents"] == []
    found = (await admin.get(f"/incidents/{now}/related_incidents"))["related_incidents"]
    assert [one["incident"]["id"] for one in found] == [other]
    for what in ("past_incidents", "related_incidents", "outlier_incident"):
        await client.get(f"/incidents/{other}/{what}", 404)
