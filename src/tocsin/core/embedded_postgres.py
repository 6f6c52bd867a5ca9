"""The embedded PostgreSQL: a private server, run as our own direct child.

The rule owned here: one process supervises one data directory, and the server's life is tied to it.
Invariants: the server listens on a Unix socket in a directory of mode 0700 and nowhere else, and
lets in only the operating system user that runs Tocsin; nothing that protects committed data can be
switched off; at most one server ever works on a directory, proven by locks and not by process ids;
when this process dies, by kill -9 too, the server shuts down cleanly (the kernel tells it on Linux,
a watcher on a pipe elsewhere); a start waits for crash recovery as long as it makes progress.

Synchronous, because it runs before the event loop. Thread-safe. Start again after `stop`, `kill` or
the death of the server. See `embedded_layout` for the files.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from tocsin.core.embedded_account import Account, choose_account, environment, run_checked
from tocsin.core.embedded_binaries import EmbeddedPostgresError, find_binaries, server_version
from tocsin.core.embedded_layout import SOCKET_NAME, Layout
from tocsin.core.embedded_locks import (
    live_server,
    lock_server,
    lock_supervisor,
    monotonic,
    read_pid,
)
from tocsin.core.embedded_settings import hint_for, server_settings
from tocsin.core.embedded_wire import Wire, WireError

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "find_binaries", "server_version"]

ROLE = DATABASE = "tocsin"
SUPERUSER = "postgres"
INITDB_SECONDS = 300
STALL_SECONDS = 600  # A start that neither answers nor writes a log line this long is given up.
PROGRESS_SECONDS = 5
FAST_STOP_SECONDS = 30  # Then the server is told to stop at once; it recovers at the next start.
IMMEDIATE_STOP_SECONDS = 10
ORPHAN_PATIENCE_SECONDS = 2  # An orphan was told to stop by the kernel; after this we tell it too.
ORPHAN_GIVE_UP_SECONDS = 120
ROTATE_SECONDS = 30
ENSURE = (
    f"create role {ROLE} login createdb",
    f"grant pg_monitor to {ROLE}",
    f"create database {DATABASE} owner {ROLE}",
)
ALREADY_THERE = frozenset({"42710", "42P04"})
# Told when our process ends: the watcher of systems whose kernel does not tell the server.
WATCHER = 'read _; [ "$(head -n1 "$2" 2>/dev/null)" = "$1" ] && kill -INT "$1"'

_log = logging.getLogger("tocsin.embedded_postgres")
_all: weakref.WeakSet[EmbeddedPostgres] = weakref.WeakSet()


class EmbeddedPostgres:
    """Supervises the server of one data directory; a context manager that starts and stops it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        on_wait: Callable[[str], None] | None = None,
        watcher: bool = sys.platform != "linux",
    ) -> None:
        """Touches nothing yet.

        `settings` are PostgreSQL's own, on top of ours; those that guard data or access are
        refused. `on_wait` hears one sentence every few seconds of a long start (default: the log).
        """
        self._layout = Layout(data_dir)
        self._explicit_bin_dir = bin_dir
        self._bin_dir: Path | None = None
        self._settings = server_settings(settings or {})
        self._on_wait = on_wait or _log.info
        self._with_watcher = watcher
        self._busy = threading.RLock()
        self._supervisor_lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._keeper_done = threading.Event()
        self._socket_dir: Path | None = None
        _all.add(self)

    @property
    def dsn(self) -> str:
        """The libpq URL of the database `tocsin`, for its owner. Raises before the first start."""
        return self._url(ROLE, DATABASE)

    @property
    def admin_dsn(self) -> str:
        """The libpq URL for the superuser, for maintenance and tests."""
        return self._url(SUPERUSER, "postgres")

    @property
    def pid(self) -> int | None:
        """The process id of the running server, None when there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def running(self) -> bool:
        """Whether the server process lives. It may die on its own; `start` brings it back."""
        return self.pid is not None

    @property
    def bin_dir(self) -> Path:
        """The directory of the programs in use."""
        if self._bin_dir is None:
            self._bin_dir = find_binaries(self._explicit_bin_dir)
        return self._bin_dir

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self._layout.log

    def tool_path(self, name: str) -> Path:
        """A program of the same version: pg_dump, pg_restore, psql, pg_basebackup."""
        path = self.bin_dir / name
        if not os.access(path, os.X_OK):
            raise EmbeddedPostgresError(
                f"{self.bin_dir} has no program {name}. Install the client programs of PostgreSQL "
                f"{server_version(self.bin_dir)}."
            )
        return path

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, make the role and the database when missing, and return `dsn`.

        Does nothing when it runs already. Raises EmbeddedPostgresError with the reason and the fix.
        """
        with self._busy:
            if self.running and self._socket_dir is not None:
                return self.dsn
            try:
                self._start()
            except OSError as error:
                self.stop(immediate=True)
                raise EmbeddedPostgresError(
                    f"The database could not be started: {error}. Check that the data directory "
                    f"{self._layout.data_dir} belongs to the user that runs Tocsin."
                ) from error
            except BaseException:
                self.stop(immediate=True)
                raise
            return self.dsn

    def stop(self, *, immediate: bool = False) -> None:
        """Shut down within a bounded time and give the directory free. Idempotent.

        `immediate` skips the final checkpoint: no committed data is lost, the next start recovers.
        """
        with self._busy:
            process = self._process
            if process is not None:
                if not immediate:
                    self._signal_and_wait(process, signal.SIGINT, FAST_STOP_SECONDS)
                self._signal_and_wait(process, signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)
                self._signal_and_wait(process, signal.SIGKILL, None)
            self._forget_process()
            if self._supervisor_lock is not None:
                os.close(self._supervisor_lock)
                self._supervisor_lock = None

    def kill(self) -> None:
        """Kill the server like a crash of the machine would; the directory stays ours."""
        with self._busy:
            if self._process is not None:
                self._signal_and_wait(self._process, signal.SIGKILL, None)
            self._forget_process()

    def _start(self) -> None:
        layout = self._layout
        self._forget_process()
        layout.make()
        if self._supervisor_lock is None:
            self._supervisor_lock = lock_supervisor(layout.supervisor_lock)
        version = server_version(self.bin_dir)
        server_lock = self._wait_for_earlier_server()
        try:
            self._refuse_other_version(version)
            account = choose_account(layout.cluster)
            layout.rotate_log()
            log_fd = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                offset = os.fstat(log_fd).st_size
                fresh = not (layout.cluster / "PG_VERSION").exists()
                if fresh:
                    self._create_cluster(account, int(version.split(".")[0]), log_fd)
                layout.write_access_rules(SUPERUSER, ROLE)
                self._socket_dir = layout.socket_dir(account)
                self._launch(account, log_fd, server_lock)
            finally:
                os.close(log_fd)
        finally:
            os.close(server_lock)
        self._wait_until_ready(offset)
        self._ensure_database(fresh=fresh)

    def _wait_for_earlier_server(self) -> int:
        """Hold the server lock, once no earlier server of this directory is left."""
        layout = self._layout
        told: set[str] = set()

        def waiting(seconds: float) -> bool:
            left = live_server(layout.pid_file)
            if not told:
                self._on_wait(f"An earlier database server (process {left}) is still stopping.")
                told.add("waiting")
            # The server was told to stop when its supervisor died. Repeat it in case it was not.
            for after, number in ((1, signal.SIGINT), (15, signal.SIGQUIT)):
                due = seconds > ORPHAN_PATIENCE_SECONDS * after
                if left is not None and due and number.name not in told:
                    _send(left, number)
                    told.add(number.name)
            return seconds < ORPHAN_GIVE_UP_SECONDS

        try:
            handle = lock_server(layout.server_lock, waiting)
        except TimeoutError:
            raise EmbeddedPostgresError(
                f"An earlier database server still runs on {layout.cluster} (process "
                f"{read_pid(layout.pid_file)}) and does not stop. End it and start again."
            ) from None
        stranger = live_server(layout.pid_file)
        if stranger is not None:
            os.close(handle)
            raise EmbeddedPostgresError(
                f"A PostgreSQL server that Tocsin did not start, process {stranger}, runs on "
                f"{layout.cluster}. Stop it (`kill -INT {stranger}`) and start again."
            )
        # Whatever the file names is no server of this directory: a dead process, a zombie, or
        # another program that got the number. PostgreSQL itself would be fooled by the last two.
        layout.pid_file.unlink(missing_ok=True)
        return handle

    def _refuse_other_version(self, version: str) -> None:
        cluster = self._layout.cluster
        try:
            major = (cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            if cluster.is_dir() and any(cluster.iterdir()):
                raise EmbeddedPostgresError(
                    f"{cluster} is not empty and not a PostgreSQL cluster. Move it away or choose "
                    "another --data-dir."
                ) from None
            return
        if major != version.split(".")[0]:
            raise EmbeddedPostgresError(
                f"The data in {cluster} was written by PostgreSQL {major}, but the programs in "
                f"{self.bin_dir} are PostgreSQL {version}, which cannot read it. Dump it with "
                f"PostgreSQL {major} (start the earlier Tocsin and run `tocsin backup`, or use "
                f"pg_dump {major}), move {cluster} away, start this version and restore the dump."
            )

    def _create_cluster(self, account: Account, major: int, log_fd: int) -> None:
        """Run initdb aside and rename: a directory half made is never taken for a cluster."""
        layout = self._layout
        if layout.unfinished.exists():
            shutil.rmtree(layout.unfinished)
        layout.unfinished.mkdir(mode=0o700)
        if account.drop:
            os.chown(layout.unfinished, account.uid, account.gid)
        arguments = [f"--pgdata={layout.unfinished}", f"--username={SUPERUSER}", "--encoding=UTF8"]
        arguments += ["--auth=peer", "--data-checksums", "--no-instructions"]
        arguments += [f"--locale={'C.UTF-8' if sys.platform == 'linux' else 'C'}"]
        if major >= 17:
            # The server's own C.UTF-8 sorts the same on every machine and after every upgrade.
            arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = account.command(
            self.tool_path("initdb"),
            arguments,
            needs=[self.bin_dir / "postgres", *_shared_files(self.bin_dir), layout.unfinished],
        )
        offset = os.fstat(log_fd).st_size
        if run_checked(command, log_fd, INITDB_SECONDS) != 0:
            raise self._failure("The database could not be created", offset)
        layout.unfinished.rename(layout.cluster)
        handle = os.open(layout.data_dir, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _launch(self, account: Account, log_fd: int, server_lock: int) -> None:
        """Start the server process, from a thread that lives as long as it does.

        The kernel's parent-death signal comes when the thread that forked ends, not the process.
        """
        layout = self._layout
        files = {
            "hba_file": str(layout.conf_dir / "pg_hba.conf"),
            "ident_file": str(layout.conf_dir / "pg_ident.conf"),
            "unix_socket_directories": str(self._socket_dir),
        }
        arguments = ["-D", str(layout.cluster)]
        for name, value in {**self._settings, **files}.items():
            arguments += ["-c", f"{name}={value}"]
        command = account.command(
            self.tool_path("postgres"),
            arguments,
            needs=[*_shared_files(self.bin_dir), layout.cluster, Path(files["hba_file"])],
        )
        done = self._keeper_done = threading.Event()
        born: queue.Queue[subprocess.Popen[bytes] | OSError] = queue.Queue()

        def keep() -> None:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log_fd,
                    stderr=log_fd,
                    env=environment(),
                    pass_fds=(server_lock,),
                    # A Ctrl-C at the terminal is for us; the server stops after our last write.
                    start_new_session=True,
                )
            except OSError as error:
                born.put(error)
                return
            born.put(process)
            while not done.wait(ROTATE_SECONDS) and process.poll() is None:
                layout.rotate_log()
            process.wait()

        threading.Thread(target=keep, name="embedded-postgres", daemon=True).start()
        child = born.get()
        if isinstance(child, OSError):
            raise EmbeddedPostgresError(f"{command[0]} cannot be run: {child}") from child
        self._process = child
        if self._with_watcher:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", WATCHER, "watcher", str(child.pid), str(layout.pid_file)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def _wait_until_ready(self, offset: int) -> None:
        """Wait for the server as long as it lives and writes; crash recovery takes its time."""
        assert self._process is not None
        began = moved = told = monotonic()
        size = offset
        while not self._accepts():
            if self._process.poll() is not None:
                raise self._failure("The database server did not start", offset)
            time.sleep(0.01)
            now = monotonic()
            if self._layout.log.stat().st_size != size:
                size, moved = self._layout.log.stat().st_size, now
            if now - moved > STALL_SECONDS:
                raise self._failure("The database server hangs while starting", offset)
            if now - told >= PROGRESS_SECONDS:
                told = now
                last = self._layout.log_tail(offset).rpartition("\n")[2]
                self._on_wait(f"The database is starting since {now - began:.0f} s: {last}")

    def _accepts(self) -> bool:
        """Whether our own child serves connections; the file has its pid and state."""
        try:
            lines = self._layout.pid_file.read_text(errors="replace").splitlines()
        except OSError:
            return False
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return ready and self._process is not None and lines[0] == str(self._process.pid)

    def _ensure_database(self, *, fresh: bool) -> None:
        assert self._socket_dir is not None
        path = self._socket_dir / SOCKET_NAME
        try:
            if not fresh and _lets_in(path):
                return
            with Wire(path, user=SUPERUSER, database="postgres", seconds=60) as wire:
                for statement in ENSURE:
                    _run_unless_there(wire, statement)
            with Wire(path, user=ROLE, database=DATABASE, seconds=60):
                return
        except (OSError, WireError) as error:
            raise EmbeddedPostgresError(
                f"The database server runs but does not let Tocsin in: {error}. Its log is "
                f"{self._layout.log}."
            ) from error

    def _failure(self, what: str, offset: int) -> EmbeddedPostgresError:
        said = self._layout.log_tail(offset)
        hint = hint_for(said)
        return EmbeddedPostgresError(
            f"{what}. {hint or 'The end of its log tells why.'} Log {self._layout.log}:\n{said}"
        )

    def _signal_and_wait(
        self, process: subprocess.Popen[bytes], number: signal.Signals, seconds: float | None
    ) -> None:
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                _log.warning("the database server ignores %s", number.name)

    def _forget_process(self) -> None:
        """Drop what belongs to a server that has ended."""
        self._keeper_done.set()
        self._process = None
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def _forget_in_fork(self) -> None:
        """A forked copy of this process owns nothing: the server and its lock are the parent's."""
        self._busy = threading.RLock()
        self._process = None
        self._watcher = None
        if self._supervisor_lock is not None:
            os.close(self._supervisor_lock)
            self._supervisor_lock = None

    def _url(self, user: str, database: str) -> str:
        if self._socket_dir is None:
            raise EmbeddedPostgresError("The embedded database has not been started.")
        host = quote(str(self._socket_dir), safe="")
        return f"postgresql:///{database}?host={host}&port=5432&user={user}"


def _shared_files(bin_dir: Path) -> list[Path]:
    """Files beside a relocatable installation that its account must be able to read."""
    file = bin_dir.parent / "share" / "postgres.bki"
    return [file] if file.exists() else []


def _lets_in(path: Path) -> bool:
    """Whether the role and the database are there."""
    try:
        with Wire(path, user=ROLE, database=DATABASE, seconds=60):
            return True
    except WireError as error:
        if error.code not in ("28000", "3D000"):
            raise
        return False


def _run_unless_there(wire: Wire, statement: str) -> None:
    try:
        wire.run(statement)
    except WireError as error:
        if error.code not in ALREADY_THERE:
            raise


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It ended between the look and the signal, as it should.
        return


def _forget_all_in_fork() -> None:
    for one in tuple(_all):
        one._forget_in_fork()


os.register_at_fork(after_in_child=_forget_all_in_fork)
