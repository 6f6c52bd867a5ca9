"""Starting `tocsin serve`: what a person reads at a terminal, and what stops a start."""

import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.running import eventually, running
from tests.support.settings import MASTER_KEY
from tocsin.cli.living import Living, living_nodes
from tocsin.core.clock import LogicalClock

PATIENCE = 60.0


def environment(dsn: str, data_dir: Path, **more: str) -> dict[str, str]:
    """Nothing of the surroundings' own settings."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
        "TOCSIN_DATABASE_URL": dsn,
        "TOCSIN_DATA_DIR": str(data_dir),
        "TOCSIN_MASTER_KEY": MASTER_KEY,
        **more,
    }


def serve(dsn: str, data_dir: Path, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tocsin", "serve", *flags],
        env=environment(dsn, data_dir, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_at_a_terminal_the_address_stands_alone(fresh_dsn: str, tmp_path: Path) -> None:
    port = free_port()
    ours, theirs = pty.openpty()
    server = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "serve", "--port", str(port)],
        env=environment(fresh_dsn, tmp_path),
        stderr=theirs,
    )
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            heard = b""
            while b"set it up" not in heard:
                heard += terminal.read(4096)
            server.send_signal(signal.SIGINT)
            while b"has stopped" not in heard:
                heard += terminal.read(4096)
        assert server.wait(timeout=PATIENCE) == 0
    finally:
        server.kill()
        server.wait()
    lines = [line.strip() for line in heard.decode().splitlines()]
    address = f"http://127.0.0.1:{port}/app"
    assert f"Tocsin is ready: open {address} to make the first account and set it up" in lines
    assert "Tocsin has stopped" in lines


def test_a_port_that_is_taken_is_named_before_the_database_is_touched(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        # There is no database at all: the port is what is told.
        ran = serve("postgresql://x@127.0.0.1:1/x", tmp_path, "--port", str(port))
    assert ran.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in ran.stderr
    assert "choose another with --port" in ran.stderr


def test_an_address_of_another_machine_is_told_as_such(tmp_path: Path) -> None:
    ran = serve("postgresql://x@127.0.0.1:1/x", tmp_path, "--host", "192.0.2.1")
    assert ran.returncode == 1
    assert "an address of this machine with --host" in ran.stderr


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"EMAIL": "ann@example.com"}, "TOCSIN_ADMIN_EMAIL alone makes no account"),
        ({"PASSWORD": "correct horse"}, "TOCSIN_ADMIN_PASSWORD alone makes no account"),
        ({"EMAIL": "ann", "PASSWORD": "correct horse"}, "TOCSIN_ADMIN_EMAIL: must be"),
        ({"EMAIL": "ann@example.com", "PASSWORD": "short"}, "TOCSIN_ADMIN_PASSWORD: must have"),
    ],
)
def test_an_owner_that_cannot_be_made_stops_the_first_start(
    fresh_dsn: str, tmp_path: Path, given: dict[str, str], says: str
) -> None:
    named = {f"TOCSIN_ADMIN_{key}": value for key, value in given.items()}
    ran = serve(fresh_dsn, tmp_path, "--port", str(free_port()), **named)
    assert ran.returncode == 1
    assert says in ran.stderr


async def test_a_node_that_only_serves_lives(
    fresh_dsn: str, server_dsn: str, tmp_path: Path
) -> None:
    async with running(fresh_dsn, server_dsn, tmp_path, role="web") as node:

        async def look() -> Living:
            return await living_nodes(node.tools.database, LogicalClock())

        # Its time moves on: the sight of it at its start would be forgotten after some seconds.
        first = (await eventually(look, lambda seen: seen.webs == 1)).at
        assert first is not None
        seen = await eventually(look, lambda seen: seen.at is not None and seen.at > first)
        assert (seen.engines, seen.webs) == (0, 1)


def test_a_database_that_is_away_is_told_once(tmp_path: Path) -> None:
    ran = serve("postgresql://x@127.0.0.1:1/x", tmp_path, "--port", str(free_port()))
    assert ran.returncode == 1
    assert "cannot start: no connection to PostgreSQL" in ran.stderr
    assert ran.stderr.count("Connection refused") == 1
