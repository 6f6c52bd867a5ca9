"""A database in which everything can be tried and nothing is kept.

Every transaction of the program becomes a savepoint of one real PostgreSQL transaction, which
`undo` rolls back. A request can so be made for each role against the same rows, at the cost of a
rollback instead of a new database. Statements, locks and constraints are the real ones; NOTIFY is
not heard, because nothing commits. One task at a time has the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row

from tocsin.core.database import Database, Tx, translate

T = TypeVar("T")
TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = 'public' order by 1
"""
# What the clockwork writes by itself, whoever asks for whatever.
NOT_COMPARED = {"nodes", "stages", "logical_time"}


class Rehearsal(Database):
    """See the module."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, size=1)
        self._one: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()
        self._digest = ""

    @property
    def connection(self) -> "psycopg.AsyncConnection[Any]":
        assert self._one is not None, "open the rehearsal first"
        return self._one

    async def open(self) -> None:
        self._one = await psycopg.AsyncConnection.connect(
            self.dsn, autocommit=True, **self._settings
        )
        async with self._one.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(TABLES)
            names = [name for (name,) in await cursor.fetchall() if name not in NOT_COMPARED]
        self._digest = " union all ".join(
            f"select '{name}', md5(coalesce(string_agg(t::text, '|' order by t::text), ''))"
            f" from {name} t"
            for name in names
        )
        await self._one.execute("begin")

    async def close(self) -> None:
        await self.connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        async with self._turn:
            try:
                async with self.connection.transaction():
                    tx = Tx(self.connection)
                    yield tx
                    await tx._before_commit()
            except psycopg.Error as error:
                raise translate(error) from error
        tx._committed()

    async def alone(self, statement: Callable[[Tx], Awaitable[T]]) -> T:
        """In a savepoint too; a refused statement must not spoil the trial."""
        async with self.transaction() as tx:
            return await statement(tx)

    async def undo(self) -> None:
        """Forget everything since the last undo."""
        async with self._turn:
            await self.connection.execute("rollback")
            await self.connection.execute("begin")

    async def run(self, statement: Any, values: dict[str, Any]) -> None:
        """Change the rows before a trial."""
        async with self._turn:
            await self.connection.execute(statement, values)

    async def wrote(self) -> bool:
        """Whether anything at all was written or locked since the last undo; costs next to nothing
        where `contents` reads every table."""
        async with self._turn, self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute("select pg_current_xact_id_if_assigned() is not null")
            (row,) = await cursor.fetchall()
            return bool(row[0])

    async def contents(self) -> dict[str, str]:
        """A digest of every table."""
        async with self._turn, self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(self._digest.encode())
            return dict(await cursor.fetchall())
