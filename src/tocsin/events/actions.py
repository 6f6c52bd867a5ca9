"""Accepting what machines send: the door of the events area.

Machines act here by the key they showed, which the front door has checked; there is no role to
check. Nothing is decided about an event before it is kept.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.events import store
from tocsin.events.model import Accepted, Change


async def accept(tx: Tx, batch: Sequence[Accepted], now: datetime) -> None:
    """Keep and queue a batch, and wake the engine on commit."""
    await store.append(tx, batch, now)


async def record_change(
    tx: Tx, service_id: str, integration_id: str, change: Change, now: datetime
) -> str:
    """Keep a change event; its id."""
    id = ids.new("P", now)
    await store.insert_change(
        tx, id, change, now, service_id=service_id, integration_id=integration_id
    )
    return id
