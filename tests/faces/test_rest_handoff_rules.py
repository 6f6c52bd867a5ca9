"""Hand-off notification rules over the REST API: every field, every refusal, and what they do."""

from collections.abc import AsyncIterator
from datetime import timedelta
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
from tocsin.schedules.drafts import LayerDraft

FIELDS = "notify_advance_in_minutes handoff_type contact_method"
KIND = "oncall_handoff_notification_rule"


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def path_and_phone(world: World, client: Client) -> tuple[str, str]:
    user = f"/users/{world['bob'].user.id}"
    phone = (await client.get(f"{user}/contact_methods"))["contact_methods"][0]
    return f"{user}/{KIND}s", phone["id"]


def wanted(phone: str, **more: Any) -> dict[str, Any]:
    rule = {
        "type": KIND,
        "notify_advance_in_minutes": 120,
        "handoff_type": "both",
        "contact_method": {"id": phone, "type": "phone_contact_method"},
        **more,
    }
    return {KIND: rule}


async def test_a_rule_from_first_to_last(world: World, admin: Client) -> None:
    path, phone = await path_and_phone(world, admin)
    assert await admin.get(path) == {f"{KIND}s": []}
    made = await admin.post(path, wanted(phone))
    rule = made[KIND]
    every_field(rule, FIELDS)
    assert rule["type"] == KIND
    assert rule["self"] == f"{BASE}{path}/{rule['id']}"
    assert (rule["notify_advance_in_minutes"], rule["handoff_type"]) == (120, "both")
    assert rule["contact_method"]["type"] == "phone_contact_method_reference"
    assert await admin.get(f"{path}/{rule['id']}") == made
    (shown,) = (await admin.get(path, include=["contact_methods"]))[f"{KIND}s"]
    assert shown["contact_method"]["address"] == "bob"
    changed = await admin.put(f"{path}/{rule['id']}", {KIND: {"handoff_type": "oncall"}})
    assert (changed[KIND]["handoff_type"], changed[KIND]["notify_advance_in_minutes"]) == (
        "oncall",
        120,
    )
    audit = await admin.get("/audit/records")
    assert [one["root_resource"]["id"] for one in audit["records"]][:2] == [rule["id"]] * 2
    await admin.delete(f"{path}/{rule['id']}")
    await admin.get(f"{path}/{rule['id']}", 404)
    await admin.delete(f"{path}/{rule['id']}", 404)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"notify_advance_in_minutes": -1}, "notify_advance_in_minutes"),
        ({"notify_advance_in_minutes": 10_081}, "notify_advance_in_minutes"),
        ({"handoff_type": "sideways"}, "handoff_type"),
        ({"contact_method": reference("contact_method", "PNONE")}, "contact_method"),
        ({"contact_method": None}, "contact_method"),
    ],
)
async def test_what_is_wrong_is_named(
    world: World, admin: Client, wrong: dict[str, Any], named: str
) -> None:
    path, phone = await path_and_phone(world, admin)
    refused = await admin.post(path, wanted(phone, **wrong), 400)
    assert code_of(refused) == 2001
    assert named in refused["error"]["errors"][0]
    assert (await admin.get(path))[f"{KIND}s"] == []


async def test_who_may(world: World, admin: Client) -> None:
    path, phone = await path_and_phone(world, admin)
    bob = await person_client(world, "bob")
    rule = (await bob.post(path, wanted(phone)))[KIND]
    assert (await admin.post(path, wanted(phone), 400))["error"]["message"]
    await world.person("cleo")
    cleo = await person_client(world, "cleo")
    assert len((await cleo.get(path))[f"{KIND}s"]) == 1
    assert code_of(await cleo.post(path, wanted(phone, handoff_type="oncall"), 403)) == 2010
    await cleo.put(f"{path}/{rule['id']}", {KIND: {"handoff_type": "oncall"}}, 403)
    await cleo.delete(f"{path}/{rule['id']}", 403)
    # A rule is found below its own person alone.
    own = f"/users/{world['cleo'].user.id}/{KIND}s/{rule['id']}"
    await cleo.get(own, 404)
    await cleo.delete(own, 404)
    looking = await person_client(world, "bob", read_only=True)
    await looking.get(f"{path}/{rule['id']}")
    await looking.delete(f"{path}/{rule['id']}", 403)


async def test_it_tells(world: World, admin: Client) -> None:
    path, phone = await path_and_phone(world, admin)
    begins = world.clock.now() + timedelta(hours=3)
    layer = LayerDraft(
        rotation_virtual_start=begins,
        rotation_turn_length_seconds=604_800,
        members=(world["ann"].user.id, world["bob"].user.id),
    )
    schedule = await world.schedule("nights", "Etc/UTC", [layer])
    await world.service("shop", [[schedule]])
    await admin.post(path, wanted(phone))
    world.clock.move_to(begins - timedelta(hours=2))
    await world.settle()
    messages = world["bob"].shown()
    assert [message.reason.partition(" from")[0] for message in messages] == [
        "Your turn on call for nights ends Mon 2 Mar 12:00; ann is next (Etc/UTC)"
    ]
    assert messages[0].incident_url == f"{BASE}/app/schedules/{schedule}"
    messages.clear()
