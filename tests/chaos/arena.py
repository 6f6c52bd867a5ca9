"""The arena: a database server, real `tocsin serve` processes, providers, and a client, in one
directory that is thrown away. Whatever is started here is ended here.
"""

import asyncio
import mmap
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import world as worlds
from tests.chaos.client import Client, Connection, Ledger, Mix
from tests.chaos.providers import Handed, Provider
from tests.chaos.world import World
from tests.support.settings import MASTER_KEY
from tocsin.core.crash_points import EXIT_CODE
from tocsin.core.embedded_postgres import EmbeddedPostgres

WALL_CLOCK = Path(__file__).parent / "wall_clock"
START_SECONDS = 30.0
SAMPLE_SECONDS = 0.5
RESTART_SECONDS = 0.5
RECOVERY_SECONDS = 10.0
PORTS = range(20_000, 32_000)
SETTLE_GRACE = "1 second"

SAMPLE = """
select clock_timestamp(), (select at from logical_time),
    (select min(leased_until) from deliveries where state = 'sending')
"""
UNSETTLED = f"""
with time as (select at - interval '{SETTLE_GRACE}' as at from logical_time)
select (select count(*) from inbox where not quarantined),
    (select count(*) from deliveries where state = 'sending'),
    (select count(*) from deliveries, time where state = 'queued' and due_at < time.at),
    (select count(*) from escalation_runs r, time where r.state = 'running' and r.due_at < time.at),
    (select count(*) from audit_pending),
    (select count(*) from maintenance_holds)
"""


@dataclass(frozen=True)
class Sample:
    """The database's clock, the product's time, and the oldest lease's end, at one moment."""

    wall: datetime
    logical: datetime | None
    oldest_lease: datetime | None


@dataclass(frozen=True)
class Fault:
    """What the nemesis did, from when to when (seconds since 1970)."""

    what: str
    target: str
    began: float
    ended: float


