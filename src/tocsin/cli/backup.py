"""`tocsin backup FILE`: everything in one file, while the server runs.

The dump and the counts in the manifest are of one instant (one exported snapshot). The file appears
under its name only when it is whole and has been read back; only its owner may read it.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zipfile import ZipFile

import click
import msgspec

from tocsin import __version__
from tocsin.accounts import actions as accounts
from tocsin.cli import archive
from tocsin.cli.archive import Manifest
from tocsin.cli.database import CommandProblem, Hand, reach, run_reached
from tocsin.cli.options import load, settings_options
from tocsin.cli.tools import command, find_tool, server_major
from tocsin.core.config import Settings
from tocsin.core.crypto import KEY_FILE, SecretBox, load_master_key
from tocsin.core.database import DatabaseError
from tocsin.core.migrate import SELECT_APPLIED, Applied

OPTIONS = ("data_dir", "database_url", "postgres_bin_dir", "master_key")
DUMP_OPTIONS = (
    "--format=custom",
    "--no-owner",
    "--no-privileges",
    f"--exclude-schema={archive.ASIDE}",
)

SELECT_TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' order by c.relname
"""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was written and read back."""

    file: str
    bytes: int
    manifest: Manifest


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-key", is_flag=True, help="Put the master key in; keep such a file safe.")
@click.option("--force", is_flag=True, help="Replace FILE when it exists.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options(OPTIONS)
def backup(file: Path, with_key: bool, force: bool, as_json: bool, **flags: Any) -> None:
    """Write everything into FILE, also while the server runs.

    Secrets inside are sealed; without --with-key you need the file master.key besides to open them.
    """
    settings = load(flags)
    if file.exists() and not force:
        raise CommandProblem(f"{file} exists: choose another name, or --force to replace it")
    with reach(settings) as reached:
        made = run_reached(reached, lambda hand: make(hand, settings, file, with_key=with_key))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(made)).decode())
        return
    rows = made.manifest.rows
    click.echo(
        f"{made.file}: {made.bytes / 1024**2:.1f} MiB, {sum(rows.values())} rows of {len(rows)}"
        f" tables, among them {rows.get('incidents', 0)} incidents; read back and whole."
    )
    if not made.manifest.with_key:
        click.echo(
            "The master key is not inside. Keep a copy of it elsewhere: without it contact"
            " methods and integration keys cannot be read after a restore.",
            err=True,
        )


async def make(hand: Hand, settings: Settings, file: Path, *, with_key: bool) -> Made:
    """Write and check a backup. Raises CommandProblem; then there is no file."""
    key = _key(settings)
    if with_key and key is None:
        raise CommandProblem("there is no master key on this machine to put in")
    async with hand.database.transaction() as tx:
        major = await server_major(tx)
    dump = find_tool("pg_dump", settings, hand.reached, major)
    restore = find_tool("pg_restore", settings, hand.reached, major)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with archive.writer(draft) as target:
            async with _snapshot(hand) as (snapshot, manifest):
                line, environment = command(
                    dump, hand.reached.dsn, *DUMP_OPTIONS, f"--snapshot={snapshot}"
                )
                await asyncio.to_thread(_write_dump, target, line, environment)
            whole = msgspec.structs.replace(
                manifest, key_id=SecretBox(key).key_id if key else None, with_key=with_key
            )
            if with_key and key is not None:
                target.writestr(archive.KEY, key.hex() + "\n")
            target.writestr(archive.MANIFEST, msgspec.json.format(msgspec.json.encode(whole)))
        await asyncio.to_thread(verify, draft, [str(restore), "--list"], whole)
        size = _make_durable(draft, file)
        await _note(hand, file, size)
    except OSError as error:
        raise CommandProblem(f"{file} cannot be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return Made(file=str(file), bytes=size, manifest=whole)


async def _note(hand: Hand, file: Path, size: int) -> None:
    """Let the health page say when there was a backup. One that is not noted is still whole."""
    now = hand.clock.now()
    try:
        async with hand.database.transaction() as tx:
            noted = {"at": now, "file": file.name, "bytes": size}
            await accounts.write_value(tx, "last_backup", noted)
    except DatabaseError as error:
        click.echo(f"The health page will not know of this backup: {error}", err=True)


def _key(settings: Settings) -> bytes | None:
    if settings.master_key is None and not (settings.data_dir / KEY_FILE).exists():
        return None
    return load_master_key(settings.data_dir, settings.master_key)


@asynccontextmanager
async def _snapshot(hand: Hand) -> AsyncIterator[tuple[str, Manifest]]:
    """One instant of the database that pg_dump can see too, and what it holds."""
    async with hand.database.snapshot() as (tx, name):
        tables = [row[0] for row in await tx.tuples(SELECT_TABLES)]
        rows = {table: await tx.count(table) for table in tables}
        yield (
            name,
            Manifest(
                version=__version__,
                at=hand.clock.now(),
                server=str(await tx.value("show server_version")),
                migrations=tuple(await tx.all(Applied, SELECT_APPLIED)),
                rows=rows,
                key_id=None,
                with_key=False,
            ),
        )


def _write_dump(target: ZipFile, line: list[str], environment: dict[str, str]) -> None:
    with (
        TemporaryFile() as said,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=said, env=environment) as process,
        target.open(archive.DUMP, "w", force_zip64=True) as entry,
    ):
        assert process.stdout is not None
        try:
            archive.pump(process.stdout, entry)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            said.seek(0)
            text = said.read().decode(errors="replace").strip()[-1000:]
            raise CommandProblem(f"pg_dump failed: {text}")


def verify(file: Path, line: list[str], manifest: Manifest) -> None:
    """Read a backup to its end: check sums, and that every table counted is in the dump."""
    with archive.open_archive(file) as source:
        broken = source.testzip()
        if broken is not None:
            raise CommandProblem(f"{file} is damaged: the check sum of {broken} is wrong")
        listed = archive.feed(source, line, dict(os.environ)).decode()
    there = {row.split()[6] for row in listed.splitlines() if " TABLE DATA " in row}
    absent = sorted(set(manifest.rows) - there)
    if absent:
        raise CommandProblem(f"{file} lacks the tables {', '.join(absent)}")


def _make_durable(draft: Path, file: Path) -> int:
    with draft.open("rb") as handle:
        os.fsync(handle.fileno())
        size = os.fstat(handle.fileno()).st_size
    draft.replace(file)
    directory = os.open(file.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return size
