"""`tocsin restore FILE`: bring back what a backup holds.

The old data is put aside first and removed only when the new is complete, so a restore that fails,
or is killed, leaves what was there. Never into a database that a server is using.
"""

import asyncio
import os
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import click
import msgspec

from tocsin.cli import archive
from tocsin.cli.archive import Manifest
from tocsin.cli.backup import verify
from tocsin.cli.database import CommandProblem, Hand, reach, run_reached
from tocsin.cli.doctor import unopened
from tocsin.cli.options import load, settings_options
from tocsin.cli.tools import command, find_tool, server_major
from tocsin.core import migrate
from tocsin.core.config import Settings
from tocsin.core.crypto import KEY_FILE, CryptoError, SecretBox, load_master_key
from tocsin.engine import after_restore, nodes
from tocsin.engine.after_restore import Settled

OPTIONS = ("data_dir", "database_url", "postgres_bin_dir", "master_key")
RESTORE_OPTIONS = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")

# Every connection of the product names itself; another command's is not a server.
SELECT_SERVERS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
    and application_name in ('tocsin engine', 'tocsin web', 'tocsin front door')
"""
SELECT_IN_USE = """
select exists (select from users) or exists (select from incidents) or exists (select from events)
"""
SELECT_ASIDE = "select exists (select from pg_namespace where nspname = 'tocsin_before_restore')"
SELECT_OURS = "select to_regclass('public.users') is not null"
PUT_ASIDE = "alter schema public rename to tocsin_before_restore"
MAKE_ROOM = "create schema public"
DROP_NEW = "drop schema if exists public cascade"
TAKE_BACK = "alter schema tocsin_before_restore rename to public"
DROP_OLD = "drop schema tocsin_before_restore cascade"
UNBOUNDED = "set local statement_timeout = 0"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought back. `unopened` are secrets that this machine's master key cannot read."""

    manifest: Manifest
    migrated: tuple[str, ...]
    settled: Settled
    unopened: tuple[str, ...]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what is in the database now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options(OPTIONS)
def restore(file: Path, force: bool, as_json: bool, **flags: Any) -> None:
    """Bring back what FILE holds. Stop the server first; it pages nobody twice."""
    settings = load(flags)
    with archive.open_archive(file) as source:
        manifest = archive.read_manifest(source)
        _check_migrations(manifest)
        _check_key(settings, source, manifest)
        with reach(settings) as reached:
            made = run_reached(
                reached,
                lambda hand: bring_back(hand, settings, source, manifest, force=force),
                any_schema=True,
            )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(made)).decode())
        return
    rows = manifest.rows
    click.echo(
        f"Restored {sum(rows.values())} rows of {len(rows)} tables, as of"
        f" {manifest.at:%Y-%m-%d %H:%M:%S} UTC."
    )
    if made.settled.folded:
        click.echo(
            f"{made.settled.folded} messages that were due then are not sent one by one: each"
            " person gets one summary of what is still open when the server starts."
        )
    for label in made.unopened[:10]:
        click.echo(f"the master key here does not open: {label}", err=True)
    if made.unopened:
        click.echo(f"Put the backup's master key into {settings.data_dir / KEY_FILE}.", err=True)


def _check_migrations(manifest: Manifest) -> None:
    known = {(m.number, m.digest) for m in migrate.migrations()}
    for row in manifest.migrations:
        if (row.number, row.digest) not in known:
            raise CommandProblem(
                f"the backup has migration {row.number:04} ({row.name}), which this version of"
                f" Tocsin does not know: restore it with version {manifest.version} or newer"
            )


def _check_key(settings: Settings, source: ZipFile, manifest: Manifest) -> None:
    """Put the backup's key in place when there is none; refuse to overwrite another."""
    if not manifest.with_key:
        return
    key = bytes.fromhex(source.read(archive.KEY).decode().strip())
    if settings.master_key is None and not (settings.data_dir / KEY_FILE).exists():
        return
    present = load_master_key(settings.data_dir, settings.master_key)
    if SecretBox(present).key_id != SecretBox(key).key_id:
        raise CommandProblem(
            f"the backup's master key is not the one in use here: move"
            f" {settings.data_dir / KEY_FILE} away (or unset TOCSIN_MASTER_KEY), so that the"
            " backup's own can take its place"
        )


async def bring_back(
    hand: Hand, settings: Settings, source: ZipFile, manifest: Manifest, *, force: bool
) -> Restored:
    """Restore into the database. Raises CommandProblem; what was there is then still there."""
    await _make_room(hand, force=force)
    async with hand.database.transaction() as tx:
        major = await server_major(tx)
    program = find_tool("pg_restore", settings, hand.reached, major)
    assert source.filename is not None
    await asyncio.to_thread(verify, Path(source.filename), [str(program), "--list"], manifest)
    await _put_aside(hand)
    try:
        line, environment = command(program, hand.reached.dsn, *RESTORE_OPTIONS)
        await asyncio.to_thread(archive.feed, source, line, environment)
        migrated = await migrate.migrate(hand.database, hand.clock.now())
        _place_key(settings, source, manifest)
        settled, broken = await _finish(hand, settings, manifest)
    except BaseException:
        await _undo(hand)
        raise
    return Restored(
        manifest=manifest, migrated=tuple(migrated), settled=settled, unopened=tuple(broken)
    )


async def _make_room(hand: Hand, *, force: bool) -> None:
    async with hand.database.transaction() as tx:
        if await tx.value(SELECT_SERVERS):
            raise CommandProblem("a server is using this database: stop every node first")
        interrupted = bool(await tx.value(SELECT_ASIDE))
    if interrupted:
        await _undo(hand)
    async with hand.database.transaction() as tx:
        if await tx.value(SELECT_OURS) and await tx.value(SELECT_IN_USE) and not force:
            raise CommandProblem(
                "the database is not empty: with --force what is in it now is replaced"
            )


async def _put_aside(hand: Hand) -> None:
    async with hand.database.transaction() as tx:
        await tx.execute(PUT_ASIDE)
        await tx.execute(MAKE_ROOM)


async def _undo(hand: Hand) -> None:
    """Take back what was put aside; also what an earlier, killed restore had put aside."""
    async with hand.database.transaction() as tx:
        await tx.execute(UNBOUNDED)
        await tx.execute(DROP_NEW)
        await tx.execute(TAKE_BACK)


async def _finish(hand: Hand, settings: Settings, manifest: Manifest) -> tuple[Settled, list[str]]:
    """Make the data fit to go on and let go of the old, in one transaction."""
    box = _box(settings)
    await nodes.join_time(hand.database, hand.clock)
    async with hand.database.transaction() as tx:
        await tx.execute(UNBOUNDED)
        settled = await after_restore.settle(tx, manifest.at, hand.clock.now())
        _, broken = await unopened(tx, box)
        await tx.execute(DROP_OLD)
    return settled, broken


def _box(settings: Settings) -> SecretBox | None:
    if settings.master_key is None and not (settings.data_dir / KEY_FILE).exists():
        return None
    try:
        return SecretBox(load_master_key(settings.data_dir, settings.master_key))
    except CryptoError as error:
        raise CommandProblem(str(error)) from error


def _place_key(settings: Settings, source: ZipFile, manifest: Manifest) -> None:
    file = settings.data_dir / KEY_FILE
    if not manifest.with_key or settings.master_key is not None or file.exists():
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(source.read(archive.KEY))
        target.flush()
        os.fsync(target.fileno())
