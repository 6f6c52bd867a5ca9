"""PostgreSQL's programs: the right version is chosen, and no password stands on a command line."""

from pathlib import Path

import pytest

from tocsin.cli.database import CommandProblem, Reached
from tocsin.cli.tools import command, find_tool
from tocsin.core import config

DSN = "postgresql://ann:s3cret@db.example:6432/tocsin?sslmode=require"


@pytest.mark.parametrize("dsn", [DSN, "host=db.example user=ann password=s3cret dbname=tocsin"])
def test_a_password_travels_in_the_environment(dsn: str) -> None:
    line, environment = command(Path("/usr/bin/pg_dump"), dsn, "--format=custom")
    assert "s3cret" not in " ".join(line)
    assert environment["PGPASSWORD"] == "s3cret"
    assert "host=db.example" in line[1]
    assert line[2] == "--format=custom"


def test_a_dsn_without_a_password_leaves_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    _, environment = command(Path("/usr/bin/psql"), "postgresql:///tocsin?host=/run/x")
    assert "PGPASSWORD" not in environment


def program(directory: Path, major: int) -> Path:
    """A pg_dump that says it is of this version."""
    directory.mkdir(parents=True)
    path = directory / "pg_dump"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.3 (Debian {major}.3-1)'\n")
    path.chmod(0o755)
    return path


def test_the_servers_own_major_version_is_preferred(tmp_path: Path) -> None:
    wanted = program(tmp_path / "bin", 77)
    settings = config.load({"postgres_bin_dir": str(tmp_path / "bin")}, {})
    reached = Reached(dsn=DSN, embedded=None)
    assert find_tool("pg_dump", settings, reached, 77) == wanted
    # Newer than the server and the oldest of those that fit.
    assert find_tool("pg_dump", settings, reached, 76) == wanted


def test_an_older_program_is_no_use(tmp_path: Path) -> None:
    program(tmp_path / "bin", 14)
    settings = config.load({"postgres_bin_dir": str(tmp_path / "bin")}, {})
    with pytest.raises(CommandProblem, match="there is no pg_dump for PostgreSQL 99"):
        find_tool("pg_dump", settings, Reached(dsn=DSN, embedded=None), 99)
