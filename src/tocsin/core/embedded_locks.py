"""Who owns a data directory: one supervising process, and at most one server.

Two files are locked with flock. `postgres.lock` belongs to the supervising process: a second one is
refused by name. `server.lock` is opened anew for each server, inherited by it and by all its
processes, and closed on our side, so the kernel frees it exactly when the last of them is gone.
Nothing is ever concluded from a process id alone: ids are reused, and a zombie still has one.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from tocsin.core.embedded_binaries import EmbeddedPostgresError

SUPERVISOR_PATIENCE_SECONDS = 0.5
POLL_SECONDS = 0.02


def monotonic() -> float:
    """Seconds for bounding waits on processes; the product's clock does not run yet."""
    return time.monotonic()  # noqa: TID251 - waits on real processes, before any clock exists.


def lock_supervisor(path: Path) -> int:
    """Hold the data directory for this process; returns the descriptor that holds the lock.

    A process that was killed a moment ago may still be going, hence the short patience. Raises
    EmbeddedPostgresError naming the holder.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    until = monotonic() + SUPERVISOR_PATIENCE_SECONDS
    while not _try_lock(handle):
        if monotonic() >= until:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise EmbeddedPostgresError(
                f"The data directory {path.parent} is in use by another Tocsin, process {holder}. "
                "Stop that one first, give this one another --data-dir, or let both share one "
                "database with TOCSIN_DATABASE_URL."
            )
        time.sleep(POLL_SECONDS)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def lock_server(path: Path, waiting: Callable[[float], bool]) -> int:
    """Take the server's lock, to be handed to the server that is about to start.

    While an earlier server still holds it, `waiting` is called with the seconds waited so far and
    says whether to go on; raises TimeoutError when it does not.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    began = monotonic()
    while not _try_lock(handle):
        if not waiting(monotonic() - began):
            os.close(handle)
            raise TimeoutError
        time.sleep(POLL_SECONDS)
    return handle


def read_pid(pid_file: Path) -> int | None:
    """The process id in the first line of postmaster.pid, if there is one."""
    try:
        return int(pid_file.read_text(errors="replace").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def live_server(pid_file: Path) -> int | None:
    """The id of a server that really runs on the directory of this postmaster.pid, else None.

    Alive is not enough: it must be no zombie, be a `postgres`, and work in this directory. Where
    there is no /proc the program's name has to do.
    """
    pid = read_pid(pid_file)
    if pid is None or pid <= 1:
        return None
    if not Path("/proc/self/stat").exists():
        return pid if _named_postgres_by_ps(pid) else None
    process = Path("/proc") / str(pid)
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
    except (OSError, IndexError):
        return None
    if state in "ZX" or "postgres" not in Path(words[0]).name:
        return None
    cluster = os.path.realpath(pid_file.parent)
    try:
        place = os.readlink(process / "cwd")
    except OSError:
        # Another user's process seen from a container without the right to trace: its command
        # line is readable by all and names the directory.
        return pid if cluster in (os.path.realpath(word) for word in words[1:]) else None
    return pid if place == cluster else None


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _named_postgres_by_ps(pid: int) -> bool:
    with os.popen(f"ps -o stat=,comm= -p {pid:d}") as answer:
        text = answer.read().strip()
    return bool(text) and not text.startswith("Z") and "postgres" in text