class Node:
    """One `tocsin serve` process that is started again when told."""

    def __init__(self, name: str, role: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.role = role
        self.environment = dict(environment)
        self.port = int(environment["TOCSIN_PORT"])
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        # Whether it is to run: a service manager starts it again when it ends by itself.
        self.wanted = False

    def start(self, **extra: str) -> None:
        """Run the real command."""
        self.wanted = True
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "serve"],
                env={**self.environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def died_at_point(self) -> bool:
        """Whether the process ended at a crash point."""
        return self.process is not None and self.process.poll() == EXIT_CODE

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """kill -9."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        if self.process is not None:
            await asyncio.to_thread(self.process.wait)

    async def stop(self) -> None:
        """An orderly stop, and what that leaves is killed."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, 25)
        await self.kill()


@dataclass
class Arena:
    """Everything that runs. `faults` is written by whoever commits them."""

    folder: Path
    postgres: EmbeddedPostgres
    dsn: str
    port: int
    world: World
    ntfy: Provider
    webhook: Provider
    nodes: list[Node]
    client: Client
    ledger: Ledger
    began: float = field(default_factory=time.time)
    faults: list[Fault] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    # When the part of the run without faults ended; None when there were none at all.
    calm_until: float | None = None

    @property
    def handed(self) -> list[Handed]:
        """Everything providers were handed, in order."""
        return sorted(self.ntfy.log + self.webhook.log, key=lambda one: one.arrived)

    def fault(self, what: str, target: str, began: float) -> None:
        """Note a fault that ends now."""
        self.faults.append(Fault(what, target, began, time.time()))

    def jump_wall_clock(self, seconds: float) -> None:
        """Move the wall clock of every server process."""
        with (self.folder / "wall").open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:8] = struct.pack("d", seconds)

    async def ready(self) -> None:
        """Wait until the front door answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            connection = Connection(self.port)
            status = await connection.get("/healthz")
            connection.close()
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.last_lines()}")
            await asyncio.sleep(0.1)

    def last_lines(self) -> str:
        """The end of each node's log."""
        return "\n".join(
            f"--- {node.name}\n" + "\n".join(node.log.read_text().splitlines()[-8:])
            for node in self.nodes
            if node.log.exists()
        )

    async def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows, over a connection of their own."""
        async with await psycopg.AsyncConnection.connect(
            self.dsn, autocommit=True, connect_timeout=3
        ) as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def settle(self, seconds: float) -> str | None:
        """Wait until nothing due is left to do; what is left after `seconds`, or None."""
        deadline = time.monotonic() + seconds
        left: tuple[Any, ...] = ()
        while time.monotonic() < deadline:
            with suppress(psycopg.Error):
                (left,) = await self.query(UNSETTLED)
                if not any(left) and not self.client.waiting:
                    return None
            await asyncio.sleep(0.3)
        names = (
            "events in the inbox",
            "leases",
            "due deliveries",
            "due ladders",
            "unsealed",
            "services held in maintenance",
        )
        parts = [f"{count} {name}" for count, name in zip(left, names, strict=False) if count]
        if self.client.waiting:
            parts.append(f"{self.client.waiting} events not accepted ({self.client.answers})")
        return ", ".join(parts)

    async def recovered(self) -> None:
        """Wait, for a while, until every node answers and the product's time moves again.

        A machine room gets its breath back between two faults; a slow machine needs longer.
        """
        deadline = time.monotonic() + RECOVERY_SECONDS
        before: list[tuple[Any, ...]] | None = None
        while time.monotonic() < deadline:
            with suppress(psycopg.Error):
                beat = await self.query("select beat from logical_time")
                if before is None:
                    before = beat
                if beat != before and all([await _answers(node) for node in self.nodes]):
                    return
            await asyncio.sleep(0.2)

    async def manage_for_ever(self) -> None:
        """Start again what ended by itself, as a service manager does."""
        while True:
            await asyncio.sleep(RESTART_SECONDS)
            for node in self.nodes:
                if node.wanted and not node.running and not node.died_at_point:
                    node.start()
                    self.fault("ended by itself", node.name, time.time())

    async def sample_for_ever(self) -> None:
        """Look at clocks and leases from outside, twice a second."""
        connection: psycopg.AsyncConnection[Any] | None = None
        while True:
            try:
                if connection is None:
                    connection = await psycopg.AsyncConnection.connect(
                        self.dsn, autocommit=True, connect_timeout=2
                    )
                row = await (await connection.execute(SAMPLE)).fetchone()
                if row is not None:
                    self.samples.append(Sample(*row))
            except psycopg.Error:
                connection = None
            await asyncio.sleep(SAMPLE_SECONDS)


async def _answers(node: Node) -> bool:
    connection = Connection(node.port)
    try:
        async with asyncio.timeout(1.0):
            return await connection.get("/healthz") == 200
    except TimeoutError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port nobody uses now, and below those that the system gives to outgoing connections: a
    server that is killed must find its own again."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


@asynccontextmanager
async def arena(
    *,
    seed: int,
    rate: float,
    roles: Mapping[str, str],
    size: int,
    mix: Mix | None = None,
    environment: Mapping[str, str] | None = None,
    keep: Path | None = None,
) -> AsyncIterator[Arena]:
    """Build one with a node for each of `roles` (name to role), not started yet.

    With `keep` the logs are copied there at the end.
    """
    folder = Path(tempfile.mkdtemp(prefix="tocsin-chaos-"))
    postgres = EmbeddedPostgres(
        # So that the checker knows when an acknowledgement was committed.
        folder / "database",
        settings={"track_commit_timestamp": "on"},
    )
    ntfy, webhook = Provider("ntfy"), Provider("webhook")
    nodes: list[Node] = []
    built: Arena | None = None
    watchers: list[asyncio.Task[None]] = []
    try:
        dsn = await asyncio.to_thread(postgres.start)
        await ntfy.start()
        await webhook.start()
        world = await worlds.build(dsn, str(folder), f"{webhook.url}/hook", size)
        port = free_port()
        (folder / "wall").write_bytes(struct.pack("d", 0.0))
        for name, role in roles.items():
            (folder / name).mkdir()
            variables = _environment(folder, name, dsn, port, ntfy.url, role)
            if role == "engine":
                # It has a port of its own, for its own health.
                variables["TOCSIN_PORT"] = str(free_port())
            nodes.append(Node(name, role, {**variables, **(environment or {})}, folder))
        ledger = Ledger(folder / "ledger.jsonl")
        client = Client(world, port, ledger, rate=rate, seed=seed, mix=mix or Mix())
        ntfy.on_told = webhook.on_told = client.told
        built = Arena(
            folder=folder,
            postgres=postgres,
            dsn=dsn,
            port=port,
            world=world,
            ntfy=ntfy,
            webhook=webhook,
            nodes=nodes,
            client=client,
            ledger=ledger,
        )
        client.start()
        watchers.append(asyncio.create_task(built.sample_for_ever()))
        watchers.append(asyncio.create_task(built.manage_for_ever()))
        yield built
    finally:
        for watcher in watchers:
            watcher.cancel()
        if built is not None:
            await built.client.stop()
        for node in nodes:
            node.signal(signal.SIGCONT)
            await node.kill()
        await ntfy.stop()
        await webhook.stop()
        await asyncio.to_thread(postgres.stop, immediate=True)
        await asyncio.to_thread(_clear, folder, keep)


def _clear(folder: Path, keep: Path | None) -> None:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for file in [*folder.glob("*.log"), *folder.glob("*.jsonl")]:
            shutil.copy(file, keep)
    shutil.rmtree(folder, ignore_errors=True)


def _environment(
    folder: Path, name: str, dsn: str, port: int, ntfy_url: str, role: str
) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")}
    path = os.pathsep.join(filter(None, [str(WALL_CLOCK), os.environ.get("PYTHONPATH")]))
    return {
        **inherited,
        "PYTHONPATH": path,
        "CHAOS_WALL_CLOCK": str(folder / "wall"),
        "TOCSIN_DATABASE_URL": dsn,
        "TOCSIN_DATA_DIR": str(folder / name),
        "TOCSIN_NODE_NAME": name,
        "TOCSIN_ROLE": role,
        "TOCSIN_HOST": "127.0.0.1",
        "TOCSIN_PORT": str(port),
        "TOCSIN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TOCSIN_MASTER_KEY": MASTER_KEY,
        "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8",
        "TOCSIN_NTFY_URL": ntfy_url,
        "TOCSIN_LOG_FORMAT": "json",
        "TOCSIN_LOG_LEVEL": "warning",
    }
