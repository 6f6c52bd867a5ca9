"""How a command reaches the database, in this order: the one that was set, the embedded one of a
server that runs on the data directory, else the embedded server for as long as the command runs.

A command never decides which: what it does is the same beside a running server and without one.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import msgspec

from tocsin.cli.beside import shared_dsn
from tocsin.core import migrate
from tocsin.core.clock import LogicalClock
from tocsin.core.config import Settings
from tocsin.core.crypto import CryptoError
from tocsin.core.database import Database, DatabaseError, UnsafeServer, server_answers
from tocsin.core.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tocsin.core.errors import Problem
from tocsin.engine import nodes

T = TypeVar("T")

CONNECTIONS = 3


class CommandProblem(Problem):
    """A command cannot do what it was asked; the message says what to do instead."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A database that answers. `embedded` supervises it or knows its programs, when it is ours."""

    dsn: str
    embedded: EmbeddedPostgres | None


class Hand(msgspec.Struct, frozen=True, kw_only=True):
    """What a command works with: an open pool and the product's own time."""

    database: Database
    clock: LogicalClock
    reached: Reached


@contextlib.contextmanager
def reach(settings: Settings) -> Iterator[Reached]:
    """Find a database that answers, starting the embedded server when nobody else runs it.

    Raises CommandProblem in one sentence.
    """
    if settings.database_url:
        yield Reached(dsn=settings.database_url, embedded=None)
        return
    embedded = EmbeddedPostgres(settings.data_dir, bin_dir=settings.postgres_bin_dir)
    dsn = shared_dsn(settings.data_dir)
    if dsn is not None and asyncio.run(server_answers(dsn)):
        yield Reached(dsn=dsn, embedded=embedded)
        return
    try:
        with embedded:
            yield Reached(dsn=embedded.dsn, embedded=embedded)
    except EmbeddedPostgresError as error:
        raise CommandProblem(str(error)) from error


def run_with_database(
    settings: Settings, work: Callable[[Hand], Awaitable[T]], *, any_schema: bool = False
) -> T:
    """Run `work` with an open database and the product's time; what it returns.

    Unless `any_schema`, the schema has to be this program's. Raises CommandProblem.
    """
    with reach(settings) as reached:
        return run_reached(reached, work, any_schema=any_schema)


def run_reached(
    reached: Reached, work: Callable[[Hand], Awaitable[T]], *, any_schema: bool = False
) -> T:
    """The same on a database that was reached before."""
    try:
        return asyncio.run(_run(reached, work, any_schema))
    except (DatabaseError, UnsafeServer, migrate.SchemaError, CryptoError) as error:
        raise CommandProblem(str(error)) from error


async def _run(reached: Reached, work: Callable[[Hand], Awaitable[T]], any_schema: bool) -> T:
    database = Database(reached.dsn, name="tocsin command", size=CONNECTIONS)
    await database.open()
    clock = LogicalClock()
    try:
        if not any_schema:
            await _require_schema(database)
            await nodes.join_time(database, clock)
        return await work(Hand(database=database, clock=clock, reached=reached))
    finally:
        await database.close()


async def _require_schema(database: Database) -> None:
    missing = await migrate.status(database)
    if missing:
        raise CommandProblem(
            f"the database is not set up for this version ({len(missing)} migrations have not"
            " run): start the server once, or run `tocsin db migrate`"
        )
