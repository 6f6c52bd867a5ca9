"""The list of incidents and one incident, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts.model import Role


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    """The owner, on level 1 of checkout; bob is on level 2."""
    await world.person("ann", zone="Europe/Berlin")
    await world.person("bob")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


def path_of(page: str) -> str:
    found = re.search(r'href="(/app/incidents/Q\w+)" data-open', page)
    assert found is not None, words(page)
    return found[1]


async def test_an_empty_list_proves_that_the_pipe_works(ann: Visitor) -> None:
    said = words(await ann.get("/app/incidents"))
    assert "Quiet" in said
    assert "No machine has sent an event yet." in said
    assert "The engine" in said


async def test_the_list_says_who_is_next_and_when(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await world.advance(minutes=1)
    page = await ann.get("/app/incidents")
    said = words(page)
    assert "db-down" in said
    assert "bob 4:00" in said
    assert 'data-countdown="240"' in page
    assert "1 triggered, 0 acknowledged" in said
    assert 'aria-label="1 triggered"' in page


async def test_rows_and_tabs_are_fetched_alone(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    rows = await ann.get("/app/incidents?part=rows", fragment=True)
    assert rows.count("<tr data-row=") == 1
    assert "<nav" not in rows
    tabs = await ann.get("/app/incidents?part=views", fragment=True)
    assert words(tabs).startswith("Open 1 Mine 1 Triggered 1 Acknowledged 0")


async def test_filters_find_by_words_number_urgency_and_service(world: World, ann: Visitor) -> None:
    await world.service("ledger", [["ann"]])
    await world.trigger("checkout", "card payments fail")
    await world.trigger("ledger", "ledger is late")
    number = (await world.incident("ledger is late")).number
    ledger = world.services["ledger"].id
    for query, shown, hidden in (
        ("q=PAYMENTS", "card payments fail", "ledger is late"),
        (f"q=%23{number}", "ledger is late", "card payments fail"),
        (f"service={ledger}", "ledger is late", "card payments fail"),
    ):
        said = words(await ann.get(f"/app/incidents?{query}"))
        assert shown in said
        assert hidden not in said
    assert "Nothing fits" in words(await ann.get("/app/incidents?urgency=low"))
    for person in world.people.values():
        person.shown().clear()


async def test_pages_follow_by_key(world: World, ann: Visitor) -> None:
    for number in range(30):
        await world.trigger("checkout", f"thing {number:02}")
    first = await ann.get("/app/incidents")
    assert first.count("data-row=") == 25
    assert "thing 29" in first
    link = re.search(r'href="([^"]+)" rel="next"', first)
    assert link is not None
    second = await ann.get(link[1].replace("&amp;", "&"))
    assert second.count("data-row=") == 5
    assert "thing 00" in second
    assert "thing 05" not in second


async def test_acknowledge_stops_the_ladder_and_can_be_undone(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    path = path_of(await ann.get("/app/incidents"))
    said = words(await ann.get(path))
    assert "Triggered" in said
    assert "bob" in said
    assert "named on level 1 of checkout policy" in said
    assert "phone delivered after under 1 s" in said

    said = words(await ann.post(f"{path}/acknowledge"))
    assert "Acknowledged #1. The ladder stopped." in said
    assert "Undo" in said
    assert "The ladder stopped here." in said
    assert await world.status("db-down") == "acknowledged"

    said = words(await ann.post(f"{path}/unacknowledge"))
    assert "is triggered again" in said
    await world.settle()
    world["ann"].expects_page("db-down")


async def test_every_act_works_as_a_plain_form(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down", custom_details={"host": "db-1"})
    await world.trigger("checkout", "other")
    path = path_of(await ann.get("/app/incidents?q=db-down"))
    other = (await world.incident("other")).number
    bob = world["bob"].user.id

    assert "is paged now" in words(await ann.post(f"{path}/escalate"))
    assert "Level 1" in words(await ann.post(f"{path}/escalate", {"level": "1"}))
    assert "Reassigned" in words(await ann.post(f"{path}/reassign", {"to": f"user:{bob}"}))
    assert "A person chose who gets it" in words(await ann.get(path))
    assert "low urgency now" in words(await ann.post(f"{path}/urgency", {"urgency": "low"}))
    assert "new title" in words(await ann.post(f"{path}/title", {"title": "Database down"}))
    assert "Note added." in words(await ann.post(f"{path}/note", {"content": "I see it too"}))
    assert "snoozed until Mon 11:00" in words(
        await ann.post(f"{path}/snooze", {"seconds": "3600"})
    ).replace("snoozed until 11:00", "snoozed until Mon 11:00")
    said = words(await ann.get(path))
    assert "I see it too" in said
    assert "was: db-down" in said
    assert "db-1" in said
    assert "Merged into" in words(await ann.post(f"{path}/merge", {"into": f"#{other}"}))
    assert "Merged into #" in words(await ann.get(path))
    assert "already resolved" in words(await ann.post(f"{path}/acknowledge", status=409)).lower()


async def test_a_wrong_value_shows_the_incident_with_the_reason(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    path = path_of(await ann.get("/app/incidents"))
    for act, data, why in (
        ("reassign", {"to": ""}, "Choose a person or an escalation policy"),
        ("snooze", {}, "Choose for how long"),
        ("snooze", {"until": "2026-04-02T09:00"}, "between a minute and seven days"),
        ("merge", {"into": "999"}, "There is no incident #999"),
        ("note", {"content": " "}, "Write 1 to 2000 characters"),
    ):
        said = words(await ann.post(f"{path}/{act}", data, status=422))
        assert "Not done." in said
        assert why in said
        assert "db-down" in said
    assert await world.status("db-down") == "triggered"


async def test_parts_of_an_incident_are_fetched_alone(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    path = path_of(await ann.get("/app/incidents"))
    for part, own in (("head", 'id="ihead"'), ("ladder", 'id="ladder"'), ("record", 'id="record"')):
        text = await ann.get(f"{path}?part={part}", fragment=True)
        assert own in text
        assert "<main" not in text


async def test_what_machines_sent_is_shown_and_harmless(world: World, ann: Visitor) -> None:
    await world.trigger(
        "checkout",
        "<script>alert(1)</script>",
        custom_details={"query": "<b>x</b>", "nested": {"a": [1, 2], "url": "https://e.example/x"}},
        component="javascript:alert(1)",
    )
    page = await ann.get(path_of(await ann.get("/app/incidents")))
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert 'href="javascript:' not in page
    said = words(page)
    assert "nested.a 1, 2" in said
    assert 'href="https://e.example/x" rel="noopener noreferrer nofollow"' in page


async def test_several_at_once(world: World, ann: Visitor) -> None:
    for name in ("one", "two", "three"):
        await world.trigger("checkout", name)
    ids = [(await world.incident(name)).id for name in ("one", "two", "three")]
    await ann.get("/app/incidents")
    said = words(await ann.post("/app/incidents/bulk", {"ids": ids[:2], "act": "acknowledge"}))
    assert "Acknowledged 2 incidents" in said
    assert [await world.status(n) for n in ("one", "two", "three")] == [
        "acknowledged",
        "acknowledged",
        "triggered",
    ]
    await ann.post(f"/app/incidents/bulk/undo?ids={','.join(ids[:2])}")
    assert await world.status("one") == "triggered"
    said = words(await ann.post("/app/incidents/bulk", {"ids": ids, "act": "snooze:3600"}))
    assert "Snoozed 3 incidents for 1 h" in said
    said = words(await ann.post("/app/incidents/bulk", {"ids": ids, "act": "merge"}))
    assert "Merged 2 incidents into #1" in said
    assert await world.status("two") == "resolved"
    assert "Nothing was selected" in words(
        await ann.post("/app/incidents/bulk", {"act": "resolve"})
    )


async def test_an_incident_opened_by_hand(world: World, ann: Visitor) -> None:
    await ann.get("/app/incidents/new")
    checkout = world.services["checkout"].id
    said = words(
        await ann.post(
            "/app/incidents/new",
            {"service": checkout, "title": " ", "give": ""},
            status=422,
        )
    )
    assert "give a title" in said
    said = words(
        await ann.post(
            "/app/incidents/new",
            {
                "service": checkout,
                "title": "Lights are out",
                "give": "people",
                "people": [world["bob"].user.id],
                "urgency": "high",
                "body": "All of them.",
            },
        )
    )
    assert "#1 is open." in said
    assert "All of them." in said
    assert "Opened by hand" in said
    await world.settle()
    world["bob"].expects_page("Lights are out")
    assert "Lights are out" in words(await ann.get("/app/incidents/number/1"))
    await ann.get("/app/incidents/number/77", status=404)


async def test_a_ladder_that_ends_says_so(world: World, ann: Visitor) -> None:
    await world.trigger("checkout", "db-down")
    path = path_of(await ann.get("/app/incidents"))
    await world.advance(minutes=6)
    said = words(await ann.get(path))
    assert "The ladder ends" in said
    await world.advance(timedelta(minutes=10))
    said = words(await ann.get(path))
    assert "Nobody else will be paged." in said
    assert "nobody answered" in words(await ann.get("/app/incidents"))


async def test_who_may_only_look_sees_no_buttons_and_cannot_act(world: World, ann: Visitor) -> None:
    await world.person("Olga", role=Role.OBSERVER)
    await world.trigger("checkout", "db-down")
    async with world.database.transaction() as tx:
        from tests.support.world import PASSWORD
        from tocsin.accounts import actions as accounts
        from tocsin.accounts.model import SYSTEM

        await accounts.set_password(tx, SYSTEM, world["Olga"].user.id, PASSWORD, world.clock.now())
    olga = Visitor(world.http)
    await olga.sign_in("Olga@example.com")
    page = await olga.get(path_of(await olga.get("/app/incidents")))
    assert "Acknowledge" not in re.sub(r"Acknowledge stops[^<]*", "", page).replace(
        "<dd>Acknowledge", ""
    )
    await olga.post(f"{path_of(await olga.get('/app/incidents'))}/acknowledge", status=403)
    await olga.close()
    assert await world.status("db-down") == "triggered"


async def test_an_incident_says_whether_it_was_seen_before_and_how_that_ended(
    world: World, ann: Visitor
) -> None:
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await world.trigger("checkout", "queue-full")
    world["ann"].expects_page("queue-full")
    first = await world.incident("db-down")
    said = words(await ann.get(f"/app/incidents/{first.id}"))
    assert "Seen before" not in said
    await world.advance(minutes=3)
    await ann.post(f"/app/incidents/{first.id}/resolve", {"note": "The disk was full."})
    await world.advance(minutes=1)
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    again = path_of(await ann.get("/app/incidents?q=db-down"))
    said = words(await ann.get(again))
    before = said.partition("Seen before")[2].partition("Timeline")[0]
    assert f"#{first.number} db-down" in before
    assert "resolved after 3 min, because a person said so here" in before
    assert "The disk was full." in before
    assert "queue-full" not in before
    assert "Seen before" not in words(await ann.get(f"/app/incidents/{first.id}"))
