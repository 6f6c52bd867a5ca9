"""Schedules, overrides and who is on call, over the REST API."""

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
    "name time_zone description escalation_policies users teams schedule_layers"
    " overrides_subschedule final_schedule web_cal_url http_cal_url personal_web_cal_url"
    " personal_http_cal_url"
)
LAYER_FIELDS = {
    "id",
    "name",
    "start",
    "end",
    "rotation_virtual_start",
    "rotation_turn_length_seconds",
    "users",
    "restrictions",
    "rendered_schedule_entries",
    "rendered_coverage_percentage",
}
DAY = 86_400


def wire(days: float = 0) -> str:
    return (START + timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


def layer(world: World, *names: str, **more: Any) -> dict[str, Any]:
    return {
        "start": wire(),
        "rotation_virtual_start": wire(),
        "rotation_turn_length_seconds": DAY,
        "users": [{"user": reference("user", world[name].user.id)} for name in names],
        **more,
    }


async def schedule(admin: Client, *layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {
        "type": "schedule",
        "name": "Primary",
        "time_zone": "Etc/UTC",
        "schedule_layers": list(layers),
        **more,
    }
    return dict((await admin.post("/schedules", {"schedule": body}))["schedule"])


def people(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(e["user"]["summary"], e["start"], e["end"]) for e in entries]


async def test_a_schedule_from_first_to_last(world: World, admin: Client) -> None:
    made = await schedule(
        admin,
        layer(world, "ann", "bob", name="Low"),
        layer(
            world,
            "bob",
            name="High",
            restrictions=[
                {
                    "type": "weekly_restriction",
                    "start_day_of_week": 1,
                    "start_time_of_day": "09:00:00",
                    "duration_seconds": 3600,
                },
                {
                    "type": "daily_restriction",
                    "start_time_of_day": "20:00:00",
                    "duration_seconds": 60,
                },
            ],
        ),
        description="Days",
    )
    every_field(made, FIELDS)
    path = f"/schedules/{made['id']}"
    assert (made["self"], made["html_url"]) == (BASE + path, f"{BASE}/app{path}")
    # Written from the lowest to the highest, read the other way round.
    high, low = made["schedule_layers"]
    assert (high["name"], low["name"]) == ("High", "Low")
    assert set(high) == set(low) == LAYER_FIELDS
    assert [u["user"]["summary"] for u in low["users"]] == ["ann", "bob"]
    assert (low["start"], low["end"], low["restrictions"]) == (wire(), None, [])
    assert high["restrictions"] == [
        {
            "type": "weekly_restriction",
            "start_day_of_week": 1,
            "start_time_of_day": "09:00:00",
            "duration_seconds": 3600,
        },
        {
            "type": "daily_restriction",
            "start_day_of_week": None,
            "start_time_of_day": "20:00:00",
            "duration_seconds": 60,
        },
    ]
    assert (low["rendered_schedule_entries"], low["rendered_coverage_percentage"]) == ([], None)
    assert (made["final_schedule"], made["overrides_subschedule"]) == (None, None)
    assert {u["summary"] for u in made["users"]} == {"ann", "bob"}
    assert (await admin.get(path))["schedule"] == made
    # Turned round again as clients do, it is no change.
    same = {**made, "schedule_layers": made["schedule_layers"][::-1]}
    assert (await admin.put(path, {"schedule": same}))["schedule"] == made
    partial = await admin.put(path, {"schedule": {"name": "Second"}})
    assert partial["schedule"] == {**made, "name": "Second", "summary": "Second"}
    await admin.delete(path)
    assert code_of(await admin.get(path, 404)) == 2100


async def test_what_a_schedule_comes_to(world: World, admin: Client) -> None:
    made = await schedule(admin, layer(world, "ann", "bob"))
    path = f"/schedules/{made['id']}"
    shown = (await admin.get(path, since=wire(), until=wire(2)))["schedule"]
    (low,) = shown["schedule_layers"]
    days = [("ann", wire(), wire(1)), ("bob", wire(1), wire(2))]
    assert people(low["rendered_schedule_entries"]) == days
    assert low["rendered_coverage_percentage"] == 100.0
    assert people(shown["final_schedule"]["rendered_schedule_entries"]) == days
    assert shown["final_schedule"]["name"] == "Final Schedule"
    assert shown["overrides_subschedule"] == {
        "name": "Overrides",
        "rendered_schedule_entries": [],
        "rendered_coverage_percentage": 0.0,
    }
    # A missing end is two weeks away; what crosses a bound is cut, or not with overflow.
    long = (await admin.get(path, since=wire(0.5)))["schedule"]["final_schedule"]
    entries = people(long["rendered_schedule_entries"])
    assert (entries[0][1], entries[-1][2]) == (wire(0.5), wire(14.5))
    over = await admin.get(path, since=wire(0.5), until=wire(1), overflow="true")
    entries = people(over["schedule"]["final_schedule"]["rendered_schedule_entries"])
    assert entries == [("ann", wire(), wire(1))]
    zoned = await admin.get(path, since=wire(), until=wire(1), time_zone="Asia/Tokyo")
    entry = zoned["schedule"]["final_schedule"]["rendered_schedule_entries"][0]
    assert entry["start"].endswith("+09:00")
    on_call = await admin.get(f"{path}/users", since=wire(), until=wire(0.5))
    assert [user["email"] for user in on_call["users"]] == ["ann@example.com"]
    assert code_of(await admin.get(path, 400, since=wire(2), until=wire(1))) == 2001
    assert code_of(await admin.get(path, 400, since="yesterday")) == 2001


async def test_a_preview_keeps_nothing(world: World, admin: Client) -> None:
    body = {
        "schedule": {
            "name": "Idea",
            "time_zone": "Etc/UTC",
            "schedule_layers": [layer(world, "bob")],
        }
    }
    answer = await admin.ask(
        "POST", "/schedules/preview", params={"since": wire(), "until": wire(1)}, json=body
    )
    assert answer.status_code == 200, answer.text
    shown = answer.json()["schedule"]
    assert people(shown["final_schedule"]["rendered_schedule_entries"]) == [
        ("bob", wire(), wire(1))
    ]
    assert (await admin.get("/schedules"))["schedules"] == []


async def test_schedules_are_found(world: World, admin: Client) -> None:
    team = (await admin.post("/teams", {"team": {"name": "Core"}}))["team"]
    await schedule(admin, layer(world, "ann"), name="Alpha")
    await schedule(admin, layer(world, "ann"), name="Beta", teams=[reference("team", team["id"])])

    async def names(**asked: Any) -> list[str]:
        return [one["name"] for one in (await admin.get("/schedules", **asked))["schedules"]]

    assert await names() == ["Alpha", "Beta"]
    assert await names(query="alp") == ["Alpha"]
    assert await names(team_ids=[team["id"]]) == ["Beta"]
    assert await names(limit=1, offset=1) == ["Beta"]
    found = await admin.get("/schedules", limit=1, total="true")
    assert (found["total"], found["more"]) == (2, True)
    every_field(found["schedules"][0], FIELDS)


@pytest.mark.parametrize(
    "values",
    [
        {"name": None},
        {"name": ""},
        {"name": "Taken"},
        {"time_zone": "Mars"},
        {"time_zone": None},
        {"schedule_layers": []},
        {"schedule_layers": None},
        {"schedule_layers": [{}]},
        {"schedule_layers": [{"users": [{"user": {"id": "PX"}}], "start": "now"}]},
        {"teams": [{"id": "PNONE"}]},
    ],
)
async def test_a_wrong_schedule_is_refused(
    world: World, admin: Client, values: dict[str, Any]
) -> None:
    await schedule(admin, layer(world, "ann"), name="Taken")
    body = {
        "name": "Primary",
        "time_zone": "Etc/UTC",
        "schedule_layers": [layer(world, "ann")],
        **values,
    }
    answer = await admin.post("/schedules", {"schedule": body}, 400)
    assert code_of(answer) == 2001
    assert answer["error"]["errors"][0].startswith(next(iter(values)))


@pytest.mark.parametrize(
    "values",
    [
        {"users": []},
        {"users": [{"user": {"id": "PNOBODY"}}]},
        {"rotation_turn_length_seconds": 5},
        {"rotation_turn_length_seconds": "long"},
        {"id": "PNOLAYER"},
        {"start": "0001-01-01T00:00:00+14:00"},
        {"restrictions": [{"type": "weekly_restriction", "duration_seconds": 5}]},
    ],
)
async def test_a_wrong_layer_is_refused(
    world: World, admin: Client, values: dict[str, Any]
) -> None:
    body = {
        "name": "Primary",
        "time_zone": "Etc/UTC",
        "schedule_layers": [layer(world, "ann", **values)],
    }
    answer = await admin.post("/schedules", {"schedule": body}, 400)
    assert answer["error"]["errors"][0].startswith("schedule_layers")


async def test_overrides(world: World, admin: Client) -> None:
    made = await schedule(admin, layer(world, "ann"))
    path = f"/schedules/{made['id']}/overrides"
    bob = reference("user", world["bob"].user.id)
    wanted = [
        {"start": wire(1), "end": wire(2), "user": bob},
        {"start": wire(-2), "end": wire(-1), "user": bob},
        {"start": wire(), "end": wire(0.5), "user": bob},
    ]
    first, past, current = await admin.post(path, {"overrides": wanted})
    assert [first["status"], past["status"], current["status"]] == [201, 400, 201]
    assert (past["override"], len(past["errors"]), first["errors"]) == (None, 1, [])
    assert set(first["override"]) == {"id", "type", "start", "end", "user"}
    assert first["override"]["user"]["summary"] == "bob"
    single = {"override": {"start": wire(3), "end": wire(4), "user": bob}}
    third = (await admin.post(path, single))["override"]
    found = await admin.get(path, 201, since=wire(), until=wire(10))
    assert [o["start"] for o in found["overrides"]] == [wire(), wire(1), wire(3)]
    found = await admin.get(path, 201, since=wire(), until=wire(0.7))
    assert [o["id"] for o in found["overrides"]] == [current["override"]["id"]]
    shown = await admin.get(f"/schedules/{made['id']}", since=wire(), until=wire(2))
    final = shown["schedule"]["final_schedule"]["rendered_schedule_entries"]
    assert [e["user"]["summary"] for e in final] == ["bob", "ann", "bob"]
    await world.advance(hours=1)
    await admin.delete(f"{path}/{third['id']}", 204)
    await admin.delete(f"{path}/{current['override']['id']}", 200)
    again = await admin.delete(f"{path}/{current['override']['id']}", 400)
    assert code_of(again) == 4004
    editable = await admin.get(path, 201, since=wire(), until=wire(10), editable="true")
    assert [o["id"] for o in editable["overrides"]] == [first["override"]["id"]]
    await admin.delete(f"{path}/PNONE", 404)
    assert code_of(await admin.post(path, {"overrides": []}, 400)) == 2001
    assert code_of(await admin.post(path, {"overrides": [{}]}, 400)) == 2001


async def test_who_is_on_call(world: World, admin: Client) -> None:
    made = await schedule(admin, layer(world, "ann", "bob"))
    ops = await admin.post(
        "/escalation_policies",
        {
            "escalation_policy": {
                "name": "Ops",
                "escalation_rules": [
                    {
                        "escalation_delay_in_minutes": 5,
                        "targets": [reference("schedule", made["id"])],
                    },
                    {
                        "escalation_delay_in_minutes": 5,
                        "targets": [reference("user", world["bob"].user.id)],
                    },
                ],
            }
        },
    )
    policy_id = ops["escalation_policy"]["id"]
    shown = await admin.get(f"/schedules/{made['id']}")
    assert [p["id"] for p in shown["schedule"]["escalation_policies"]] == [policy_id]
    assert "used by" in (await admin.delete(f"/schedules/{made['id']}", 400))["error"]["message"]
    await world.advance(hours=1)
    found = await admin.get("/oncalls", total="true")
    assert {k: found[k] for k in ("limit", "offset", "more", "total")} == {
        "limit": 25,
        "offset": 0,
        "more": False,
        "total": 2,
    }
    first, second = found["oncalls"]
    assert set(first) == {
        "escalation_policy",
        "escalation_level",
        "schedule",
        "user",
        "start",
        "end",
    }
    assert (first["escalation_level"], first["user"]["summary"]) == (1, "ann")
    assert (first["start"], first["end"]) == (wire(), wire(1))
    assert first["schedule"]["id"] == made["id"]
    assert first["escalation_policy"]["id"] == policy_id
    assert (second["escalation_level"], second["user"]["summary"]) == (2, "bob")
    assert (second["schedule"], second["start"], second["end"]) == (None, None, None)

    async def lines(**asked: Any) -> list[tuple[str, Any]]:
        answer = await admin.get("/oncalls", **asked)
        return [(one["user"]["summary"], one["start"]) for one in answer["oncalls"]]

    bob = world["bob"].user.id
    assert await lines(user_ids=[bob]) == [("bob", None)]
    assert await lines(schedule_ids=[made["id"]]) == [("ann", wire())]
    assert await lines(escalation_policy_ids=["PNONE"]) == []
    ranged = {"since": wire(0.5), "until": wire(3.5), "schedule_ids": [made["id"]]}
    assert await lines(**ranged) == [
        ("ann", wire()),
        ("bob", wire(1)),
        ("ann", wire(2)),
        ("bob", wire(3)),
    ]
    assert await lines(**ranged, earliest="true") == [("ann", wire()), ("bob", wire(1))]
    whole = await admin.get("/oncalls", include=["users", "schedules", "escalation_policies"])
    assert whole["oncalls"][0]["user"]["email"] == "ann@example.com"
    every_field(whole["oncalls"][0]["schedule"], FIELDS)
    assert whole["oncalls"][0]["escalation_policy"]["num_loops"] == 0
    assert code_of(await admin.get("/oncalls", 400, since=wire(2), until=wire(1))) == 2004
    assert code_of(await admin.get("/oncalls", 400, since=wire(), until=wire(91))) == 2001


async def test_roles(world: World, admin: Client) -> None:
    made = await schedule(admin, layer(world, "ann"))
    body = {
        "schedule": {
            "name": "Other",
            "time_zone": "Etc/UTC",
            "schedule_layers": [layer(world, "ann")],
        }
    }
    for role, status in (("user", 201), ("limited_user", 403), ("observer", 403)):
        client = await account_client(world, role, sender="ann@example.com")
        await client.get(f"/schedules/{made['id']}")
        await client.get("/oncalls")
        await client.post("/schedules", body, status)
    # A responder takes shifts, but does not give them to others.
    bob = await person_client(world, "bob")
    path = f"/schedules/{made['id']}/overrides"
    for name, status in (("bob", 201), ("ann", 403)):
        wanted = {"start": wire(1), "end": wire(2), "user": {"id": world[name].user.id}}
        await bob.post(path, {"overrides": [wanted]}, status)
    await world.person("eve", role=Role.RESTRICTED)
    eve = await person_client(world, "eve")
    await eve.get(f"/schedules/{made['id']}", 404)
    await eve.get("/schedules", 403)
    assert (await eve.get("/oncalls"))["oncalls"] == []
