"""How long it takes from the answer 202 until the person's provider has the message.

Every message goes over a real loopback connection to a webhook receiver in another process. Under
load, 500 events a second come in over 50 services; one in ten opens an incident and pages a person
by itself, the others repeat open alerts. There are enough people for hardly a page to be bundled.
"""

import asyncio
import time

import msgspec
import psycopg

from bench import house, load
from bench.receiver import Receiver
from bench.report import Line, progress, spread
from bench.server import Home, Tocsin

PART = "latency"
SERVICES = 50
PEOPLE = 8
RATE = 500
NEW_EVERY = 10
SETTLE_SECONDS = 3.0
# What waits on purpose, because one person had three pages in a minute, is no measure of speed.
BUNDLED = """
select i.title from incidents i join pages p on p.incident_id = i.id
where i.title = any(%(titles)s) and p.bundle_id is not null
"""


class Latencies(msgspec.Struct, frozen=True):
    """Times in seconds from the answer 202, and from the instant an event was meant to be sent."""

    answers: list[float]
    from_answer: list[float]
    from_sending: list[float]
    expected: int

    def text(self) -> str:
        """The times from 202, and how many pages are missing, if any are."""
        missing = self.expected - len(self.from_answer)
        lost = f", {missing} of {self.expected} NOT HEARD" if missing else ""
        return f"{spread(self.from_answer)} ({self.expected} pages){lost}"


def collect(
    home: Home, result: load.Result, heard: dict[str, float], titles: dict[int, str]
) -> Latencies:
    """Match answers with what the receiver heard. `titles` are the paging events by number."""
    with psycopg.connect(home.dsn, autocommit=True) as connection:
        rows = connection.execute(BUNDLED, {"titles": list(titles.values())}).fetchall()
    bundled = {str(row[0]) for row in rows}
    titles = {index: title for index, title in titles.items() if title not in bundled}
    from_answer, from_sending = [], []
    for index, title in titles.items():
        at = heard.get(title)
        if at is not None:
            from_answer.append(max(0.0, at - result.answered_at[index]))
            from_sending.append(at - result.meant_at[index])
    return Latencies(result.latencies, from_answer, from_sending, len(titles))


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    idle_pages, seconds = (30, 5.0) if quick else (100, 15.0)
    with (
        Home() as home,
        Receiver() as idle,
        Receiver() as busy,
        Tocsin(home, doing="500 events/s with pages") as tocsin,
    ):
        quiet = house.House(home, "webhook", idle.url)
        doors = asyncio.run(quiet.services(10, 4 if quick else 10))
        progress("latency: idle")
        requests = [house.trigger(doors[n % 10], f"idle-{n}") for n in range(idle_pages)]
        at = [n * 0.1 for n in range(idle_pages)]
        result = load.run(load.Paced(port=tocsin.port, requests=requests, at=at, connections=4))
        time.sleep(SETTLE_SECONDS)
        alone = collect(home, result, idle.heard(), {n: f"idle-{n}" for n in range(idle_pages)})
        progress(f"latency: {RATE} events/s")
        loud = house.House(home, "webhook", busy.url, word="busy")
        doors = asyncio.run(loud.services(SERVICES, PEOPLE))
        loaded = _under_load(home, tocsin, doors, busy, seconds)
    return [
        Line(PART, "idle, 202 to hand-over", alone.text()),
        Line(PART, f"{RATE} events/s, 202 to hand-over", loaded.text(), "p99 < 250 ms"),
        Line(PART, f"{RATE} events/s, request to 202", spread(loaded.answers)),
    ]


def _under_load(
    home: Home, tocsin: Tocsin, doors: list[house.Door], receiver: Receiver, seconds: float
) -> Latencies:
    number = int(RATE * seconds)
    requests: list[bytes] = []
    titles: dict[int, str] = {}
    for n in range(number):
        door = doors[n // NEW_EVERY % len(doors)]
        if n % NEW_EVERY == 0:
            titles[n] = f"busy-{n}"
            requests.append(house.trigger(door, titles[n]))
        else:
            # Repeats of what opened a second ago and more.
            older = n - n % NEW_EVERY - RATE
            requests.append(house.trigger(door, f"busy-{older % number // NEW_EVERY * NEW_EVERY}"))
    at = [n / RATE for n in range(number)]
    result = load.run(load.Paced(port=tocsin.port, requests=requests, at=at))
    time.sleep(SETTLE_SECONDS)
    return collect(home, result, receiver.heard(), titles)
