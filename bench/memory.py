"""How much memory `tocsin serve` takes, as the system counts it (resident, with shared pages): just
started, and the most it ever took in the other parts of this run. PostgreSQL is another program."""

import asyncio

from bench import house, load, machine, server
from bench.report import Line, progress
from bench.server import Home, Tocsin

PART = "memory"
TARGET = "< 200 MB"


def measure(quick: bool) -> list[Line]:
    """The lines of this part. With no other part run before, makes a flood of its own."""
    progress("memory")
    with Home() as home, Tocsin(home, doing="flood of distinct alerts") as tocsin:
        fresh = machine.rss_mib(tocsin.pid)[0]
        doors = asyncio.run(house.House(home).services(20, 1))
        requests = house.triggers(doors, 5_000 if quick else 20_000, "memory")
        load.run(load.Full(port=tocsin.port, requests=requests))
    lines = [Line(PART, "just started", f"{fresh:.0f} MiB")]
    for doing, most in server.peaks.items():
        lines.append(Line(PART, f"most: {doing}", f"{most:.0f} MiB", TARGET))
    return lines
