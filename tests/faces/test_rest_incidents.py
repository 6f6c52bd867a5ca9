"""Incidents and what hangs on them, over the REST API."""

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

FIELDS = (
    "incident_number title description created_at updated_at status incident_key service"
    " assignments assigned_via acknowledgements last_status_change_at last_status_change_by"
    " resolved_at first_trigger_log_entry alert_counts is_mergeable escalation_policy teams"
    " impacted_services pending_actions priority resolve_reason conference_bridge alert_grouping"
    " incidents_responders responder_requests subscriber_requests incident_type urgency body"
)
ALERT_FIELDS = (
    "alert_key status severity suppressed created_at updated_at resolved_at incident service"
    " integration body first_trigger_log_entry"
)
ENTRY_FIELDS = (
    "created_at agent channel incident service teams assignees contexts event_details note"
)


def wire(**after: float) -> str:
    at = START + timedelta(**after)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["bob"], ["ann"]])
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def opened(world: World, *titles: str) -> list[str]:
    for title in titles:
        await world.trigger("shop", title)
    return [(await world.incident(title)).id for title in titles]


async def shown(client: Client, id: str) -> dict[str, Any]:
    return dict((await client.get(f"/incidents/{id}"))["incident"])


def quiet(world: World) -> None:
    """Nobody looks at the phones in this story."""
    for channel in world.channels.values():
        channel.waiting.clear()


async def test_an_incident_that_a_machine_opened(world: World, admin: Client) -> None:
    (id,) = await opened(world, "disk")
    found = await shown(admin, id)
    every_field(found, FIELDS)
    number = found["incident_number"]
    bob, shop = world["bob"].user.id, world.services["shop"].id
    assert (found["type"], found["summary"]) == ("incident", f"[#{number}] disk")
    assert found["self"] == f"{BASE}/incidents/{id}"
    assert found["html_url"] == f"{BASE}/app/incidents/{id}"
    assert (found["status"], found["urgency"], found["title"]) == ("triggered", "high", "disk")
    assert (found["incident_key"], found["created_at"]) == ("disk", wire())
    assert found["service"]["id"] == shop
    assert [a["assignee"]["id"] for a in found["assignments"]] == [bob]
    assert (found["assigned_via"], found["acknowledgements"]) == ("escalation_policy", [])
    assert found["last_status_change_by"]["type"].endswith("_reference")
    assert found["alert_counts"] == {"all": 1, "triggered": 1, "resolved": 0}
    assert (found["is_mergeable"], found["resolved_at"], found["body"]) == (True, None, None)
    assert found["pending_actions"] == [
        {"type": "escalate", "at": wire(minutes=5)},
        {"type": "resolve", "at": wire(hours=4)},
    ]
    assert found["first_trigger_log_entry"]["type"] == "trigger_log_entry_reference"
    whole = await admin.get(
        f"/incidents/{id}",
        include=["services", "assignees", "first_trigger_log_entries", "escalation_policies"],
    )
    assert whole["incident"]["service"]["name"] == "shop"
    assert whole["incident"]["assignments"][0]["assignee"]["email"] == "bob@example.com"
    every_field(whole["incident"]["first_trigger_log_entry"], ENTRY_FIELDS)
    assert code_of(await admin.get("/incidents/QNONE", 404)) == 5001
    quiet(world)


async def test_an_incident_that_a_person_opens(world: World, admin: Client) -> None:
    shop = reference("service", world.services["shop"].id)
    body = {
        "type": "incident",
        "title": "Slow",
        "service": shop,
        "urgency": "low",
        "incident_key": "slow/1",
        "body": {"type": "incident_body", "details": "Since noon"},
        "priority": None,
    }
    made = (await admin.post("/incidents", {"incident": body}))["incident"]
    every_field(made, FIELDS)
    assert (made["title"], made["urgency"], made["incident_key"]) == ("Slow", "low", "slow/1")
    assert made["body"] == {"type": "incident_body", "details": "Since noon"}
    assert made["last_status_change_by"]["summary"] == "ann"
    await world.settle()
    world["bob"].expects_page("Slow")
    twice = await admin.post("/incidents", {"incident": body}, 400)
    assert code_of(twice) == 2001
    ann = await person_client(world, "ann")
    own = {
        "title": "Mine",
        "service": shop,
        "assignments": [{"assignee": reference("user", world["ann"].user.id)}],
    }
    mine = (await ann.post("/incidents", {"incident": own}))["incident"]
    assert (mine["status"], mine["assigned_via"]) == ("acknowledged", "direct_assignment")
    assert [a["acknowledger"]["summary"] for a in mine["acknowledgements"]] == ["ann"]
    nobody = await account_client(world)
    assert code_of(await nobody.post("/incidents", {"incident": body}, 400)) == 1008


