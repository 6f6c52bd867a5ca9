"""Every operation of the REST API with every role, against the declared matrix: the answer, and
that a refusal changed nothing; and that no list or `include[]` shows what may not be seen."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import access_table
from tests.support.access_scene import BASE, Persona
from tests.support.access_table import may, reach, reach_everywhere
from tests.support.rest_access_table import EVERYBODY, TABLE, Trial
from tests.support.rest_stage import Stage, filled, rest_stage
from tocsin.rest.everything import OPERATIONS, RESOURCES

KNOWN = {(one.method, one.path): one for one in OPERATIONS}
# What a key leaves behind when it is used, whatever for.
OF_KEYS = {"api_keys"}
HEAD = {"id", "type", "summary", "self", "html_url"}


@pytest.fixture
async def stage(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[Stage]:
    async with rest_stage(fresh_dsn, tmp_path) as made:
        yield made


def expected(method: str, path: str, trial: Trial, persona: Persona) -> tuple[int, bool]:
    """The status, and whether it is allowed."""
    if may(persona, trial.needs):
        return trial.status or KNOWN[method, path].ok, True
    sees = reach_everywhere(persona) if trial.home else reach(persona)
    unseen = sees == access_table.NOTHING and not trial.needs.endswith("somewhere")
    return (trial.unseen if unseen and trial.unseen else trial.refusal), False


async def changes(stage: Stage, before: dict[str, str]) -> set[str]:
    """The tables whose rows are not what they were."""
    if not await stage.rows.wrote():
        return set()
    after = await stage.rows.contents()
    return {name for name in after if after[name] != before[name]} - OF_KEYS


async def go_through(stage: Stage) -> tuple[int, list[str]]:
    wrong: list[str] = []
    cells = 0
    untouched = await stage.rows.contents()
    trials = [(method, path, one) for (method, path), given in TABLE.items() for one in given]
    for persona in EVERYBODY:
        names = stage.scene.names(persona)
        for method, path, trial in trials:
            if persona not in trial.people():
                continue
            cells += 1
            before = untouched
            if trial.before:
                await stage.rows.run(trial.before, names)
                before = await stage.rows.contents()
            at = trial.at.format_map(names)
            answer = await stage.ask(
                method, at, stage.scene.keys[persona], filled(trial.body, names)
            )
            wanted, allowed = expected(method, path, trial, persona)
            where = f"{persona.name}: {method} {trial.at} {trial.body or ''}"
            if answer.status_code != wanted:
                wrong.append(
                    f"{where}: {answer.status_code}, declared {wanted}: {answer.text[:200]}"
                )
            changed = await changes(stage, before)
            if bool(changed) != (allowed and trial.acts):
                wrong.append(f"{where}: changed {sorted(changed)}")
            if await stage.rows.wrote():
                await stage.rows.undo()
                stage.program.door.forget()
    return cells, wrong


def test_every_operation_is_declared_and_every_trial_leads_to_it() -> None:
    assert set(KNOWN) - set(TABLE) == set(), "declare these in tests/support/rest_access_table.py"
    assert set(TABLE) - set(KNOWN) == set(), "these operations are gone"
    for (method, path), trials in TABLE.items():
        shape = re.compile(re.sub(r"\\{\w+\\}", r"[^/?]+", re.escape(path)) + r"(\?.*)?")
        assert trials, (method, path)
        for trial in trials:
            assert shape.fullmatch(trial.at), (method, path, trial.at)


async def test_everybody_may_what_is_declared_and_nothing_else(stage: Stage) -> None:
    cells, wrong = await go_through(stage)
    assert wrong == [], f"{len(wrong)} of {cells} cells:\n" + "\n".join(wrong)
    assert cells > 1000


async def test_without_a_key_there_is_nothing(stage: Stage) -> None:
    names = stage.scene.names(BASE[0])
    untouched = await stage.rows.contents()
    for (method, _), (trial, *_) in TABLE.items():
        at, body = trial.at.format_map(names), filled(trial.body, names)
        for headers in ({}, {"authorization": "Token token=unknown"}):
            answer = await stage.http.request(method, at, headers=headers, json=body)
            assert answer.status_code == 401, (method, at)
            assert answer.json()["error"]["code"] == 2006
    assert await changes(stage, untouched) == set()


def shown_whole(value: Any) -> list[dict[str, Any]]:
    """Everything in an answer that stands there in whole and not as a reference."""
    found: list[dict[str, Any]] = []
    if isinstance(value, dict):
        if set(value) > HEAD and value["self"]:
            found.append(value)
        for one in value.values():
            found += shown_whole(one)
    elif isinstance(value, list):
        for one in value:
            found += shown_whole(one)
    return found


async def test_nothing_is_shown_that_may_not_be_seen(stage: Stage) -> None:
    """Whatever a list or an include shows in whole, its reader may also get by itself."""
    readable = {one.path + "/{id}" for one in RESOURCES if one.get is not None}
    includes = {one.path: one.includes for one in RESOURCES}
    checked = 0
    wrong: set[str] = set()
    for persona in EVERYBODY:
        names, key = stage.scene.names(persona), stage.scene.keys[persona]
        allowed: dict[str, bool] = {}
        for (method, path), trials in TABLE.items():
            if method != "GET":
                continue
            asked = "&".join(
                f"include[]={one}" for one in includes.get(path.removesuffix("/{id}"), ())
            )
            for trial in trials:
                at = trial.at.format_map(names)
                at += ("&" if "?" in at else "?") + asked if asked else ""
                answer = await stage.ask("GET", at, key)
                if answer.status_code >= 300 or not answer.content:
                    continue
                for thing in shown_whole(answer.json()):
                    own = urlsplit(thing["self"]).path
                    if not any(_fits(own, one) for one in readable):
                        continue
                    if own not in allowed:
                        allowed[own] = (await stage.ask("GET", own, key)).status_code == 200
                    checked += 1
                    if not allowed[own]:
                        wrong.add(f"{persona.name}: {trial.at} shows {thing['type']} {own}")
        await stage.rows.undo()
    assert wrong == set(), "\n".join(sorted(wrong))
    assert checked > 500


def _fits(path: str, pattern: str) -> bool:
    return bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path))
