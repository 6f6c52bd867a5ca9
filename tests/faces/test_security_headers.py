"""The headers around every answer, the errors above all. The access matrix looks at them too, on
each of its answers; here are the answers that no matrix meets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from tests.support.browserless import Browserless, faults, open_program
from tests.support.postgres import START
from tests.support.settings import settings_for
from tests.support.world import PASSWORD
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import NewUser
from tocsin.app import Program
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database
from tocsin.web import routes as web_routes
from tocsin.web.assets import STATIC_DIRECTORY, assets
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

INNER = "select password_hash from users where email = 'ann@example.com'"


@pytest.fixture
async def program(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[Program]:
    async with open_program(fresh_dsn, tmp_path, start=START) as (made, _):
        await with_owner(made)
        yield made


async def with_owner(program: Program) -> None:
    async with program.database.transaction() as tx:
        new = NewUser(name="ann", email="ann@example.com", password=PASSWORD)
        await accounts.first_run(tx, new, START)


async def fails(visit: Visit) -> Response:
    raise RuntimeError(f"{INNER}; the password is {PASSWORD}")


async def asks_wrongly(visit: Visit) -> Response:
    async with visit.tx() as tx:
        await tx.execute("select * from no_such_table")
    return Response()


FAILING: tuple[Page, ...] = (
    get("/app/fails", fails, public=True),
    post("/app/fails", fails, public=True),
    get("/app/asks-wrongly", asks_wrongly, public=True),
)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/app/sign-in", 200),
        ("GET", "/app/incidents", 303),
        ("GET", "/nothing/here", 404),
        ("GET", "/app/nothing", 404),
        ("GET", "/app/incidents/", 307),
        ("DELETE", "/app/incidents", 405),
        ("GET", "/app/sign-out", 405),
        ("POST", "/app/incidents/bulk", 401),
        ("GET", "/r/not-a-link", 404),
        ("GET", "/r/not-a-link/acknowledge", 405),
        ("PUT", "/v2/enqueue", 405),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/static/no-such-file.js", 404),
        ("GET", "/static/..%2f..%2fapp.py", 404),
        ("GET", "/static/%2e%2e/%2e%2e/app.py", 404),
    ],
)
async def test_no_answer_is_without_its_headers(
    program: Program, method: str, path: str, status: int
) -> None:
    async with Browserless(program.asgi) as browser:
        answer = await browser.http.request(method, path)
    assert answer.status_code == status
    assert faults(answer) == []
    if status == 307:
        assert answer.headers["location"] == "http://tocsin.test/app/incidents"


async def test_files_may_be_kept_for_ever_and_pages_never(program: Program) -> None:
    assert any(STATIC_DIRECTORY.iterdir()), "build the assets first: make assets"
    async with Browserless(program.asgi) as browser:
        file = await browser.http.get(assets().url("app.css"))
        assert file.status_code == 200
        assert faults(file) == []
        assert "immutable" in file.headers["cache-control"]
        await browser.sign_in("ann@example.com")
        page = await browser.get("/app/settings")
        assert page.headers["cache-control"] == "no-store"
        assert faults(page) == []


async def test_pages_use_no_inline_script_or_style(program: Program) -> None:
    """The policy would only stop them; a page that needs none is what is wanted."""
    from tests.support.browserless import Markup

    async with Browserless(program.asgi) as browser:
        await browser.sign_in("ann@example.com")
        for path in ("/app/incidents", "/app/components", "/app/settings", "/app/oncall"):
            for tag, given in Markup((await browser.get(path)).text).tags:
                assert tag != "style", path
                assert tag != "script" or given.get("src", "").startswith("/static/"), path
                assert not any(name.startswith("on") for name in given), (path, given)
                assert "style" not in given, (path, given)


@pytest.mark.parametrize("path", ["/app/fails", "/app/asks-wrongly"])
async def test_a_page_that_fails_tells_nothing_of_our_insides(program: Program, path: str) -> None:
    app = web_routes.with_headers(
        Starlette(routes=web_routes.build(program.web_deps, FAILING)), secure=False
    )
    async with Browserless(app) as browser:
        for headers in ({}, {"hx-request": "true"}):
            answer = await browser.get(path, headers=headers)
            assert answer.status_code == 500
            assert faults(answer) == []
            assert "The engine still pages" in answer.text
            assert PASSWORD not in answer.text
    async with Browserless(app) as browser:
        assert (await browser.http.post("/app/fails")).status_code == 500


async def test_https_is_remembered_only_over_https(fresh_dsn: str, tmp_path: Path) -> None:
    public = "https://tocsin.test"
    async with open_program(fresh_dsn, tmp_path, start=START, public_url=public) as (program, _):
        await with_owner(program)
        async with Browserless(program.asgi, base_url=public) as browser:
            for path in ("/app/sign-in", "/app/nothing", "/r/x", assets().url("app.css")):
                assert faults(await browser.get(path), secure=True) == []


async def test_errors_without_a_database(tmp_path: Path) -> None:
    away = Database("postgresql://somebody:hunter2@/nothing?host=/nonexistent", size=2)
    away._pool.timeout = 0.1
    await away._pool.open(wait=False)
    program = Program(
        settings_for(tmp_path),
        clock=ManualClock(START),
        database=away,
        web_database=away,
        door_database=away,
    )
    async with Browserless(program.asgi) as browser:
        browser.use_session("x" * 43)
        link = program.links.token("Q" + "0" * 15, "P" + "0" * 15)
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/app/incidents", {}),
            ("POST", "/app/incidents/bulk", {"data": {"ids": "x"}}),
            ("GET", f"/r/{link}", {}),
            ("POST", f"/r/{link}/acknowledge", {}),
            ("GET", "/readyz", {}),
        ]
        for method, path, more in asked:
            answer = await browser.http.request(method, path, **more)
            assert answer.status_code == 503, path
            assert faults(answer) == [], path
            assert "hunter2" not in answer.text
            assert "nonexistent" not in answer.text
    await away.close()
