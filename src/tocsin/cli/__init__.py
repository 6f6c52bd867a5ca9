"""The `tocsin` command: one module for each sub-command, and the settings they share as flags.

Every command exits with 0 when it did what it says, 1 when it could not (one clear sentence on
standard error), 2 when it was called wrongly.
"""

import importlib
import sys
from typing import Any

import click

from tocsin import __version__
from tocsin.core.errors import Problem

# name -> (module, attribute, one line of help); modules load when they are called, so that
# `tocsin --help` costs nothing.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("tocsin.cli.serve", "serve", "Start the server: pages, API and engine."),
    "db": ("tocsin.cli.db", "db", "The database: shell, schema, migrations."),
    "doctor": ("tocsin.cli.doctor", "doctor", "Check the installation and say what to mend."),
    "config": ("tocsin.cli.config", "config", "Show every setting and where it comes from."),
    "backup": ("tocsin.cli.backup", "backup", "Write everything into one file."),
    "restore": ("tocsin.cli.restore", "restore", "Bring back what a backup holds."),
    "send-test": ("tocsin.cli.send_test", "send_test", "Send a person a test message."),
    "demo": ("tocsin.cli.demo", "demo", "Start with a made-up company to look around in."),
    "tls": ("tocsin.cli.tls", "tls", "https: the certificate to trust."),
    "key": ("tocsin.cli.key", "key", "REST keys: create, list, revoke."),
}


class Lazy(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry[0]), entry[1])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tocsin")
def group() -> None:
    """Tocsin: incident response and on-call, self-hosted."""


def main(arguments: list[str] | None = None, **extra: Any) -> None:
    """Run the command line; a refusal is one sentence and exit code 1."""
    try:
        group(arguments, prog_name="tocsin", **extra)
    except Problem as problem:
        click.echo(f"tocsin: {problem}", err=True)
        sys.exit(1)
