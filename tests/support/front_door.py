"""A front door on a real socket, and the rows it needs: a service with an integration key."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette

from tocsin.core import crypto
from tocsin.core.clock import Clock, LogicalClock
from tocsin.core.database import Database
from tocsin.ingest import direct
from tocsin.ingest.routes import FrontDoor, IngestDeps

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Counted:
    """Counters that a test can read."""

    def __init__(self) -> None:
        self.accepted_by_source: dict[str, int] = {}
        self.rejected_by_reason: dict[str, int] = {}

    def accepted(self, source: str, number: int) -> None:
        self.accepted_by_source[source] = self.accepted_by_source.get(source, 0) + number

    def rejected(self, reason: str) -> None:
        self.rejected_by_reason[reason] = self.rejected_by_reason.get(reason, 0) + 1


async def add_service(
    database: Database, key: str = KEY, *, number: int = 1, slice: int | None = None
) -> tuple[str, str]:
    """A service with one integration; their ids."""
    policy, service, integration = (f"P{word}{number:05d}" for word in ("POL", "SVC", "INT"))
    async with database.transaction() as tx:
        await tx.execute(
            "insert into escalation_policies (id, name, created_at)"
            " values (%(id)s, %(id)s, %(now)s)",
            {"id": policy, "now": START},
        )
        await tx.execute(
            "insert into services (id, name, escalation_policy_id, slice, created_at)"
            " values (%(id)s, %(id)s, %(policy)s, %(slice)s, %(now)s)",
            {
                "id": service,
                "policy": policy,
                "slice": number % 64 if slice is None else slice,
                "now": START,
            },
        )
        await tx.execute(
            "insert into integrations (id, service_id, name, kind, key_digest, key_sealed,"
            " created_at) values (%(id)s, %(service)s, %(id)s, 'events_api_v2', %(digest)s, '',"
            " %(now)s)",
            {
                "id": integration,
                "service": service,
                "digest": crypto.hash_key(key),
                "now": START,
            },
        )
    return service, integration


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on loopback; the base URL. `settings` go to the server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, **settings)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.01)
        scheme = "https" if "ssl_certfile" in settings else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def front_door(
    database: Database, *, clock: Clock | None = None, short_way: bool = True, **settings: Any
) -> AsyncIterator[tuple[str, FrontDoor]]:
    """A served front door; its base URL and itself. Without `short_way` all goes through ASGI."""
    deps = IngestDeps(database=database, clock=clock or LogicalClock(), **settings)
    door = FrontDoor(deps)
    app = Starlette(routes=door.routes())
    http = direct.protocol(door) if short_way else "auto"
    async with serving(door.in_front_of(app), http=http) as url:
        yield url, door
    await door.close()


async def stored(database: Database) -> list[dict[str, Any]]:
    """Every kept event with its inbox row, in order."""
    async with database.transaction() as tx:
        return await tx.rows(
            "select e.*, i.slice, i.attempts, i.quarantined, i.error, i.seq as waits"
            " from events e left join inbox i using (seq) order by seq"
        )
