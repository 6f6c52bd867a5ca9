"""`tocsin demo`: the server with a made-up company in it, on a directory of its own.

The directory is marked, and no other is ever filled or removed. Messages go to the simulated
channel: nobody is reached.
"""

import asyncio
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from tocsin.app import Program
from tocsin.cli import process, serve
from tocsin.cli.database import CommandProblem
from tocsin.cli.demo_history import History
from tocsin.cli.options import load, settings_options
from tocsin.core import crypto, logs
from tocsin.core.clock import LogicalClock, ManualClock
from tocsin.core.config import Settings
from tocsin.core.database import Database, DatabaseError, UnsafeServer
from tocsin.core.embedded_postgres import EmbeddedPostgresError
from tocsin.core.migrate import migrate

DIRECTORY = Path("var-demo")
MARK = "demo.json"
HISTORY = timedelta(days=4, hours=2)
PASSWORD_LENGTH = 12


class SignIn(msgspec.Struct, frozen=True):
    """How to sign in to this demo; kept in its directory."""

    email: str
    password: str


@click.command()
@click.option("--fresh", is_flag=True, help="Throw the earlier demo away and begin again.")
@settings_options(("host", "port", "public_url", "data_dir", "postgres_bin_dir", "log_format"))
def demo(fresh: bool, **flags: Any) -> None:
    """Start Tocsin filled with a made-up company. Nothing is sent to anybody."""
    settings = _settings(flags)
    logs.configure(as_json=False, level="warning")
    mark = settings.data_dir / MARK
    if fresh and mark.exists():
        shutil.rmtree(settings.data_dir)
    if not mark.exists() and settings.data_dir.exists() and any(settings.data_dir.iterdir()):
        raise CommandProblem(
            f"{settings.data_dir} holds something else than a demo: name another with --data-dir"
        )
    try:
        with process.database_server(settings) as dsn:
            if mark.exists():
                access = msgspec.json.decode(mark.read_bytes(), type=SignIn)
            else:
                click.echo("Making the company and living its last four days ...")
                access = asyncio.run(fill(settings, dsn))
                mark.write_bytes(msgspec.json.encode(access))
            click.echo(
                f"\n  Open      {settings.base_url}/app\n  E-mail    {access.email}\n"
                f"  Password  {access.password}\n\nCtrl-C ends it; `tocsin demo` goes on with it,"
                " `tocsin demo --fresh` begins again.\n"
            )
            uvloop.run(serve.run(settings, dsn, say=lambda _: None))
    except (EmbeddedPostgresError, DatabaseError, UnsafeServer, process.StartError) as error:
        click.echo(f"tocsin: cannot start: {error}", err=True)
        sys.exit(1)


def _settings(flags: dict[str, Any]) -> Settings:
    """The settings, in a directory of the demo's own and reaching nobody."""
    given = {"data_dir": str(DIRECTORY), **{k: v for k, v in flags.items() if v is not None}}
    return msgspec.structs.replace(
        load(given),
        database_url=None,
        simulated_channel=True,
        dead_man_url=None,
        admin_email=None,
        admin_password=None,
        role="all",
    )


async def fill(settings: Settings, dsn: str) -> SignIn:
    """Play the company's history into an empty database; how to sign in."""
    until = LogicalClock().now()
    clock = ManualClock(until - HISTORY)
    async with Database(dsn, name="tocsin demo", size=4) as database:
        await migrate(database, clock.now())
        program = Program(
            settings,
            clock=clock,
            database=database,
            web_database=database,
            door_database=database,
        )
        password = crypto.new_token(PASSWORD_LENGTH)
        owner = await History(program, clock, until).play(password)
        await program.close()
    return SignIn(owner.email, password)
