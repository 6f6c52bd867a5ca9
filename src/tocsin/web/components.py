"""The examples that /app/components shows. Every part in every state, made from the same macros.

Nothing here is read from or written to the database; the page says that these are examples.
"""

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from tocsin.web.assets import assets
from tocsin.web.page import Page, get
from tocsin.web.visit import Visit


def examples(now: datetime) -> dict[str, Any]:
    """Context for components.html besides that of base.html. Times are near `now` (aware UTC)."""
    running, stopped = _running(now), _stopped(now)
    exhausted = [{"number": n, "who": f"Level {n}", "state": "done"} for n in (1, 2, 3)]
    rows = [
        ("Q4812", "triggered", "P1", "Card payments failing at 11 %", 5, running),
        ("Q4810", "acknowledged", "P2", "Consumer lag above 40,000 for 6 min", 184, stopped),
        ("Q4801", "resolved", "P4", "Certificate for tracking ends in 6 days", 1800, exhausted),
    ]
    return {
        "icon_names": sorted(assets().icons),
        "running": running,
        "stopped": stopped,
        "exhausted": exhausted,
        "acknowledged_at": now - timedelta(seconds=30),
        "delivered_at": now - timedelta(minutes=5),
        "paged_at": now - timedelta(minutes=5, seconds=9),
        "yesterday": now - timedelta(hours=26),
        "last_year": now - timedelta(days=400),
        "rows": [(*row[:4], now - timedelta(minutes=row[4]), row[5]) for row in rows],
    }


def _running(now: datetime) -> list[dict[str, Any]]:
    """A ladder that nobody answered yet."""
    return [
        {
            "number": 1,
            "who": "Ines Carvalho",
            "state": "done",
            "at": now - timedelta(minutes=5),
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
            "at": now + timedelta(minutes=13),
            "note": "Ruth Abrahamsen and one more, both at once.",
        },
        {
            "number": 4,
            "who": "Loop 2 of 3",
            "state": "later",
            "knob": "loop",
            "at": now + timedelta(minutes=28),
            "note": "Starts again at level 1 if nobody acknowledges.",
        },
    ]


def _stopped(now: datetime) -> list[dict[str, Any]]:
    """A ladder that an acknowledgement stopped."""
    return [
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


async def components(visit: Visit) -> Response:
    """Every part in every state, drawn by the macros the pages use."""
    return visit.render(
        "components.html",
        page={"title": "Components", "section": "settings", "up": ("Settings", "/app/settings")},
        **examples(visit.now),
    )


PAGES: tuple[Page, ...] = (get("/app/components", components),)
