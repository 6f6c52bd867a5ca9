"""The health page: what is wrong, what was set aside, and the proof that all is well."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Role
from tocsin.channels.model import Dead
from tocsin.incidents import actions as incidents

QUARANTINE = "update inbox set quarantined = true, attempts = 3, error = %(error)s"
ENOUGH_ROOM = (100 * 1024**3, 200 * 1024**3)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        made.program.self_watch.space = lambda: ENOUGH_ROOM
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    """The owner, on call for checkout."""
    await world.person("ann", channels=["phone", "mail"])
    await world.service("checkout", [["ann"]])
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


async def accept(world: World, key: str) -> None:
    """An event that is accepted while no engine runs."""
    body = {
        "routing_key": world.keys["checkout"],
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {"summary": f"{key} <b>is</b> down", "source": "m", "severity": "error"},
    }
    response = await world.http.post("/v2/enqueue", json=body)
    assert response.status_code == 202, response.text


async def quarantine(world: World, *keys: str) -> None:
    for key in keys:
        await accept(world, key)
    async with world.database.transaction() as tx:
        await tx.execute(QUARANTINE, {"error": "LookupError('no such thing')"})


async def test_an_empty_page_says_what_has_not_happened_yet(world: World, ann: Visitor) -> None:
    assert "No node runs the engine" in words(await ann.get("/app/health"))
    await world.settle()
    said = words(await ann.get("/app/health"))
    assert "All is well." in said
    assert "No machine has sent an event yet. No page has been sent yet." in said
    assert "Last backup none known" in said
    assert "The service for it is made when it is first needed." in said


async def test_when_all_is_well_it_proves_it(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    await world.advance(minutes=2)
    said = words(await ann.get("/app/health"))
    assert "All is well." in said
    assert "The last event was accepted" in said
    assert "The last page, to ann by" in said
    assert "0.0 s after it was due" in said
    assert "Events that wait 0" in said
    assert "half within 0.00 s, 99% within 0.00 s of when they were due" in said
    assert "1 handed over" in said
    assert "test serves and pages" in said


async def test_what_is_late_is_named_everywhere_and_here_in_full(
    world: World, ann: Visitor
) -> None:
    await accept(world, "db-down")
    world.clock.advance(timedelta(minutes=1))
    await world.program.beat.run()
    elsewhere = await ann.get("/app/incidents")
    assert "Paging may be held up. 1 accepted event waits to be processed." in words(elsewhere)
    assert 'href="/app/health">See why' in elsewhere
    assert 'aria-label="1 thing wrong"' in elsewhere.replace("\xa0", " ")
    here = words(await ann.get("/app/health"))
    assert "What is wrong 1 thing 1 accepted event waits to be processed" in here
    assert "They are stored and safe." in here
    assert "Events that wait 1, the oldest for 1 min" in here
    assert "All is well" not in here
    # The banner leads here, so it is not shown here.
    assert "Paging may be held up" not in here
    world.clock.advance(timedelta(seconds=6))
    await world.settle()
    assert "Paging may be held up" not in words(await ann.get("/app/incidents"))
    assert "All is well." in words(await ann.get("/app/health"))


async def test_the_look_is_shared_for_five_seconds(world: World, ann: Visitor) -> None:
    await ann.get("/app/incidents")
    await accept(world, "db-down")
    world.clock.advance(timedelta(seconds=4))
    async with world.database.transaction() as tx:
        await tx.execute("update inbox set due_at = %(at)s", {"at": START - timedelta(hours=1)})
    assert "held up" not in words(await ann.get("/app/incidents"))
    world.clock.advance(timedelta(seconds=1))
    assert "held up" in words(await ann.get("/app/incidents"))
    await world.settle()


async def test_an_event_in_quarantine_is_shown_whole_but_for_its_key(
    world: World, ann: Visitor
) -> None:
    await world.settle()
    await quarantine(world, "db-down")
    page = await ann.get("/app/health")
    said = words(page)
    assert "Event 1 for checkout" in said
    assert "3 attempts LookupError('no such thing')" in said
    assert '"summary": "db-down <b>is</b> down"' in said
    assert "<b>is</b>" not in page
    assert world.keys["checkout"] not in page
    assert '"routing_key": "…"' in said
    assert "They are kept whole." in said
    # The engine goes on, so nothing is held up.
    assert "held up" not in words(await ann.get("/app/incidents"))


async def test_try_again_lets_the_engine_work_on_it(world: World, ann: Visitor) -> None:
    await quarantine(world, "db-down")
    await ann.get("/app/health")
    said = words(await ann.post("/app/health/events/1/try-again"))
    assert "It is queued again." in said
    assert "Event 1 for checkout" not in said
    await world.settle()
    assert await world.status("db-down <b>is</b> down") == "triggered"
    world["ann"].expects_page("db-down <b>is</b> down")
    audit = words(await ann.get("/app/audit"))
    assert "ann tried again event 1" in audit
    # What is no longer in quarantine cannot be tried again, nor set aside.
    for act in ("try-again", "set-aside"):
        assert "no event in quarantine 1" in await ann.post(
            f"/app/health/events/1/{act}", status=404
        )


async def test_all_can_be_tried_again_at_once(world: World, ann: Visitor) -> None:
    await quarantine(world, "one", "two", "three")
    assert "Try all again" in await ann.get("/app/health")
    assert "3 queued again." in words(await ann.post("/app/health/events/try-again"))
    await world.settle()
    for key in ("one", "two", "three"):
        assert await world.status(f"{key} <b>is</b> down") == "triggered"


async def test_set_aside_ends_it_and_keeps_the_event(world: World, ann: Visitor) -> None:
    await quarantine(world, "db-down")
    await ann.get("/app/health")
    await world.program.beat.run()
    said = words(await ann.post("/app/health/events/1/set-aside"))
    assert "Set aside for good." in said
    assert "All is well." in said
    async with world.database.transaction() as tx:
        assert await tx.tuples("select seq, position, reason from event_outcomes") == [
            (1, 0, "set_aside")
        ]
        assert await tx.count("inbox") == 0
        assert await tx.count("events") == 1
        assert await tx.count("alerts") == 0
    assert "ann set aside for good event 1" in words(await ann.get("/app/audit"))


async def test_the_quarantine_is_paged_by_key(world: World, ann: Visitor) -> None:
    await quarantine(world, *(f"key-{number}" for number in range(12)))
    page = await ann.get("/app/health")
    assert "Event 10 for" in words(page)
    assert "Event 11 for" not in words(page)
    cursor = page.partition("/app/health?cursor=")[2].partition('"')[0]
    second = words(await ann.get(f"/app/health?cursor={cursor}"))
    assert "Event 11 for" in second
    assert "Event 10 for" not in second


async def test_what_was_pushed_back_died_or_failed_is_listed(world: World, ann: Visitor) -> None:
    world.channels["phone"].outcome = lambda message, address: Dead(detail="HTTP 410: gone")
    await world.trigger("checkout", "db-down")
    incident = await world.incident("db-down")
    world.clock.advance(timedelta(minutes=5))
    async with world.database.transaction() as tx:
        await incidents.push_back(tx, incident.id, "ValueError('bad ladder')", world.clock.now())
    said = words(await ann.get("/app/health"))
    assert f"Failed and pushed back tried again by themselves #{incident.number} db-down" in said
    assert "Escalation, 1 attempt" in said
    assert "ValueError('bad ladder')" in said
    assert "Contact methods that stopped working 1 method ann : phone" in said
    assert "Messages that never got through the last day ann," in said
    assert "HTTP 410: gone" in said
    assert "All is well" not in said


async def test_who_may_only_look_is_shown_no_buttons_and_refused(
    world: World, ann: Visitor
) -> None:
    await world.person("olga", role=Role.OBSERVER)
    await world.person("rita", role=Role.RESTRICTED)
    await quarantine(world, "db-down")
    visitor = Visitor(world.http)
    try:
        async with world.database.transaction() as tx:
            for name in ("olga", "rita"):
                await accounts.set_password(
                    tx, world["ann"].actor, world[name].user.id, "correct horse battery", START
                )
        await visitor.sign_in("olga@example.com")
        page = await visitor.get("/app/health")
        assert "Event 1 for checkout" in words(page)
        assert "Try again</button>" not in page.partition('id="quarantined"')[2]
        for path in ("events/1/try-again", "events/1/set-aside", "events/try-again", "watch-again"):
            await visitor.post(f"/app/health/{path}", status=403)
    finally:
        await visitor.close()
    visitor = Visitor(world.http)
    try:
        await visitor.sign_in("rita@example.com")
        await visitor.get("/app/health", status=403)
    finally:
        await visitor.close()
    await ann.get("/app/health/events/1/try-again", status=405)


async def test_only_the_moving_part_is_fetched_again(ann: Visitor) -> None:
    part = await ann.get("/app/health?part=now", fragment=True)
    assert part.startswith('<div class="stack" id="health-now">')
    assert '<div class="stack" id="health-wrong" hx-swap-oob="true">' in part
    assert "<nav" not in part
