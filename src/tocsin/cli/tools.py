"""PostgreSQL's own programs (pg_dump, pg_restore, psql), in the version that suits a server.

A program must not be older than the server. Of those that fit, one of the server's own major
version is preferred, because what it writes is understood there without remainder.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tocsin.cli.database import CommandProblem, Reached
from tocsin.core.config import Settings
from tocsin.core.database import Tx, command_line_dsn
from tocsin.core.embedded_postgres import EmbeddedPostgresError, find_binaries

SYSTEM = Path("/usr/lib/postgresql")
SELECT_SERVER = "select setting from pg_settings where name = 'server_version_num'"


async def server_major(tx: Tx) -> int:
    """The server's major version."""
    return int(await tx.value(SELECT_SERVER)) // 10_000


def find_tool(name: str, settings: Settings, reached: Reached, major: int) -> Path:
    """The program `name` for a server of this major version. Raises CommandProblem."""
    if reached.embedded is not None:
        try:
            return reached.embedded.tool_path(name)
        except EmbeddedPostgresError as error:
            raise CommandProblem(str(error)) from error
    newer: list[tuple[int, Path]] = []
    for place in _places(settings, name):
        program = place / name
        if not os.access(program, os.X_OK):
            continue
        own = _major(program)
        if own == major:
            return program
        if own > major:
            newer.append((own, program))
    if newer:
        return min(newer)[1]
    raise CommandProblem(
        f"there is no {name} for PostgreSQL {major}: install PostgreSQL's client programs of that"
        " version or newer, or name their directory with --postgres-bin-dir"
    )


def _places(settings: Settings, name: str) -> Iterator[Path]:
    if settings.postgres_bin_dir is not None:
        yield settings.postgres_bin_dir
    yield from sorted(SYSTEM.glob("*/bin"))
    found = shutil.which(name)
    if found is not None:
        yield Path(found).parent
    try:
        yield find_binaries(None)
    except EmbeddedPostgresError:
        return


def _major(program: Path) -> int:
    """The program's major version; 0 when it does not say."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        return int(said.rpartition(") ")[2].split(".")[0].split()[0])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return 0


def command(program: Path, dsn: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The argument list and environment that run `program` on a database."""
    shown, secret = command_line_dsn(dsn)
    return [str(program), f"--dbname={shown}", *arguments], {**os.environ, **secret}
