"""Odd values in every field and parameter of the REST API: refused or taken, never a failure, and
never with a status that the description does not name."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.rest import Client, account_client, reference
from tests.support.world import World, make_world
from tocsin.accounts.model import Role
from tocsin.rest.everything import OPERATIONS, RESOURCES
from tocsin.rest.limits import RequestLimiter
from tocsin.rest.resource import Operation

VALUES: list[Any] = [
    None,
    "",
    "x",
    "\x00",
    "\ud83d",
    "x" * 5000,
    0,
    -1,
    10**20,
    1.5,
    True,
    [],
    [None],
    ["x"],
    {},
    {"id": None},
    {"id": "PNONE", "type": "x"},
    [{"id": "PNONE"}],
    [{"user": {"id": "\x00"}}],
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
]
TEXTS = (
    "",
    "x",
    "-1",
    "0",
    "\x00",
    "9" * 30,
    "true",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2030-01-01",
    "%",
    "name:sideways",
)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["bob"]])
        await made.service("till", [["bob"]])
        made.program.api.limiter = RequestLimiter(1_000_000)
        await made.trigger("shop", "disk")
        made["bob"].expects_page("disk")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


@pytest.fixture
async def declared(world: World) -> dict[str, Any]:
    found = (await world.http.get("/openapi.json")).json()
    return dict(found["paths"])


def check(answer: Any, operation: Operation, declared: dict[str, Any], sent: Any) -> None:
    statuses = declared[operation.path][operation.method.lower()]["responses"]
    assert str(answer.status_code) in statuses, (operation.id, sent, answer.text)
    assert answer.status_code < 500, (operation.id, sent, answer.text)


async def names(world: World, admin: Client) -> dict[str, str]:
    """Something that is there for each value of an address."""
    user = world["bob"].user.id
    methods = await admin.get(f"/users/{user}/contact_methods")
    service = world.services["shop"]
    shown = await admin.get(f"/services/{service.id}")
    grouped = await admin.post(
        "/alert_grouping_settings",
        {
            "alert_grouping_setting": {
                "type": "time",
                "config": {"timeout": 60},
                "services": [reference("service", service.id)],
            }
        },
    )
    tag = await admin.post("/tags", {"tag": {"label": "odd"}})
    body = {"business_service": {"name": "Odd"}}
    business = await admin.post("/business_services", body, 200)
    return {
        "/tags": tag["tag"]["id"],
        "/business_services": business["business_service"]["id"],
        "/service_dependencies/business_services": business["business_service"]["id"],
        "/service_dependencies/technical_services": service.id,
        "/alert_grouping_settings": grouped["alert_grouping_setting"]["id"],
        "till": world.services["till"].id,
        "user_id": user,
        "entity_type": "users",
        "/{entity_type}": user,
        "service_id": service.id,
        "incident_id": (await world.incident("disk")).id,
        "/users": user,
        "/services": service.id,
        "/escalation_policies": service.escalation_policy_id,
        "/incidents": (await world.incident("disk")).id,
        "/users/{user_id}/contact_methods": methods["contact_methods"][0]["id"],
        "/services/{service_id}/integrations": shown["service"]["integrations"][0]["id"],
    }


def address(operation: Operation, known: dict[str, str]) -> str:
    base = operation.path.rpartition("/{id}")[0] or operation.path
    values = {**known, "id": known.get(base, "PNONE")}
    path = operation.path
    for part in operation.path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, values.get(part[1:-1], "PNONE"))
    return path


def whole_bodies(known: dict[str, str]) -> dict[str, dict[str, Any]]:
    """For each kind a body that is good but for the field that is tried."""
    layer = {
        "rotation_virtual_start": "2030-01-01T00:00:00Z",
        "rotation_turn_length_seconds": 86_400,
        "users": [{"user": {"id": known["user_id"]}}],
    }
    rule = {
        "escalation_delay_in_minutes": 5,
        "targets": [reference("user", known["user_id"])],
    }
    method = known["/users/{user_id}/contact_methods"]
    return {
        "user": {"name": "Eve", "email": "eve@example.com"},
        "team": {"name": "Core"},
        "contact_method": {"type": "mail_contact_method", "address": "bob"},
        "notification_rule": {
            "start_delay_in_minutes": 1,
            "contact_method": {"id": method},
            "urgency": "high",
        },
        "service": {
            "name": "Shop",
            "escalation_policy": {"id": known["/escalation_policies"]},
        },
        "integration": {"type": "events_api_v2_inbound_integration"},
        "escalation_policy": {"name": "Ops", "escalation_rules": [rule]},
        "schedule": {"name": "Days", "time_zone": "Etc/UTC", "schedule_layers": [layer]},
        "alert_grouping_setting": {
            "type": "time",
            "config": {"timeout": 60},
            "services": [{"id": known["till"]}],
        },
        "incident": {"title": "x", "service": {"id": known["service_id"]}},
        "tag": {"label": "core"},
        "oncall_handoff_notification_rule": {
            "handoff_type": "both",
            "notify_advance_in_minutes": 60,
            "contact_method": {"id": method, "type": "email_contact_method"},
        },
        "webhook_subscription": {
            "type": "webhook_subscription",
            "delivery_method": {
                "type": "http_delivery_method",
                "url": "https://hooks.example.com/odd",
            },
            "events": ["incident.triggered"],
            "filter": {"type": "account_reference"},
        },
        "business_service": {"name": "Buying"},
        "maintenance_window": {
            "start_time": "2030-01-01T00:00:00Z",
            "end_time": "2030-01-02T00:00:00Z",
            "services": [{"id": known["service_id"]}],
        },
    }


async def test_odd_parameters(world: World, admin: Client, declared: dict[str, Any]) -> None:
    known = await names(world, admin)
    tried = 0
    for operation in OPERATIONS:
        if operation.method != "GET":
            continue
        path = address(operation, known)
        for param in operation.params:
            for text in TEXTS:
                answer = await admin.ask("GET", path, params={param.wire: text})
                check(answer, operation, declared, (param.wire, text))
                tried += 1
    assert tried > 1000


async def test_odd_fields(world: World, admin: Client, declared: dict[str, Any]) -> None:
    known = await names(world, admin)
    bodies = whole_bodies(known)
    by_kind = {resource.kind: resource for resource in RESOURCES}
    tried = 0
    for operation in OPERATIONS:
        if operation.method not in ("POST", "PUT") or operation.takes is None:
            continue
        path = address(operation, known)
        for name, kind in operation.takes.items():
            sent: list[Any] = [{name: value} for value in VALUES]
            if isinstance(kind, str):
                good = bodies[kind] if operation.method == "POST" else {}
                fields = [f.name for f in by_kind[kind].fields if f.write is not None]
                sent += [{name: {**good, f: value}} for f in fields for value in VALUES]
            for body in sent:
                answer = await admin.ask(operation.method, path, content=json.dumps(body))
                check(answer, operation, declared, body)
                tried += 1
    assert tried > 1000
    for phones in world.channels.values():
        phones.waiting.clear()
