"""PostgreSQL: the pool, one transaction type, and plain errors. The only module that knows psycopg.

Statements are literal constants of the stores, with ``%(name)s`` parameters. A :class:`Tx` is one
open transaction at READ COMMITTED; invariants rest on unique indexes, row locks and fencing
counters, never on the isolation level. Connections run in UTC with statement, lock and
idle-in-transaction timeouts, so a stuck peer cannot hold the product up for ever.

Start is refused by :meth:`Database.open` when the server is older than 15 or runs with ``fsync``,
``full_page_writes`` or ``synchronous_commit`` off: an accepted event must survive a crash.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg import sql as _sql
from psycopg.rows import class_row, dict_row, tuple_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from psycopg_pool.pool_async import AddConnection, MaintenanceTask

from tocsin.core import planted_defects

T = TypeVar("T")
Params = Mapping[str, Any]

# msgspec writes and reads JSON several times faster than the standard library.
set_json_dumps(lambda value: msgspec.json.encode(value))
set_json_loads(lambda data: msgspec.json.decode(data))

MINIMUM_SERVER_VERSION = 15
POOL_WAIT_SECONDS = 10.0
RECONNECT_PAUSE_SECONDS = 0.5


class DatabaseError(Exception):
    """Anything the database refused that no caller foresaw."""


class Unavailable(DatabaseError):
    """The database cannot be reached, is starting or stopping, or has no free connection."""


class Conflict(DatabaseError):
    """A unique index or an exclusion constraint said no. `constraint` names it."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"conflicts with {constraint}")
        self.constraint = constraint


class Retry(DatabaseError):
    """A deadlock or a serialisation failure: the same work may succeed if tried again."""


class TooSlow(DatabaseError):
    """A statement ran into its time limit. The database is there: it is the work that is wrong."""


class BadValue(DatabaseError):
    """A value that PostgreSQL cannot store (a NUL in a text, a number out of range)."""


class UnsafeServer(Exception):
    """The server's settings could lose accepted events; the message names the setting."""


def json(value: Any) -> Jsonb:
    """Wrap a value for a jsonb parameter."""
    return Jsonb(value)


class Tx:
    """One open transaction."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._notices: dict[tuple[str, str], None] = {}
        self._after: list[Callable[[], None]] = []

    async def all(
        self, kind: type[T], statement: LiteralString, params: Params | None = None
    ) -> list[T]:
        """Each row as a `kind`, columns matched to fields by name."""
        async with self._connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(statement, params)
            return await cursor.fetchall()

    async def one(
        self, kind: type[T], statement: LiteralString, params: Params | None = None
    ) -> T | None:
        """The first row as a `kind`, or None."""
        async with self._connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(statement, params)
            return await cursor.fetchone()

    async def rows(
        self, statement: LiteralString, params: Params | None = None
    ) -> list[dict[str, Any]]:
        """Each row as a dict."""
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, params)
            return await cursor.fetchall()

    async def tuples(
        self, statement: LiteralString, params: Params | None = None
    ) -> list[tuple[Any, ...]]:
        """Each row as a tuple; the cheapest form."""
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement, params)
            return await cursor.fetchall()

    async def value(self, statement: LiteralString, params: Params | None = None) -> Any:
        """The first column of the first row, or None."""
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement, params)
            row = await cursor.fetchone()
            return None if row is None else row[0]

    async def execute(self, statement: LiteralString, params: Params | None = None) -> int:
        """Run a statement; the number of rows it touched."""
        async with self._connection.cursor() as cursor:
            await cursor.execute(statement, params)
            return cursor.rowcount

    async def copy(
        self, table: LiteralString, columns: Sequence[LiteralString], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Append many rows with COPY, the cheapest way to write a batch. jsonb goes as Jsonb."""
        statement = _sql.SQL("COPY {} ({}) FROM STDIN").format(
            _sql.Identifier(table), _sql.SQL(", ").join(map(_sql.Identifier, columns))
        )
        async with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                await copy.write_row(row)

    async def count(self, table: str) -> int:
        """The number of rows of a table; reads all of them."""
        statement = _sql.SQL("select count(*) from {}").format(_sql.Identifier(table))
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement)
            row = await cursor.fetchone()
            return int(row[0]) if row else 0

    async def server_time(self) -> datetime:
        """The database's own clock; only the logical clock is fed from it."""
        value: datetime = await self.value("select clock_timestamp()")
        return value

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A nested transaction: an error inside undoes only what was done inside."""
        async with self._connection.transaction():
            yield

    def notify(self, channel: LiteralString, payload: str) -> None:
        """Tell listeners on commit. Repeats within the transaction are sent once."""
        self._notices[(channel, payload)] = None

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` in this process once the commit is done; for caches and wake-ups only."""
        self._after.append(call)

    async def _before_commit(self) -> None:
        if self._notices:
            # One statement: a batch over hundreds of incidents has hundreds of notices.
            await self._connection.execute(
                "select pg_notify(x.channel, x.payload)"
                " from unnest(%s::text[], %s::text[]) as x (channel, payload)",
                ([channel for channel, _ in self._notices], [text for _, text in self._notices]),
            )

    def _committed(self) -> None:
        for call in self._after:
            call()


