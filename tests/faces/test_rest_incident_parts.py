"""Priority, conference bridge, alerts and notes that people change, over the REST API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.faces.test_rest_incidents import ALERT_FIELDS, ENTRY_FIELDS, FIELDS, opened, quiet, shown
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

P1 = reference("priority", "PPRIORITY1")
ROOM = {"conference_number": "+1 415 555 1212,,,,1234#", "conference_url": "https://meet.test/1"}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.service("shop", [["bob"], ["ann"]])
        yield made
        quiet(made)


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def put(client: Client, id: str, code: int = 200, /, **change: Any) -> Any:
    answer = await client.put(f"/incidents/{id}", {"incident": change}, code)
    return answer["incident"] if code == 200 else answer


async def reasons(client: Client, id: str) -> list[str]:
    """Why the incident changed, newest first, without what paging tells."""
    found = (await client.get(f"/incidents/{id}/log_entries", limit=100))["log_entries"]
    return [e["channel"]["reason"] for e in found if e["type"] != "notify_log_entry"]


async def test_a_priority_is_set_and_taken_away(world: World, admin: Client) -> None:
    first, second = await opened(world, "one", "two")
    assert (await shown(admin, first))["priority"] is None
    found = (await put(admin, first, priority=P1))["priority"]
    every_field(found, "name description color order account_id schema_version")
    assert (found["id"], found["type"], found["name"]) == ("PPRIORITY1", "priority", "P1")
    assert found["self"] == f"{BASE}/priorities/PPRIORITY1"
    # The whole thing comes back as clients send it: nothing changes, nothing is told.
    assert (await put(admin, first, priority=found))["priority"]["name"] == "P1"
    assert (await put(admin, first, title="One"))["priority"]["name"] == "P1"
    many = [{"id": id, "priority": reference("priority", "PPRIORITY3")} for id in (first, second)]
    changed = (await admin.put("/incidents", {"incidents": many}))["incidents"]
    assert [i["priority"]["name"] for i in changed] == ["P3", "P3"]
    assert (await put(admin, first, priority=None))["priority"] is None
    told = await reasons(admin, first)
    assert told.count("priority_set_by_person") == 3
    assert code_of(await put(admin, second, 400, priority={"id": "PNONE"})) == 1020
    assert (await shown(admin, second))["priority"]["name"] == "P3"


async def test_a_page_says_the_priority_and_the_bridge(world: World, admin: Client) -> None:
    body = {
        "title": "Checkout is down",
        "service": reference("service", world.services["shop"].id),
        "priority": P1,
        "conference_bridge": ROOM,
    }
    made = (await admin.post("/incidents", {"incident": body}))["incident"]
    every_field(made, FIELDS)
    assert (made["priority"]["name"], made["conference_bridge"]) == ("P1", ROOM)
    await world.settle()
    message = world["bob"].expects_page("Checkout is down")
    assert message.incidents[0].priority == "P1"
    assert message.incidents[0].conference_url == "https://meet.test/1"
    assert message.incidents[0].conference_number == ROOM["conference_number"]
    only = {"conference_url": "https://meet.test/2"}
    changed = await put(admin, made["id"], conference_bridge=only)
    assert changed["conference_bridge"] == {"conference_number": None, **only}
    assert (await put(admin, made["id"], conference_bridge=None))["conference_bridge"] is None
    assert (await reasons(admin, made["id"])).count("conference_set_by_person") == 2
    for wrong in ({"conference_number": "now"}, {"conference_url": "ftp://x"}):
        answer = await put(admin, made["id"], 400, conference_bridge=wrong)
        assert answer["error"]["errors"][0].startswith(next(iter(wrong)))
    body["priority"] = {"id": "PNONE"}
    assert code_of(await admin.post("/incidents", {"incident": body}, 400)) == 1020


async def test_an_incident_stays_with_its_service(world: World, admin: Client) -> None:
    (id,) = await opened(world, "one")
    await world.service("other", [["bob"]])
    own = reference("service", world.services["shop"].id)
    assert (await put(admin, id, service=own, title="One"))["title"] == "One"
    other = reference("service", world.services["other"].id)
    answer = await put(admin, id, 400, service=other)
    assert answer["error"]["errors"][0].startswith("service")


async def test_who_changed_the_status_last(world: World, admin: Client) -> None:
    (id,) = await opened(world, "one")
    found = await shown(admin, id)
    assert found["last_status_change_by"]["type"] == "service_reference"
    await world.advance(minutes=1)
    await put(admin, id, status="acknowledged")
    await world.advance(minutes=1)
    bob = await person_client(world, "bob")
    await bob.put(f"/incidents/{id}", {"incident": {"title": "Later"}})
    found = await shown(admin, id)
    assert found["last_status_change_by"]["summary"] == "ann"
    assert found["last_status_change_at"] < found["updated_at"]
    await world.advance(minutes=1)
    # Given to somebody, an acknowledged incident is triggered again: that is a change of status.
    ann = [{"assignee": reference("user", world["ann"].user.id)}]
    await bob.put(f"/incidents/{id}", {"incident": {"assignments": ann}})
    found = await shown(admin, id)
    assert (found["status"], found["last_status_change_by"]["summary"]) == ("triggered", "bob")
    assert found["assigned_via"] == "direct_assignment"


async def test_what_is_pending(world: World, admin: Client) -> None:
    (id,) = await opened(world, "one")
    await put(admin, id, escalation_level=2)
    found = await shown(admin, id)
    # Ann is the last of the ladder: after her nobody else is asked.
    assert [one["type"] for one in found["pending_actions"]] == ["resolve"]


async def merged(world: World, admin: Client) -> tuple[str, str, dict[str, str]]:
    """An incident with two alerts, another with one, and the ids of the alerts by key."""
    first, second, third = await opened(world, "one", "two", "three")
    sources = {"source_incidents": [reference("incident", second)]}
    await admin.put(f"/incidents/{first}/merge", sources)
    found = []
    for id in (first, third):
        found += (await admin.get(f"/incidents/{id}/alerts"))["alerts"]
    return first, third, {alert["alert_key"]: alert["id"] for alert in found}


async def test_alerts_are_resolved_by_hand(world: World, admin: Client) -> None:
    first, _, alerts = await merged(world, admin)
    path = f"/incidents/{first}/alerts"
    body = {"alert": {"type": "alert", "status": "resolved"}}
    found = (await admin.put(f"{path}/{alerts['one']}", body))["alert"]
    every_field(found, ALERT_FIELDS)
    assert (found["status"], found["alert_key"]) == ("resolved", "one")
    assert found["resolved_at"] is not None
    incident = await shown(admin, first)
    assert incident["alert_counts"] == {"all": 2, "triggered": 1, "resolved": 1}
    assert incident["status"] == "triggered"
    again = {"alert": {"status": "triggered"}}
    answer = await admin.put(f"{path}/{alerts['one']}", again, 400)
    assert answer["error"]["errors"][0].startswith("status")
    await admin.put(f"{path}/{alerts['two']}", again)
    many = {"alerts": [{"id": alerts[key], "status": "resolved"} for key in ("one", "two")]}
    page = await admin.put(path, many)
    assert [alert["alert_key"] for alert in page["alerts"]] == ["one", "two"]
    assert (page["limit"], page["more"], page["total"]) == (250, False, None)
    # The last open one is over, so the incident is, as if the machine had said so.
    incident = await shown(admin, first)
    assert (incident["status"], incident["pending_actions"]) == ("resolved", [])
    assert incident["last_status_change_by"]["summary"] == "ann"
    assert "last_alert_resolved_by_person" in await reasons(admin, first)
    # The key is free: what fires again opens a new incident.
    await world.trigger("shop", "one")
    incidents = (await admin.get("/incidents", statuses=["triggered"]))["incidents"]
    assert [one["title"] for one in incidents] == ["three", "one"]


async def test_alerts_move_to_another_incident(world: World, admin: Client) -> None:
    first, third, alerts = await merged(world, admin)
    path = f"/incidents/{first}/alerts"
    to = {"incident": reference("incident", third)}
    moved = (await admin.put(f"{path}/{alerts['two']}", {"alert": to}))["alert"]
    assert (moved["incident"]["id"], moved["status"]) == (third, "triggered")
    # It came in on an incident of its own, and its first entry still stands there.
    whole = await admin.get(
        f"/incidents/{third}/alerts/{alerts['two']}", include=["first_trigger_log_entries"]
    )
    entry = whole["alert"]["first_trigger_log_entry"]
    every_field(entry, ENTRY_FIELDS)
    assert entry["type"] == "trigger_log_entry"
    assert (await shown(admin, third))["alert_counts"]["triggered"] == 2
    assert (await shown(admin, first))["alert_counts"]["all"] == 1
    # Said again it is not there any more; an alert may be moved to where it is.
    assert code_of(await admin.put(f"{path}/{alerts['two']}", {"alert": to}, 404)) == 2100
    stays = {"alert": {"incident": reference("incident", first)}}
    await admin.put(f"{path}/{alerts['one']}", stays)
    # The machine finds its alert where it is now.
    await world.resolve("shop", "two")
    assert (await shown(admin, third))["alert_counts"]["resolved"] == 1
    await admin.put(f"{path}/{alerts['one']}", {"alert": to})
    source = await shown(admin, first)
    assert (source["status"], source["alert_counts"]["all"]) == ("resolved", 0)
    assert "last_alert_moved" in await reasons(admin, first)
    target = await shown(admin, third)
    assert (target["status"], target["alert_counts"]["all"]) == ("triggered", 3)
    assert "alert_moved" in await reasons(admin, third)


async def test_alerts_are_changed_all_or_none(world: World, admin: Client) -> None:
    first, third, alerts = await merged(world, admin)
    await world.service("other", [["bob"]])
    await world.trigger("other", "four")
    other = (await world.incident("four")).id
    path = f"/incidents/{first}/alerts"

    async def refused(*changes: Any, status: int = 400) -> Any:
        answer = await admin.put(path, {"alerts": list(changes)}, status)
        assert (await shown(admin, first))["alert_counts"]["triggered"] == 2
        return answer

    good = {"id": alerts["one"], "status": "resolved"}
    assert code_of(await refused(good, {"id": "QNONE", "status": "resolved"}, status=404)) == 2100
    elsewhere = {"id": alerts["two"], "incident": reference("incident", other)}
    answer = await refused(good, elsewhere)
    assert answer["error"]["errors"][0].startswith("incident")
    nowhere = {"id": alerts["two"], "incident": reference("incident", "QNONE")}
    assert code_of(await refused(good, nowhere, status=404)) == 5001
    await admin.put(f"/incidents/{third}", {"incident": {"status": "resolved"}})
    late = {"id": alerts["two"], "incident": reference("incident", third)}
    assert code_of(await refused(good, late)) == 1001
    wrongs: list[Any] = [
        {"status": "resolved"},
        {"id": alerts["one"], "status": "acknowledged"},
        {"id": alerts["one"], "incident": "x"},
    ]
    for wrong in wrongs:
        assert code_of(await refused(good, wrong)) == 2001
    assert code_of(await refused(good, good)) == 2001
    await admin.put(path, {"alerts": [good] * 251}, 413)
    assert code_of(await admin.put(path, {"alerts": []}, 400)) == 2001
    nobody = await account_client(world)
    assert code_of(await nobody.put(path, {"alerts": [good]}, 400)) == 1008


async def test_alerts_by_when_they_ended(world: World, admin: Client) -> None:
    first, _, _ = await merged(world, admin)
    await world.advance(minutes=1)
    await world.resolve("shop", "two")

    async def keys(order: str) -> list[str]:
        found = await admin.get(f"/incidents/{first}/alerts", sort_by=order)
        return [alert["alert_key"] for alert in found["alerts"]]

    assert await keys("resolved_at") == ["two", "one"]
    assert await keys("resolved_at:desc") == ["two", "one"]
    assert await keys("created_at:desc") == ["two", "one"]
    assert await keys("created_at") == ["one", "two"]


async def test_notes_are_changed_and_deleted(world: World, admin: Client) -> None:
    (id,) = await opened(world, "one")
    bob = await person_client(world, "bob")
    await world.person("eve")
    eve = await person_client(world, "eve")
    path = f"/incidents/{id}/notes"
    own = (await bob.post(path, {"note": {"content": "Restarted db7"}}, 200))["note"]
    body = {"note": {"content": "Restarted db8"}}
    found = (await bob.put(f"{path}/{own['id']}", body))["note"]
    assert set(found) == {"id", "user", "content", "created_at", "channel"}
    assert (found["id"], found["content"]) == (own["id"], "Restarted db8")
    assert found["created_at"] == own["created_at"]
    # Somebody else's is not theirs to change; a manager may put it right.
    assert code_of(await eve.put(f"{path}/{own['id']}", body, 403)) == 2010
    await eve.delete(f"{path}/{own['id']}", 403)
    better = {"note": {"content": "Restarted db9"}}
    assert (await admin.put(f"{path}/{own['id']}", better))["note"]["content"] == "Restarted db9"
    listed = (await admin.get(path))["notes"]
    assert [(note["content"], note["user"]["summary"]) for note in listed] == [
        ("Restarted db9", "bob")
    ]
    for content in ("", " ", "x" * 2001, 5, None):
        answer = await bob.put(f"{path}/{own['id']}", {"note": {"content": content}}, 400)
        assert code_of(answer) == 2001
    await bob.delete(f"{path}/{own['id']}")
    assert (await admin.get(path))["notes"] == []
    assert code_of(await bob.delete(f"{path}/{own['id']}", 404)) == 2100
    assert code_of(await bob.put(f"{path}/{own['id']}", body, 404)) == 2100
    # The timeline only grows: what was written is still there, and what became of it.
    told = await reasons(admin, id)
    assert told[:4] == ["note_deleted", "note_changed", "note_changed", "note_added"]
    nobody = await account_client(world)
    other = (await bob.post(path, {"note": {"content": "x"}}, 200))["note"]
    assert code_of(await nobody.put(f"{path}/{other['id']}", body, 400)) == 1008
    await bob.put(f"/incidents/QNONE/notes/{other['id']}", body, 404)


@pytest.mark.parametrize(
    ("role", "acts"), [(Role.OBSERVER, 403), (Role.STAKEHOLDER, 403), (Role.RESPONDER, 200)]
)
async def test_who_may_do_it(world: World, admin: Client, role: Role, acts: int) -> None:
    first, _, alerts = await merged(world, admin)
    await world.person("eve", role=role)
    eve = await person_client(world, "eve")
    await put(eve, first, acts, priority=P1)
    await put(eve, first, acts, conference_bridge=ROOM)
    body = {"alerts": [{"id": alerts["one"], "status": "resolved"}]}
    await eve.put(f"/incidents/{first}/alerts", body, acts)
    one = {"alert": {"status": "resolved"}}
    await eve.put(f"/incidents/{first}/alerts/{alerts['one']}", one, acts)
    note = (await admin.post(f"/incidents/{first}/notes", {"note": {"content": "x"}}, 200))["note"]
    # A note of somebody else is nobody's but a manager's.
    await eve.delete(f"/incidents/{first}/notes/{note['id']}", 403)
    read_only = await person_client(world, "ann", read_only=True)
    await read_only.put(f"/incidents/{first}/alerts", body, 403)
    await read_only.delete(f"/incidents/{first}/notes/{note['id']}", 403)
