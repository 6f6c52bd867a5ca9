"""Services, integrations and escalation policies over the REST API."""

from collections.abc import AsyncIterator
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

SERVICE_FIELDS = (
    "name description created_at status auto_resolve_timeout acknowledgement_timeout"
    " last_incident_timestamp teams escalation_policy incident_urgency_rule integrations"
    " support_hours scheduled_actions addons alert_creation alert_grouping alert_grouping_timeout"
    " alert_grouping_parameters auto_pause_notifications_parameters response_play"
)
INTEGRATION_FIELDS = "name service created_at vendor integration_key integration_email"
POLICY_FIELDS = (
    "name description num_loops on_call_handoff_notifications escalation_rules services teams"
    " privilege"
)
OFFICE = {
    "type": "fixed_time_per_day",
    "time_zone": "Europe/Berlin",
    "start_time": "09:00:00",
    "end_time": "17:00:00",
    "days_of_week": [1, 2, 3, 4, 5],
}
BY_HOURS = {
    "type": "use_support_hours",
    "during_support_hours": {"type": "constant", "urgency": "high"},
    "outside_support_hours": {"type": "constant", "urgency": "low"},
}
AT_START = {
    "type": "urgency_change",
    "at": {"type": "named_time", "name": "support_hours_start"},
    "to_urgency": "high",
}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


def rule(*targets: dict[str, str], minutes: int = 5) -> dict[str, Any]:
    return {"escalation_delay_in_minutes": minutes, "targets": list(targets)}


async def policy(admin: Client, world: World, name: str = "Ops", **more: Any) -> dict[str, Any]:
    body = {
        "type": "escalation_policy",
        "name": name,
        "escalation_rules": [rule(reference("user", world["bob"].user.id))],
        **more,
    }
    made = await admin.post("/escalation_policies", {"escalation_policy": body})
    return dict(made["escalation_policy"])


async def service(admin: Client, policy_id: str, **more: Any) -> dict[str, Any]:
    body = {
        "type": "service",
        "name": "Shop",
        "escalation_policy": reference("escalation_policy", policy_id),
        **more,
    }
    return dict((await admin.post("/services", {"service": body}))["service"])


async def test_a_policy_from_first_to_last(world: World, admin: Client) -> None:
    bob, ann = (reference("user", world[name].user.id) for name in ("bob", "ann"))
    made = await policy(
        admin,
        world,
        num_loops=2,
        description="Nights",
        escalation_rules=[
            rule(bob, minutes=10),
            {
                **rule(ann, bob),
                "escalation_rule_assignment_strategy": {"type": "round_robin"},
            },
        ],
    )
    every_field(made, POLICY_FIELDS)
    path = f"/escalation_policies/{made['id']}"
    assert made["self"] == BASE + path
    assert made["html_url"] == f"{BASE}/app/escalation-policies/{made['id']}"
    assert (made["num_loops"], made["description"]) == (2, "Nights")
    assert (made["services"], made["teams"]) == ([], [])
    assert made["on_call_handoff_notifications"] == "if_has_services"
    first, second = made["escalation_rules"]
    assert set(first) == {
        "id",
        "escalation_delay_in_minutes",
        "targets",
        "escalation_rule_assignment_strategy",
    }
    assert first["escalation_delay_in_minutes"] == 10
    assert first["targets"][0]["type"] == "user_reference"
    assert first["targets"][0]["summary"] == "bob"
    assert second["escalation_rule_assignment_strategy"] == {"type": "round_robin"}
    assert (await admin.get(path))["escalation_policy"] == made
    # What is sent back as it was read changes nothing; rules keep their ids.
    same = await admin.put(path, {"escalation_policy": made})
    assert same["escalation_policy"] == made
    partial = await admin.put(path, {"escalation_policy": {"num_loops": 0}})
    assert partial["escalation_policy"] == {**made, "num_loops": 0}
    fewer = await admin.put(path, {"escalation_policy": {"escalation_rules": [second]}})
    assert [r["id"] for r in fewer["escalation_policy"]["escalation_rules"]] == [second["id"]]
    whole = await admin.get(path, include=["targets"])
    assert whole["escalation_policy"]["escalation_rules"][0]["targets"][0]["email"]
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 5001


