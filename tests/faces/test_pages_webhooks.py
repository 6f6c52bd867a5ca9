"""The webhook pages: make one, see what it was sent, ping it, rotate its secret, enable it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.fake_providers import FakeHttp, Status
from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.webhooks import signature
from tests.support.world import PASSWORD, World, make_world
from tocsin.accounts.model import SYSTEM
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import Subscription

SECRET = re.compile(r"\b[A-Za-z0-9_-]{64}\b")
EVENTS = ["incident.triggered", "incident.resolved"]


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    """The owner, on call for checkout."""
    await world.person("ann")
    await world.service("checkout", [["ann"]])
    world.clock.advance(timedelta(seconds=1))
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


@pytest.fixture
async def receiver() -> AsyncIterator[FakeHttp]:
    async with FakeHttp("webhook") as http:
        yield http


def form(receiver: FakeHttp, **more: object) -> dict[str, object]:
    return {
        "url": f"{receiver.url}/in",
        "description": "Chat room",
        "listens": "account",
        "events": EVENTS,
        "headers": "X-Team: core",
        "active": "1",
        **more,
    }


async def only(world: World) -> Subscription:
    async with world.database.transaction() as tx:
        (one,) = await webhooks.list_subscriptions(tx, SYSTEM)
    return one


async def test_one_is_made_and_its_secret_is_shown_once(
    world: World, ann: Visitor, receiver: FakeHttp
) -> None:
    assert "No webhook yet" in words(await ann.get("/app/webhooks"))
    page = await ann.get("/app/webhooks/new")
    for event in EVENTS:
        assert f'value="{event}"' in page
    assert "Service: checkout" in page
    made = await ann.post("/app/webhooks/new", form(receiver))
    assert "shown this one time" in words(made)
    secret = SECRET.search(words(made))
    assert secret
    one = await only(world)
    again = await ann.get(f"/app/webhooks/{one.id}")
    assert secret[0] not in again
    assert f"{receiver.url}/in" in again
    assert "core" not in again
    assert "X-Team: &lt;redacted&gt;" in again
    await world.trigger("checkout", "db-down")
    (request,) = receiver.requests
    assert request.headers["x-pagerduty-signature"] == signature(secret[0], request.body)
    seen = words(await ann.get(f"/app/webhooks/{one.id}"))
    assert "incident.triggered its incident" in seen
    assert "delivered" in seen
    assert "db-down" in seen
    listed = words(await ann.get("/app/webhooks"))
    assert "Active Chat room http://127.0.0.1" in listed
    assert f"{receiver.url}/in" not in listed


async def test_the_form_names_what_is_wrong(ann: Visitor, receiver: FakeHttp) -> None:
    wrong = [
        ({"url": "ftp://a.example"}, "http"),
        ({"events": []}, "name at least one event type"),
        ({"listens": "nothing"}, "choose what to listen to"),
        ({"headers": "no colon"}, "is not of the form Name: value"),
    ]
    for change, said in wrong:
        page = await ann.post("/app/webhooks/new", form(receiver, **change), status=422)
        assert said in words(page)
        assert "Chat room" in page
    await ann.get("/app/webhooks/PNOWHERE", status=404)


async def test_it_is_changed_switched_off_and_deleted(
    world: World, ann: Visitor, receiver: FakeHttp
) -> None:
    await ann.post("/app/webhooks/new", form(receiver))
    one = await only(world)
    at = f"/app/webhooks/{one.id}"
    page = await ann.post(at, form(receiver, description="", active="", headers=""))
    assert "Switched off" in words(page)
    changed = await only(world)
    assert (changed.description, changed.active, changed.header_names) == (None, False, [])
    assert "Off" in words(await ann.get("/app/webhooks"))
    wrong = await ann.post(at, form(receiver, url="nonsense"), status=422)
    assert 'value="nonsense"' in wrong
    assert "deleted" in words(await ann.post(f"{at}/delete"))
    await ann.get(at, status=404)


async def test_a_ping_is_sent_and_seen(world: World, ann: Visitor, receiver: FakeHttp) -> None:
    await ann.post("/app/webhooks/new", form(receiver))
    at = f"/app/webhooks/{(await only(world)).id}"
    assert "A ping is on its way" in words(await ann.post(f"{at}/ping"))
    receiver.script(Status(404, body=b"no such hook"))
    await world.settle()
    seen = words(await ann.get(at))
    assert "pagey.ping" in seen
    assert "answered 404: no such hook" in seen
    for _ in range(9):
        await ann.post(f"{at}/ping")
    assert "wait a moment" in words(await ann.post(f"{at}/ping", status=409))


async def test_a_secret_is_rotated(world: World, ann: Visitor, receiver: FakeHttp) -> None:
    first = SECRET.search(words(await ann.post("/app/webhooks/new", form(receiver))))
    one = await only(world)
    at = f"/app/webhooks/{one.id}"
    assert f"{at}/secrets/" not in await ann.get(at)
    second = SECRET.search(words(await ann.post(f"{at}/secrets")))
    assert first
    assert second
    await world.trigger("checkout", "a")
    async with world.database.transaction() as tx:
        old = (await webhooks.secrets(tx, one))[1]
    await ann.post(f"{at}/secrets/{old.id}/remove")
    await world.trigger("checkout", "b")
    given = [request.headers["x-pagerduty-signature"] for request in receiver.requests]
    bodies = [request.body for request in receiver.requests]
    assert given == [
        f"{signature(second[0], bodies[0])},{signature(first[0], bodies[0])}",
        signature(second[0], bodies[1]),
    ]
    async with world.database.transaction() as tx:
        (last,) = await webhooks.secrets(tx, one)
    page = await ann.post(f"{at}/secrets/{last.id}/remove", status=409)
    assert "it is the only secret" in words(page)


async def test_one_that_is_disabled_is_named_on_the_health_page_and_enabled(
    world: World, ann: Visitor, receiver: FakeHttp
) -> None:
    await ann.post("/app/webhooks/new", form(receiver))
    at = f"/app/webhooks/{(await only(world)).id}"
    assert "Webhooks that are disabled" not in words(await ann.get("/app/health"))
    receiver.always = Status(410)
    await world.trigger("checkout", "a")
    health = words(await ann.get("/app/health"))
    assert "Webhooks that are disabled 1 webhook Chat room" in health
    assert "it answered 410 Gone; until somebody enables it" in health
    assert "All is well." not in health
    seen = words(await ann.get(at))
    assert "Disabled since" in seen
    assert "what happens meanwhile is not told" in seen
    receiver.always = None
    assert "Events are sent again" in words(await ann.post(f"{at}/enable"))
    assert "Webhooks that are disabled" not in words(await ann.get("/app/health"))


async def test_who_only_looks_sees_no_address_and_no_buttons(
    world: World, ann: Visitor, receiver: FakeHttp
) -> None:
    await ann.post("/app/webhooks/new", form(receiver))
    at = f"/app/webhooks/{(await only(world)).id}"
    new = {"name": "Ben", "email": "ben@example.com", "role": "observer", "time_zone": "Etc/UTC"}
    await ann.post("/app/people/new", {**new, "password": PASSWORD})
    ben = Visitor(world.http)
    await ben.sign_in("ben@example.com")
    page = await ben.get(at)
    assert f"{receiver.url}/in" not in page
    assert "Secrets" not in words(page)
    assert f'action="{at}' not in page
    assert "New webhook" not in await ben.get("/app/webhooks")
    await ben.get("/app/webhooks/new", status=403)
    await ben.close()
