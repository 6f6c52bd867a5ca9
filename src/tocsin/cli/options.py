"""Settings as command-line options, from the one table in core/config."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from tocsin.core import config
from tocsin.core.config import ConfigError, Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

# What every command that opens the database needs.
DATABASE = ("data_dir", "database_url", "postgres_bin_dir")


def settings_options(names: Sequence[str] | None = None) -> Decorator:
    """Give a command a flag for each setting named, or for all of them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(config.SETTINGS):
            if names is not None and setting.name not in names:
                continue
            shown = setting.shown_default
            if shown is None and setting.default not in (None, "", False):
                shown = str(setting.default)
            text = setting.help + (f" [default: {shown}]" if shown else "")
            function = click.option(
                setting.flag, setting.name, default=None, help=f"{text} ({setting.variable})"
            )(function)
        return function

    return decorate


def load(flags: dict[str, Any]) -> Settings:
    """The settings, or exit code 2 with one line for each that is wrong."""
    try:
        return config.load(flags)
    except ConfigError as error:
        click.echo(f"tocsin: these settings need a change:\n{error}", err=True)
        sys.exit(2)
