"""A Tocsin that really runs: the same start and the same end as `tocsin serve`, real time, a real
port, on a database the test gives. It can be stopped and started again on the same port, and its
database can be taken away under it.

The scene is set through the product's own actions, with the parts of a second program that is
built and never run.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import httpx
import psycopg
from psycopg import sql

from tests.support.ports import free_port_with_https
from tests.support.settings import settings_for
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, User
from tocsin.app import Program
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.cli import process
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database, Unavailable
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.paging import actions as paging

PASSWORD = "correct horse battery"
# Only how long a test that hangs is let hang; no test passes or fails by being fast or slow.
PATIENCE_SECONDS = 60.0
T = TypeVar("T")


class Running:
    """See the module."""

    def __init__(self, tools: Program, dsn: str, server_dsn: str) -> None:
        self.tools = tools
        self.url = tools.settings.base_url
        self.dsn = dsn
        self.server_dsn = server_dsn
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start, and return when it answers."""
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(
            process.serve(self.tools.settings, self.dsn, self._stopping), name="tocsin"
        )
        async with httpx.AsyncClient(base_url=self.url) as http:
            while True:
                if self._task.done():
                    self._task.result()
                try:
                    if (await http.get("/healthz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Stop as on SIGTERM, and wait until it has ended."""
        self._stopping.set()
        if self._task is not None:
            await self._task
            self._task = None

    @asynccontextmanager
    async def without_database(self) -> AsyncIterator[None]:
        """Cut every connection to the database and let nobody in, until the block ends."""
        await asyncio.to_thread(self._allow, False)
        try:
            yield
        finally:
            await asyncio.to_thread(self._allow, True)

    def _allow(self, allowed: bool) -> None:
        name = str(psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"])
        word = sql.SQL("true" if allowed else "false")
        with psycopg.connect(self.server_dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("alter database {} allow_connections {}").format(sql.Identifier(name), word)
            )
            if not allowed:
                connection.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                    " where datname = %(name)s",
                    {"name": name},
                )

    async def person(self, name: str, channel: str, address: str) -> User:
        """Somebody with one contact method. The first one is the owner, and can sign in."""
        now = self.tools.clock.now()
        async with self.tools.database.transaction() as tx:
            new = NewUser(name=name, email=f"{name}@example.com", password=PASSWORD)
            if await accounts.needs_first_run(tx):
                user = await accounts.first_run(tx, new, now)
            else:
                user = await accounts.create_user(tx, SYSTEM, new, now)
            draft = paging.ContactMethodDraft(
                user_id=user.id, channel=channel, label=channel, address=address
            )
            await paging.add_contact_method(
                tx,
                SYSTEM,
                draft,
                now,
                channels=self.tools.channels,
                secret_box=self.tools.secret_box,
            )
        return user

    async def service(self, name: str, person: User, **fields: Any) -> str:
        """A service that pages this person; an integration key for it."""
        now = self.tools.clock.now()
        target = Target(kind=TargetKind.USER, id=person.id)
        policy_input = PolicyInput(
            name=f"{name} policy", levels=(LevelInput(delay_minutes=30, targets=(target,)),)
        )
        async with self.tools.database.transaction() as tx:
            policy = await escalations.create_policy(tx, SYSTEM, policy_input, now)
            service = await catalog.create_service(
                tx, SYSTEM, NewService(name=name, escalation_policy_id=policy.id, **fields), now
            )
            new = NewIntegration(service_id=service.id, name="in")
            _, key = await catalog.add_integration(tx, SYSTEM, self.tools.secret_box, new, now)
        return key

    async def rows(self, statement: LiteralString, **params: Any) -> list[dict[str, Any]]:
        """What a query finds. After an outage it is asked until the database answers."""
        while True:
            try:
                async with self.tools.database.transaction() as tx:
                    return await tx.rows(statement, params)
            except Unavailable:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    dsn: str, server_dsn: str, data_dir: Path, **settings: Any
) -> AsyncIterator[Running]:
    """A started Tocsin on a free port."""
    port = free_port_with_https()
    address = f"http://127.0.0.1:{port}"
    given = {"port": str(port), "public_url": address, "database_url": dsn, **settings}
    async with Database(dsn, size=2) as database:
        tools = Program(
            settings_for(data_dir, **given),
            clock=LogicalClock(),
            database=database,
            web_database=database,
            door_database=database,
        )
        made = Running(tools, dsn, server_dsn)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()
            await tools.outbound.aclose()


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool] = bool) -> T:
    """What `look` sees as soon as it is as `wanted`; fails with the last sight if it never is."""
    clock = LogicalClock()
    until = clock.steady() + PATIENCE_SECONDS
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        assert clock.steady() < until, f"it stayed so: {seen!r}"
        await asyncio.sleep(0.05)
