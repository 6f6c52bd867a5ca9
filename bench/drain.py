"""How fast the real engine works off what was accepted: events that each open an incident of their
own and page somebody, and events that repeat an open alert.

The events come in through the front door of one process; then an engine starts in another, on the
same database, and the queue is watched from its first move to its end.
"""

import asyncio
import time

import msgspec
import psycopg

from bench import house, load
from bench.report import Line, progress, rates
from bench.server import Home, Tocsin

PART = "drain"
SERVICES = 20
REPEATED_KEYS = 1000
START_SECONDS = 60.0
MOST_SECONDS = 120.0


class Drained(msgspec.Struct, frozen=True):
    """One queue worked off. CPU is in microseconds for each event."""

    events: int
    rate: float
    python_micros: float
    database_micros: float

    def cost(self) -> str:
        """Both costs in words."""
        return f"{self.python_micros:.0f} us Python, {self.database_micros:.0f} us PostgreSQL each"


def fill(server: Tocsin, requests: list[bytes]) -> None:
    """Send each event once. Raises RuntimeError unless all were accepted."""
    result = load.run(load.Full(port=server.port, requests=requests))
    if result.statuses != {"202": len(requests)}:
        raise RuntimeError(f"not all events were accepted: {result.statuses}")


def drain(home: Home, doing: str) -> Drained:
    """Start an engine and watch it empty the queue."""
    with (
        psycopg.connect(home.dsn, autocommit=True) as connection,
        Tocsin(home, role="engine", doing=doing, dsn=home.dsn) as engine,
    ):
        whole = left = _left(connection)
        deadline = time.monotonic() + START_SECONDS
        while left == whole:
            if time.monotonic() > deadline:
                raise RuntimeError("the engine does not begin")
            time.sleep(0.01)
            left = _left(connection)
        begun, first, python = time.monotonic(), left, engine.cpu_seconds()
        database = home.database_cpu_seconds()
        while left and time.monotonic() < begun + MOST_SECONDS:
            time.sleep(0.05)
            left = _left(connection)
        done = max(1, first - left)
        return Drained(
            events=done,
            rate=done / (time.monotonic() - begun),
            python_micros=(engine.cpu_seconds() - python) / done * 1e6,
            database_micros=(home.database_cpu_seconds() - database) / done * 1e6,
        )


def _left(connection: "psycopg.Connection[tuple[int]]") -> int:
    row = connection.execute("select count(*) from inbox where not quarantined").fetchone()
    return int(row[0]) if row else 0


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    rounds, number = (1, 8_000) if quick else (2, 15_000)
    distinct: list[Drained] = []
    repeats: list[Drained] = []
    with Home() as home, Tocsin(home, role="web") as door:
        doors = asyncio.run(house.House(home).services(SERVICES, 1))
        for turn in range(rounds):
            progress(f"drain: round {turn + 1} of {rounds}")
            fill(door, house.triggers(doors, number, f"drain-{turn}"))
            distinct.append(drain(home, "engine alone, draining"))
            fill(door, house.triggers(doors, number, "drain-0", REPEATED_KEYS))
            repeats.append(drain(home, "engine alone, draining"))
    return [
        Line(PART, "distinct alerts", rates([one.rate for one in distinct]), ">= 5,000/s"),
        Line(PART, "their cost", min(distinct, key=lambda one: one.python_micros).cost()),
        Line(PART, f"repeats of {REPEATED_KEYS:,} alerts", rates([one.rate for one in repeats])),
        Line(PART, "their cost", min(repeats, key=lambda one: one.python_micros).cost()),
    ]
