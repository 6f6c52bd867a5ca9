"""The schema as one readable file, made by pg_dump from all migrations on an empty database.

Only what the migrations say is in it: no owners, no settings of the session, no version of the
server or of pg_dump, so that the same migrations always give the same text.
"""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path

from tocsin.cli.database import CommandProblem
from tocsin.cli.tools import command
from tocsin.core import migrate
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.core.embedded_postgres import EmbeddedPostgres

SCHEMA_FILE = "schema.sql"
HEAD = (
    "-- The whole schema, made from the migrations by `make schema`. Read it, never run it;\n"
    "-- a test keeps it equal to them.\n\n"
)
DUMP_SECONDS = 120
_NOISE = re.compile(r"^(--.*|SET .*;|SELECT pg_catalog\.set_config.*;|\\(un)?restrict .*)$")


def schema_of_all_migrations() -> str:
    """Run every migration on a fresh embedded server and dump what comes out."""
    with tempfile.TemporaryDirectory(prefix="tocsin-schema-") as directory:
        # The server may run under another account, which has to pass through here.
        Path(directory).chmod(0o711)
        with EmbeddedPostgres(Path(directory) / "var") as server:
            asyncio.run(_migrate(server.dsn))
            return dump_schema(server.tool_path("pg_dump"), server.dsn)


async def _migrate(dsn: str) -> None:
    database = Database(dsn, size=1)
    await database.open()
    try:
        await migrate.migrate(database, LogicalClock().now())
    finally:
        await database.close()


def dump_schema(program: Path, dsn: str) -> str:
    """The schema of a database as text, cleaned of everything that is not schema."""
    line, environment = command(program, dsn, "--schema-only", "--no-owner", "--no-privileges")
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, timeout=DUMP_SECONDS, check=False
    )
    if done.returncode != 0:
        raise CommandProblem(f"pg_dump failed: {done.stderr.strip()[-500:]}")
    return HEAD + tidy(done.stdout)


def tidy(dumped: str) -> str:
    """Leave out comments, session settings and repeated empty lines."""
    kept: list[str] = []
    for line in dumped.splitlines():
        if _NOISE.match(line):
            continue
        if line.strip() or (kept and kept[-1]):
            kept.append(line.rstrip())
    return "\n".join(kept).strip() + "\n"
