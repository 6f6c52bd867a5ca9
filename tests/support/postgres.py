"""Real PostgreSQL for tests: one embedded server a run, a template with the schema, and a clone of
the template for each test (about 30 ms). `TOCSIN_TEST_DATABASE_URL` names another server to use.

Under pytest-xdist each worker has a server of its own, so workers share nothing.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tocsin.core import migrate
from tocsin.core.database import Database
from tocsin.core.embedded_postgres import EmbeddedPostgres

TEMPLATE = "tocsin_template"
MEMORY_NEEDED = 2 * 1024**3
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_names = itertools.count()


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return psycopg.conninfo.make_conninfo(dsn, dbname=name)


@pytest.fixture(scope="session")
def server_dsn(worker_id: str) -> Iterator[str]:
    """A server with the migrated template database on it."""
    given = os.environ.get("TOCSIN_TEST_DATABASE_URL")
    if given:
        make_template(given, f"{TEMPLATE}_{worker_id}")
        yield given
        return
    data_dir = Path(tempfile.mkdtemp(prefix="tocsin-test-", dir=_place()))
    data_dir.chmod(0o755)
    server = EmbeddedPostgres(data_dir, settings={"max_connections": "100"})
    try:
        dsn = server.start()
        make_template(dsn, f"{TEMPLATE}_{worker_id}")
        yield dsn
    finally:
        server.stop(immediate=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def _place() -> Path:
    """In memory where there is room: making and dropping thousands of databases is mostly files."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_NEEDED:
        return memory
    return Path("/tmp")


def as_superuser(dsn: str) -> str:
    """The same database for the server's superuser; another server's URL is expected to be one."""
    if os.environ.get("TOCSIN_TEST_DATABASE_URL"):
        return dsn
    return psycopg.conninfo.make_conninfo(dsn, user="postgres")


def make_template(dsn: str, name: str) -> None:
    """A database with the schema, to clone others from."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'drop database if exists "{name}"')
        connection.execute(f'create database "{name}"')
    with psycopg.connect(with_database(dsn, name)) as connection:
        connection.execute(migrate.CREATE_TABLE)
        for migration in migrate.migrations():
            connection.execute(migration.statements)
            connection.execute(
                migrate.INSERT_APPLIED,
                {
                    "number": migration.number,
                    "name": migration.name,
                    "digest": migration.digest,
                    "now": START,
                },
            )


@pytest.fixture
def fresh_dsn(server_dsn: str, worker_id: str) -> Iterator[str]:
    """The DSN of an empty, migrated database that lives for one test."""
    name = f"test_{worker_id}_{os.getpid()}_{next(_names)}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{TEMPLATE}_{worker_id}"')
    yield with_database(server_dsn, name)
    # As the superuser: an autovacuum worker that is in the database may have to be ended too.
    with psycopg.connect(as_superuser(server_dsn), autocommit=True) as connection:
        connection.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture
async def database(fresh_dsn: str) -> AsyncIterator[Database]:
    """An open pool on a fresh database."""
    pool = Database(fresh_dsn, size=4)
    await pool.open()
    yield pool
    await pool.close()
