"""Grouping, the pause and support hours on the page of a service, without scripts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts.model import SYSTEM, Role
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput

# A Monday, ten o'clock in Berlin.
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", zone="Europe/Berlin", role=Role.OWNER)
        for name in ("shop", "till"):
            await made.service(name, [["ann"]])
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


def path(world: World, name: str = "shop") -> str:
    return f"/app/services/{world.services[name].id}"


async def test_grouping_by_time_and_its_words(world: World, ann: Visitor) -> None:
    page = path(world)
    assert "Each alert opens an incident of its own." in words(await ann.get(page))
    form = await ann.get(f"{page}?grouping=time")
    assert "For so many minutes after the first alert" in words(form)
    said = words(await ann.post(f"{page}/grouping", {"way": "time", "timeout_minutes": "90"}))
    assert "All alerts join the incident for 1 h 30 min after it opened." in said
    await world.trigger("shop", "a")
    world["ann"].expects_page("a")
    await world.trigger("shop", "b")
    world["ann"].expects_nothing()
    incident = await ann.get(f"/app/incidents/{(await world.incident('a')).id}")
    said = words(incident)
    assert "Another alert from events joined" in said
    assert "it came within 1 h 30 min of the first alert" in words(incident)
    off = words(await ann.post(f"{page}/grouping", {"way": "none"}))
    assert "Each alert opens an incident of its own." in off
    await world.trigger("shop", "c")
    world["ann"].expects_page("c")


async def test_grouping_by_content_and_text(world: World, ann: Visitor) -> None:
    page = path(world)
    values = {
        "way": "content_based_intelligent",
        "aggregate": "all",
        "fields": "component, custom_details.rack",
        "text_fields": "summary",
        "window_minutes": "10",
    }
    said = words(await ann.post(f"{page}/grouping", values))
    assert (
        "Alerts come together that have the same component and rack and say much the same in"
        " their summary, within 10 min of the last one."
    ) in said
    wrong = await ann.post(
        f"{page}/grouping?grouping=content_based",
        {**values, "way": "content_based", "fields": "host"},
        status=422,
    )
    assert "must be of summary, source" in words(wrong)
    # What was typed is still there.
    assert 'value="host"' in wrong
    short = await ann.post(
        f"{page}/grouping?grouping=content_based",
        {**values, "way": "content_based", "window_minutes": "1"},
        status=422,
    )
    assert "must be between 300 and 3600 seconds" in words(short)


async def test_a_shared_setting_is_left(world: World, ann: Visitor) -> None:
    ids = [world.services[name].id for name in ("shop", "till")]
    wanted = GroupingInput(
        type="content_based", service_ids=ids, aggregate="all", fields=["source"], name="Both"
    )
    async with world.database.transaction() as tx:
        shared = await grouping.create_grouping(tx, SYSTEM, wanted, world.clock.now())
    said = words(await ann.get(path(world)))
    assert "Together with till" in said
    assert "the others keep theirs" in said
    await ann.post(f"{path(world)}/grouping", {"way": "time", "timeout_minutes": "0"})
    assert "until it is resolved" in words(await ann.get(path(world)))
    async with world.database.transaction() as tx:
        left = await grouping.groupings_by_ids(tx, [shared.id])
    assert left[shared.id].service_ids == [world.services["till"].id]


async def test_what_waits_is_shown(world: World, ann: Visitor) -> None:
    page = path(world)
    assert "A new alert opens an incident at once." in words(await ann.get(page))
    said = words(await ann.post(f"{page}/pause", {"pause_seconds": "300"}))
    assert "A new alert waits 5 min before it opens an incident." in said
    await world.trigger("shop", "blip")
    waiting = words(await ann.get(page))
    assert "blip" in waiting
    assert "opens" in waiting
    await world.resolve("shop", "blip")
    after = words(await ann.get(page))
    assert "1 of 1 ended by themselves in 28 days" in after
    await ann.post(f"{page}/pause", {"pause_seconds": "7"}, status=422)


async def test_support_hours(world: World, ann: Visitor) -> None:
    page = path(world)
    values = {
        "by_hours": "yes",
        "days": ["1", "2", "3"],
        "start": "09:00",
        "end": "17:30",
        "time_zone": "Europe/Berlin",
        "urgency_within": "severity_based",
        "urgency_outside": "low",
        "raise_at": "support_hours_start",
    }
    said = words(await ann.post(f"{page}/hours", values))
    assert "Mon, Tue, Wed, 09:00 to 17:30, Europe/Berlin: by severity. Outside: low." in said
    assert "within the hours" in said
    assert "Open incidents of low urgency become urgent when they begin." in said
    wrong = await ann.post(f"{page}/hours", {**values, "end": "09:00"}, status=422)
    assert "must not be the same as the start" in words(wrong)
    none = await ann.post(f"{page}/hours", {**values, "days": []}, status=422)
    assert "must name at least one day" in words(none)
    # The other settings leave the hours alone.
    service = world.services["shop"]
    await ann.post(
        page,
        {
            "name": "shop",
            "escalation_policy_id": service.escalation_policy_id,
            "urgency_rule": "high",
            "acknowledgement_minutes": "0",
            "auto_resolve_minutes": "0",
        },
    )
    said = words(await ann.get(page))
    assert "09:00 to 17:30, Europe/Berlin: high. Outside: low." in said
    off = words(await ann.post(f"{page}/hours", {"by_hours": "no"}))
    assert "The urgency is high at all hours." in off
