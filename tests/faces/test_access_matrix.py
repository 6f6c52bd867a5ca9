"""Every route with every role, against the declared matrix: the answer, and that a refusal changed
nothing. A route nobody declared fails `test_every_route_is_declared`."""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from tests.support import access_table
from tests.support.access_scene import SIGNED_OUT, Persona, Scene, set_scene
from tests.support.access_table import TABLE, Trial, may, reach
from tests.support.browserless import Browserless, faults
from tests.support.postgres import START
from tests.support.rehearsal import Rehearsal
from tests.support.settings import settings_for
from tests.support.world import Phone, make_world
from tocsin.app import Program
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database
from tocsin.web.visit import csrf_token_for

STREAMS = {"/app/live"}
# The busiest addresses are answered before anything else runs, with JSON and nothing around it.
DIRECT = {
    ("POST", "/v2/enqueue"),
    ("POST", "/generic/2010-04-15/create_event.json"),
    ("POST", "/v2/change/enqueue"),
    ("POST", "/alertmanager"),
}


class Stage:
    """The program on rows that every trial finds as they were."""

    def __init__(self, program: Program, rows: Rehearsal, scene: Scene) -> None:
        self.program = program
        self.rows = rows
        self.scene = scene
        self.app = program.asgi

    def browser(self, persona: Persona) -> Browserless:
        # An address each, so that nobody uses up the tries of the others.
        number = sorted(self.scene.own).index(persona)
        browser = Browserless(self.app, client=f"192.0.2.{number}")
        if persona in self.scene.tokens:
            browser.use_session(self.scene.tokens[persona])
            browser.token = csrf_token_for(self.scene.tokens[persona])
        return browser


def routes_of(app_routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    found = set()
    for route in app_routes:
        if isinstance(route, Mount):
            continue
        assert isinstance(route, Route), route
        found |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    return found


@pytest.fixture
async def stage(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[Stage]:
    async with make_world(fresh_dsn, tmp_path, START) as world:
        scene = await set_scene(world)
        rows = Rehearsal(fresh_dsn)
        await rows.open()
        program = Program(
            settings_for(tmp_path),
            clock=ManualClock(world.clock.now()),
            database=rows,
            web_database=rows,
            door_database=rows,
            extra_channels=[Phone(name) for name in ("phone", "mail")],
        )
        yield Stage(program, rows, scene)
        await program.door.close()
        await program.outbound.aclose()
        await rows.close()


def expected(trial: Trial, method: str, persona: Persona) -> tuple[int, bool]:
    """The status, and whether it is allowed."""
    if persona == SIGNED_OUT:
        if trial.signed_out is not None:
            return trial.signed_out, trial.needs == "anyone"
        if trial.needs == "anyone":
            return trial.status, True
        if trial.bare:
            # The link names the owner.
            return (trial.refusal, False) if trial.needs == "nobody" else (trial.status, True)
        if trial.needs == "nobody":
            return trial.refusal, False
        return (303, False) if method == "GET" else (401, False)
    if may(persona, trial.needs):
        return trial.status, True
    unseen = trial.unseen is not None and reach(persona) == access_table.NOTHING
    return (trial.unseen or 0, False) if unseen else (trial.refusal, False)


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    return value.format_map(names) if isinstance(value, str) else value


async def tried(
    stage: Stage, method: str, path: str, trial: Trial, persona: Persona, browser: Browserless
) -> tuple[int, str]:
    names = stage.scene.names(persona)
    at = trial.at.format_map(names)
    if path in STREAMS and persona != SIGNED_OUT:
        status, _ = await browser.begins(at)
        return status, ""
    answer: httpx.Response
    if method == "GET":
        answer = await browser.http.get(at)
    elif (method, path) in access_table.MACHINES:
        answer = await browser.http.post(at, json=filled(trial.body, names))
    else:
        answer = await browser.post(at, filled(trial.body, names))
    if answer.status_code == 500:
        return 500, answer.text[:200]
    if (method, path) not in DIRECT:
        assert faults(answer) == [], (persona, method, at)
    return answer.status_code, answer.headers.get("location", "")


async def go_through(stage: Stage, table: access_table.Routes) -> tuple[int, list[str]]:
    """Try every cell; how many there were, and what was not as declared."""
    wrong: list[str] = []
    cells = 0
    trials = [(method, path, trial) for (method, path), given in table.items() for trial in given]
    untouched = await stage.rows.contents()
    for persona in access_table.EVERYBODY:
        async with stage.browser(persona) as browser:
            for method, path, trial in trials:
                if persona not in trial.people():
                    continue
                cells += 1
                where = f"{persona.name}: {method} {trial.at} {trial.body or ''}"
                before = untouched
                if trial.before and persona != SIGNED_OUT:
                    values = stage.scene.names(persona)
                    await stage.rows.run(trial.before, values)
                    before = await stage.rows.contents()
                status, location = await tried(stage, method, path, trial, persona, browser)
                wanted, allowed = expected(trial, method, persona)
                if status != wanted:
                    wrong.append(f"{where}: {status}, declared {wanted}")
                elif status == 303 and not allowed and "/app/sign-in" not in location:
                    wrong.append(f"{where}: led to {location}")
                changed = await changes(stage, before)
                if path == "/app/sign-out" and persona == SIGNED_OUT:
                    allowed = False
                # A try to sign in is counted, whoever makes it.
                changed -= {"login_throttle"} if path == "/app/sign-in" else set()
                if bool(changed) != (allowed and trial.acts):
                    wrong.append(f"{where}: changed {sorted(changed)}")
                if await stage.rows.wrote():
                    await stage.rows.undo()
                    stage.program.door.forget()
                browser.use_session(stage.scene.tokens.get(persona, ""))
    return cells, wrong


async def changes(stage: Stage, before: dict[str, str]) -> set[str]:
    """The tables whose rows are not what they were."""
    if not await stage.rows.wrote():
        return set()
    after = await stage.rows.contents()
    return {name for name in after if after[name] != before[name]}


def test_every_route_is_declared_and_every_trial_leads_to_its_route(tmp_path: Any) -> None:
    nowhere = Database("postgresql:///nothing")
    program = Program(
        settings_for(tmp_path),
        clock=ManualClock(START),
        database=nowhere,
        web_database=nowhere,
        door_database=nowhere,
    )
    declared = set(TABLE)
    routes = routes_of(program.routes())
    assert routes - declared == set(), "declare who may use these in tests/support/access_table.py"
    assert declared - routes == set(), "these routes are gone"
    for (method, path), trials in TABLE.items():
        shape = re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(path)) + r"(\?.*)?")
        assert trials, (method, path)
        for trial in trials:
            assert shape.fullmatch(trial.at), (method, path, trial.at)


async def test_everybody_may_what_is_declared_and_nothing_else(stage: Stage) -> None:
    cells, wrong = await go_through(stage, TABLE)
    assert wrong == [], f"{len(wrong)} of {cells} cells:\n" + "\n".join(wrong)
    assert cells > 2000
