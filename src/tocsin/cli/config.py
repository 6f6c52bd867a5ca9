"""`tocsin config print`: every setting, its value as it may be shown, and how to set it."""

from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from tocsin.cli.options import load, settings_options
from tocsin.core.config import shown


@click.group()
def config() -> None:
    """Show every setting and where it comes from."""


@config.command("print")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@settings_options()
def print_settings(as_json: bool, **flags: Any) -> None:
    """Print every setting with secrets masked. Exit code 2 names each one that is wrong."""
    rows = shown(load(flags))
    if as_json:
        values = {setting.name: text for setting, text in rows}
        click.echo(msgspec.json.format(msgspec.json.encode(values)).decode())
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    # A name that is broken in two cannot be copied.
    table.add_column("Variable", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("What it is", overflow="fold")
    for setting, text in rows:
        table.add_row(
            setting.variable, text or f"({setting.shown_default or 'not set'})", setting.help
        )
    Console().print(table)
