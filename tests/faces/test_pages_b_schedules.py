"""Schedules, on-call and deliveries, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.schedules.drafts import LayerDraft

MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WEEK = 604_800


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", zone="Europe/Berlin")
        await made.person("bob", zone="Asia/Tokyo")
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


async def weekly(world: World, *names: str, until: datetime | None = None) -> str:
    """A schedule of weekly turns from Monday 09:00 in Berlin."""
    layer = LayerDraft(
        name="Weekly",
        start=MONDAY,
        end=until,
        rotation_virtual_start=MONDAY,
        rotation_turn_length_seconds=WEEK,
        members=tuple(world[name].user.id for name in names),
    )
    return await world.schedule("Nights", "Europe/Berlin", [layer])


async def test_three_lanes_the_clock_change_and_the_next_hand_off(
    world: World, ann: Visitor
) -> None:
    schedule_id = await weekly(world, "ann", "bob")
    page = await ann.get(f"/app/schedules/{schedule_id}?first=2026-03-23&weeks=1")
    said = words(page)
    assert "Mon 09:00" in said.replace("9 Mar, 09:00", "Mon 09:00")
    assert "Final schedule" in said
    assert "CET, then CEST" in said
    assert "Sun 29 has 23 hours" in said
    assert page.count('class="dst"') > 0
    for weeks in (1, 2, 4):
        await ann.get(f"/app/schedules/{schedule_id}?weeks={weeks}")
    await ann.get(f"/app/schedules/{schedule_id}?first=nonsense&weeks=99&from=x&to=y")


async def test_a_gap_is_red_and_filled_where_it_is_seen(world: World, ann: Visitor) -> None:
    end = START + timedelta(days=3)
    schedule_id = await weekly(world, "ann", until=end)
    path = f"/app/schedules/{schedule_id}"
    page = await ann.get(path)
    assert "Gap ahead." in words(page)
    fill = re.search(r'href="([^"]+#override)">Fill the gap', page)
    assert fill is not None
    form = await ann.get(fill[1].replace("&amp;", "&"))
    assert 'value="2026-03-05T10:00"' in form
    said = words(
        await ann.post(
            f"{path}/overrides",
            {
                "user_id": world["bob"].user.id,
                "start": "2026-03-05T10:00",
                "end": "2026-03-30T09:00",
            },
        )
    )
    assert "Gap ahead." not in said
    assert "The override is set." in said
    wrong = await ann.post(
        f"{path}/overrides",
        {"user_id": world["bob"].user.id, "start": "2026-03-06T10:00", "end": "2026-03-05T10:00"},
        status=422,
    )
    assert 'id="f-end-e"' in wrong
    remove = re.search(rf'action="({path}/overrides/\w+/remove)"', await ann.get(path))
    assert remove is not None
    assert "Gap ahead." in words(await ann.post(remove[1]))


def editor_fields(page: str) -> dict[str, object]:
    """What a browser would send back of the editor's inputs and chosen options."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input[^>]*?value="([^"]*)"[^>]*?name="(\w+)"', page):
        fields.setdefault(value, []).append(name)
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        fields[name] = [value]
    for name, value in re.findall(
        r'<input class="in" type="time"[^>]*name="(\w+)" value="([^"]*)"', page
    ):
        fields.setdefault(name, []).append(value)
    for select in re.findall(r"<select.*?</select>", page, re.S):
        name = re.search(r'name="(\w+)"', select)
        chosen = re.search(r'value="([^"]*)" selected', select)
        if name is not None:
            fields.setdefault(name[1], []).append(chosen[1] if chosen else "")
    return {name: values for name, values in fields.items() if name != "csrf_token"}


async def test_saving_an_unchanged_schedule_changes_nobody(world: World, ann: Visitor) -> None:
    schedule_id = await weekly(world, "ann", "bob")
    path = f"/app/schedules/{schedule_id}"
    async with world.database.transaction() as tx:
        before = await tx.tuples("select id, ends_at from schedule_layers order by id")
    page = await ann.get(f"{path}/edit")
    await ann.post(f"{path}/edit", {**editor_fields(page), "do": "save"})
    async with world.database.transaction() as tx:
        after = await tx.tuples("select id, ends_at from schedule_layers order by id")
    assert after == before


