"""Responder requests over the REST API: who is asked is really paged, and the answer shows."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import START
from tests.support.rest import Client, account_client, code_of, person_client
from tests.support.world import World, make_world
from tocsin.accounts.model import Role
from tocsin.incidents import actions as incidents

REQUEST_FIELDS = {"incident", "requester", "requested_at", "message", "responder_request_targets"}
PERSON_FIELDS = {
    "state",
    "user",
    "incident",
    "updated_at",
    "message",
    "requester",
    "requested_at",
}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.person("cid")
        await made.service("shop", [["ann"]], acknowledgement_timeout=None)
        await made.service("database", [["cid"], ["bob"]])
        await made.trigger("shop", "slow")
        made["ann"].expects_page("slow")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def path(world: World, rest: str = "") -> str:
    return f"/incidents/{(await world.incident('slow')).id}{rest}"


def target(kind: str, id: str) -> dict[str, Any]:
    return {"responder_request_target": {"id": id, "type": f"{kind}_reference"}}


def asking(world: World, *targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "requester_id": world["ann"].user.id,
        "message": "Is it the cache?",
        "responder_request_targets": list(targets),
        **more,
    }


async def test_a_person_is_asked_paged_and_joins(world: World, admin: Client) -> None:
    bob = world["bob"].user
    body = await admin.post(
        await path(world, "/responder_requests"), asking(world, target("user", bob.id)), 200
    )
    found = body["responder_request"]
    assert set(found) == REQUEST_FIELDS
    assert found["incident"]["type"] == "incident_reference"
    assert found["requester"]["id"] == world["ann"].user.id
    assert found["message"] == "Is it the cache?"
    assert found["requested_at"].startswith("2026-03-02T09:00")
    (wrapped,) = found["responder_request_targets"]
    shown = wrapped["responder_request_target"]
    assert (shown["id"], shown["type"], shown["summary"]) == (bob.id, "user", "bob")
    (person,) = shown["incidents_responders"]
    assert set(person) == PERSON_FIELDS
    assert person["state"] == "pending"
    assert person["user"]["type"] == "user_reference"

    await world.settle()
    message = world["bob"].expects_page("slow")
    assert message.asked_by == "ann"
    assert message.acknowledge_url is not None
    link = urlsplit(message.acknowledge_url).path
    await world.http.post(f"{link}/join")
    await world.settle()
    incident = (await admin.get(await path(world)))["incident"]
    (person,) = incident["incidents_responders"]
    assert (person["state"], person["user"]["id"]) == ("joined", bob.id)
    (request,) = incident["responder_requests"]
    assert set(request) == REQUEST_FIELDS
    listed = (await admin.get("/incidents"))["incidents"]
    assert [one["incidents_responders"][0]["state"] for one in listed] == ["joined"]
    entries = (await admin.get(await path(world, "/log_entries")))["log_entries"]
    kinds = [entry["type"] for entry in entries]
    assert "responder_request_log_entry" in kinds
    assert "responder_accept_log_entry" in kinds


async def test_a_policy_is_asked_level_by_level(world: World, admin: Client) -> None:
    policy = world.services["database"].escalation_policy_id
    body = await admin.post(
        await path(world, "/responder_requests"),
        # Some clients leave the wrapper out.
        asking(world, {"id": policy, "type": "escalation_policy"}),
        200,
    )
    (wrapped,) = body["responder_request"]["responder_request_targets"]
    shown = wrapped["responder_request_target"]
    assert (shown["type"], shown["summary"]) == ("escalation_policy", "database policy")
    assert [one["user"]["summary"] for one in shown["incidents_responders"]] == ["cid"]
    await world.settle()
    world["cid"].expects_page("slow")
    await world["ann"].acts(incidents.acknowledge, "slow")
    await world.advance(minutes=5)
    world["bob"].expects_page("slow")


async def test_a_request_is_called_off(world: World, admin: Client) -> None:
    bob, policy = world["bob"].user.id, world.services["database"].escalation_policy_id
    await admin.post(
        await path(world, "/responder_requests"),
        asking(world, target("user", bob), target("escalation_policy", policy)),
        200,
    )
    await world.settle()
    world["bob"].expects_page("slow")
    world["cid"].expects_page("slow")
    await world["ann"].acts(incidents.acknowledge, "slow")
    only = {
        "requester_id": world["ann"].user.id,
        "responder_request_targets": [target("user", bob)],
    }
    body = await admin.put(await path(world, "/responder_requests/cancel"), only)
    (request,) = body["responder_requests"]
    assert set(request) == REQUEST_FIELDS
    states = {
        one["responder_request_target"]["type"]: one["responder_request_target"]["state"]
        for one in request["responder_request_targets"]
    }
    assert states == {"user": "user_cancelled", "escalation_policy": "pending"}
    await admin.put(await path(world, "/responder_requests/cancel"), {})
    await world.advance(minutes=30)
    incident = (await admin.get(await path(world)))["incident"]
    assert {one["state"] for one in incident["incidents_responders"]} == {"user_cancelled"}
    body = await admin.put(await path(world, "/responder_requests/cancel"), {})
    assert body == {"responder_requests": []}


async def test_wrong_values_name_their_field(world: World, admin: Client) -> None:
    address = await path(world, "/responder_requests")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"responder_request_targets": []}, "responder_request_targets"),
        ({"responder_request_targets": [{"id": "P1"}]}, "responder_request_targets[0].type"),
        (
            {"responder_request_targets": [target("team", "P1")]},
            "responder_request_targets[0].type",
        ),
        ({"responder_request_targets": [target("user", "P1")]}, "there is no user P1"),
        (
            {"responder_request_targets": [target("escalation_policy", "P1")]},
            "there is no escalation policy P1",
        ),
        (asking(world, target("user", world["bob"].user.id), message="x" * 1001), "message"),
        (asking(world, target("user", world["bob"].user.id), message=5.5), "message"),
        (asking(world, target("user", world["bob"].user.id), requester_id="P1"), "requester_id"),
    ]
    for body, said in cases:
        answer = await admin.post(address, body, 400)
        assert code_of(answer) == 2001
        assert said in answer["error"]["errors"][0], (body, answer)
    await admin.post("/incidents/P1/responder_requests", asking(world, target("user", "P1")), 404)
    await admin.put("/incidents/P1/responder_requests/cancel", {}, 404)


async def test_a_resolved_incident_asks_nobody(world: World, admin: Client) -> None:
    await world["ann"].acts(incidents.resolve, "slow")
    body = await admin.post(
        await path(world, "/responder_requests"),
        asking(world, target("user", world["bob"].user.id)),
        400,
    )
    assert code_of(body) == 1001


async def test_who_may_ask(world: World) -> None:
    address = await path(world, "/responder_requests")
    body = asking(world, target("user", world["bob"].user.id))
    observer = await account_client(world, Role.OBSERVER, sender="ann@example.com")
    await observer.post(address, body, 403)
    await observer.put(f"{address}/cancel", {}, 403)
    reader = await account_client(world, read_only=True, sender="ann@example.com")
    await reader.post(address, body, 403)
    nameless = await account_client(world)
    assert code_of(await nameless.post(address, body, 400)) == 1008
    # A person's own key asks in that person's name and in nobody else's.
    cid = await person_client(world, "cid")
    answer = await cid.post(address, body, 400)
    assert "requester_id" in answer["error"]["errors"][0]
    del body["requester_id"]
    found = await cid.post(address, body, 200)
    assert found["responder_request"]["requester"]["summary"] == "cid"
    await world.settle()
    assert world["bob"].expects_page("slow").asked_by == "cid"


async def test_stakeholders_are_told_and_not_asked(world: World, admin: Client) -> None:
    await world.person("sue", role=Role.STAKEHOLDER)
    body = await admin.post(
        await path(world, "/responder_requests"),
        asking(world, target("user", world["sue"].user.id)),
        400,
    )
    assert "stakeholder" in body["error"]["errors"][0]
