"""Maintenance on a service's page: what holds back now, what comes, and beginning one."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.queries import suppressed
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow
from tocsin.suppression.verdict import ongoing
from tocsin.web.page import Page, post
from tocsin.web.visit import Visit

LENGTHS: tuple[tuple[int, str], ...] = (
    (30, "30 minutes"),
    (60, "1 hour"),
    (120, "2 hours"),
    (240, "4 hours"),
    (1440, "1 day"),
)
MOST_MINUTES = 10_080
# What was held back and is over is of interest for a while.
SHOWN_FOR = timedelta(days=1)


async def context(tx: Tx, visit: Visit, service: Service) -> dict[str, Any]:
    """What the template `services/maintenance.html` shows."""
    windows = await suppression.open_windows(tx, [service.id], visit.now)
    now = [window for window in windows if ongoing(window, visit.now)]
    return {
        "maintenance": max(now, key=lambda window: (window.ends_at, window.id), default=None),
        "maintenances": windows,
        "maintenance_lengths": LENGTHS,
        "held": await suppressed.alerts(tx, [service.id], visit.now - SHOWN_FOR),
        "held_count": await suppressed.waiting(tx, [service.id]),
        "responds": allowed(visit.actor, Permission.RESPOND, service.team_id),
    }


async def start(visit: Visit) -> Response:
    """Begin maintenance of this service now, for so many minutes."""
    service_id = visit.path("id")
    minutes = visit.whole("minutes", 1, MOST_MINUTES)
    async with visit.tx() as tx:
        service = await catalog.get_service(tx, visit.actor, service_id)
        if service.disabled_at is not None:
            raise Invalid("service", f"{service.name} is disabled and opens nothing anyway")
        new = NewWindow(
            service_ids=(service.id,),
            starts_at=visit.now,
            ends_at=visit.now + timedelta(minutes=minutes),
        )
        window = await suppression.create(tx, visit.actor, new, visit.now)
    return visit.see_other(
        f"/app/services/{service_id}",
        toast="In maintenance. New alerts are kept and page nobody.",
        undo=f"/app/maintenance/{window.id}/end",
    )


PAGES: tuple[Page, ...] = (post("/app/services/{id}/maintenance", start),)
