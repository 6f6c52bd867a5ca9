"""Webhook subscriptions and extension schemas over the REST API, and what is sent then."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_providers import FakeHttp, Status
from tests.support.postgres import START
from tests.support.rest import (
    BASE,
    Client,
    account_client,
    code_of,
    every_field,
    person_client,
)
from tests.support.webhooks import signature
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.model import SYSTEM, Member, Role, TeamRole
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import Conference, Priority
from tocsin.webhooks.events import TYPES

FIELDS = "active delivery_method description events filter oauth_client"
METHOD_FIELDS = {"id", "type", "url", "secret", "temporarily_disabled", "custom_headers"}
SCHEMA_FIELDS = "key label description send_types icon_url logo_url guide_url url"
PATH = "/webhook_subscriptions"
ACCOUNT = {"type": "account_reference"}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["ann"]])
        made.clock.advance(timedelta(seconds=1))
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


@pytest.fixture
async def receiver() -> AsyncIterator[FakeHttp]:
    async with FakeHttp("webhook") as http:
        yield http


def wanted(url: str = "https://hooks.example.com/in?token=s3cret", **more: Any) -> dict[str, Any]:
    return {
        "webhook_subscription": {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": url},
            "events": ["incident.triggered", "incident.resolved"],
            "filter": ACCOUNT,
            **more,
        }
    }


async def make(client: Client, url: str | None = None, **more: Any) -> dict[str, Any]:
    body = wanted(**more) if url is None else wanted(url, **more)
    return dict((await client.post(PATH, body, 200))["webhook_subscription"])


async def test_a_subscription_from_first_to_last(world: World, admin: Client) -> None:
    service = world.services["shop"]
    made = await make(
        admin,
        description="Shop events",
        filter={"id": service.id, "type": "service_reference"},
        delivery_method={
            "type": "http_delivery_method",
            "url": "https://hooks.example.com/in",
            "custom_headers": [{"name": "X-Team", "value": "core"}],
        },
    )
    every_field(made, FIELDS)
    path = f"{PATH}/{made['id']}"
    assert made["type"] == "webhook_subscription"
    assert made["summary"] == made["description"] == "Shop events"
    assert made["self"] == BASE + path
    assert made["html_url"] == f"{BASE}/app/webhooks/{made['id']}"
    assert made["active"] is True
    assert made["oauth_client"] is None
    assert made["events"] == ["incident.resolved", "incident.triggered"]
    assert made["filter"] == {"id": service.id, "type": "service_reference"}
    method = made["delivery_method"]
    assert set(method) == METHOD_FIELDS
    assert len(method.pop("secret")) == 64
    shown = {
        "id": made["id"],
        "type": "http_delivery_method",
        "url": "https://hooks.example.com/in",
        "temporarily_disabled": False,
        "custom_headers": [{"name": "X-Team", "value": "<redacted>"}],
    }
    assert method == shown
    read = (await admin.get(path))["webhook_subscription"]
    assert read == {**made, "delivery_method": {**shown, "secret": None}}
    # What is sent back as it was read changes nothing.
    same = await admin.put(path, {"webhook_subscription": read})
    assert same["webhook_subscription"] == read
    change = {"description": None, "events": ["service.created"], "active": False}
    partial = await admin.put(path, {"webhook_subscription": change})
    assert partial["webhook_subscription"] == {
        **read,
        **change,
        "summary": "https://hooks.example.com/…",
    }
    moved = {"delivery_method": {"url": "https://other.example.com/"}, "filter": ACCOUNT}
    found = (await admin.put(path, {"webhook_subscription": moved}))["webhook_subscription"]
    assert found["delivery_method"]["url"] == "https://other.example.com/"
    assert found["delivery_method"]["custom_headers"] == shown["custom_headers"]
    assert found["filter"] == {"id": None, "type": "account_reference"}
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 5001
    for act in ("enable", "ping"):
        assert code_of(await admin.post(f"{path}/{act}", {}, 404)) == 5001
    async with world.database.transaction() as tx:
        rows = (await audit.page(tx, SYSTEM, subject_type="webhook_subscription")).items
    assert [row.action for row in rows] == ["delete", "update", "update", "create"]
    assert {row.actor_id for row in rows} == {world["ann"].user.id}
    kept = repr(rows)
    for secret in ("example.com/in", "core", "s3cret"):
        assert secret not in kept


async def test_subscriptions_are_found(world: World, admin: Client) -> None:
    shop = {"id": world.services["shop"].id, "type": "service_reference"}
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    core = {"id": team["id"], "type": "team_reference"}
    ids = [(await make(admin, filter=one))["id"] for one in (ACCOUNT, shop, core, shop)]

    async def found(**asked: Any) -> list[str]:
        return [one["id"] for one in (await admin.get(PATH, **asked))["webhook_subscriptions"]]

    assert await found() == ids
    assert await found(filter_type="account_reference") == [ids[0]]
    assert await found(filter_type="service") == [ids[1], ids[3]]
    assert await found(filter_id=team["id"]) == [ids[2]]
    assert await found(filter_type="team", filter_id=shop["id"]) == []
    body = await admin.get(PATH, limit=2, offset=1, total="true")
    assert [one["id"] for one in body.pop("webhook_subscriptions")] == ids[1:3]
    assert body == {"limit": 2, "offset": 1, "total": 4, "more": True}
    assert (await admin.get(PATH, limit=2, offset=2))["more"] is False
    for one in (await admin.get(PATH))["webhook_subscriptions"]:
        every_field(one, FIELDS)
        assert one["delivery_method"]["secret"] is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"events": []}, "events"),
        ({"events": ["incident.exploded"]}, "events"),
        ({"events": ["incident.workflow.started"]}, "events"),
        ({"events": None}, "events"),
        ({"filter": None}, "filter"),
        ({"filter": {"type": "user_reference", "id": "P1"}}, "filter.type"),
        ({"filter": {"type": "service_reference"}}, "filter"),
        ({"filter": {"type": "service_reference", "id": "PNOWHERE"}}, "filter"),
        ({"filter": {"type": "team_reference", "id": "PNOWHERE"}}, "filter"),
        ({"delivery_method": {"type": "http_delivery_method"}}, "delivery_method.url"),
        ({"delivery_method": {"type": "carrier_pigeon", "url": "https://a.example"}}, "type"),
        ({"delivery_method": {"url": "ftp://a.example"}}, "url"),
        ({"delivery_method": {"url": "https://user:pass@a.example/"}}, "url"),
        ({"delivery_method": {"url": "https://127.0.0.1:22/"}}, "url"),
        ({"description": "x" * 1025}, "description"),
        ({"oauth_client": {"id": "P1", "type": "oauth_client_reference"}}, "oauth_client"),
    ],
)
async def test_a_wrong_value_is_named(admin: Client, change: dict[str, Any], named: str) -> None:
    body = await admin.post(PATH, wanted(**change), 400)
    assert code_of(body) == 2001
    assert any(named in error for error in body["error"]["errors"]), body


@pytest.mark.parametrize(
    "headers",
    [
        [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}],
        [{"name": "X A", "value": "1"}],
        [{"name": "X-A", "value": "line\nbreak"}],
        [{"name": "Host", "value": "elsewhere"}],
        [{"name": "X-PagerDuty-Signature", "value": "v1=1"}],
        [{"name": "X-A", "value": "<redacted>"}],
        [{"name": f"X-{n}", "value": "1"} for n in range(11)],
    ],
)
async def test_a_wrong_header_is_refused(admin: Client, headers: list[dict[str, str]]) -> None:
    method = {"url": "https://hooks.example.com/in", "custom_headers": headers}
    body = await admin.post(PATH, wanted(delivery_method=method), 400)
    assert any("custom_headers" in error for error in body["error"]["errors"]), body


async def test_who_may_do_what(world: World, admin: Client) -> None:
    """Administrators the account's, managers a service's or a team's; others see no secret."""
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    policy = f"/escalation_policies/{world.services['shop'].escalation_policy_id}"
    teams = {"teams": [{"id": team["id"], "type": "team_reference"}]}
    await admin.put(policy, {"escalation_policy": teams})
    async with world.database.transaction() as tx:
        bob = world["bob"].user.id
        member = Member(team_id=team["id"], user_id=bob, role=TeamRole.MANAGER)
        await accounts.set_member(tx, SYSTEM, member, world.clock.now())
    manager, observer = await person_client(world, "bob"), await account_client(world, "observer")
    shop = {"id": world.services["shop"].id, "type": "service_reference"}
    core = {"id": team["id"], "type": "team_reference"}
    whole = await make(admin)
    assert code_of(await manager.post(PATH, wanted(), 403)) == 2010
    for one in (shop, core):
        assert (await make(manager, filter=one))["delivery_method"]["url"].endswith("s3cret")
        assert code_of(await observer.post(PATH, wanted(filter=one), 403)) == 2010
    listed = (await observer.get(PATH))["webhook_subscriptions"]
    assert len(listed) == 3
    for one in listed:
        assert one["delivery_method"]["url"] == "https://hooks.example.com/…"
        path = f"{PATH}/{one['id']}"
        await observer.put(path, {"webhook_subscription": {"active": False}}, 403)
        await observer.delete(path, 403)
        for act in ("enable", "ping"):
            await observer.post(f"{path}/{act}", {}, 403)
    path = f"{PATH}/{whole['id']}"
    await manager.delete(path, 403)
    # Nobody widens their own: the new filter is asked for as if it were made.
    own = [one["id"] for one in listed if one["filter"]["type"] != "account_reference"]
    await manager.put(f"{PATH}/{own[0]}", {"webhook_subscription": {"filter": ACCOUNT}}, 403)
    read_only = await account_client(world, read_only=True)
    assert (await read_only.get(path))["webhook_subscription"]["delivery_method"]["url"].endswith(
        "…"
    )
    assert code_of(await read_only.post(PATH, wanted(), 403)) == 2010
    await read_only.delete(path, 403)
    for act in ("enable", "ping"):
        await read_only.post(f"{path}/{act}", {}, 403)


