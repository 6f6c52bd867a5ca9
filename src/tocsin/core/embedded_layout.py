"""Directories and files of the embedded PostgreSQL, below the data directory.

    postgres/        the cluster (PGDATA), made aside as postgres.new and renamed when complete
    run/             the socket, mode 0700; elsewhere when its path is too long for a socket
    conf/            pg_hba.conf and pg_ident.conf, written at each start
    log/             postgres.log and one older postgres.log.1
    postgres.lock    held by the process that supervises the server, with its pid inside
    server.lock      held by the server itself and all its processes

Invariants: a cluster directory exists only when initdb has finished; the mode of a directory that
was there before is never changed, except of run/, which is ours alone; nothing is followed through
a symbolic link that another user could have placed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tocsin.core.embedded_account import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    Account,
    held_capabilities,
    user_name,
)
from tocsin.core.embedded_binaries import EmbeddedPostgresError

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
LOG_BYTES = 10 * 1024 * 1024


class Layout:
    """The places of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = Path(os.path.realpath(data_dir))
        self.cluster = self.data_dir / "postgres"
        self.unfinished = self.data_dir / "postgres.new"
        self.conf_dir = self.data_dir / "conf"
        self.log = self.data_dir / "log" / "postgres.log"
        self.supervisor_lock = self.data_dir / "postgres.lock"
        self.server_lock = self.data_dir / "server.lock"
        self.pid_file = self.cluster / "postmaster.pid"

    def make(self) -> None:
        """Create what is missing of our own directories."""
        try:
            if not self.data_dir.is_dir():
                # Closed to everybody else where the server can still look into it.
                may_look = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH} & held_capabilities()
                mode = 0o700 if os.geteuid() != 0 or may_look else 0o711
                self.data_dir.parent.mkdir(parents=True, exist_ok=True)
                self.data_dir.mkdir(mode=mode, exist_ok=True)
            self.log.parent.mkdir(mode=0o700, exist_ok=True)
            self.conf_dir.mkdir(exist_ok=True)
            self.conf_dir.chmod(0o755)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The data directory {self.data_dir} cannot be used: {error.strerror} "
                f"({error.filename}). Make it writable for user {user_name(os.geteuid())} or "
                "choose another --data-dir."
            ) from error

    def write_access_rules(self, superuser: str, role: str) -> None:
        """Let in the user that runs Tocsin, whom the kernel names, and nobody else."""
        me = user_name(os.geteuid()).replace('"', '""')
        rules = "local all all peer map=tocsin\nlocal replication all peer map=tocsin\n"
        names = "".join(f'tocsin "{me}" "{name}"\n' for name in (role, superuser))
        for name, text in (("pg_hba.conf", rules), ("pg_ident.conf", names)):
            path = self.conf_dir / name
            path.write_text("# Written at each start.\n" + text)
            path.chmod(0o644)

    def socket_dir(self, account: Account) -> Path:
        """The directory of the socket, made private to the account; its path is short enough."""
        near = self.data_dir / "run"
        if _fits(near):
            _make_private(near, account)
            return near
        name = "tocsin-" + hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        refused: list[str] = []
        for parent in _short_places():
            outer = parent / name
            if not _fits(outer / "s"):
                refused.append(f"{parent}: path too long")
                continue
            try:
                # Two levels: the outer one is ours, so that no process of the server's own account
                # can put something else in the place of the inner one.
                _make_outer(outer)
                _make_private(outer / "s", account)
            except (OSError, EmbeddedPostgresError) as error:
                refused.append(str(error))
                continue
            return outer / "s"
        raise EmbeddedPostgresError(
            f"The path of {self.data_dir} is too long for the database's socket, and no short "
            f"private directory could be made ({'; '.join(refused)}). Choose a shorter --data-dir."
        )

    def rotate_log(self) -> None:
        """Keep the log bounded: a full one is moved to postgres.log.1 while in use."""
        try:
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_name("postgres.log.1"))
                os.truncate(self.log, 0)
        except FileNotFoundError:
            return

    def log_tail(self, offset: int, characters: int = 1500) -> str:
        """What the server wrote since `offset`, its end."""
        try:
            with self.log.open("rb") as file:
                file.seek(offset)
                text = file.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""
        return text[-characters:]


def _fits(socket_dir: Path) -> bool:
    return len(os.fsencode(socket_dir / SOCKET_NAME)) <= SOCKET_PATH_BYTES


def _short_places() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield Path(runtime)
    if os.geteuid() == 0:
        yield Path("/run")
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")


def _make_outer(path: Path) -> None:
    mode = 0o711 if os.geteuid() == 0 else 0o700
    path.mkdir(mode=mode, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{path} exists and is not a private directory of ours")


def _make_private(path: Path, account: Account) -> None:
    """A directory of the account's with mode 0700; never through a symbolic link."""
    path.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        owner = os.fstat(handle).st_uid
        if owner != account.uid and os.geteuid() != 0:
            raise EmbeddedPostgresError(
                f"{path} belongs to user {user_name(owner)}. Remove it and start again."
            )
        if account.drop:
            os.fchown(handle, account.uid, account.gid)
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)
