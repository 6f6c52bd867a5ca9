"""`tocsin db`: a shell on the database, the state of its schema, and work on migrations."""

import os
import re
from pathlib import Path
from typing import Any

import click

from tocsin.cli import dump
from tocsin.cli.database import CommandProblem, Hand, reach, run_reached, run_with_database
from tocsin.cli.options import DATABASE, load, settings_options
from tocsin.cli.tools import command, find_tool, server_major
from tocsin.core import migrate

MIGRATIONS = Path(migrate.__file__).parents[1] / "migrations"
_NAME = re.compile(r"[a-z][a-z0-9_]{2,60}\Z")


@click.group()
def db() -> None:
    """The database: shell, schema, migrations."""


@db.command()
@click.argument("arguments", nargs=-1)
@settings_options(DATABASE)
def shell(arguments: tuple[str, ...], **flags: Any) -> None:
    """Open psql on the database. Put psql's own options after `--`."""
    settings = load(flags)

    async def major(hand: Hand) -> int:
        async with hand.database.transaction() as tx:
            return await server_major(tx)

    with reach(settings) as reached:
        version = run_reached(reached, major, any_schema=True)
        program = find_tool("psql", settings, reached, version)
        line, environment = command(program, reached.dsn, *arguments)
        code = os.spawnve(os.P_WAIT, str(program), line, environment)
    if code:
        raise SystemExit(code)


@db.command()
@settings_options(DATABASE)
def status(**flags: Any) -> None:
    """Say which migrations have run. Exit code 1 when some have not."""

    async def work(hand: Hand) -> list[migrate.Migration]:
        return await migrate.status(hand.database)

    missing = run_with_database(load(flags), work, any_schema=True)
    waiting = {migration.number for migration in missing}
    for migration in migrate.migrations():
        mark = "waits" if migration.number in waiting else "ran"
        click.echo(f"{migration.number:04} {mark:5} {migration.name}")
    if missing:
        raise SystemExit(1)


@db.command("migrate")
@settings_options(DATABASE)
def migrate_(**flags: Any) -> None:
    """Bring the schema up to date, as a start of the server does."""

    async def work(hand: Hand) -> list[str]:
        return await migrate.migrate(hand.database, hand.clock.now())

    ran = run_with_database(load(flags), work, any_schema=True)
    click.echo("\n".join(f"ran {name}" for name in ran) or "nothing to do: up to date")


@db.command("new-migration")
@click.argument("name")
def new_migration(name: str) -> None:
    """Add an empty migration to the checkout. NAME says what it does, such as add_silences."""
    if not _NAME.match(name):
        raise click.UsageError("NAME is lower-case letters, digits and _, such as add_silences")
    number = max((migration.number for migration in migrate.migrations()), default=0) + 1
    path = MIGRATIONS / f"{number:04}_{name}.sql"
    path.write_text(f"-- {name.replace('_', ' ').capitalize()}.\n")
    click.echo(f"{path}\nThen run `make schema`. The last release must run on the new schema.")


@db.command("dump-schema")
@click.option("--check", is_flag=True, help="Compare only; exit code 1 when it differs.")
def dump_schema(check: bool) -> None:
    """Write migrations/schema.sql from all migrations, on a database of its own."""
    text = dump.schema_of_all_migrations()
    path = MIGRATIONS / dump.SCHEMA_FILE
    if not check:
        path.write_text(text)
        click.echo(str(path))
    elif not path.exists() or path.read_text() != text:
        raise CommandProblem(f"{path} does not match the migrations: run `make schema`")