@pytest.mark.parametrize(
    "values",
    [
        {"title": None},
        {"title": " "},
        {"service": None},
        {"urgency": "medium"},
        {"conference_bridge": {"conference_number": "call me"}},
        {"conference_bridge": {"conference_url": "javascript:alert(1)"}},
        {"conference_bridge": {"conference_url": "https://" + "x" * 300}},
        {"escalation_policy": {"id": "PNONE"}},
        {"assignments": [{"assignee": {"id": "PNONE"}}]},
        {"incident_key": "x" * 256},
    ],
)
async def test_a_wrong_incident_is_refused(
    world: World, admin: Client, values: dict[str, Any]
) -> None:
    body = {"title": "x", "service": reference("service", world.services["shop"].id), **values}
    answer = await admin.post("/incidents", {"incident": body}, 400)
    assert code_of(answer) == 2001
    assert answer["error"]["errors"][0].startswith(next(iter(values)).partition("_bridge")[0])
    assert (await admin.get("/incidents"))["incidents"] == []


async def test_a_service_that_is_not_there(world: World, admin: Client) -> None:
    body = {"title": "x", "service": reference("service", "PNONE")}
    assert code_of(await admin.post("/incidents", {"incident": body}, 404)) == 5002


async def test_incidents_are_found(world: World, admin: Client) -> None:
    first, second = await opened(world, "one", "two")
    await world.advance(minutes=1)
    await opened(world, "three")
    await admin.put(f"/incidents/{second}", {"incident": {"status": "acknowledged"}})
    quiet(world)

    async def titles(**asked: Any) -> list[str]:
        return [i["title"] for i in (await admin.get("/incidents", **asked))["incidents"]]

    assert await titles() == ["one", "two", "three"]
    assert await titles(sort_by="created_at:desc") == ["three", "two", "one"]
    assert await titles(sort_by="incident_number:desc") == ["three", "two", "one"]
    assert await titles(sort_by="incident_number:asc,created_at:desc") == ["one", "two", "three"]
    assert len(await titles(sort_by="urgency:desc")) == 3
    assert len(await titles(sort_by="resolved_at")) == 3
    assert await titles(statuses=["acknowledged"]) == ["two"]
    assert await titles(statuses=["triggered", "acknowledged"], limit=1, offset=1) == ["two"]
    assert await titles(urgencies=["low"]) == []
    assert await titles(service_ids=[world.services["shop"].id]) == ["one", "two", "three"]
    assert await titles(service_ids=["PNONE"]) == []
    assert await titles(team_ids=["PNONE"]) == []
    assert await titles(user_ids=[world["ann"].user.id]) == ["two"]
    assert await titles(incident_key="one") == ["one"]
    assert await titles(since=wire(seconds=30)) == ["three"]
    assert await titles(since=wire(seconds=-1), until=wire(seconds=30)) == ["one", "two"]
    await world.advance(days=40)
    assert await titles() == []
    assert len(await titles(date_range="all")) == 3
    page = await admin.get("/incidents", date_range="all", limit=2, total="true")
    assert (page["total"], page["more"], len(page["incidents"])) == (3, True, 2)
    for wrong in (
        {"statuses": ["open"]},
        {"urgencies": ["medium"]},
        {"sort_by": "color"},
        {"date_range": "some"},
        {"since": wire(days=-300), "until": wire()},
    ):
        assert code_of(await admin.get("/incidents", 400, **wrong)) == 2001
    backwards = {"since": wire(days=2), "until": wire(days=1)}
    assert code_of(await admin.get("/incidents", 400, **backwards)) == 2004
    quiet(world)
    assert first


