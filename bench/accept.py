"""How many events a second are accepted and safe on disk, with 64 connections, beside a bare
endpoint on the same HTTP server and beside Alertmanager, which keeps alerts in memory.

The front door is measured alone (`--role web`, as on an installation that runs its engine in a
process of its own), with one process and with two (`--web-processes 2`), and with the engine
working on the same events.
"""

import asyncio
import time
from collections.abc import Callable

import psycopg

from bench import alertmanager, house, load
from bench.report import Line, progress, rates
from bench.server import Bare, Home, Process, Tocsin

CONNECTIONS = 64
KEYS = 1000
PROCESSES = (1, 2)
DRAIN_SECONDS = 60.0
PART = "accept"


class _Rounds:
    """The rates of one contestant, and its CPU for each request."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.micros: list[float] = []
        self.odd: dict[str, int] = {}

    def add(self, server: Process, requests: list[bytes], seconds: float) -> None:
        plan = load.Full(
            port=server.port,
            requests=requests,
            seconds=seconds,
            warm_seconds=1.0,
            connections=CONNECTIONS,
        )
        cpu = server.cpu_seconds()
        result = load.run(plan)
        cpu = server.cpu_seconds() - cpu
        self.rates.append(result.answered / result.seconds)
        # The CPU time covers the warm-up too.
        whole = result.answered * (result.seconds + plan.warm_seconds) / result.seconds
        self.micros.append(cpu / max(1.0, whole) * 1e6)
        for status, number in result.statuses.items():
            if status not in ("200", "202"):
                self.odd[status] = self.odd.get(status, 0) + number

    def text(self) -> str:
        odd = f", NOT ACCEPTED: {self.odd}" if self.odd else ""
        return f"{rates(self.rates)}, {min(self.micros):.0f} us CPU each{odd}"


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    rounds, seconds = (1, 2.0) if quick else (3, 3.0)
    peer = alertmanager.program()
    bare, other = _Rounds(), _Rounds()
    doors, wholes = {n: _Rounds() for n in PROCESSES}, {n: _Rounds() for n in PROCESSES}
    for number in PROCESSES:
        with Home() as home, _door(home, number) as tocsin:
            requests = _requests(home)
            for turn in range(rounds):
                progress(f"accept with {_processes(number)}: round {turn + 1} of {rounds}")
                _alone(other, peer, seconds)
                with Bare() as server:
                    bare.add(server, requests, seconds)
                doors[number].add(tocsin, requests, seconds)
                _forget(home)
    for number in PROCESSES:
        doing = f"front door and engine, flooded, {_processes(number)}"
        with Home() as home, Tocsin(home, doing=doing, web_processes=number) as tocsin:
            requests = _requests(home)
            for turn in range(rounds):
                progress(
                    f"accept with the engine, {_processes(number)}: round {turn + 1} of {rounds}"
                )
                wholes[number].add(tocsin, requests, seconds)
                wait_until_empty(home)
    return _lines(bare, doors, wholes, other if other.rates else str(peer))


def _door(home: Home, number: int) -> Tocsin:
    doing = f"front door alone, flooded, {_processes(number)}"
    return Tocsin(home, role="web", doing=doing, web_processes=number)


def _requests(home: Home) -> list[bytes]:
    doors = asyncio.run(house.House(home).services(20, 1))
    return house.triggers(doors, KEYS, "accept")


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _alone(other: _Rounds, peer: object, seconds: float) -> None:
    if not isinstance(peer, str):
        with alertmanager.Alertmanager(peer) as server:  # type: ignore[arg-type]
            other.add(server, alertmanager.requests(KEYS), seconds)


def _forget(home: Home) -> None:
    """Empty what was accepted: nothing works on it, and it would grow."""
    with psycopg.connect(home.dsn, autocommit=True) as connection:
        connection.execute("truncate inbox, events")


def wait_until_empty(home: Home, seconds: float = DRAIN_SECONDS) -> int:
    """Wait for the engine to finish what was accepted; what is left after `seconds`."""
    deadline = time.monotonic() + seconds
    with psycopg.connect(home.dsn, autocommit=True) as connection:
        while True:
            row = connection.execute("select count(*) from inbox").fetchone()
            left = int(row[0]) if row else 0
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


def _lines(
    bare: _Rounds, doors: dict[int, _Rounds], wholes: dict[int, _Rounds], other: _Rounds | str
) -> list[Line]:
    lines = [Line(PART, "bare endpoint, nothing kept, 1 process", bare.text())]
    compared: list[tuple[str, _Rounds]] = [("the bare endpoint", bare)]
    if isinstance(other, str):
        lines.append(Line(PART, "Alertmanager", f"skipped: {other}"))
    else:
        lines.append(Line(PART, "Alertmanager, in memory", other.text()))
        compared.append(("Alertmanager", other))
    own = [("front door alone", doors), ("engine at work", wholes)]
    for label, by_number in own:
        for number, rounds in by_number.items():
            lines.append(Line(PART, f"durable, {label}, {_processes(number)}", rounds.text()))
    for name, against in compared:
        for label, by_number in own:
            for number, rounds in by_number.items():
                aimed = name == "Alertmanager" and by_number is doors and number == PROCESSES[-1]
                what = f"{label}, {_processes(number)} / {name}"
                lines.append(Line(PART, what, _ratio(rounds, against), ">= 0.75" if aimed else ""))
    return lines


def _ratio(own: _Rounds, against: _Rounds) -> str:
    middle: Callable[[list[float]], float] = lambda v: sorted(v)[len(v) // 2]  # noqa: E731
    best = max(own.rates) / max(against.rates)
    if len(own.rates) == 1:
        return f"{best:.2f}"
    return f"best {best:.2f}, median {middle(own.rates) / middle(against.rates):.2f}"
