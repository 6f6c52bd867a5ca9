"""The backup file: a ZIP with a manifest, PostgreSQL's dump and, when asked for, the master key.

Everything is streamed, so memory does not grow with the database. The manifest comes last in the
file, because it names what the dump holds; ZIP keeps a check sum of each part.
"""

import subprocess
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import msgspec

from tocsin.cli.database import CommandProblem
from tocsin.core.migrate import Applied

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
KEY = "master.key"
# Where a restore keeps what was there until it has succeeded.
ASIDE = "tocsin_before_restore"
PIECE = 1024 * 1024
MAX_MANIFEST = 1024 * 1024


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `rows` counts each table within the dump's own snapshot; `at` is the
    product's time then; `key_id` names the master key that opens its secrets, without revealing
    it; `with_key` says whether that key is inside."""

    format: int = FORMAT
    version: str
    at: datetime
    server: str
    migrations: tuple[Applied, ...]
    rows: dict[str, int]
    key_id: str | None
    with_key: bool


def pump(source: IO[bytes], target: IO[bytes]) -> int:
    """Copy a stream piece by piece; the number of bytes."""
    total = 0
    while piece := source.read(PIECE):
        target.write(piece)
        total += len(piece)
    return total


def open_archive(path: Path) -> ZipFile:
    """Open a backup for reading. Raises CommandProblem when it is none."""
    try:
        return ZipFile(path)
    except FileNotFoundError as error:
        raise CommandProblem(f"there is no file {path}") from error
    except (BadZipFile, OSError) as error:
        raise CommandProblem(f"{path} is not a whole backup: {error}") from error


def read_manifest(archive: ZipFile) -> Manifest:
    """The manifest of a backup. Raises CommandProblem when this program cannot read it."""
    try:
        info = archive.getinfo(MANIFEST)
        if info.file_size > MAX_MANIFEST:
            raise CommandProblem(f"{archive.filename} is not a backup of Tocsin")
        raw = archive.read(info)
        if msgspec.json.decode(raw, type=dict[str, object]).get("format") != FORMAT:
            raise CommandProblem(
                f"{archive.filename} was written by a newer Tocsin: restore it with that version"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (KeyError, BadZipFile, msgspec.DecodeError) as error:
        raise CommandProblem(f"{archive.filename} is not a backup of Tocsin: {error}") from error


def feed(archive: ZipFile, line: list[str], environment: dict[str, str]) -> bytes:
    """Run a program with the dump on its standard input; what it printed.

    Raises CommandProblem when the dump is damaged or the program fails. Damage is noticed at the
    end of the dump at the latest, before the program is told that it was complete.
    """
    with (
        TemporaryFile() as printed,
        TemporaryFile() as said,
        subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=printed, stderr=said, env=environment
        ) as process,
        archive.open(DUMP) as dump,
    ):
        assert process.stdin is not None
        try:
            pump(dump, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            # It has read enough, or has ended with an error that its exit code tells.
            abandon(process.stdin)
        except (BadZipFile, EOFError, zlib.error) as error:
            process.kill()
            abandon(process.stdin)
            raise CommandProblem(f"{archive.filename} is damaged: {error}") from error
        if process.wait() != 0:
            said.seek(0)
            text = said.read().decode(errors="replace").strip()[-1000:]
            raise CommandProblem(f"{Path(line[0]).name} failed: {text}")
        printed.seek(0)
        return printed.read()


def abandon(pipe: IO[bytes]) -> None:
    """Close a pipe that nobody reads any more."""
    with suppress(BrokenPipeError):
        pipe.close()


def writer(path: Path) -> ZipFile:
    """Write an archive into the file `path`; the dump inside is compressed already."""
    return ZipFile(path, "w", compression=ZIP_STORED, allowZip64=True)
