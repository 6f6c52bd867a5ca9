"""`tocsin tls`: what programs need to trust this server's own certificate."""

import sys
from typing import Any

import click

from tocsin.cli.options import load, settings_options
from tocsin.core.tls import authority_certificate


@click.group()
def tls() -> None:
    """https: the certificate to trust."""


@tls.command()
@settings_options(("data_dir",))
def ca(**flags: Any) -> None:
    """Print the certificate of the local authority, for programs that are to trust it."""
    path = authority_certificate(load(flags))
    try:
        click.echo(path.read_text("ascii"), nl=False)
    except OSError as error:
        click.echo(
            f"tocsin: {path}: {error.strerror}. The authority is made by the first start without"
            " TOCSIN_TLS_CERTIFICATE; name its directory with --data-dir",
            err=True,
        )
        sys.exit(1)
