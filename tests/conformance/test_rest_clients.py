"""The Python clients people already use, unmodified, against the REST API over loopback."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.certificates import client_context, pem_file
from tests.support.front_door import serving
from tests.support.postgres import START
from tests.support.rest import account_client, reference
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role
from tocsin.core import crypto

pagerduty = pytest.importorskip("pagerduty")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pdpyras = pytest.importorskip("pdpyras")

PEOPLE = 120


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        async with made.database.transaction() as tx:
            for number in range(PEOPLE):
                new = NewUser(name=f"Eve {number:03}", email=f"eve{number:03}@example.com")
                await accounts.create_user(tx, SYSTEM, new, START)
        yield made


@pytest.fixture
async def token(world: World) -> str:
    return (await account_client(world)).token


def story(client: Any, bob: str, refused: type[Exception]) -> str:
    """What both clients do alike; the id of the incident that is left open."""
    assert "teams" in client.rget("abilities")
    team = client.rpost("teams", json={"type": "team", "name": "Core"})
    assert client.rget(f"teams/{team['id']}")["name"] == "Core"
    assert client.find("teams", "core")["id"] == team["id"]
    assert client.find("users", "eve007@example.com", attribute="email")["name"] == "Eve 007"
    assert client.find("users", "nobody at all") is None
    names = [user["name"] for user in client.iter_all("users")]
    assert len(names) == len(set(names)) == PEOPLE + 2
    small = client.iter_all("users", params={"limit": 50, "query": "eve"}, total=True)
    assert len(list(small)) == PEOPLE
    policy = client.rpost(
        "escalation_policies",
        json={
            "name": "Ops",
            "teams": [reference("team", team["id"])],
            "escalation_rules": [
                {"escalation_delay_in_minutes": 5, "targets": [reference("user", bob)]}
            ],
        },
    )
    service = client.persist(
        "services",
        "name",
        {
            "type": "service",
            "name": "Shop",
            "escalation_policy": reference("escalation_policy", policy["id"]),
        },
    )
    again = client.persist(
        "services",
        "name",
        {"name": "Shop", "description": "Sells"},
        update=True,
    )
    assert (again["id"], again["description"]) == (service["id"], "Sells")
    changed = client.rput(service, json={"name": "Store"})
    assert client.rget(changed)["name"] == "Store"
    incident = client.rpost(
        "incidents",
        json={"type": "incident", "title": "Slow", "service": reference("service", service["id"])},
    )
    open_ones = client.list_all("incidents", params={"statuses": ["triggered"]})
    assert [one["id"] for one in open_ones] == [incident["id"]]
    both = client.rput(
        "incidents",
        json=[{"id": incident["id"], "type": "incident_reference", "status": "acknowledged"}],
    )
    assert both[0]["status"] == "acknowledged"
    note = client.rpost(f"incidents/{incident['id']}/notes", json={"content": "Looking"})
    assert note["content"] == "Looking"
    assert len(list(client.iter_all(f"incidents/{incident['id']}/log_entries"))) >= 3
    on_call = client.list_all("oncalls", params={"user_ids": [bob]})
    assert on_call[0]["escalation_policy"]["id"] == policy["id"]
    records = list(client.iter_cursor("audit/records", params={"limit": 10}))
    assert len(records) == len({record["id"] for record in records}) > 120
    assert records[0]["root_resource"]["type"].endswith("_reference")
    with pytest.raises(refused) as missing:
        client.rget("users/PNOBODY")
    assert missing.value.response.status_code == 404  # type: ignore[attr-defined]
    with pytest.raises(refused) as wrong:
        client.rpost("users", json={"name": "No address"})
    assert "email" in wrong.value.response.text  # type: ignore[attr-defined]
    return str(incident["id"])


def of_pdpyras(token: str, url: str) -> Any:
    client = pdpyras.APISession(token, default_from="ann@example.com")
    client.url = url
    return client


def known_as(world: World, url: str) -> None:
    """Clients follow `self`, which must lead to the server that they speak to."""
    world.program.api.deps = msgspec.structs.replace(world.program.api.deps, base_url=url)


async def test_pdpyras(world: World, token: str) -> None:
    bob = world["bob"].user.id
    async with serving(world.program.asgi) as url:
        known_as(world, url)
        client = of_pdpyras(token, url)
        await asyncio.to_thread(story, client, bob, pdpyras.PDClientError)
    await world.settle()


async def test_pagerduty(world: World, token: str, tmp_path: Path) -> None:
    bob = world["bob"].user.id
    trust = client_context("127.0.0.1")
    certificate = pem_file(tmp_path, "127.0.0.1")
    async with serving(world.program.asgi, ssl_certfile=str(certificate)) as url:
        known_as(world, url)
        client = pagerduty.RestApiV2Client(
            token, default_from="ann@example.com", base_url=url, verify=trust
        )
        await asyncio.to_thread(story, client, bob, pagerduty.HttpError)
        with pytest.raises(pagerduty.HttpError) as refused:
            await asyncio.to_thread(client.rget, "users/me")
        assert refused.value.response.status_code == 400
        assert "account-level access token" in refused.value.response.json()["error"]
    await world.settle()


async def test_a_client_that_is_told_to_wait_comes_back(world: World, token: str) -> None:
    limiter = world.program.api.limiter
    key = crypto.hash_key(token).hex()
    while limiter.admit(key, world.clock.steady()).admitted:
        pass
    refused: list[int] = []

    def use(url: str) -> list[str]:
        client = of_pdpyras(token, url)
        client.sleep_timer = 0.1

        def note(response: Any, *rest: Any, **more: Any) -> None:
            refused.append(response.status_code)

        client.hooks["response"].append(note)
        return list(client.rget("abilities"))

    async with serving(world.program.asgi) as url:
        asked = asyncio.create_task(asyncio.to_thread(use, url))
        while 429 not in refused:  # noqa: ASYNC110 - the client lives in a thread
            await asyncio.sleep(0.01)
        await world.advance(minutes=1)
        assert "teams" in await asked
    assert refused[0] == 429
    assert refused[-1] == 200
