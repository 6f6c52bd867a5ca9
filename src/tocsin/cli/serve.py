"""`tocsin serve`: start the server and run until a signal asks it to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import click
import uvloop

from tocsin.cli import process
from tocsin.cli.options import load, settings_options
from tocsin.core import logs
from tocsin.core.config import Settings
from tocsin.core.crypto import CryptoError
from tocsin.core.database import Unavailable, UnsafeServer
from tocsin.core.embedded_postgres import EmbeddedPostgresError
from tocsin.core.migrate import SchemaError

log = logs.get(__name__)


@click.command()
@settings_options()
def serve(**flags: Any) -> None:
    """Start the server: pages, API and engine. Every option is also an environment variable."""
    settings = load(flags)
    as_json = process.configure_logs(settings)
    try:
        with process.database_server(settings) as dsn:
            uvloop.run(run(settings, dsn, log.info if as_json else _print))
    except (
        CryptoError,
        EmbeddedPostgresError,
        SchemaError,
        UnsafeServer,
        Unavailable,
        process.StartError,
    ) as error:
        click.echo(f"tocsin: cannot start: {error}", err=True)
        sys.exit(1)
    (log.info if as_json else _print)("Tocsin has stopped")


def _print(line: str) -> None:
    """For a person at a terminal: among the lines of a log the address would be lost."""
    click.echo(f"\n  {line}\n", err=True)


async def run(settings: Settings, dsn: str, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `say` tells what a person wants to know."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await process.serve(settings, dsn, stopping, say)