async def test_what_is_sent_names_things_as_the_api_does(
    world: World, admin: Client, receiver: FakeHttp
) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    shop = world.services["shop"]
    teams = {"teams": [{"id": team["id"], "type": "team_reference"}]}
    policy = f"/escalation_policies/{shop.escalation_policy_id}"
    await admin.put(policy, {"escalation_policy": teams})
    made = await make(admin, f"{receiver.url}/in", events=list(TYPES))
    secret = made["delivery_method"]["secret"]
    await world.trigger("shop", "db-down")
    id = (await world.incident("db-down")).id
    async with world.database.transaction() as tx:
        now = world.clock.now()
        await incidents.set_priority(tx, world["ann"].actor, [id], Priority.P1, now)
        bridge = Conference(number="+1 555", url="https://meet.example.com/1")
        await incidents.set_conference(tx, world["ann"].actor, [id], bridge, now)
    await world.settle()
    incident = (await admin.get(f"/incidents/{id}"))["incident"]
    triggered, priority, conference = [request.json["event"] for request in receiver.requests]
    for request in receiver.requests:
        assert request.headers["x-pagerduty-signature"] == signature(secret, request.body)
    assert set(triggered) == {
        "id",
        "event_type",
        "resource_type",
        "occurred_at",
        "agent",
        "client",
        "data",
    }
    assert triggered["event_type"] == "incident.triggered"
    assert triggered["resource_type"] == "incident"
    assert triggered["occurred_at"] == "2026-03-02T09:00:01.000Z"
    entries = (await admin.get(f"/incidents/{id}/log_entries"))["log_entries"]
    assert triggered["agent"] == entries[-1]["agent"]
    assert triggered["client"] is None
    data = triggered["data"]
    alike = "id self html_url created_at title service escalation_policy teams urgency incident_key"
    for name in alike.split():
        assert data[name] == incident[name], name
    assert data["type"] == "incident"
    assert data["number"] == incident["incident_number"]
    assert data["status"] == "triggered"
    assert data["assignees"] == [one["assignee"] for one in incident["assignments"]]
    assert data["teams"][0]["id"] == team["id"]
    assert (data["priority"], data["conference_bridge"], data["resolve_reason"]) == (None,) * 3
    assert data["reopened_at"] is None
    assert priority["event_type"] == "incident.priority_updated"
    shown = priority["data"]["priority"]
    listed = (await admin.get("/priorities"))["priorities"][0]
    assert (shown["id"], shown["summary"], shown["self"]) == (
        listed["id"],
        listed["summary"],
        listed["self"],
    )
    assert shown["type"] == "priority_reference"
    assert priority["agent"] == entries[0]["agent"]
    assert priority["client"] == {"name": "Tocsin"}
    assert conference["event_type"] == "incident.conference_bridge.updated"
    assert conference["data"] == {
        "incident": {
            "id": id,
            "type": "incident_reference",
            "summary": incident["summary"],
            "self": incident["self"],
            "html_url": incident["html_url"],
        },
        "conference_numbers": [{"label": None, "number": "+1 555"}],
        "conference_url": "https://meet.example.com/1",
        "type": "incident_conference_bridge",
    }


