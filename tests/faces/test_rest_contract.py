"""Every operation once, by somebody who may: the declared success code, every declared field and no
other, in the answer itself and in every thing in it. Whatever joins the table of operations joins
this test by its row in `tests/support/rest_access_table.py`."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest

from tests.support.access_scene import BASE
from tests.support.rest_access_table import TABLE
from tests.support.rest_stage import Stage, filled, rest_stage
from tocsin.rest.everything import OPERATIONS

OWNER = BASE[0]
# What need hold nothing here: nobody was mailed, nothing is joined, nothing is changed.
MAY_BE_EMPTY = 25


@pytest.fixture
async def stage(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[Stage]:
    async with rest_stage(fresh_dsn, tmp_path) as made:
        yield made


def strict(schema: Any) -> Any:
    """The same, where what is not described may not be there. What must be, it says itself."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(one) for name, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def holds_something(answer: Any) -> bool:
    """Whether a list in it has an item; an answer without a list holds something."""
    if isinstance(answer, list):
        return bool(answer)
    lists = [one for one in answer.values() if isinstance(one, list)]
    return not lists or any(lists)


async def test_every_operation_answers_as_described(stage: Stage) -> None:
    told = (await stage.http.get("/openapi.json")).json()
    described = strict(copy.deepcopy(told))
    names = stage.scene.names(OWNER)
    wrong: list[str] = []
    empty: list[str] = []
    for operation in OPERATIONS:
        trial, *_ = TABLE[operation.method, operation.path]
        where = f"{operation.method} {trial.at}"
        if trial.before:
            await stage.rows.run(trial.before, names)
        answer = await stage.ask(
            operation.method,
            trial.at.format_map(names),
            stage.scene.keys[OWNER],
            filled(trial.body, names),
        )
        if answer.status_code not in (operation.ok, *operation.also_ok):
            wrong.append(f"{where}: {answer.status_code} {answer.text[:200]}")
        elif answer.content:
            wrong += [f"{where}: {one}" for one in faults(described, operation, answer)]
            if not holds_something(answer.json()):
                empty.append(where)
        else:
            assert operation.gives is None, f"{where}: nothing was answered"
        await stage.rows.undo()
        stage.program.door.forget()
    assert wrong == [], "\n".join(wrong)
    assert len(empty) <= MAY_BE_EMPTY, "these prove nothing:\n" + "\n".join(empty)


def faults(described: Any, operation: Any, answer: Any) -> list[str]:
    """What is not as the description says."""
    declared = described["paths"][operation.path][operation.method.lower()]["responses"]
    content = declared[str(answer.status_code)].get("content")
    if content is None:
        return ["it answers something, and declares nothing"]
    schema = {**content["application/json"]["schema"], "components": described["components"]}
    found = jsonschema_rs.Draft202012Validator(schema).iter_errors(answer.json())
    return [f"{one.instance_path}: {one.message[:200]}" for one in list(found)[:3]]
