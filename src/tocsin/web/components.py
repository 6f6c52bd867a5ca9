"""The examples that /app/components shows. Every part in every state, made from the same macros.

Nothing here is read from or written to the database; the page says that these are examples.
"""

from datetime import datetime, timedelta
from typing import Any

from tocsin.web.assets import assets


def examples(now: datetime) -> dict[str, Any]:
    """Context for components.html besides that of base.html. Times are near `now` (aware UTC)."""

    def ago(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    running = [
        {
            "number": 1,
            "who": "Ines Carvalho",
            "state": "done",
            "at": ago(5),
            "note": "Push delivered, voice rang 28 s, not answered.",
        },
        {
            "number": 2,
            "who": "Tomasz Wieczorek",
            "state": "next",
            "at": now + timedelta(seconds=161),
            "note": "On call in Payments secondary until Fri 09:00.",
        },
        {
            "number": 3,
            "who": "Payments leads",
            "state": "later",
            "at": ago(-13),
            "note": "Ruth Abrahamsen and one more, both at once.",
        },
        {
            "number": 4,
            "who": "Loop 2 of 3",
            "state": "later",
            "knob": "loop",
            "at": ago(-28),
            "note": "Starts again at level 1 if nobody acknowledges.",
        },
    ]
    stopped = [
        {
            "number": 1,
            "who": "Ines Carvalho",
            "state": "stopped",
            "at": now,
            "note": "Acknowledged after 5 min.",
        },
        {"number": 2, "who": "Tomasz Wieczorek", "state": "off", "note": "Not paged."},
        {"number": 3, "who": "Payments leads", "state": "off", "note": "Not paged."},
    ]
    exhausted = [{"number": n, "who": f"Level {n}", "state": "done"} for n in (1, 2, 3)]
    return {
        "icon_names": sorted(assets().icons),
        "running": running,
        "stopped": stopped,
        "exhausted": exhausted,
        "acknowledged_at": ago(0.5),
        "delivered_at": ago(5),
        "paged_at": ago(5.2),
        "yesterday": ago(60 * 26),
        "last_year": ago(60 * 24 * 400),
        "rows": [
            ("Q4812", "triggered", "P1", "high", "Card payments failing at 11 %", ago(5), running),
            (
                "Q4810",
                "acknowledged",
                "P2",
                "high",
                "Consumer lag on orders.settled above 40,000 for 6 min",
                ago(184),
                stopped,
            ),
            (
                "Q4801",
                "resolved",
                "P4",
                "low",
                "Certificate for tracking.example.com ends in 6 days",
                ago(60 * 30),
                exhausted,
            ),
        ],
    }