class Notification(msgspec.Struct, frozen=True):
    """A NOTIFY heard on a channel."""

    channel: str
    payload: str


class _Pool(AsyncConnectionPool["psycopg.AsyncConnection[Any]"]):
    """A pool that is back as soon as its server is. The library doubles its pause with each failed
    attempt, so that after a few restarts nobody would be paged for half a minute."""

    async def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Run a task of the pool's own later; an attempt to connect soon."""
        if isinstance(task, AddConnection):
            delay = min(delay, RECONNECT_PAUSE_SECONDS)
        await super().schedule_task(task, delay)


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(
        self,
        dsn: str,
        *,
        name: str = "tocsin",
        size: int = 10,
        wait_seconds: float = POOL_WAIT_SECONDS,
    ) -> None:
        """`wait_seconds` is how long a transaction waits for a connection before Unavailable."""
        self.dsn = dsn
        # The options are set per connection and not per role, so that any role may be used.
        self._settings: dict[str, Any] = {
            "application_name": name,
            "options": (
                "-c TimeZone=UTC -c statement_timeout=30s -c lock_timeout=10s"
                " -c idle_in_transaction_session_timeout=30s"
            ),
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15000,
        }
        self._pool = _Pool(
            dsn,
            min_size=1,
            max_size=size,
            open=False,
            timeout=wait_seconds,
            kwargs={**self._settings, "autocommit": True},
            check=None,
            reconnect_timeout=60,
            name=name,
        )

    async def open(self) -> None:
        """Connect and refuse a server that could lose what was accepted."""
        try:
            await self._pool.open(wait=True, timeout=POOL_WAIT_SECONDS)
        except PoolTimeout as error:
            await self._pool.close()
            raise Unavailable(f"no connection to PostgreSQL: {await self._why()}") from error
        async with self.transaction() as tx:
            await _refuse_unsafe(tx)

    async def _why(self) -> str:
        try:
            async with await psycopg.AsyncConnection.connect(self.dsn, connect_timeout=3):
                return "the pool did not fill in time"
        except psycopg.Error as error:
            return str(error).strip()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def __aenter__(self) -> "Database":
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction; commit on leaving, roll back on an exception.

        Raises Unavailable, Conflict, Retry, BadValue or DatabaseError instead of the driver's own.
        """
        tx: Tx | None = None
        try:
            async with self._pool.connection() as connection, connection.transaction():
                tx = Tx(connection)
                yield tx
                if planted_defects.ASYNCHRONOUS_COMMIT:
                    await tx.execute("set local synchronous_commit = off")
                await tx._before_commit()
        except PoolTimeout as error:
            raise Unavailable("no free database connection") from error
        except psycopg.Error as error:
            raise translate(error) from error
        if tx is not None:
            tx._committed()

    async def alone(self, statement: Callable[[Tx], Awaitable[T]]) -> T:
        """Run one statement as a transaction of its own: one round trip instead of three.

        `statement` must run exactly one, which takes everything with it: it is committed when this
        returns, and nothing of it is kept when PostgreSQL refused it. Errors as in `transaction`.
        """
        try:
            async with self._pool.connection() as connection:
                tx = Tx(connection)
                if planted_defects.ASYNCHRONOUS_COMMIT:
                    await tx.execute("set synchronous_commit = off")
                result = await statement(tx)
        except PoolTimeout as error:
            raise Unavailable("no free database connection") from error
        except psycopg.Error as error:
            raise translate(error) from error
        if tx._notices or tx._after:
            raise RuntimeError("a statement alone notifies by itself")
        return result

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[tuple[Tx, str]]:
        """A read-only transaction on one instant, and the name under which others may see it too.

        For backups: it may stay open for as long as it takes.
        """
        async with self.session() as connection, connection.transaction():
            await connection.execute("set transaction isolation level repeatable read, read only")
            await connection.execute("set local statement_timeout = 0")
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            tx = Tx(connection)
            yield tx, str(await tx.value("select pg_export_snapshot()"))

    async def retrying(self, work: Callable[[Tx], Awaitable[T]], attempts: int = 3) -> T:
        """Run `work` in a transaction of its own, again after a deadlock."""
        for _ in range(attempts - 1):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except Retry:
                continue
        async with self.transaction() as tx:
            return await work(tx)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["psycopg.AsyncConnection[Any]"]:
        """A connection outside the pool, in autocommit, for LISTEN and advisory locks."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.dsn, autocommit=True, **self._settings
            )
        except psycopg.Error as error:
            raise translate(error) from error
        try:
            yield connection
        except psycopg.Error as error:
            raise translate(error) from error
        finally:
            await connection.close()

    async def listen(self, channels: Sequence[LiteralString]) -> AsyncIterator[Notification]:
        """Yield notifications until cancelled. Raises Unavailable when the connection is lost."""
        async with self.session() as connection:
            for channel in channels:
                await connection.execute(_sql.SQL("LISTEN {}").format(_sql.Identifier(channel)))
            async for notice in connection.notifies():
                yield Notification(notice.channel, notice.payload)
        raise Unavailable("the LISTEN connection ended")


