"""A real `tocsin serve` on its own directory, and commands beside it, after it, after a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PASSWORD = "correct horse battery"
PATIENCE = 60.0


class Server:
    """One directory on which a server may run."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
            "TOCSIN_DATA_DIR": str(data_dir),
            "TOCSIN_ADMIN_EMAIL": "ann@example.com",
            "TOCSIN_ADMIN_PASSWORD": PASSWORD,
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "serve", "--port", str(self.port)],
            env=self.environment,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise AssertionError(self.process.stderr.read().decode())
            try:
                if self.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.get('/readyz').text}")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tocsin", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        ran = self.command(*arguments, "--json")
        assert ran.stdout, ran.stderr
        return json.loads(ran.stdout)

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None
        return code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    tmp_path.chmod(0o711)
    server = Server(tmp_path / "var")
    yield server
    if server.process is not None:
        server.end(signal.SIGKILL)


def test_commands_work_beside_a_server_after_it_and_after_a_kill(
    server: Server, tmp_path: Path
) -> None:
    server.start()
    assert server.get("/healthz").text == "ok\n"
    assert "tocsin_database_up 1.0" in server.get("/metrics").text
    assert (server.data_dir / "database.url").stat().st_mode & 0o777 == 0o600

    # Beside it.
    made = server.json("key", "create", "--name", "one", "--user", "ann@example.com")
    assert len(made["key"]) == 20
    checks = {check["name"]: check["verdict"] for check in server.json("doctor")["checks"]}
    assert checks["nodes"] == "ok"
    assert checks["clocks"] == "ok"
    assert checks["overdue"] == "ok"
    file = tmp_path / "x.tbk"
    assert server.json("backup", str(file))["manifest"]["rows"]["users"] == 1
    refused = server.command("restore", str(file), "--force")
    assert refused.returncode == 1
    assert "stop every node first" in refused.stderr

    # After a kill the address of the database is stale, and the command starts it.
    server.end(signal.SIGKILL)
    assert (server.data_dir / "database.url").exists()
    assert [key["name"] for key in server.json("key", "list")["keys"]] == ["one"]

    # Another start recovers; an orderly end takes the address away.
    server.start()
    assert server.end(signal.SIGTERM) == 0
    assert not (server.data_dir / "database.url").exists()
    assert [key["name"] for key in server.json("key", "list")["keys"]] == ["one"]
    restored = server.command("restore", str(file), "--force")
    assert restored.returncode == 0, restored.stderr
    assert server.json("key", "list")["keys"][0]["name"] == "one"
