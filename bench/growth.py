"""What an event costs when much is stored: the drain again, with 10 thousand, 100 thousand and a
million alerts of the past in the database, made by SQL in the shape the product leaves behind."""

import asyncio

import psycopg

from bench import history, house
from bench.drain import Drained, drain, fill
from bench.report import Line, progress
from bench.server import Home, Tocsin

PART = "growth"
REPEATED_KEYS = 1000


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    sizes = (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000)
    number = 4_000 if quick else 8_000
    lines: list[Line] = []
    base: tuple[Drained, Drained] | None = None
    with Home() as home, Tocsin(home, role="web") as door:
        doors = asyncio.run(house.House(home).services(20, 1))
        for size in sizes:
            progress(f"growth: {size:,} alerts")
            with psycopg.connect(home.dsn, autocommit=True) as connection:
                history.grow_to(connection, size)
            fill(door, house.triggers(doors, number, f"growth-{size}"))
            distinct = drain(home, f"engine alone, {size:,} alerts stored")
            fill(door, house.triggers(doors, number, f"growth-{size}", REPEATED_KEYS))
            repeats = drain(home, f"engine alone, {size:,} alerts stored")
            base = base or (distinct, repeats)
            for name, one, first in (
                ("distinct", distinct, base[0]),
                ("repeats", repeats, base[1]),
            ):
                ratio = (one.python_micros + one.database_micros) / (
                    first.python_micros + first.database_micros
                )
                value = f"{one.rate:,.0f}/s, {one.cost()}, {ratio:.2f} of the first"
                lines.append(Line(PART, f"{size:,} alerts stored, {name}", value, "flat"))
    return lines