async def _refuse_unsafe(tx: Tx) -> None:
    version = int(await tx.value("show server_version_num"))
    if version < MINIMUM_SERVER_VERSION * 10000:
        raise UnsafeServer(
            f"PostgreSQL {version // 10000} is too old:"
            f" Tocsin needs {MINIMUM_SERVER_VERSION} or newer"
        )
    for setting, value in (
        ("fsync", await tx.value("show fsync")),
        ("full_page_writes", await tx.value("show full_page_writes")),
        ("synchronous_commit", await tx.value("show synchronous_commit")),
    ):
        if value == "off":
            raise UnsafeServer(
                f"PostgreSQL runs with {setting}=off and could lose accepted events:"
                f" set {setting}=on and start again"
            )


def translate(error: psycopg.Error) -> DatabaseError:
    """The product's own error for one of the driver's."""
    if isinstance(error, psycopg.errors.UniqueViolation | psycopg.errors.ExclusionViolation):
        return Conflict(error.diag.constraint_name or "a unique rule")
    if isinstance(
        error,
        psycopg.errors.DeadlockDetected
        | psycopg.errors.SerializationFailure
        | psycopg.errors.LockNotAvailable,
    ):
        return Retry(str(error))
    if isinstance(error, psycopg.errors.QueryCanceled):
        return TooSlow(str(error).strip())
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(str(error).strip())
    if isinstance(error, psycopg.DataError):
        return BadValue(str(error).strip())
    return DatabaseError(str(error).strip())


async def server_answers(dsn: str, seconds: float = 3.0) -> bool:
    """Whether a server answers at `dsn` in time; for health checks and tests."""
    try:
        async with asyncio.timeout(seconds):
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                await connection.execute("select 1")
                return True
    except (psycopg.Error, TimeoutError):
        return False


def command_line_dsn(dsn: str) -> tuple[str, dict[str, str]]:
    """A DSN for the argument list of a PostgreSQL program, and the environment that completes it:
    a password on a command line could be read by every user of the machine."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    return psycopg.conninfo.make_conninfo("", **parts), secret
