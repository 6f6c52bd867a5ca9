"""One service goes wild and sends 1,000 events a second; 50 quiet ones have something to say too.

The wild service keeps repeating its open alerts, and five times in a hundred opens a new incident.
Each page, the wild one's and the quiet ones', goes to a person who is not flooded, so that none is
bundled, and is timed from the instant its event was meant to be sent to the receiver's hand.
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
NEW_EVERY = 20
OPEN = 200
QUIET = 50
SETTLE_SECONDS = 4.0


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    seconds = 5 if quick else 15
    pages = RATE * seconds // NEW_EVERY
    with (
        Home() as home,
        Receiver() as receiver,
        Tocsin(home, doing="a storm of 1,000 events/s") as tocsin,
    ):
        people = house.House(home, "webhook", receiver.url)
        # Three pages a minute go to one person alone.
        wild = asyncio.run(people.services(1, pages // 3 + OPEN // 3 + 2))[0]
        quiet = asyncio.run(people.services(QUIET, 1))
        load.run(
            load.Full(
                port=tocsin.port,
                requests=[house.trigger(wild, f"open-{n}") for n in range(OPEN)],
                connections=8,
            )
        )
        time.sleep(SETTLE_SECONDS)
        progress(f"storm: {RATE} events/s from one service, {QUIET} others page")
        noisy, calm = _storm(tocsin, wild, quiet, receiver, seconds)
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
    tocsin: Tocsin, wild: house.Door, quiet: list[house.Door], receiver: Receiver, seconds: int
) -> tuple[Latencies, Latencies]:
    shots: list[tuple[float, bytes, str | None, bool]] = []
    for n in range(RATE * seconds):
        new = n % NEW_EVERY == 0
        key = f"storm-{n}" if new else f"open-{n % OPEN}"
        shots.append((n / RATE, house.trigger(wild, key), key if new else None, False))
    # Two pages of each quiet service, spread over the storm.
    for n in range(QUIET * 2):
        at = (n + 0.5) / (QUIET * 2) * seconds
        key = f"quiet-{n}"
        shots.append((at, house.trigger(quiet[n % QUIET], key), key, True))
    shots.sort(key=lambda shot: shot[0])
    plan = load.Paced(
        port=tocsin.port,
        requests=[shot[1] for shot in shots],
        at=[shot[0] for shot in shots],
    )
    result = load.run(plan)
    time.sleep(SETTLE_SECONDS)
    heard = receiver.heard()
    noisy, calm = (
        collect(
            result,
            heard,
            {n: title for n, (_, _, title, q) in enumerate(shots) if title and q is which},
        )
        for which in (False, True)
    )
    return noisy, calm