async def test_a_disabled_subscription_says_so_and_is_enabled(
    world: World, admin: Client, receiver: FakeHttp
) -> None:
    made = await make(admin, f"{receiver.url}/in")
    path = f"{PATH}/{made['id']}"
    receiver.always = Status(410)
    await world.trigger("shop", "a")
    read = (await admin.get(path))["webhook_subscription"]
    assert read["delivery_method"]["temporarily_disabled"] is True
    assert read["active"] is True
    receiver.always = None
    enabled = (await admin.post(f"{path}/enable", {}, 200))["webhook_subscription"]
    every_field(enabled, FIELDS)
    assert enabled["delivery_method"]["temporarily_disabled"] is False
    world.clock.advance(timedelta(seconds=1))
    await world.trigger("shop", "b")
    assert [request.json["event"]["data"]["title"] for request in receiver.requests] == ["a", "b"]


async def test_a_ping_is_sent(world: World, admin: Client, receiver: FakeHttp) -> None:
    made = await make(admin, f"{receiver.url}/in")
    answer = await admin.ask("POST", f"{PATH}/{made['id']}/ping")
    assert (answer.status_code, answer.content) == (202, b"")
    await world.settle()
    (request,) = receiver.requests
    event = request.json["event"]
    assert event["event_type"] == "pagey.ping"
    assert event["agent"]["summary"] == "ann"
    assert event["agent"]["self"] == f"{BASE}/users/{world['ann'].user.id}"


async def test_extension_schemas_are_listed_and_read(admin: Client) -> None:
    body = await admin.get("/extension_schemas", total="true")
    (schema,) = body.pop("extension_schemas")
    assert body == {"limit": 25, "offset": 0, "total": 1, "more": False}
    every_field(schema, SCHEMA_FIELDS)
    assert schema["type"] == "extension_schema"
    assert schema["self"] == f"{BASE}/extension_schemas/{schema['id']}"
    assert (await admin.get(f"/extension_schemas/{schema['id']}"))["extension_schema"] == schema
    assert code_of(await admin.get("/extension_schemas/PNOWHERE", 404)) == 2100
    assert (await admin.get("/extension_schemas", offset=1))["extension_schemas"] == []
