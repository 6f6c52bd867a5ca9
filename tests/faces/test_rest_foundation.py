"""What holds for every request to the REST API: keys, refusals, limits, pages, forms."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.postgres import START
from tests.support.rest import Client, account_client, code_of, person_client
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


async def with_header(world: World, value: str | None) -> httpx.Response:
    headers = {} if value is None else {"authorization": value}
    return await world.http.get("/abilities", headers=headers)


async def test_a_key_opens_with_either_scheme(world: World, admin: Client) -> None:
    for value in (
        f"Token token={admin.token}",
        f"token token={admin.token}",
        f'Token token="{admin.token}"',
        f"Bearer {admin.token}",
    ):
        answer = await with_header(world, value)
        assert answer.status_code == 200, value
        assert "teams" in answer.json()["abilities"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Token",
        "Token token=",
        "Token abcdefghijklmnopqrst",
        "Token token=abcdefghijklmnopqrst",
        "Bearer abcdefghijklmnopqrst",
        "Basic YTpi",
        "Token token=ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ",
    ],
)
async def test_without_a_good_key_there_is_401(world: World, value: str | None) -> None:
    headers = [] if value is None else [(b"authorization", value.encode("latin-1"))]
    answer = await world.http.get("/users", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 2006


async def test_a_revoked_key_is_unknown_at_once(world: World, admin: Client) -> None:
    await admin.get("/abilities")
    async with world.database.transaction() as tx:
        keys = await accounts.list_keys(tx, SYSTEM)
        for key in keys.items:
            await accounts.revoke_key(tx, SYSTEM, key.id, world.clock.now())
    assert code_of(await admin.get("/abilities", 401)) == 2006


async def test_a_read_only_key_changes_nothing(world: World) -> None:
    client = await account_client(world, read_only=True, sender="ann@example.com")
    assert len((await client.get("/users"))["users"]) == 1
    body = {"user": {"name": "Eve", "email": "eve@example.com"}}
    assert code_of(await client.post("/users", body, 403)) == 2010
    assert code_of(await client.delete("/users/PNOBODY", 403)) == 2010
    assert len((await client.get("/users"))["users"]) == 1


async def test_what_is_not_served_is_404_in_the_form_of_the_api(admin: Client) -> None:
    for path in ("/add_ons", "/status_pages/P1/posts", "/users/PX/sessions", "/no/such/thing"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = await admin.ask(method, path)
            assert answer.status_code == 404, (method, path)
            assert answer.json()["error"]["code"] == 2100


async def test_a_method_that_is_not_served_is_405(admin: Client) -> None:
    answer = await admin.ask("DELETE", "/abilities")
    assert answer.status_code == 405
    assert answer.json()["error"]["message"] == "Method Not Allowed"


async def test_the_other_faces_keep_their_addresses(world: World) -> None:
    page = await world.http.get("/app/no-such-page")
    assert page.status_code == 404
    assert "json" not in page.headers["content-type"]
    event = await world.http.post("/v2/enqueue", content=b"{}")
    assert event.status_code == 400
    assert (await world.http.get("/healthz")).status_code == 200


async def test_abilities(admin: Client) -> None:
    assert "teams" in (await admin.get("/abilities"))["abilities"]
    await admin.get("/abilities/teams", 204)
    assert code_of(await admin.get("/abilities/sso", 402)) == 2014
    assert code_of(await admin.get("/abilities/flying", 404)) == 2100


async def test_a_key_makes_960_requests_a_minute(world: World, admin: Client) -> None:
    first = await admin.ask("GET", "/abilities/teams")
    assert first.headers["ratelimit-limit"] == "960"
    assert first.headers["ratelimit-remaining"] == "959"
    assert int(first.headers["ratelimit-reset"]) == 60
    # Counted by the key, so that what is used up of one is not used up of another.
    other = await account_client(world)
    for _ in range(959):
        answer = await admin.ask("GET", "/abilities/teams")
    assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (204, "0")
    refused = await admin.ask("GET", "/abilities/teams")
    assert refused.status_code == 429
    assert refused.json()["error"] == {
        "message": "Rate Limit Exceeded",
        "code": 2020,
        "errors": [],
    }
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
    await other.get("/abilities/teams", 204)
    world.clock.move_to(world.clock.now() + timedelta(minutes=1))
    await admin.get("/abilities/teams", 204)


async def test_from_names_who_asks(world: World) -> None:
    nobody = await account_client(world)
    body = {"user": {"name": "Eve", "email": "eve@example.com"}}
    assert code_of(await nobody.post("/users", body, 400)) == 1008
    stranger = await account_client(world, sender="who@example.com")
    assert code_of(await stranger.post("/users", body, 400)) == 1008
    known = await account_client(world, sender="ANN@example.com")
    await known.post("/users", body)
    async with world.database.transaction() as tx:
        rows = await tx.tuples("select actor_label from audit where action = 'create'")
    assert any("ann" in label and "key" in label for (label,) in rows)


async def test_a_persons_key_needs_no_from(world: World) -> None:
    ann = await person_client(world, "ann")
    await ann.post("/users", {"user": {"name": "Eve", "email": "eve@example.com"}})


async def test_a_body_that_is_no_object_is_refused(admin: Client) -> None:
    for content in (b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000):
        answer = await admin.ask("POST", "/users", content=content)
        assert answer.status_code == 400, content[:10]
        assert answer.json()["error"]["code"] == 2001
    bodies: list[Any] = [{}, {"user": None}, {"user": []}, {"user": "x"}, {"name": "x"}]
    for body in bodies:
        answer = await admin.ask("POST", "/users", json=body)
        assert answer.status_code == 400, body
        assert "user must be an object" in answer.json()["error"]["errors"][0]
    large = await admin.ask("POST", "/users", content=b" " * 1_048_577)
    assert large.status_code == 413


async def test_a_body_on_get_is_tolerated(admin: Client) -> None:
    answer = await admin.ask("GET", "/users", content=b'{"limit": "x"')
    assert answer.status_code == 200


async def test_head_answers_like_get(admin: Client) -> None:
    answer = await admin.ask("HEAD", "/users")
    assert (answer.status_code, answer.content) == (200, b"")


async def people(world: World, count: int) -> None:
    async with world.database.transaction() as tx:
        for number in range(count):
            new = NewUser(name=f"Bob {number:03}", email=f"bob{number:03}@example.com")
            await accounts.create_user(tx, SYSTEM, new, world.clock.now())


async def test_pages_by_offset(world: World, admin: Client) -> None:
    await people(world, 104)
    first = await admin.get("/users")
    assert len(first["users"]) == 25
    assert {k: first[k] for k in ("limit", "offset", "more", "total")} == {
        "limit": 25,
        "offset": 0,
        "more": True,
        "total": None,
    }
    most = await admin.get("/users", limit=1000, total="true")
    assert (most["limit"], len(most["users"]), most["total"]) == (100, 100, 105)
    last = await admin.get("/users", limit=100, offset=100, total=1)
    assert (last["more"], len(last["users"]), last["total"]) == (False, 5, 105)
    names = [user["name"] for user in most["users"] + last["users"]]
    assert names == sorted(names, key=str.lower)
    assert len(set(names)) == 105
    beyond = await admin.get("/users", offset=200)
    assert (beyond["users"], beyond["more"]) == ([], False)


async def test_pages_end_at_ten_thousand(admin: Client) -> None:
    await admin.get("/users", offset=9_975)
    assert code_of(await admin.get("/users", 400, offset=9_976)) == 2001
    for wrong in ({"limit": 0}, {"limit": "x"}, {"offset": -1}, {"total": "maybe"}):
        assert code_of(await admin.get("/users", 400, **wrong)) == 2001


async def test_values_that_cannot_be_stored_are_refused(admin: Client) -> None:
    assert code_of(await admin.get("/users", 400, query="a\x00b")) == 2001
    assert code_of(await admin.get("/users", 400, team_ids=["a\x00"])) == 2001
    answer = await admin.ask("GET", "/users/P%00")
    assert answer.status_code == 404
    body = {"user": {"name": "a\x00b", "email": "x@example.com"}}
    assert code_of(await admin.post("/users", body, 400)) == 2001
    long = await admin.ask("GET", "/users?query=" + "x" * 20_000)
    assert long.status_code == 414
