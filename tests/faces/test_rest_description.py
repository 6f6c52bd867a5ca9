"""The description of the API: complete, in step with the answers, and loading nothing."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.rest import BASE, Client, account_client, code_of
from tests.support.world import World, make_world
from tocsin.accounts.model import Role
from tocsin.rest.everything import OPERATIONS, RESOURCES
from tocsin.web.all_pages import PAGES


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


def refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        inner = [ref for one in value.values() for ref in refs(one)]
        return [*inner, value["$ref"]] if isinstance(value.get("$ref"), str) else inner
    if isinstance(value, list):
        return [ref for one in value for ref in refs(one)]
    return []


async def test_the_description_has_every_operation(world: World) -> None:
    answer = await world.http.get("/openapi.json")
    assert answer.status_code == 200
    found = answer.json()
    assert found["openapi"] == "3.1.0"
    described = {
        (method.upper(), path) for path, methods in found["paths"].items() for method in methods
    }
    assert described == {(one.method, one.path) for one in OPERATIONS}
    ids = [one["operationId"] for path in found["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    known = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert set(refs(found)) <= known


async def test_what_is_answered_is_what_is_described(world: World, admin: Client) -> None:
    """Every list that holds something: its items have exactly the fields described."""
    await world.service("shop", [["bob"]])
    await world.trigger("shop", "disk")
    world["bob"].expects_page("disk")
    await admin.post("/teams", {"team": {"name": "Core"}})
    found = (await world.http.get("/openapi.json")).json()
    schemas = found["components"]["schemas"]
    checked = 0
    for resource in RESOURCES:
        if resource.list is None or "{" in resource.path:
            continue
        items = (await admin.get(resource.path))[resource.plural]
        title = "".join(part.title() for part in resource.kind.split("_"))
        for item in items:
            assert set(item) == set(schemas[title]["required"]), resource.kind
            checked += 1
    assert checked >= 15


async def test_the_page_loads_nothing_from_elsewhere(world: World) -> None:
    answer = await world.http.get("/api")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    for operation in OPERATIONS:
        assert f"{operation.method} {operation.path}" in answer.text
    assert re.findall(r"<(script|link|img|iframe)\b", answer.text) == []
    assert re.findall(r'href="([^"]*)"', answer.text) == ["/openapi.json"]


def test_the_reference_page_lists_what_is_served() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "rest-api.md").read_text()
    rows = {line for line in page.splitlines() if line.startswith("| `")}
    assert rows == {
        f"| `{one.method} {one.path}` | {one.summary} |"
        f" {'/'.join(str(status) for status in (one.ok, *one.also_ok))} |"
        for one in OPERATIONS
    }


async def test_audit_records(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    await admin.put(f"/teams/{team['id']}", {"team": {"name": "Kernel"}})
    found = await admin.get("/audit/records", limit=1)
    assert set(found) == {"records", "next_cursor", "limit"}
    (record,) = found["records"]
    assert set(record) == {
        "id",
        "type",
        "self",
        "execution_time",
        "execution_context",
        "actors",
        "method",
        "root_resource",
        "action",
        "details",
    }
    assert (record["action"], record["root_resource"]["id"]) == ("update", team["id"])
    assert record["actors"][0]["summary"] == "ann"
    assert record["method"]["type"] == "api_token"
    assert {"name": "name", "before_value": "Core", "value": "Kernel"} in (
        record["details"]["fields"]
    )
    second = await admin.get("/audit/records", limit=1, cursor=found["next_cursor"])
    assert second["records"][0]["action"] == "create"
    own = await admin.get(f"/teams/{team['id']}/audit/records")
    assert [one["action"] for one in own["records"]] == ["update", "create"]
    assert own["next_cursor"] is None
    await world.advance(days=2)
    assert (await admin.get("/audit/records"))["records"] == []
    assert len((await admin.get("/audit/records", since=START.isoformat()))["records"]) > 2
    assert code_of(await admin.get("/audit/records", 400, cursor="x")) == 2001
    manager = await account_client(world, "user")
    assert code_of(await manager.get("/audit/records", 403)) == 2010


async def test_the_page_of_everything_is_a_page(world: World, admin: Client) -> None:
    """What `html_url` says is an address of the pages."""
    await world.service("shop", [["bob"]])
    await world.trigger("shop", "disk")
    world["bob"].expects_page("disk")
    await admin.post("/teams", {"team": {"name": "Core"}})
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", page.path) + r"\Z") for page in PAGES]
    found = 0
    for resource in RESOURCES:
        if resource.list is None or "{" in resource.path:
            continue
        for item in (await admin.get(resource.path))[resource.plural]:
            if item["html_url"] is not None:
                path = item["html_url"].removeprefix(BASE)
                assert any(pattern.match(path) for pattern in patterns), path
                found += 1
    assert found >= 6