async def test_one_incident_is_changed(world: World, admin: Client) -> None:
    (id,) = await opened(world, "disk")
    path = f"/incidents/{id}"
    world["bob"].expects_page("disk")

    async def put(status: int = 200, **change: Any) -> Any:
        body = {"incident": {"type": "incident_reference", **change}}
        answer = await admin.put(path, body, status)
        return answer["incident"] if status == 200 else answer

    assert (await put(title="Disk full"))["title"] == "Disk full"
    assert (await put(escalation_level=2))["assignments"][0]["assignee"]["summary"] == "ann"
    await world.settle()
    world["ann"].expects_page("Disk full")
    to_bob = [{"assignee": reference("user", world["bob"].user.id)}]
    given = await put(assignments=to_bob)
    assert given["assigned_via"] == "direct_assignment"
    await world.settle()
    world["bob"].expects_page("Disk full")
    answer = await admin.put(path, {"incident": {"status": "acknowledged"}})
    taken = answer["incident"]
    assert taken["status"] == "acknowledged"
    assert [a["acknowledger"]["summary"] for a in taken["acknowledgements"]] == ["ann"]
    assert (await put(urgency="low"))["urgency"] == "low"
    back = await admin.put(path, {"incident": {"status": "triggered"}})
    assert back["incident"]["status"] == "triggered"
    again = await admin.put(path, {"incident": {"status": "triggered"}}, 400)
    assert code_of(again) == 1012
    assert code_of(await put(400, escalation_level=9)) == 1006
    done = await admin.put(path, {"incident": {"status": "resolved", "resolution": "Freed"}})
    assert (done["incident"]["status"], done["incident"]["assignments"]) == ("resolved", [])
    assert done["incident"]["resolved_at"] is not None
    over = await admin.put(path, {"incident": {"status": "resolved"}}, 400)
    assert code_of(over) == 1001
    assert code_of(await put(400, urgency="medium")) == 2001
    await admin.put("/incidents/QNONE", {"incident": {"title": "x"}}, 404)
    quiet(world)


async def test_many_incidents_are_changed_or_none(world: World, admin: Client) -> None:
    ids = await opened(world, "one", "two", "three")
    quiet(world)
    wanted = [{"id": id, "type": "incident_reference", "status": "acknowledged"} for id in ids]
    found = await admin.put("/incidents", {"incidents": wanted})
    assert [i["id"] for i in found["incidents"]] == ids
    assert {i["status"] for i in found["incidents"]} == {"acknowledged"}
    mixed = [
        {"id": ids[0], "status": "resolved"},
        {"id": ids[1], "title": "Second"},
        {"id": ids[2], "status": "resolved"},
    ]
    found = await admin.put("/incidents", {"incidents": mixed})
    assert [i["status"] for i in found["incidents"]] == ["resolved", "acknowledged", "resolved"]
    assert found["incidents"][1]["title"] == "Second"
    bad = [{"id": ids[1], "status": "resolved"}, {"id": ids[0], "status": "acknowledged"}]
    assert code_of(await admin.put("/incidents", {"incidents": bad}, 400)) == 1001
    assert (await shown(admin, ids[1]))["status"] == "acknowledged"
    too_many = [{"id": ids[1], "status": "resolved"}] * 251
    await admin.put("/incidents", {"incidents": too_many}, 413)
    wrongs: list[Any] = [[], [{}], [{"id": ids[1], "status": "open"}], "all"]
    for wrong in wrongs:
        assert code_of(await admin.put("/incidents", {"incidents": wrong}, 400)) == 2001


async def test_merge_and_snooze(world: World, admin: Client) -> None:
    first, second = await opened(world, "one", "two")
    quiet(world)
    sources = {"source_incidents": [reference("incident", second)]}
    merged = await admin.put(f"/incidents/{first}/merge", sources)
    assert merged["incident"]["alert_counts"]["all"] == 2
    source = await shown(admin, second)
    assert source["status"] == "resolved"
    assert source["resolve_reason"]["type"] == "merge_resolve_reason"
    assert source["resolve_reason"]["incident"]["id"] == first
    # The source is resolved by the merge, so that it cannot be merged once more.
    assert code_of(await admin.put(f"/incidents/{first}/merge", sources, 400)) in (1001, 1019)
    own = {"source_incidents": [reference("incident", first)]}
    assert code_of(await admin.put(f"/incidents/{first}/merge", own, 400)) == 2001
    slept = await admin.post(f"/incidents/{first}/snooze", {"duration": 3600})
    assert slept["incident"]["status"] == "acknowledged"
    assert slept["incident"]["pending_actions"] == [{"type": "unacknowledge", "at": wire(hours=1)}]
    for duration in (0, 604_801, "soon", None):
        body = {"duration": duration}
        assert code_of(await admin.post(f"/incidents/{first}/snooze", body, 400)) == 2001


