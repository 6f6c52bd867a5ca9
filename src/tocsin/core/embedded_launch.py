"""Become a PostgreSQL program: drop root, tie our life to the parent's, exec.

Run as a script in a process of its own (`python -I -S embedded_launch.py PARENT UID GID CAPABILITY
PROGRAM ARG...`), never imported by the server: doing these steps between fork and exec inside a
process that has threads can deadlock. Because it ends in exec, PostgreSQL is a direct child of the
process that started this script. Rules: UID -1 keeps the user; CAPABILITY -1 grants none.

The order matters. The kernel forgets the parent-death signal when a process changes its user, so it
is asked for last; and the parent may be gone by then, so it is checked after that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
EXIT_CANNOT = 126


def main(argv: list[str]) -> None:
    parent, uid, gid, capability = (int(value) for value in argv[1:5])
    libc = ctypes.CDLL(None, use_errno=True)
    os.umask(0o077)
    os.chdir("/")
    if uid != -1:
        _become(libc, uid, gid, capability)
    if sys.platform == "linux":
        _prctl(libc, PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            sys.exit(EXIT_CANNOT)
    os.execv(argv[5], argv[5:])


def _become(libc: ctypes.CDLL, uid: int, gid: int, capability: int) -> None:
    """Change to the user, keeping at most the one capability (it lets directories be entered)."""
    if capability != -1:
        _prctl(libc, PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability != -1:
        bit = 1 << capability
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        _check(libc.capset(header, sets), "capset")
        _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(libc: ctypes.CDLL, option: int, *values: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(libc.prctl(option, *padded), f"prctl {option}")


def _check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main(sys.argv)
    except OSError as error:
        sys.stderr.write(f"FATAL:  the database process could not be prepared: {error}\n")
        sys.exit(EXIT_CANNOT)
