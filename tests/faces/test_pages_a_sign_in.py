"""Signing in and out, and the stream of changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.web.sign_in import local_path


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made


@pytest.fixture
async def visitor(world: World) -> AsyncIterator[Visitor]:
    found = Visitor(world.http)
    yield found
    await found.close()


async def test_nobody_yet_leads_to_the_set_up(visitor: Visitor) -> None:
    for path in ("/", "/app", "/app/sign-in", "/app/setup", "/app/setup/service"):
        response = await visitor.http.get(path)
        if path == "/app/setup/service":
            assert response.url.path in ("/app/sign-in", "/app/setup/account")
        else:
            assert response.url.path == "/app/setup/account"


async def test_a_page_asked_for_before_is_shown_after_signing_in(
    world: World, visitor: Visitor
) -> None:
    await world.person("ann")
    response = await visitor.http.get("/app/incidents?view=mine")
    assert response.url.path == "/app/sign-in"
    assert 'name="next" value="/app/incidents?view=mine"' in response.text
    response = await visitor.sign_in("ann@example.com", next="/app/incidents?view=mine")
    assert str(response.url).endswith("/app/incidents?view=mine")


async def test_the_same_answer_for_unknown_people_and_wrong_passwords(
    world: World, visitor: Visitor
) -> None:
    await world.person("ann")
    answers = []
    for email in ("ann@example.com", "nobody@example.com"):
        response = await visitor.sign_in(email, "not the password")
        assert response.status_code == 422
        answers.append(response.text.replace(email, ""))
    assert answers[0] == answers[1]
    assert "tocsin_session" not in visitor.http.cookies


async def test_guessing_is_slowed_down_and_says_for_how_long(
    world: World, visitor: Visitor
) -> None:
    await world.person("ann")
    for _ in range(6):
        response = await visitor.sign_in("ann@example.com", "not the password")
    response = await visitor.sign_in("ann@example.com")
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert "Too many tries." in words(response.text)


async def test_signing_out_ends_the_session_on_the_server(world: World, visitor: Visitor) -> None:
    await world.person("ann")
    await visitor.sign_in("ann@example.com")
    await visitor.get("/app/incidents")
    cookie = visitor.http.cookies["tocsin_session"]
    await visitor.post("/app/sign-out")
    assert "tocsin_session" not in visitor.http.cookies
    again = await world.http.get("/app/incidents", headers={"cookie": f"tocsin_session={cookie}"})
    assert again.status_code == 303


async def test_a_form_without_its_token_is_refused(world: World, visitor: Visitor) -> None:
    await world.person("ann")
    await world.service("checkout", [["ann"]])
    await world.trigger("checkout", "db-down")
    await visitor.sign_in("ann@example.com")
    incident_id = (await world.incident("db-down")).id
    visitor.token = "0" * 40
    await visitor.post(f"/app/incidents/{incident_id}/acknowledge", status=403)
    assert await world.status("db-down") == "triggered"


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/app/incidents?x=1", True),
        ("/app", True),
        ("https://evil.example/app", False),
        ("//evil.example/app", False),
        ("/app//evil.example", False),
        ("/app\\evil", False),
        ("/application", False),
        ("/app/\nx", False),
        ("", False),
    ],
)
def test_next_is_only_ever_local(path: str, local: bool) -> None:
    assert (local_path(path) is not None) == local


async def test_the_stream_needs_a_session_and_is_not_buffered(
    world: World, visitor: Visitor
) -> None:
    await world.person("ann")
    response = await world.http.get("/app/live")
    assert response.status_code == 303
    await visitor.sign_in("ann@example.com")
    async with visitor.http.stream("GET", "/app/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: tick"
        world.program.live.publish("incident Q1")
        assert await _until(lines, "event: changed")
        assert await anext(lines) == "data: incident Q1"


async def _until(lines: AsyncIterator[str], wanted: str) -> bool:
    async for line in lines:
        if line == wanted:
            return True
    return False


async def test_a_button_pressed_after_the_session_ended_says_so_and_leads_back(
    world: World, visitor: Visitor
) -> None:
    await world.person("ann")
    page = f"{visitor.http.base_url}/app/incidents/QABC"
    response = await visitor.http.post(
        "/app/incidents/QABC/acknowledge", headers={"referer": page.replace("//app", "/app")}
    )
    assert response.status_code == 401
    assert "You are signed out Nothing was done." in words(response.text)
    assert 'href="/app/sign-in?next=%2Fapp%2Fincidents%2FQABC"' in response.text


async def test_an_address_that_nothing_has_is_a_page_with_a_way_on(
    world: World, visitor: Visitor
) -> None:
    response = await visitor.http.get("/app/nothing/here")
    assert response.status_code == 404
    assert "There is nothing here No page has this address." in words(response.text)


async def test_what_is_not_there_is_named_in_a_sentence(world: World, visitor: Visitor) -> None:
    await world.person("ann")
    await visitor.sign_in("ann@example.com")
    said = words(await visitor.get("/app/incidents/QABC", status=404))
    assert "There is no incident QABC, or it is not yours to see." in said