async def test_alerts(world: World, admin: Client) -> None:
    first, second = await opened(world, "one", "two")
    sources = {"source_incidents": [reference("incident", second)]}
    await admin.put(f"/incidents/{first}/merge", sources)
    await world.resolve("shop", "two")
    quiet(world)
    path = f"/incidents/{first}/alerts"
    found = await admin.get(path, total="true")
    assert (found["total"], found["more"]) == (2, False)
    one, two = found["alerts"]
    every_field(one, ALERT_FIELDS)
    assert (one["alert_key"], one["status"], two["status"]) == ("one", "triggered", "resolved")
    assert one["body"]["cef_details"]["source_origin"] == "monitor"
    assert one["incident"]["id"] == first
    assert one["integration"]["type"] == "events_api_v2_inbound_integration_reference"
    assert (await admin.get(f"{path}/{one['id']}"))["alert"] == one

    async def keys(**asked: Any) -> list[str]:
        return [alert["alert_key"] for alert in (await admin.get(path, **asked))["alerts"]]

    assert await keys(statuses=["resolved"]) == ["two"]
    assert await keys(alert_key="one") == ["one"]
    assert await keys(sort_by="created_at:desc") == ["two", "one"]
    assert await keys(limit=1, offset=1) == ["two"]
    assert code_of(await admin.get(f"{path}/QNONE", 404)) == 2100
    await admin.get("/incidents/QNONE/alerts", 404)


async def test_notes(world: World, admin: Client) -> None:
    (id,) = await opened(world, "disk")
    quiet(world)
    path = f"/incidents/{id}/notes"
    made = (await admin.post(path, {"note": {"content": "Looking"}}, 200))["note"]
    assert set(made) == {"id", "user", "content", "created_at", "channel"}
    assert (made["content"], made["user"]["summary"]) == ("Looking", "ann")
    assert (await admin.get(path))["notes"] == [made]
    for content in ("", "x" * 2001, None):
        body = {"note": {"content": content}}
        assert code_of(await admin.post(path, body, 400)) == 2001
    await admin.get("/incidents/QNONE/notes", 404)


async def test_log_entries(world: World, admin: Client) -> None:
    (id,) = await opened(world, "disk")
    world["bob"].expects_page("disk")
    await admin.put(f"/incidents/{id}", {"incident": {"status": "acknowledged"}})
    await admin.post(f"/incidents/{id}/notes", {"note": {"content": "Looking"}}, 200)
    found = await admin.get(f"/incidents/{id}/log_entries", total="true")
    types = [entry["type"] for entry in found["log_entries"]]
    assert types[0] == "annotate_log_entry"
    assert types[-1] == "trigger_log_entry"
    assert {"assign_log_entry", "notify_log_entry", "acknowledge_log_entry"} <= set(types)
    assert (found["total"], found["more"]) == (len(types), False)
    note, acknowledged = found["log_entries"][:2]
    every_field(note, ENTRY_FIELDS)
    assert (note["note"], note["channel"]["type"]) == ("Looking", "note")
    assert acknowledged["agent"]["summary"] == "ann"
    trigger = found["log_entries"][-1]
    assert trigger["agent"]["type"].endswith("integration_reference")
    assert trigger["incident"]["id"] == id
    assert (await admin.get(f"/log_entries/{note['id']}"))["log_entry"] == note
    brief = await admin.get(f"/incidents/{id}/log_entries", is_overview="true")
    assert "notify_log_entry" not in {entry["type"] for entry in brief["log_entries"]}
    every = await admin.get("/log_entries", limit=2, include=["incidents"])
    assert [entry["id"] for entry in every["log_entries"]] == [note["id"], acknowledged["id"]]
    assert every["log_entries"][0]["incident"]["title"] == "disk"
    assert every["more"] is True
    assert (await admin.get("/log_entries", since=wire(days=1)))["log_entries"] == []
    assert code_of(await admin.get("/log_entries/QNONE", 404)) == 5001


@pytest.mark.parametrize(
    ("role", "acts"), [("admin", 200), ("user", 200), ("limited_user", 200), ("observer", 403)]
)
async def test_roles(world: World, role: str, acts: int) -> None:
    (id,) = await opened(world, "disk")
    quiet(world)
    client = await account_client(world, role, sender="ann@example.com")
    await client.get("/incidents")
    await client.get(f"/incidents/{id}")
    await client.get(f"/incidents/{id}/log_entries")
    body = {"incident": {"status": "acknowledged"}}
    answer = await client.put(f"/incidents/{id}", body, acts)
    await client.post(f"/incidents/{id}/notes", {"note": {"content": "x"}}, acts)
    await client.post(f"/incidents/{id}/snooze", {"duration": 60}, 201 if acts == 200 else 403)
    if acts == 403:
        assert code_of(answer) == 2010
        assert (await shown(client, id))["status"] == "triggered"


async def test_who_sees_nothing_finds_nothing(world: World) -> None:
    (id,) = await opened(world, "disk")
    quiet(world)
    await world.person("eve", role=Role.RESTRICTED)
    eve = await person_client(world, "eve")
    await eve.get("/incidents", 403)
    await eve.get(f"/incidents/{id}", 404)
    await eve.get("/log_entries", 403)
    await eve.get(f"/incidents/{id}/alerts", 404)
