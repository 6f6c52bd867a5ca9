"""A server of several web processes: one port, one answer, and none is missed when it dies."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.integration.test_cli_serve import environment
from tests.support.ports import free_port
from tests.support.running import eventually
from tests.support.settings import settings_for
from tocsin.cli.web_processes import WebProcesses
from tocsin.web.operations import Told

PATIENCE = 60.0


def children(pid: int) -> list[int]:
    """The web processes of a main process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{pid}" in lines and b"tocsin.cli.web_process" in command:
            found.append(int(status.parent.name))
    return found


async def of(pid: int, number: int) -> list[int]:
    """The web processes, once there are `number`."""

    async def look() -> list[int]:
        return children(pid)

    return await eventually(look, lambda found: len(found) == number)


async def ask(port: int, path: str) -> httpx.Response:
    """On a connection of its own, which the kernel gives to any of the processes."""
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE)


@asynccontextmanager
async def server(dsn: str, data_dir: Path, number: int) -> AsyncIterator[tuple[int, int]]:
    """The main process's pid and the port, once all processes are there."""
    port = free_port()
    main = subprocess.Popen(  # noqa: ASYNC220 - it is not waited for
        [sys.executable, "-m", "tocsin", "serve", "--port", str(port)],
        env=environment(dsn, data_dir, TOCSIN_WEB_PROCESSES=str(number), TOCSIN_TLS="false"),
    )
    try:

        async def nodes() -> int:
            try:
                return (await ask(port, "/readyz")).status_code
            except httpx.TransportError:
                return 0

        await eventually(nodes, lambda code: code == 200)
        await of(main.pid, number - 1)
        yield main.pid, port
    finally:
        main.terminate()
        main.wait(timeout=PATIENCE)


def counted(metrics: str) -> float:
    """The refused events in the text of all metrics."""
    start = 'tocsin_events_rejected_total{reason="invalid"} '
    return sum(
        float(line.removeprefix(start)) for line in metrics.splitlines() if line.startswith(start)
    )


async def test_every_process_answers_for_the_whole_server(fresh_dsn: str, tmp_path: Path) -> None:
    async with server(fresh_dsn, tmp_path, 3) as (_, port):

        async def refuse() -> int:
            async with httpx.AsyncClient() as client:
                url = f"http://127.0.0.1:{port}/v2/enqueue"
                return (await client.post(url, json={}, timeout=PATIENCE)).status_code

        assert Counter([await refuse() for _ in range(60)]) == {400: 60}

        async def all_counted() -> list[float]:
            texts = [(await ask(port, "/metrics")).text for _ in range(8)]
            # What only the main process has is in each answer.
            assert all("tocsin_stage_age_seconds" in text for text in texts)
            return [counted(text) for text in texts]

        await eventually(all_counted, lambda found: found == [60.0] * 8)


async def test_one_that_dies_is_started_again(fresh_dsn: str, tmp_path: Path) -> None:
    async with server(fresh_dsn, tmp_path, 2) as (main, port):
        [before] = children(main)
        os.kill(before, signal.SIGKILL)

        async def another() -> list[int]:
            return [pid for pid in children(main) if pid != before]

        await eventually(another, lambda found: len(found) == 1)
        # A connection that the dead one would have had waits for its successor.
        answers = await asyncio.gather(*(ask(port, "/healthz") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}


async def test_none_outlives_the_main_process(fresh_dsn: str, tmp_path: Path) -> None:
    async with server(fresh_dsn, tmp_path, 3) as (main, port):
        others = children(main)
        os.kill(main, signal.SIGKILL)

        async def alive() -> list[int]:
            return [pid for pid in others if os.path.exists(f"/proc/{pid}")]  # noqa: ASYNC240

        await eventually(alive, lambda found: not found)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


async def test_one_that_hangs_is_replaced(fresh_dsn: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, log_level="error", tls="false")

    async def answer(path: str) -> Told:
        return Told(200, "text/plain", path)

    listener = socket.create_server(("127.0.0.1", 0), reuse_port=True)
    port = listener.getsockname()[1]
    stopping = asyncio.Event()
    processes = WebProcesses(settings, fresh_dsn, [listener], answer=answer, silent_seconds=3.0)
    task = asyncio.create_task(processes.run(stopping))
    try:
        [first] = await of(os.getpid(), 1)
        assert (await ask(port, "/readyz")).text == "/readyz"
        os.kill(first, signal.SIGSTOP)
        # Asked while it hangs: answered by the one that replaces it.
        assert (await ask(port, "/metrics")).text == "/metrics"
        [second] = await of(os.getpid(), 1)
        assert second != first
    finally:
        stopping.set()
        await task
        listener.close()
    assert children(os.getpid()) == []
