"""The operating system account the embedded PostgreSQL runs under.

PostgreSQL refuses to run as root. The rule owned here: started by an ordinary user it runs as that
user; started by root it runs as the owner of an existing cluster, else as `nobody`. No account is
made and no directory mode is changed. Where a directory above the programs or the data is closed to
that account (a checkout under /root), the server keeps one Linux capability, the right to look into
directories, and no other right of root.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.core.embedded_binaries import EmbeddedPostgresError

LAUNCHER = Path(__file__).with_name("embedded_launch.py")
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
NOT_GIVEN = -1


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who the server runs as. `drop` is true when root has to become this user first."""

    uid: int
    gid: int
    drop: bool

    def command(self, program: Path, arguments: Sequence[str], needs: Iterable[Path]) -> list[str]:
        """The command line that runs `program` as this account, as a direct child of ours.

        `needs` are the paths it must be able to reach. Raises EmbeddedPostgresError when one is
        closed to the account and nothing can be done about it.
        """
        capability = self._capability(program, [program, *needs]) if self.drop else NOT_GIVEN
        uid, gid = (self.uid, self.gid) if self.drop else (NOT_GIVEN, NOT_GIVEN)
        numbers = [str(number) for number in (os.getpid(), uid, gid, capability)]
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        return [*launcher, *numbers, str(program), *arguments]

    def _capability(self, program: Path, needs: Iterable[Path]) -> int:
        closed = [at for at in (self._closed_at(path) for path in needs) if at is not None]
        if not closed:
            return NOT_GIVEN
        held = held_capabilities()
        runnable = self._allowed(os.stat(program), stat.S_IXOTH)
        for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
            enough = runnable or capability == CAP_DAC_OVERRIDE
            if capability in held and enough:
                return capability
        raise EmbeddedPostgresError(
            f"The database runs as user {self.name()}, because PostgreSQL refuses to run as root, "
            f"and that user may not enter {closed[0]}. Start Tocsin as an ordinary user, or place "
            "its environment and --data-dir in a directory everybody may enter, such as /srv."
        )

    def _closed_at(self, path: Path) -> Path | None:
        """The outermost part of the way to `path` that this account may not pass."""
        real = Path(os.path.realpath(path))
        for place in (*reversed(real.parents), real):
            found = os.stat(place)
            bit = stat.S_IXOTH if stat.S_ISDIR(found.st_mode) else stat.S_IROTH
            if not self._allowed(found, bit):
                return place
        return None

    def _allowed(self, found: os.stat_result, other_bit: int) -> bool:
        """Whether the mode grants this account what `other_bit` grants everybody else."""
        if found.st_uid == self.uid:
            return bool(found.st_mode & (other_bit << 6))
        if found.st_gid == self.gid:
            return bool(found.st_mode & (other_bit << 3))
        return bool(found.st_mode & other_bit)

    def name(self) -> str:
        return user_name(self.uid)


def choose_account(cluster: Path) -> Account:
    """The account for the cluster directory, which need not exist yet."""
    me = os.geteuid()
    owner = cluster.stat() if cluster.is_dir() else None
    if me == 0:
        if owner is not None and owner.st_uid == 0 and any(cluster.iterdir()):
            raise EmbeddedPostgresError(
                f"{cluster} belongs to root, and PostgreSQL refuses to run as root. Give it back "
                f"with `chown -R nobody {cluster}` and start again."
            )
        if owner is not None and owner.st_uid != 0:
            return Account(uid=owner.st_uid, gid=owner.st_gid, drop=True)
        nobody = _nobody()
        return Account(uid=nobody.pw_uid, gid=nobody.pw_gid, drop=True)
    if owner is not None and owner.st_uid != me:
        raise EmbeddedPostgresError(
            f"{cluster} belongs to user {user_name(owner.st_uid)}, but Tocsin runs as "
            f"{user_name(me)}. Run it as that user or as root, or choose another --data-dir."
        )
    return Account(uid=me, gid=os.getegid(), drop=False)


def user_name(uid: int) -> str:
    """The login name of a user id, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def held_capabilities() -> frozenset[int]:
    """The Linux capabilities this process could pass on; none on other systems."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return frozenset()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:")), 0)
    return frozenset(bit for bit in range(64) if mask >> bit & 1)


def run_checked(command: Sequence[str], log_fd: int, seconds: float) -> int:
    """Run a short-lived program with its output in the log; the exit code."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        env=environment(),
        timeout=seconds,
        check=False,
    )
    return done.returncode


def environment() -> dict[str, str]:
    """What PostgreSQL sees of our environment: nothing that changes how it behaves."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root and this system has no user nobody to run it as. "
            "Start Tocsin as an ordinary user, or set TOCSIN_DATABASE_URL to a running server."
        ) from None
