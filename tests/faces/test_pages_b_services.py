"""Services and escalation policies, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world

POLICIES = "/app/escalation-policies"


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", zone="Europe/Berlin")
        await made.person("bob")
        await made.service("checkout", [["ann"], ["bob"]], minutes=5)
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


def service_path(world: World) -> str:
    return f"/app/services/{world.services['checkout'].id}"


async def test_the_list_says_the_state_of_each(world: World, ann: Visitor) -> None:
    assert "Quiet checkout" in words(await ann.get("/app/services"))
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    said = words(await ann.get("/app/services"))
    assert "Triggered checkout 1 triggered" in said


async def test_a_key_is_masked_until_it_is_asked_for(world: World, ann: Visitor) -> None:
    path, key = service_path(world), world.keys["checkout"]
    page = await ann.get(path)
    assert key not in page
    reveal = re.search(rf'action="({path}/integrations/\w+/reveal)"', page)
    assert reveal is not None
    shown = await ann.post(reveal[1])
    assert f"routing_key: {key}" in shown
    assert f"&#34;routing_key&#34;: &#34;{key}&#34;" in shown
    assert key not in await ann.get(path)
    rotated = await ann.post(reveal[1].replace("/reveal", "/rotate"))
    assert key not in rotated


async def test_a_test_event_takes_the_road_of_every_event(world: World, ann: Visitor) -> None:
    path = service_path(world)
    page = await ann.get(path)
    test = re.search(rf'action="({path}/integrations/\w+/test)"', page)
    assert test is not None
    await ann.post(test[1])
    await world.settle()
    title = "Test event, sent by ann from the service’s page"
    world["ann"].expects_page(title)
    assert await world.status(title) == "triggered"
    await ann.post(test[1], {"action": "resolve"})
    await world.settle()
    assert await world.status(title) == "resolved"


async def test_a_door_of_another_service_is_not_opened_here(world: World, ann: Visitor) -> None:
    await world.service("ledger", [["ann"]])
    ledger = f"/app/services/{world.services['ledger'].id}"
    page = await ann.get(ledger)
    other = re.search(rf'action="{ledger}/integrations/(\w+)/reveal"', page)
    assert other is not None
    await ann.post(f"{service_path(world)}/integrations/{other[1]}/reveal", status=404)


async def test_settings_are_in_minutes_and_named_when_wrong(world: World, ann: Visitor) -> None:
    path = service_path(world)
    await ann.get(path)
    good = {
        "name": "checkout",
        "escalation_policy_id": world.services["checkout"].escalation_policy_id,
        "urgency_rule": "low",
        "acknowledgement_minutes": "45",
        "auto_resolve_minutes": "0",
    }
    page = await ann.post(path, good)
    assert "low urgency" in words(page)
    assert 'value="45"' in page
    wrong = await ann.post(path, {**good, "acknowledgement_minutes": "x"}, status=422)
    assert 'id="f-acknowledgement_minutes-e"' in wrong


async def test_disabling_and_deleting(world: World, ann: Visitor) -> None:
    path = service_path(world)
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await ann.get(path)
    assert "has open incidents: #1 db-down" in words(await ann.post(f"{path}/delete", status=409))
    assert "Nobody is paged." in words(await ann.post(f"{path}/disable"))
    assert "Disabled since" not in words(await ann.post(f"{path}/enable"))
    await world.resolve("checkout", "db-down")
    assert "checkout is deleted" in words(await ann.post(f"{path}/delete"))


async def test_a_new_service_comes_with_a_key(world: World, ann: Visitor) -> None:
    policy = world.services["checkout"].escalation_policy_id
    await ann.get("/app/services/new")
    form = {"name": "ledger", "escalation_policy_id": policy, "urgency_rule": "high"}
    page = await ann.post("/app/services/new", {**form, "kind": "alertmanager"})
    assert "Prometheus Alertmanager" in words(page)
    again = await ann.post("/app/services/new", {**form, "kind": "alertmanager"}, status=422)
    assert "already the name of another service" in words(again)


async def test_the_editor_works_without_scripts(world: World, ann: Visitor) -> None:
    ann_id, bob_id = world["ann"].user.id, world["bob"].user.id
    page = await ann.get(f"{POLICIES}/new")
    assert page.count('name="delay_') == 1
    form: dict[str, object] = {
        "name": "Nights",
        "loops": "1",
        "level_count": "1",
        "delay_1": "10",
        "targets_1": [f"user:{ann_id}", ""],
    }
    page = await ann.post(f"{POLICIES}/new", {**form, "do": "add"})
    assert page.count('name="delay_') == 2
    form |= {"level_count": "2", "delay_2": "20", "targets_2": [""]}
    empty = await ann.post(f"{POLICIES}/new", {**form, "do": "save"}, status=422)
    assert "give 1 to 10 people or schedules" in words(empty)
    form |= {"targets_2": [f"user:{bob_id}"]}
    moved = await ann.post(f"{POLICIES}/new", {**form, "do": "up:2"})
    assert moved.index('value="20"') < moved.index('value="10"')
    saved = words(await ann.post(f"{POLICIES}/new", {**form, "do": "save"}))
    assert "After the last level it begins again, 1 time." in saved
    assert "loop 2 of 2" in saved


async def test_the_preview_says_who_would_be_paged_and_when(world: World, ann: Visitor) -> None:
    said = words(await ann.get(f"{POLICIES}/{world.services['checkout'].escalation_policy_id}"))
    assert "1 ann 10:00 2 bob 10:05" in said
    assert "every level was paged and nobody acknowledged" in said


async def test_an_edit_keeps_what_was_not_touched(world: World, ann: Visitor) -> None:
    path = f"{POLICIES}/{world.services['checkout'].escalation_policy_id}"
    page = await ann.get(f"{path}/edit")
    level_ids = re.findall(r'name="id_\d" value="(P\w+)"', page)
    form = {
        "name": "Renamed",
        "loops": "0",
        "level_count": "2",
        "id_1": level_ids[0],
        "delay_1": "5",
        "targets_1": f"user:{world['ann'].user.id}",
        "id_2": level_ids[1],
        "delay_2": "5",
        "targets_2": f"user:{world['bob'].user.id}",
        "do": "save",
    }
    await ann.post(f"{path}/edit", form)
    assert re.findall(r'name="id_\d" value="(P\w+)"', await ann.get(f"{path}/edit")) == level_ids


async def test_a_policy_in_use_is_not_deleted(world: World, ann: Visitor) -> None:
    path = f"{POLICIES}/{world.services['checkout'].escalation_policy_id}"
    await ann.get(path)
    assert "is used by checkout" in words(await ann.post(f"{path}/delete", status=409))