async def test_layers_are_built_previewed_and_saved_without_scripts(
    world: World, ann: Visitor
) -> None:
    ann_id, bob_id = world["ann"].user.id, world["bob"].user.id
    await ann.get("/app/schedules/new")
    form: dict[str, object] = {
        "name": "Office",
        "time_zone": "Europe/Berlin",
        "layer_count": "1",
        "members_1": [ann_id, bob_id, ""],
        "turn_1": "daily",
        "day_1": "1",
        "time_1": "09:00",
        "hours_1": "12",
    }
    page = await ann.post("/app/schedules/new", {**form, "do": "weekdays:1"})
    assert page.count('name="window_day_1"') == 5
    form |= {
        "window_day_1": ["1", "2", "3", "4", "5"],
        "window_start_1": ["09:00"] * 5,
        "window_until_1": ["17:00"] * 5,
        "window_until_day_1": ["same"] * 5,
    }
    preview = words(await ann.post("/app/schedules/new", {**form, "do": "preview"}))
    assert "Preview," in preview
    assert "nothing is saved yet" in preview
    assert "No schedule yet" in words(await ann.get("/app/schedules"))
    wrong = await ann.post(
        "/app/schedules/new",
        {**form, "window_until_1": ["08:00"] * 5, "do": "save"},
        status=422,
    )
    assert "ends before it begins" in words(wrong)
    saved = words(await ann.post("/app/schedules/new", {**form, "do": "save"}))
    assert "Daily, 09:00; 5 time windows" in saved
    assert "only Mon 09:00 for 8 h" in saved


async def test_a_schedule_in_use_is_not_deleted(world: World, ann: Visitor) -> None:
    schedule_id = await weekly(world, "ann")
    await world.service("checkout", [[schedule_id]])
    await ann.get(f"/app/schedules/{schedule_id}")
    said = words(await ann.post(f"/app/schedules/{schedule_id}/delete", status=409))
    assert "is used by the escalation policy checkout policy" in said


async def test_on_call_says_until_when_and_who_is_next(world: World, ann: Visitor) -> None:
    schedule_id = await weekly(world, "ann", "bob")
    await world.service("checkout", [[schedule_id], ["bob"]])
    said = words(await ann.get("/app/oncall"))
    assert "You are on call until 9 Mar, 09:00" in said
    assert "Level 1 of checkout policy , by Nights" in said
    assert "Somebody is on call in every schedule" in said
    assert "phone was never proven." in said


async def test_parts_that_say_who_is_on_call_fetch_themselves_at_the_hand_off(
    world: World, ann: Visitor
) -> None:
    schedule_id = await weekly(world, "ann", "bob")
    await world.service("checkout", [[schedule_id]])
    for path in ("/app/oncall", "/app/schedules", f"/app/schedules/{schedule_id}", "/app/services"):
        page = await ann.get(path)
        (delay,) = set(re.findall(r'hx-trigger="live, load delay:(\d+)s"', page))
        wakes = world.clock.now() + timedelta(seconds=int(delay))
        handoff = MONDAY + timedelta(seconds=WEEK)
        assert handoff < wakes <= handoff + timedelta(seconds=2), path


async def test_taking_a_shift_is_an_override_until_the_hand_off(world: World, ann: Visitor) -> None:
    schedule_id = await weekly(world, "bob", "ann")
    await ann.get("/app/oncall")
    page = await ann.post("/app/oncall/take", {"schedule_id": schedule_id})
    assert "You are on call in Nights until 9 Mar, 09:00." in words(page)
    undo = re.search(r'action="(/app/schedules/\w+/overrides/\w+/remove\?next=oncall)"', page)
    assert undo is not None
    refused = await ann.post("/app/oncall/take", {"schedule_id": schedule_id}, status=409)
    assert "You are on call in Nights already." in words(refused)
    assert "You are not on call" in words(await ann.post(undo[1]))


async def test_acknowledging_from_the_on_call_page(world: World, ann: Visitor) -> None:
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    page = await ann.get("/app/oncall")
    ids = re.findall(r'name="ids" value="(Q\w+)"', page)
    back = {"act": "acknowledge", "ids": ids, "back": "/app/oncall"}
    assert "Acknowledged" in words(await ann.post("/app/incidents/bulk", back))
    assert await world.status("db-down") == "acknowledged"


async def test_a_delivery_says_why_link_by_link(world: World, ann: Visitor) -> None:
    schedule_id = await weekly(world, "ann", "bob")
    await world.service("checkout", [[schedule_id]])
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    page = await ann.get("/app/deliveries")
    assert "handed over after less than 0.1 s" in words(page)
    link = re.search(r'href="(/app/deliveries/Q\w+)"', page)
    assert link is not None
    said = words(await ann.get(link[1]))
    for part in (
        "An event came in through events: db-down",
        "Incident #1 opened on checkout",
        "Level 1 of checkout policy",
        "ann was paged: on call in Nights",
        "by the layer Weekly, 2 Mar 09:00 to 9 Mar 08:00 UTC",
        "Use phone",
        "ann’s notification rule for high urgency",
        "Attempt 1: delivered",
    ):
        assert part in said, part


async def test_the_ledger_filters(world: World, ann: Visitor) -> None:
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    bob_id = world["bob"].user.id
    for query, found in (
        ("", True),
        ("incident=%231", True),
        ("incident=77", False),
        ("state=sent", True),
        ("state=failed", False),
        ("channel=phone", True),
        ("channel=mail", False),
        (f"person={bob_id}", False),
    ):
        said = words(await ann.get(f"/app/deliveries?{query}"))
        assert ("db-down" in said) is found, query
    await ann.get("/app/deliveries?incident=x", status=422)
    await ann.get("/app/deliveries/QNOTHING", status=404)
