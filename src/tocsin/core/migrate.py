"""Schema migrations: numbered SQL files, forward only, one transaction each.

Runs under an advisory lock, so nodes that start together do it once, with a short lock timeout, so
a migration waits in line rather than stopping traffic. A database with a migration this program
does not know is newer than the program, and the program refuses to start on it.
"""

import hashlib
import re
from datetime import datetime
from importlib import resources
from typing import Any

import msgspec

from tocsin.core.database import Database, Tx

LOCK_KEY = 7_662_001
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")

CREATE_TABLE = """
create table if not exists schema_migrations (
    number     integer primary key,
    name       text not null,
    digest     text not null,
    applied_at timestamptz not null
)
"""
SELECT_APPLIED = "select number, name, digest from schema_migrations order by number"
INSERT_APPLIED = """
insert into schema_migrations (number, name, digest, applied_at)
values (%(number)s, %(name)s, %(digest)s, %(now)s)
"""


class SchemaError(Exception):
    """The schema and this program do not belong together; the message says what to do."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    statements: str

    @property
    def digest(self) -> str:
        """Names the file's content, so that an edited migration is noticed."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


class Applied(msgspec.Struct, frozen=True):
    """One row of schema_migrations."""

    number: int
    name: str
    digest: str


def migrations() -> list[Migration]:
    """Every migration this program carries, in order."""
    found = []
    for entry in resources.files("tocsin.migrations").iterdir():
        match = _FILE.match(entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text("utf-8")))
    found.sort(key=lambda migration: migration.number)
    return found


def pending(known: list[Migration], applied: list[Applied]) -> list[Migration]:
    """The migrations still to run. Raises SchemaError when the database is newer or was edited."""
    by_number = {migration.number: migration for migration in known}
    for row in applied:
        migration = by_number.get(row.number)
        if migration is None:
            raise SchemaError(
                f"the database has migration {row.number:04} ({row.name}), which this version of"
                " Tocsin does not know: start a version at least as new as the one that last ran"
            )
        if migration.digest != row.digest:
            raise SchemaError(
                f"migration {row.number:04} ({row.name}) is not the one this database ran:"
                " restore the file, migrations are never edited"
            )
    done = {row.number for row in applied}
    return [migration for migration in known if migration.number not in done]


async def status(database: Database) -> list[Migration]:
    """What :func:`migrate` would run, without running it."""
    async with database.transaction() as tx:
        exists = await tx.value("select to_regclass('schema_migrations') is not null")
        applied = await tx.all(Applied, SELECT_APPLIED) if exists else []
    return pending(migrations(), applied)


async def migrate(database: Database, now: datetime) -> list[str]:
    """Bring the schema up to date; the names of the migrations that ran."""
    async with database.transaction() as tx:
        # Waits for a node that is migrating; the statement timeout of 30 s must not cut that short.
        await tx.execute("set local statement_timeout = '10min'")
        await tx.execute("set local lock_timeout = '10min'")
        await tx.execute("select pg_advisory_xact_lock(%(key)s)", {"key": LOCK_KEY})
        await tx.execute(CREATE_TABLE)
        await tx.execute("set local lock_timeout = '5s'")
        todo = pending(migrations(), await tx.all(Applied, SELECT_APPLIED))
        for migration in todo:
            await _apply(tx, migration, now)
    return [f"{migration.number:04}_{migration.name}" for migration in todo]


async def _apply(tx: Tx, migration: Migration, now: datetime) -> None:
    # The text comes from the program's own files, never from a user.
    await tx.execute(migration.statements)
    values: dict[str, Any] = {
        "number": migration.number,
        "name": migration.name,
        "digest": migration.digest,
        "now": now,
    }
    await tx.execute(INSERT_APPLIED, values)
