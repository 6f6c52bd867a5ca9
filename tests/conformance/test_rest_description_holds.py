"""The API does what its own description says: schemathesis reads /openapi.json, sends what fits it
and what does not, and looks for failures, undeclared statuses, undeclared types and other shapes.

Bounded in time, so that it stays an everyday test: what it finds is always wrong, and what it does
not find in a minute it may find another day, for it draws other values each time. TOCSIN_TEST_SEED
names the ones to draw again, TOCSIN_TEST_SECONDS gives it longer.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.access_scene import BASE, Scene
from tests.support.front_door import serving
from tests.support.postgres import START
from tests.support.rest_access_table import TABLE
from tests.support.rest_scene import set_rest_scene
from tests.support.world import World, make_world
from tocsin.rest.everything import OPERATIONS
from tocsin.rest.limits import RequestLimiter

SECONDS = int(os.environ.get("TOCSIN_TEST_SECONDS", "60"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        made.program.api.limiter = RequestLimiter(per_minute=10_000_000)
        yield made


def named_in(path: str, at: str) -> dict[str, str]:
    """What an address of the access table has in the places of a path."""
    shape = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/?]+)", re.escape(path))
    found = re.match(shape, at)
    assert found is not None, (path, at)
    return found.groupdict()


def configuration(scene: Scene) -> str:
    """Addresses that lead to things, so that more is tried than what a missing thing answers.

    What is deleted is drawn by chance, and so nearly never there: the rest lives on.
    """
    names = scene.names(BASE[0])
    parts = []
    for (method, path), (trial, *_) in TABLE.items():
        values = named_in(path, trial.at.format_map(names))
        if method == "DELETE" or not values:
            continue
        given = ", ".join(f'"path.{name}" = "{value}"' for name, value in values.items())
        parts.append(
            f'[[operations]]\ninclude-name = "{method} {path}"\nparameters = {{ {given} }}\n'
        )
    return "\n".join(parts)


async def test_every_answer_is_as_described(world: World, tmp_path: Path) -> None:
    scene = await set_rest_scene(world)
    config = tmp_path / "schemathesis.toml"
    config.write_text(configuration(scene))
    seed = os.environ.get("TOCSIN_TEST_SEED")
    async with serving(world.program.asgi) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "schemathesis.cli",
            f"--config-file={config}",
            "--no-color",
            "run",
            f"{url}/openapi.json",
            f"--url={url}",
            f"--header=Authorization: Token token={scene.keys[BASE[0]]}",
            f"--checks={','.join(CHECKS)}",
            "--phases=coverage,fuzzing",
            f"--max-time={SECONDS}",
            "--max-examples=20",
            "--request-timeout=30",
            "--continue-on-failure",
            "--warnings=off",
            "--suppress-health-check=all",
            *([f"--seed={seed}"] if seed else []),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        out, _ = await process.communicate()
    said = out.decode(errors="replace")
    assert process.returncode == 0, said[-20_000:]
    tested = re.search(r"Tested: (\d+)", said)
    assert tested is not None, said[-3000:]
    assert int(tested[1]) == len(OPERATIONS), said[-3000:]
