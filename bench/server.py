"""Servers to measure: the real `tocsin serve`, a bare endpoint on the same HTTP server."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from bench import machine
from tocsin.cli import beside

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# Peak memory of the processes of every `tocsin serve` of this run, by what it was doing.
peaks: dict[str, float] = {}


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A child with an HTTP port, ended on leaving the context."""

    def __init__(
        self, command: list[str], *, port: int, ready: str | None, environment: dict[str, str]
    ) -> None:
        self.port = port
        with tempfile.NamedTemporaryFile(prefix="tocsin-bench-", suffix=".log") as log:
            self._log = open(log.name, "w+b")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=self._log, stderr=self._log
        )
        self.pid = self._process.pid
        if ready is not None:
            self._wait(ready)

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.stop()
        self._log.seek(0)
        raise RuntimeError("a server did not start:\n" + self._log.read().decode()[-2000:])

    def cpu_seconds(self) -> float:
        """CPU time of this process alone."""
        return machine.cpu_seconds(self.pid)

    def stop(self) -> None:
        """End it in order, or by force when that takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class Bare(Process):
    """The same HTTP server with an endpoint that reads the body and answers 202."""

    def __init__(self) -> None:
        port = free_port()
        command = [sys.executable, "-m", "bench.bare", str(port)]
        super().__init__(command, port=port, ready="/", environment={})


class Home:
    """A data directory for the servers of one measurement; it goes when the context is left."""

    def __init__(self) -> None:
        # The embedded database runs as an unprivileged user and must reach its directory.
        self.path = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
        self.path.chmod(0o755)

    def __enter__(self) -> "Home":
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def dsn(self) -> str:
        """The embedded database's address while a server runs here."""
        found = beside.shared_dsn(self.path)
        if found is None:
            raise RuntimeError("no server runs here")
        return found

    def database_cpu_seconds(self) -> float:
        """CPU time of the embedded database with all its processes."""
        pid = int((self.path / "postgres" / "postmaster.pid").read_text().split()[0])
        return machine.family_cpu_seconds(pid)


class Tocsin(Process):
    """`tocsin serve` on `home`. With `dsn` it joins the database of another one."""

    def __init__(
        self,
        home: Home,
        *,
        role: str = "all",
        doing: str = "",
        dsn: str | None = None,
        web_processes: int = 1,
    ) -> None:
        self.doing = doing
        port = free_port()
        settings = {
            "PORT": str(port),
            "DATA_DIR": str(home.path),
            "ROLE": role,
            "WEB_PROCESSES": str(web_processes),
            "TLS": "false",
            "EVENTS_PER_MINUTE": "0",
            "SIMULATED_CHANNEL": "true",
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            "LOG_LEVEL": "warning",
        }
        if dsn is not None:
            settings["DATABASE_URL"] = dsn
        super().__init__(
            [sys.executable, "-m", "tocsin", "serve"],
            port=port,
            ready=None if role == "engine" else "/healthz",
            environment={f"TOCSIN_{name}": value for name, value in settings.items()},
        )
        if web_processes > 1:
            self._wait_for_all()

    def _wait_for_all(self) -> None:
        """Each connection goes to one of the processes, and waits while that one still starts."""
        prompt = 0
        while prompt < 20:
            begun = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=60):
                prompt = prompt + 1 if time.monotonic() - begun < 0.2 else 0

    def pids(self) -> list[int]:
        """The processes of the server, without those of its database."""
        return [self.pid, *machine.children(self.pid, named="tocsin.cli.web_process")]

    def cpu_seconds(self) -> float:
        """CPU time of the server's processes."""
        return sum(machine.cpu_seconds(pid) for pid in self.pids())

    def stop(self) -> None:
        """End it, and remember how much memory it took."""
        if self.doing and self._process.poll() is None:
            most = sum(machine.rss_mib(pid)[1] for pid in self.pids())
            peaks[self.doing] = max(most, peaks.get(self.doing, 0.0))
        super().stop()
