"""Priority, bridge, single alerts, notes and what belongs together, on the pages and the phone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faces.test_pages_a_incidents import path_of
from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import PASSWORD, World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made
        for channel in made.channels.values():
            channel.waiting.clear()


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    await world.person("ann", zone="Europe/Berlin")
    await world.person("bob")
    await world.service("checkout", [["bob"]], minutes=5)
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


async def do(visitor: Visitor, path: str, /, **fields: Any) -> str:
    """Press a button; `code` is the status that must come of it."""
    code = fields.pop("code", 200)
    return await visitor.post(path, fields, status=code)


async def test_a_priority_is_seen_filtered_and_sorted_by(world: World, ann: Visitor) -> None:
    for key in ("low-one", "high-one", "plain"):
        await world.trigger("checkout", key)
    low, high = [(await world.incident(key)).id for key in ("low-one", "high-one")]
    await do(ann, f"/app/incidents/{low}/priority", priority="P4")
    said = words(await do(ann, f"/app/incidents/{high}/priority", priority="P1"))
    assert "has P1 now" in said
    assert "Priority P1 set by ann" in said
    page = await ann.get("/app/incidents?sort=priority")
    order = [page.index(key) for key in ("high-one", "low-one", "plain")]
    assert order == sorted(order)
    assert 'class="p p1"' in page
    only = words(await ann.get("/app/incidents?priority=P1&priority=P2"))
    assert "high-one" in only
    assert "low-one" not in only
    assert "Priority P1, P2" in only
    # Several at once, and taken away again.
    await do(ann, "/app/incidents/bulk", ids=low, act="priority:P2", back="/app/incidents")
    assert 'class="p p2"' in await ann.get(f"/app/incidents/{low}")
    await do(ann, "/app/incidents/bulk", ids=low, act="priority:", back="/app/incidents")
    assert 'class="p p2"' not in await ann.get(f"/app/incidents/{low}")


async def test_the_page_and_the_phone_say_where_people_talk(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    path = path_of(await ann.get("/app/incidents"))
    room = {"conference_number": "+1 415 555 1212", "conference_url": "https://meet.test/db"}
    said = words(await do(ann, f"{path}/conference", **room))
    assert "People talk at https://meet.test/db or on +1 415 555 1212" in said
    assert "Conference bridge set by ann" in said
    again = await do(ann, f"{path}/conference", code=422, conference_url="javascript:alert(1)")
    assert "write an address such as https://meet.example.com/room" in again.lower()
    assert 'href="javascript' not in again
    said = words(await do(ann, f"{path}/conference", conference_number="", conference_url=""))
    assert "People talk" not in said
    assert "Conference bridge taken away by ann" in said


async def test_alerts_are_closed_and_moved(world: World, ann: Visitor) -> None:
    for key in ("one", "two", "three"):
        await world.trigger("checkout", key)
    first, second, third = [await world.incident(key) for key in ("one", "two", "three")]
    await do(ann, f"/app/incidents/{second.id}/merge", into=str(first.number))
    page = await ann.get(f"/app/incidents/{first.id}")
    newest, oldest = re.findall(
        r'name="alert" value="(\w+)"><input[^>]*name="do" value="move"', page
    )
    path = f"/app/incidents/{first.id}"
    said = words(await do(ann, f"{path}/alert", alert=newest, do="move", into=f"#{third.number}"))
    assert "The alert was moved." in said
    assert f"1 alert moved to #{third.number} by ann" in said
    assert f"1 alert moved from #{first.number}" in words(
        await ann.get(f"/app/incidents/{third.id}")
    )
    said = words(await do(ann, f"{path}/alert", alert=oldest, do="resolve"))
    assert f"It was the last open one, so #{first.number} is resolved." in said
    wrong = words(
        await do(
            ann,
            f"/app/incidents/{third.id}/alert",
            code=409,
            alert=newest,
            do="move",
            into=str(first.number),
        )
    )
    assert "Already Resolved" in wrong


async def test_notes_are_changed_and_deleted(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    path = path_of(await ann.get("/app/incidents"))
    page = await do(ann, f"{path}/note", content="Restarted db7")
    (note,) = re.findall(r'name="note" value="(\w+)"', page)
    said = words(await do(ann, f"{path}/note/change", note=note, **{f"note-{note}": "db8!"}))
    assert "ann changed their note" in said
    assert "Restarted db7" in said  # On the timeline, as it was written.
    async with world.database.transaction() as tx:
        now, id = world.clock.now(), world["bob"].user.id
        await accounts.set_password(tx, SYSTEM, id, PASSWORD, now)
    bob = Visitor(world.http)
    await bob.sign_in("bob@example.com")
    assert "/note/change" not in await bob.get(path)
    await do(bob, f"{path}/note/delete", code=403, note=note)
    await bob.close()
    said = words(await do(ann, f"{path}/note/delete", note=note))
    assert "ann deleted their note" in said


async def test_what_belongs_together(world: World, ann: Visitor) -> None:
    await world.service("mail", [["bob"]])
    await world.trigger("checkout", "a", summary="Database timeouts on db7")
    await world.advance(hours=2)
    await world.trigger("mail", "b", summary="Timeouts of the database")
    await world.trigger("checkout", "c", summary="Database timeouts on db9")
    now = await world.incident("Database timeouts on db9")
    said = words(await ann.get(f"/app/incidents/{now.id}"))
    assert "Elsewhere at the same time" in said
    assert "words that both titles have (database, timeouts)" in said
    assert "Seen before 1 time in half a year" in said
    assert "a title of the same kind, 100 % alike" in said
