"""Running the product's own command line in a test, on a database given by its URL."""

import asyncio
import contextlib
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import msgspec
import psycopg

from tests.support.postgres import as_superuser
from tocsin.cli import main
from tocsin.core.database import Database, Tx

T = TypeVar("T")


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)


def run(*arguments: str) -> Ran:
    """Run `tocsin ...` in this process, in a thread without a running event loop."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 0
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())


async def run_async(*arguments: str) -> Ran:
    """The same beside a running event loop."""
    return await asyncio.to_thread(run, *arguments)


def in_database(dsn: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    """Run `work` in one transaction, from a synchronous test."""

    async def once() -> T:
        database = Database(dsn, size=2)
        await database.open()
        try:
            async with database.transaction() as tx:
                return await work(tx)
        finally:
            await database.close()

    return asyncio.run(once())


@contextlib.contextmanager
def empty_database(server_dsn: str, name: str) -> Iterator[str]:
    """The DSN of a database with nothing in it, not even our tables."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    try:
        yield psycopg.conninfo.make_conninfo(server_dsn, dbname=name)
    finally:
        with psycopg.connect(as_superuser(server_dsn), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}" with (force)')
