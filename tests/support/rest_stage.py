"""The REST API on rows that every trial finds as they were, with a key for each persona."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.access_scene import Scene
from tests.support.postgres import START
from tests.support.rehearsal import Rehearsal
from tests.support.rest_scene import set_rest_scene
from tests.support.settings import settings_for
from tests.support.world import Phone, make_world
from tocsin.app import Program
from tocsin.core.clock import ManualClock
from tocsin.rest.limits import RequestLimiter


class Stage:
    """See the module."""

    def __init__(self, program: Program, rows: Rehearsal, scene: Scene) -> None:
        self.program = program
        self.rows = rows
        self.scene = scene
        transport = httpx.ASGITransport(app=program.asgi, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://tocsin.test")

    async def ask(self, method: str, at: str, key: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Token token={key}"}
        return await self.http.request(method, at, headers=headers, json=body)


@asynccontextmanager
async def rest_stage(dsn: str, folder: Path) -> AsyncIterator[Stage]:
    """A stage, and what it is set with."""
    async with make_world(dsn, folder, START) as world:
        scene = await set_rest_scene(world)
        rows = Rehearsal(dsn)
        await rows.open()
        program = Program(
            settings_for(folder),
            clock=ManualClock(world.clock.now()),
            database=rows,
            web_database=rows,
            door_database=rows,
            extra_channels=[Phone(name) for name in ("phone", "mail")],
        )
        program.api.limiter = RequestLimiter(per_minute=1_000_000)
        made = Stage(program, rows, scene)
        yield made
        await made.http.aclose()
        await program.door.close()
        await program.outbound.aclose()
        await rows.close()


def filled(value: Any, names: dict[str, str]) -> Any:
    """The value with the names in braces replaced."""
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    return value.format_map(names) if isinstance(value, str) else value
