"""Migrations: the readable schema equals them, they run once, and strangers are refused."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.commands import empty_database, run
from tests.support.postgres import START, TEMPLATE
from tocsin.cli import dump
from tocsin.core import migrate
from tocsin.core.database import Database, DatabaseError
from tocsin.core.embedded_postgres import find_binaries, server_version
from tocsin.core.migrate import Applied, Migration, SchemaError

SCHEMA = Path(migrate.__file__).parents[1] / "migrations" / dump.SCHEMA_FILE


@pytest.fixture
def empty_dsn(server_dsn: str, worker_id: str) -> Iterator[str]:
    with empty_database(server_dsn, f"empty_{worker_id}_{os.getpid()}") as dsn:
        yield dsn


def test_the_readable_schema_is_what_the_migrations_make(server_dsn: str, worker_id: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(server_dsn, dbname=f"{TEMPLATE}_{worker_id}")
    programs = find_binaries(None)
    with psycopg.connect(dsn) as connection:
        server = connection.info.server_version // 10_000
    if server != int(server_version(programs).split(".")[0]):
        pytest.skip("another PostgreSQL writes the same schema in other words")
    made = dump.dump_schema(programs / "pg_dump", dsn)
    assert SCHEMA.read_text() == made, "run `make schema`"


async def test_migrations_run_once_however_many_start_together(empty_dsn: str) -> None:
    async with Database(empty_dsn, size=4) as database:
        ran = await asyncio.gather(*(migrate.migrate(database, START) for _ in range(4)))
        names = [f"{m.number:04}_{m.name}" for m in migrate.migrations()]
        assert sorted(ran, key=len) == [[], [], [], names]
        assert await migrate.status(database) == []


def a_migration(number: int, statements: str = "select 1") -> Migration:
    return Migration(number, f"m{number}", statements)


def applied(migration: Migration) -> Applied:
    return Applied(migration.number, migration.name, migration.digest)


def test_what_has_not_run_is_pending_in_order() -> None:
    known = [a_migration(1), a_migration(2), a_migration(3)]
    assert migrate.pending(known, []) == known
    assert migrate.pending(known, [applied(known[0])]) == known[1:]


def test_a_database_of_a_newer_version_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"0002 .* does not know"):
        migrate.pending([a_migration(1)], [applied(a_migration(1)), applied(a_migration(2))])


def test_an_edited_migration_is_refused() -> None:
    with pytest.raises(SchemaError, match="never edited"):
        migrate.pending([a_migration(1, "select 2")], [applied(a_migration(1))])


async def test_a_migration_that_fails_leaves_nothing(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("create table incidents (in_the_way int)")
    async with Database(empty_dsn, size=2) as database:
        with pytest.raises(DatabaseError, match="incidents"):
            await migrate.migrate(database, START)
        async with database.transaction() as tx:
            assert await tx.value("select to_regclass('users')") is None


def test_the_command_line_migrates_and_tells(empty_dsn: str, tmp_path: Path) -> None:
    where = ("--database-url", empty_dsn, "--data-dir", str(tmp_path))
    before = run("db", "status", *where)
    assert before.code == 1
    assert "0001 waits accounts" in before.out
    assert "ran 0001_accounts" in run("db", "migrate", *where).out
    assert "up to date" in run("db", "migrate", *where).out
    after = run("db", "status", *where)
    assert after.code == 0
    assert "waits" not in after.out


def test_numbers_have_no_gaps() -> None:
    numbers = [migration.number for migration in migrate.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
