"""One service goes wild and sends 1,000 events a second; 50 quiet ones have something to say too.

The wild one opens 42 incidents a second and repeats open alerts for the rest. Two of the 42 are
critical; the others are of low urgency, so that they are bundled and leave the wild service's ten
people free to be paged by the critical ones alone. Those pages and the quiet services' are timed
from the instant their event was meant to be sent to the receiver's hand.
"""

import asyncio
import time

from bench import house, load
from bench.latency import Latencies, collect
from bench.receiver import Receiver
from bench.report import Line, progress, spread
from bench.server import Home, Tocsin

PART = "storm"
RATE = 1000
# Each of the ten people in turn gets the critical page: 20 of low urgency stand between two.
STEP = 500
LOW = frozenset(range(20, STEP, 24))
OPEN = 200
QUIET = 50
SETTLE_SECONDS = 4.0


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    seconds = 5 if quick else 15
    with (
        Home() as home,
        Receiver() as receiver,
        Tocsin(home, doing="a storm of 1,000 events/s") as tocsin,
    ):
        people = house.House(home, "webhook", receiver.url)
        wild = asyncio.run(people.services(1, 10))[0]
        quiet = asyncio.run(people.services(QUIET, 1))
        load.run(
            load.Full(
                port=tocsin.port,
                requests=[house.trigger(wild, f"open-{n}", "info") for n in range(OPEN)],
                connections=8,
            )
        )
        time.sleep(SETTLE_SECONDS)
        progress(f"storm: {RATE} events/s from one service, {QUIET} others page")
        result, titles = _storm(tocsin, wild, quiet, seconds)
        time.sleep(SETTLE_SECONDS)
        heard = receiver.heard()
        noisy, calm = (collect(home, result, heard, one) for one in titles)
    return [
        _line("the noisy service's pages", noisy),
        _line(f"pages of {QUIET} quiet services", calm),
        Line(PART, "request to 202", spread(noisy.answers)),
    ]


def _line(what: str, found: Latencies) -> Line:
    missing = found.expected - len(found.from_sending)
    lost = f", {missing} of {found.expected} NOT HEARD" if missing else ""
    text = f"{spread(found.from_sending)} ({found.expected} pages){lost}"
    return Line(PART, f"event to hand-over, {what}", text, "p99 < 1 s")


def _storm(
    tocsin: Tocsin, wild: house.Door, quiet: list[house.Door], seconds: int
) -> tuple[load.Result, tuple[dict[int, str], dict[int, str]]]:
    """The result, and the titles of the noisy and of the quiet services' pages by number."""
    shots: list[tuple[float, bytes, str]] = []
    for n in range(RATE * seconds):
        if n % STEP == 0:
            shots.append((n / RATE, house.trigger(wild, f"storm-{n}"), f"storm-{n}"))
        else:
            key = f"minor-{n}" if n % STEP in LOW else f"open-{n % OPEN}"
            shots.append((n / RATE, house.trigger(wild, key, "info"), ""))
    # Two pages of each quiet service, spread over the storm.
    for n in range(QUIET * 2):
        at = (n + 0.5) / (QUIET * 2) * seconds
        shots.append((at, house.trigger(quiet[n % QUIET], f"quiet-{n}"), f"quiet-{n}"))
    shots.sort(key=lambda shot: shot[0])
    result = load.run(
        load.Paced(
            port=tocsin.port,
            requests=[shot[1] for shot in shots],
            at=[shot[0] for shot in shots],
        )
    )
    noisy, calm = (
        {n: title for n, (_, _, title) in enumerate(shots) if title.startswith(word)}
        for word in ("storm", "quiet")
    )
    return result, (noisy, calm)
