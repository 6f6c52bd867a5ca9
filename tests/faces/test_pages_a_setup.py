"""The first set-up, from an empty server to an acknowledged page, without scripts."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Role
from tocsin.web.setup import hand_off

OWNER = {
    "name": "Ines Carvalho",
    "email": "ines@example.com",
    "password": "correct horse battery",
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made


@pytest.fixture
async def visitor(world: World) -> AsyncIterator[Visitor]:
    found = Visitor(world.http)
    yield found
    await found.close()


async def test_five_steps_to_a_page_that_arrived(world: World, visitor: Visitor) -> None:
    said = words(
        await visitor.post("/app/setup/account", {**OWNER, "password": "short"}, status=422)
    )
    assert "must have at least 10 characters" in said
    assert "Step 2 of 5" in words(await visitor.post("/app/setup/account", OWNER))
    assert "Step 3 of 5" in words(await visitor.post("/app/setup/team", {"name": "Payments"}))
    said = words(await visitor.post("/app/setup/service", {"name": "checkout-api"}))
    assert "Step 4 of 5" in said
    assert "Nothing reaches you yet." in said

    said = words(
        await visitor.post("/app/setup/oncall/method", {"channel": "phone", "address": "Ines"})
    )
    assert "A test is on its way." in said
    await world.settle()
    said = words(await visitor.get("/app/setup/oncall?part=reach", fragment=True))
    assert "The test was taken after 0.0 s." in said
    phone = world.channels["phone"].waiting["Ines"]
    assert phone.pop().kind == "test"

    chosen = {"who": "schedule", "day": "1", "time": "09:00"}
    said = words(await visitor.post("/app/setup/oncall", chosen))
    assert "Step 5 of 5" in said
    assert "Waiting for the first event" in said

    said = words(await visitor.post("/app/setup/key/event"))
    assert "Event accepted" in said
    assert "The engine takes it within a second." in said
    await world.settle()
    said = words(await visitor.get("/app/setup/key?part=road", fragment=True))
    assert "it opened an incident" in said
    assert "delivered after under 1 s" in said
    page = phone.pop()
    assert page.acknowledge_url is not None
    tapped = await world.http.post(
        page.acknowledge_url.removeprefix("http://tocsin.test") + "/acknowledge"
    )
    assert tapped.status_code == 303
    said = words(await visitor.get("/app/setup/key?part=road", fragment=True))
    assert "The whole way works." in said

    assert "The set-up is done." in words(await visitor.post("/app/setup/finish"))
    async with world.database.transaction() as tx:
        assert (await accounts.instance(tx)).setup_completed_at == world.clock.now()


async def test_each_step_is_taken_up_where_it_was_left(world: World, visitor: Visitor) -> None:
    await visitor.post("/app/setup/account", OWNER)
    await visitor.post("/app/setup/team", {"without": "1"})
    await visitor.post("/app/setup/service", {"name": "checkout-api"})
    # Another browser, another day: the same step, and nothing is made twice.
    other = Visitor(world.http)
    response = await other.sign_in("ines@example.com")
    assert response.url.path == "/app/setup/oncall"
    assert "is there already" in words(await other.get("/app/setup/service"))
    await other.post("/app/setup/service", {"name": "checkout-api"})
    async with world.database.transaction() as tx:
        assert await tx.value("select count(*) from services") == 1
        assert await tx.value("select count(*) from escalation_policies") == 1
    await other.close()


async def test_the_owner_is_made_once(world: World, visitor: Visitor) -> None:
    await visitor.post("/app/setup/account", OWNER)
    response = await world.http.post(
        "/app/setup/account", data={**OWNER, "email": "second@example.com"}
    )
    assert response.status_code == 303
    assert response.headers["location"] == "/app/sign-in"
    async with world.database.transaction() as tx:
        assert await tx.value("select count(*) from users") == 1


async def test_the_snippets_hold_the_real_key_and_a_replaced_key_too(
    world: World, visitor: Visitor
) -> None:
    await visitor.post("/app/setup/account", OWNER)
    await visitor.post("/app/setup/team", {"name": "Payments"})
    await visitor.post("/app/setup/service", {"name": "checkout-api"})
    page = await visitor.get("/app/setup/key")
    found = re.search(r"routing_key: ([0-9a-f]{32})", page)
    assert found is not None
    assert f"credentials: {found[1]}" in page
    assert "url: http://tocsin.test/v2/enqueue" in page
    assert "url: http://tocsin.test/alertmanager" in page
    response = await world.http.post(
        "/v2/enqueue",
        json={
            "routing_key": found[1],
            "event_action": "trigger",
            "payload": {"summary": "hello", "source": "x", "severity": "critical"},
        },
    )
    assert response.status_code == 202


async def test_wrong_values_show_the_step_again(world: World, visitor: Visitor) -> None:
    await visitor.post("/app/setup/account", OWNER)
    assert "Name of the team" in words(await visitor.post("/app/setup/team", {}, status=422))
    await visitor.post("/app/setup/team", {"name": "Payments"})
    await visitor.post("/app/setup/service", {"name": ""}, status=422)
    await visitor.post("/app/setup/service", {"name": "api"})
    await visitor.post("/app/setup/oncall/method", {"channel": "carrier pigeon"}, status=422)
    said = words(
        await visitor.post(
            "/app/setup/oncall", {"who": "schedule", "day": "9", "time": "09:00"}, status=422
        )
    )
    assert "Must be from 1 to 7" in said


async def test_only_who_manages_the_server_sets_it_up(world: World, visitor: Visitor) -> None:
    await world.person("ann")
    await world.person("bob", role=Role.MANAGER)
    async with world.database.transaction() as tx:
        from tests.support.world import PASSWORD
        from tocsin.accounts.model import SYSTEM

        await accounts.set_password(tx, SYSTEM, world["bob"].user.id, PASSWORD, world.clock.now())
    await visitor.sign_in("bob@example.com")
    for step in ("team", "service", "oncall", "key"):
        await visitor.get(f"/app/setup/{step}", status=403)
    await visitor.post("/app/setup/key/event", status=403)


@pytest.mark.parametrize(
    ("now", "weekday", "expected"),
    [
        ("2026-03-02T10:00", 1, "2026-03-02T09:00"),
        ("2026-03-02T08:00", 1, "2026-02-23T09:00"),
        ("2026-03-02T10:00", 7, "2026-03-01T09:00"),
        ("2026-03-02T09:00", 1, "2026-03-02T09:00"),
    ],
)
def test_the_first_turn_began_at_the_last_hand_off(now: str, weekday: int, expected: str) -> None:
    at = datetime.fromisoformat(now)
    today = at.replace(hour=9, minute=0)
    assert hand_off(at, weekday, today) == datetime.fromisoformat(expected)