async def test_policies_are_found(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    await policy(admin, world, "Alpha")
    await policy(admin, world, "Beta", teams=[reference("team", team["id"])])
    ann = [rule(reference("user", world["ann"].user.id))]
    await policy(admin, world, "Gamma", escalation_rules=ann)

    async def names(**asked: Any) -> list[str]:
        found = await admin.get("/escalation_policies", **asked)
        return [one["name"] for one in found["escalation_policies"]]

    assert await names() == ["Alpha", "Beta", "Gamma"]
    assert await names(sort_by="name:desc") == ["Gamma", "Beta", "Alpha"]
    assert await names(query="ALPH") == ["Alpha"]
    assert await names(team_ids=[team["id"]]) == ["Beta"]
    assert await names(user_ids=[world["ann"].user.id]) == ["Gamma"]
    assert await names(limit=1, offset=1) == ["Beta"]
    found = await admin.get("/escalation_policies", limit=1, total="true", include=["teams"])
    assert (found["total"], found["more"]) == (3, True)
    assert code_of(await admin.get("/escalation_policies", 400, sort_by="color")) == 2001


@pytest.mark.parametrize(
    "values",
    [
        {"name": None},
        {"name": ""},
        {"escalation_rules": []},
        {"escalation_rules": None},
        {"escalation_rules": [{"targets": []}]},
        {"escalation_rules": [rule()]},
        {"escalation_rules": [rule(reference("user", "PNOBODY"))]},
        {"escalation_rules": [rule(reference("team", "PNOBODY"))]},
        {"escalation_rules": [rule({"id": "PNOBODY"})]},
        {"escalation_rules": "all"},
        {"num_loops": 10},
        {"num_loops": "many"},
        {"teams": [{"id": "PNONE"}]},
        {"teams": [{"id": "PNONE"}, {"id": "PNONE"}]},
        {"on_call_handoff_notifications": "never"},
    ],
)
async def test_a_wrong_policy_is_refused(
    world: World, admin: Client, values: dict[str, Any]
) -> None:
    body = {
        "name": "Ops",
        "escalation_rules": [rule(reference("user", world["bob"].user.id))],
        **values,
    }
    answer = await admin.post("/escalation_policies", {"escalation_policy": body}, 400)
    assert code_of(answer) == 2001
    assert answer["error"]["errors"][0].startswith(next(iter(values)))


async def test_a_policy_needs_a_sender_and_stays_while_used(world: World, admin: Client) -> None:
    nobody = await account_client(world)
    body = {
        "name": "Ops",
        "escalation_rules": [rule(reference("user", world["bob"].user.id))],
    }
    refused = await nobody.post("/escalation_policies", {"escalation_policy": body}, 400)
    assert code_of(refused) == 1008
    made = await policy(admin, world)
    await service(admin, made["id"])
    used = await admin.get(f"/escalation_policies/{made['id']}")
    assert [s["summary"] for s in used["escalation_policy"]["services"]] == ["Shop"]
    answer = await admin.delete(f"/escalation_policies/{made['id']}", 400)
    assert "Shop" in answer["error"]["message"]


async def test_a_policy_is_given_to_a_team_and_taken_back(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    made = await policy(admin, world)
    path = f"/teams/{team['id']}/escalation_policies/{made['id']}"
    await admin.put(path, {}, 204)
    shown = (await admin.get(f"/escalation_policies/{made['id']}"))["escalation_policy"]
    assert [one["id"] for one in shown["teams"]] == [team["id"]]
    assert shown["escalation_rules"] == made["escalation_rules"]
    assert "still owns" in (await admin.delete(f"/teams/{team['id']}", 400))["error"]["message"]
    await admin.delete(path)
    await admin.delete(path, 404)
    await admin.put(f"/teams/PNONE/escalation_policies/{made['id']}", {}, 404)
    await admin.delete(f"/teams/{team['id']}")


async def test_a_service_from_first_to_last(world: World, admin: Client) -> None:
    ops = await policy(admin, world)
    made = await service(admin, ops["id"], description="Sells", auto_resolve_timeout="7200")
    every_field(made, SERVICE_FIELDS)
    path = f"/services/{made['id']}"
    assert made["self"] == BASE + path
    assert made["html_url"] == f"{BASE}/app/services/{made['id']}"
    assert made["created_at"] == START.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert (made["auto_resolve_timeout"], made["acknowledgement_timeout"]) == (7200, 1800)
    assert made["incident_urgency_rule"] == {"type": "constant", "urgency": "high"}
    assert made["escalation_policy"] == {
        "id": ops["id"],
        "type": "escalation_policy_reference",
        "summary": "Ops",
        "self": f"{BASE}/escalation_policies/{ops['id']}",
        "html_url": f"{BASE}/app/escalation-policies/{ops['id']}",
    }
    assert (made["status"], made["last_incident_timestamp"]) == ("active", None)
    assert (await admin.get(path))["service"] == made
    assert (await admin.put(path, {"service": made}))["service"] == made
    changed = await admin.put(
        path,
        {
            "service": {
                "name": "Store",
                "auto_resolve_timeout": None,
                "acknowledgement_timeout": 0,
                "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
            }
        },
    )
    assert changed["service"] == {
        **made,
        "name": "Store",
        "summary": "Store",
        "auto_resolve_timeout": None,
        "acknowledgement_timeout": None,
        "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
    }
    off = await admin.put(path, {"service": {"status": "disabled"}})
    assert off["service"]["status"] == "disabled"
    on = await admin.put(path, {"service": {"status": "active"}})
    assert on["service"]["status"] == "active"
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 5002


async def test_services_are_found(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    ops = await policy(admin, world)
    core = await policy(admin, world, "Core", teams=[reference("team", team["id"])])
    await service(admin, ops["id"], name="Alpha")
    await service(admin, core["id"], name="Beta")
    await service(admin, ops["id"], name="Alphabet")

    async def names(**asked: Any) -> list[str]:
        return [one["name"] for one in (await admin.get("/services", **asked))["services"]]

    assert await names() == ["Alpha", "Alphabet", "Beta"]
    assert await names(sort_by="name:desc") == ["Beta", "Alphabet", "Alpha"]
    assert await names(query="alpha") == ["Alpha", "Alphabet"]
    assert await names(name="Alpha") == ["Alpha"]
    assert await names(team_ids=[team["id"]]) == ["Beta"]
    found = await admin.get(
        "/services", include=["escalation_policies", "teams"], total="true", time_zone="Asia/Tokyo"
    )
    assert found["total"] == 3
    beta = found["services"][2]
    every_field(beta["escalation_policy"], POLICY_FIELDS)
    assert beta["teams"][0]["default_role"] == "manager"
    assert beta["created_at"].endswith("+09:00")
    assert code_of(await admin.get("/services", 400, time_zone="Mars")) == 2001


async def test_the_state_of_a_service(world: World, admin: Client) -> None:
    made = await world.service("checkout", [["bob"]])

    async def status() -> str:
        return str((await admin.get(f"/services/{made.id}"))["service"]["status"])

    await world.trigger("checkout", "disk")
    assert await status() == "critical"
    world["bob"].expects_page("disk")
    await world["bob"].acknowledges("disk")
    assert await status() == "warning"
    assert code_of(await admin.delete(f"/services/{made.id}", 400)) == 2015
    shown = await admin.get(f"/services/{made.id}")
    assert shown["service"]["last_incident_timestamp"] is not None


@pytest.mark.parametrize(
    "values",
    [
        {"name": None},
        {"name": " "},
        {"escalation_policy": None},
        {"escalation_policy": "POPS"},
        {"escalation_policy": reference("escalation_policy", "PNONE")},
        {"auto_resolve_timeout": 5},
        {"acknowledgement_timeout": "soon"},
        {"incident_urgency_rule": {"type": "use_support_hours"}},
        {"incident_urgency_rule": {"type": "sometimes"}},
        {"incident_urgency_rule": {"type": "constant"}},
        {"incident_urgency_rule": {"type": "constant", "urgency": "medium"}},
        {"support_hours": {"type": "fixed_time_per_day"}},
        {"support_hours": OFFICE},
        {"support_hours": {**OFFICE, "days_of_week": []}, "incident_urgency_rule": BY_HOURS},
        {"support_hours": {**OFFICE, "days_of_week": [8]}, "incident_urgency_rule": BY_HOURS},
        {"support_hours": {**OFFICE, "start_time": "9"}, "incident_urgency_rule": BY_HOURS},
        {"support_hours": {**OFFICE, "end_time": "09:00"}, "incident_urgency_rule": BY_HOURS},
        {"support_hours": {**OFFICE, "time_zone": "Mars"}, "incident_urgency_rule": BY_HOURS},
        {"support_hours": None, "incident_urgency_rule": BY_HOURS},
        {"scheduled_actions": [{"type": "urgency_change"}]},
        {"scheduled_actions": [AT_START]},
        {"scheduled_actions": [{**AT_START, "to_urgency": "low"}]},
        {"alert_grouping_parameters": {"type": "magic"}},
        {"alert_grouping_parameters": {"type": "time", "config": {"timeout": 1441}}},
        {"alert_grouping_parameters": {"type": "intelligent", "config": {"time_window": 5}}},
        {"alert_grouping_parameters": {"type": "content_based"}},
        {"alert_grouping": "content_based"},
        {"auto_pause_notifications_parameters": {"enabled": True}},
        {"auto_pause_notifications_parameters": {"enabled": True, "timeout": 60}},
        {"alert_creation": "create_incidents"},
        {"response_play": {"id": "PPLAY", "type": "response_play_reference"}},
        {"status": "asleep"},
    ],
)
async def test_a_wrong_service_is_refused(
    world: World, admin: Client, values: dict[str, Any]
) -> None:
    ops = await policy(admin, world)
    body = {
        "name": "Shop",
        "escalation_policy": reference("escalation_policy", ops["id"]),
        **values,
    }
    answer = await admin.post("/services", {"service": body}, 400)
    assert code_of(answer) == 2001
    assert answer["error"]["errors"][0].startswith(next(iter(values)))
    assert (await admin.get("/services"))["services"] == []


async def test_integrations(world: World, admin: Client) -> None:
    ops = await policy(admin, world)
    shop = await service(admin, ops["id"])
    path = f"/services/{shop['id']}/integrations"
    body = {"type": "events_api_v2_inbound_integration", "name": "Prometheus"}
    made = (await admin.post(path, {"integration": body}))["integration"]
    every_field(made, INTEGRATION_FIELDS)
    assert made["type"] == "events_api_v2_inbound_integration"
    assert made["self"] == f"{BASE}{path}/{made['id']}"
    assert made["service"]["id"] == shop["id"]
    assert made["vendor"]["type"] == "vendor_reference"
    assert len(made["integration_key"]) == 32
    event = {
        "routing_key": made["integration_key"],
        "event_action": "trigger",
        "payload": {"summary": "x", "source": "y", "severity": "info"},
    }
    assert (await world.http.post("/v2/enqueue", json=event)).status_code == 202
    await world.settle()
    world["bob"].expects_page("x")
    assert (await admin.get(f"{path}/{made['id']}"))["integration"] == made
    changed = await admin.put(f"{path}/{made['id']}", {"integration": {**made, "name": "Prom"}})
    assert changed["integration"] == {**made, "name": "Prom", "summary": "Prom"}
    shown = await admin.get(f"/services/{shop['id']}", include=["integrations"])
    assert shown["service"]["integrations"] == [changed["integration"]]
    plain = await admin.get(f"/services/{shop['id']}")
    assert plain["service"]["integrations"][0]["type"] == (
        "events_api_v2_inbound_integration_reference"
    )
    vendor = reference("vendor", "PVENDORALERTM")
    other = await admin.post(path, {"integration": {"vendor": vendor}})
    assert other["integration"]["name"] == "Prometheus Alertmanager"
    for wrong in ({"type": "pigeon"}, {"vendor": {"id": "PNONE"}}, {}):
        assert code_of(await admin.post(path, {"integration": wrong}, 400)) == 2001
    renamed = {"integration": {"type": "generic_events_api_inbound_integration"}}
    assert code_of(await admin.put(f"{path}/{made['id']}", renamed, 400)) == 2001
    await admin.get(f"{path}/PNONE", 404)
    elsewhere = await service(admin, ops["id"], name="Elsewhere")
    await admin.get(f"/services/{elsewhere['id']}/integrations/{made['id']}", 404)


async def test_a_key_is_shown_to_who_manages_the_service(world: World, admin: Client) -> None:
    shop = await world.service("shop", [["bob"]])
    bob = await person_client(world, "bob")
    for client, shown in ((admin, True), (bob, False)):
        found = await client.get(f"/services/{shop.id}", include=["integrations"])
        (integration,) = found["service"]["integrations"]
        assert (integration["integration_key"] == world.keys["shop"]) is shown
        assert shown or integration["integration_key"] is None


@pytest.mark.parametrize(
    ("role", "creates"),
    [("admin", 201), ("user", 201), ("limited_user", 403), ("observer", 403)],
)
async def test_roles(world: World, admin: Client, role: str, creates: int) -> None:
    ops = await policy(admin, world)
    client = await account_client(world, role, sender="ann@example.com")
    await client.get("/escalation_policies")
    await client.get(f"/escalation_policies/{ops['id']}")
    body = {"name": "Shop", "escalation_policy": reference("escalation_policy", ops["id"])}
    answer = await client.post("/services", {"service": body}, creates)
    rules = [rule(reference("user", world["bob"].user.id))]
    wanted = {"escalation_policy": {"name": "Two", "escalation_rules": rules}}
    await client.post("/escalation_policies", wanted, creates)
    if creates == 403:
        assert code_of(answer) == 2010


async def test_a_team_sees_its_own(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    hidden = await policy(admin, world, "Hidden")
    core = await policy(admin, world, "Core", teams=[reference("team", team["id"])])
    await service(admin, hidden["id"], name="Hidden")
    mine = await service(admin, core["id"], name="Mine")
    await world.person("eve", role=Role.RESTRICTED)
    await admin.put(f"/teams/{team['id']}/users/{world['eve'].user.id}", {"role": "manager"}, 204)
    eve = await person_client(world, "eve")
    found = await eve.get("/services", total="true")
    assert ([s["name"] for s in found["services"]], found["total"]) == (["Mine"], 1)
    policies = await eve.get("/escalation_policies", total="true")
    assert ([p["name"] for p in policies["escalation_policies"]], policies["total"]) == (
        ["Core"],
        1,
    )
    await eve.get(f"/escalation_policies/{hidden['id']}", 404)
    await eve.put(f"/services/{mine['id']}", {"service": {"description": "Ours"}})
