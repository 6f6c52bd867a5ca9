"""Maintenance windows, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", zone="Europe/Berlin")
        await made.person("bob")
        await made.service("checkout", [["bob"]], minutes=5)
        await made.service("search", [["bob"]], minutes=5)
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


def service_path(world: World, name: str = "checkout") -> str:
    return f"/app/services/{world.services[name].id}"


def window_path(page: str) -> str:
    found = re.search(r"/app/maintenance/(P\w+)", page)
    assert found is not None
    return found[0]


async def test_two_taps_on_the_service_begin_it_and_one_ends_it(world: World, ann: Visitor) -> None:
    path = service_path(world)
    assert "30 minutes" in words(await ann.get(path))
    begun = words(await ann.post(f"{path}/maintenance", {"minutes": "30"}))
    assert "In maintenance until 10:30" in begun
    await world.trigger("checkout", "disk missing", severity="error")
    await world.trigger("checkout", "disk missing")
    await world.trigger("checkout", "a short dip")
    await world.resolve("checkout", "a short dip")
    page = await ann.get(path)
    said = words(page)
    assert "1 held back" in said
    assert "disk missing critical, 10:00 , 2 events, monitor held back" in said
    assert "a short dip critical, 10:00 , monitor over, told nobody" in said
    assert "Maintenance checkout" in words(await ann.get("/app/services"))
    world["bob"].expects_nothing()
    await world.advance(minutes=10)
    ended = words(await ann.post(f"{window_path(page)}/end"))
    assert "Ended" in ended
    await world.settle()
    world["bob"].expects_page("disk missing")
    incident = await world.incident("disk missing")
    assert "the service's maintenance is over" in words(
        await ann.get(f"/app/incidents/{incident.id}")
    ).replace("’", "'")
    assert "In maintenance" not in words(await ann.get(path))


async def test_one_is_planned_changed_and_taken_back(world: World, ann: Visitor) -> None:
    form = await ann.get(f"/app/maintenance/new?service={world.services['search'].id}")
    assert 'value="2026-03-02T10:00"' in form
    services = [world.services[name].id for name in ("checkout", "search")]
    made = await ann.post(
        "/app/maintenance/new",
        {
            "description": "new disks",
            "start_time": "2026-03-02T20:00",
            "end_time": "2026-03-02T22:00",
            "services": services,
        },
    )
    assert "From 20:00 Until 22:00 Made by ann Services checkout , search" in words(made)
    path = window_path(made)
    listed = words(await ann.get("/app/maintenance"))
    assert "To come new disks by ann checkout , search 20:00 22:00" in listed
    # Times as they were shown stay as they are, to the second.
    saved = await ann.post(
        path,
        {
            "description": "new disks and fans",
            "start_time": "2026-03-02T20:00",
            "end_time": "2026-03-02T21:00",
            "services": services[:1],
        },
    )
    assert "new disks and fans" in words(saved)
    listed = words(await ann.get("/app/maintenance?show=future&q=FANS"))
    assert "checkout 20:00 21:00" in listed
    assert "new disks" in words(await ann.get(service_path(world)))
    assert "new disks" not in words(await ann.get(service_path(world, "search")))
    gone = words(await ann.post(f"{path}/end"))
    assert "Nothing in maintenance" in gone


async def test_what_is_wrong_is_said_at_its_field(world: World, ann: Visitor) -> None:
    refused = await ann.post(
        "/app/maintenance/new",
        {
            "description": "x",
            "start_time": "2026-03-02T20:00",
            "end_time": "2026-03-02T19:00",
            "services": [world.services["search"].id],
        },
        status=422,
    )
    assert "must be later than start_time" in words(refused)
    nobody = await ann.post(
        "/app/maintenance/new",
        {
            "description": "x",
            "start_time": "2026-03-02T20:00",
            "end_time": "2026-03-02T21:00",
        },
        status=422,
    )
    assert "must name 1 to 250 services" in words(nobody)


async def test_one_that_is_over_is_only_looked_at(world: World, ann: Visitor) -> None:
    path = service_path(world)
    await ann.post(f"{path}/maintenance", {"minutes": "30"})
    window = window_path(await ann.get(path))
    await world.advance(minutes=31)
    page = words(await ann.get(window))
    assert "Over" in page
    assert "Change it" not in page
    assert "is over" in words(await ann.post(f"{window}/end", status=409))
    assert "Over" in words(await ann.get("/app/maintenance?show=past"))
