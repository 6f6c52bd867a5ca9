"""The one-tap pages: looking never acts, an answer says what is now true, a bad link says why."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.postgres import START
from tests.support.visitor import words
from tests.support.world import World, make_world
from tocsin.incidents import actions as incidents
from tocsin.replies.pace import BURST, Pace


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann")
        await made.person("bob")
        await made.service("checkout", [["ann"], ["bob"]], minutes=5)
        await made.trigger("checkout", "db-down")
        yield made


def path(world: World, name: str = "ann") -> str:
    url = world[name].expects_page("db-down").acknowledge_url
    assert url is not None
    return urlsplit(url).path


async def press(world: World, address: str, **fields: str) -> tuple[httpx.Response, str]:
    response = await world.http.post(address, data=fields, follow_redirects=True)
    await world.settle()
    return response, words(response.text)


async def test_before_and_after_the_tap(world: World) -> None:
    link = path(world)
    page = await world.http.get(link)
    said = words(page.text)
    assert "Page for ann" in said
    assert "bob is paged in 5:00" in said
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]
    assert page.headers["refresh"] == "302"

    response, said = await press(world, f"{link}/acknowledge")
    assert response.status_code == 200
    assert "You have it." in said
    assert "The ladder stopped at level 1: bob will not be paged." in said
    assert "Undo" in said
    assert await world.status("db-down") == "acknowledged"
    assert ("acknowledge", "acknowledged_by_reply") in await world.reasons("db-down")


async def test_undo_for_a_moment_only(world: World) -> None:
    link = path(world)
    await press(world, f"{link}/acknowledge")
    _, said = await press(world, f"{link}/undo")
    assert "Given back." in said
    assert await world.status("db-down") == "triggered"
    world["ann"].expects_page("db-down")

    await press(world, f"{link}/acknowledge")
    await world.advance(timedelta(seconds=11))
    assert "Undo" not in words((await world.http.get(link)).text)
    await world.advance(timedelta(seconds=30))
    _, said = await press(world, f"{link}/undo")
    assert "Not undone." in said
    assert await world.status("db-down") == "acknowledged"


async def test_resolve_and_snooze(world: World) -> None:
    link = path(world)
    _, said = await press(world, f"{link}/snooze", seconds="1800")
    assert "Snoozed until 09:30" in said
    _, said = await press(world, f"{link}/snooze", seconds="999999999")
    assert "Snoozed until 09:30" in said
    _, said = await press(world, f"{link}/resolve")
    assert "There is nothing left to do." in said
    assert await world.status("db-down") == "resolved"
    _, said = await press(world, f"{link}/acknowledge")
    assert "it was resolved before your answer came in" in said


async def test_somebody_was_faster(world: World) -> None:
    link = path(world)
    await world["bob"].acts(incidents.acknowledge, "db-down")
    said = words((await world.http.get(link)).text)
    assert "Already acknowledged" in said
    assert "bob took it" in said
    assert "There is nothing you must do." in said
    _, said = await press(world, f"{link}/acknowledge")
    assert "You have it, together with bob ." in said


async def test_bad_links_say_so_and_act_on_nothing(world: World) -> None:
    link = path(world)
    for bad in (link[:-2] + "xx", "/r/nonsense", link + "A"):
        response = await world.http.get(bad)
        assert response.status_code == 404
        assert "This link is not complete" in words(response.text)
        response, _ = await press(world, f"{bad}/acknowledge")
        assert response.status_code == 404
    assert (await world.http.post(f"{link}/reassign")).status_code == 404
    assert (await world.http.get(f"{link}/acknowledge")).status_code == 405
    assert await world.status("db-down") == "triggered"
    await world.advance(timedelta(days=8))
    response = await world.http.get(link)
    assert response.status_code == 410
    assert "This link has expired" in words(response.text)


async def test_tokens_are_not_logged_and_pages_work_without_scripts(world: World) -> None:
    page = (await world.http.get(path(world))).text
    assert "onclick" not in page
    assert page.count("<form") == 1
    assert 'method="post"' in page


def test_one_address_cannot_try_for_ever() -> None:
    pace = Pace()
    allowed = [pace.allows("a", 0.0) for _ in range(int(BURST) + 5)]
    assert allowed == [True] * int(BURST) + [False] * 5
    assert pace.allows("b", 0.0)
    assert pace.allows("a", 2.0)
