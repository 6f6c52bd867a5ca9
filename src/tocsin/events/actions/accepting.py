"""Accepting what machines send.

Machines act here by the key they showed, which the front door has checked; there is no role to
check. Nothing is decided about an event before it is kept. What the intake could not record stays
in quarantine until a person tries it again or sets it aside; the event itself is kept either way.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.events import store
from tocsin.events.model import SET_ASIDE, Accepted, Quarantined
from tocsin.timeline import feed

MOST_AGAIN = 1000


async def accept(tx: Tx, batch: Sequence[Accepted], now: datetime) -> None:
    """Keep and queue a batch, and wake the engine on commit."""
    await store.append(tx, batch, now)


async def try_again(tx: Tx, actor: Actor, seq: int, now: datetime) -> None:
    """Queue an event that is in quarantine once more, with all its attempts. NotFound otherwise."""
    require(actor, Permission.MANAGE_INSTANCE)
    row = await _quarantined(tx, seq)
    await tx.execute(store.QUEUE_AGAIN, {"seqs": [seq], "now": now})
    await _decided(tx, actor, now, "try_again", row)


async def try_all_again(tx: Tx, actor: Actor, now: datetime) -> int:
    """Queue the oldest thousand events in quarantine once more; how many there were."""
    require(actor, Permission.MANAGE_INSTANCE)
    rows = await tx.tuples(store.SELECT_QUARANTINED_SEQS, {"limit": MOST_AGAIN})
    seqs = [row[0] for row in rows]
    if not seqs:
        return 0
    await tx.execute(store.QUEUE_AGAIN, {"seqs": seqs, "now": now})
    await audit.record(
        tx,
        actor,
        now,
        action="try_again",
        subject_type="event",
        subject_id=str(seqs[0]),
        subject_label=f"{seqs[0]} and {len(seqs) - 1} more in quarantine",
    )
    _told(tx)
    return len(seqs)


async def set_aside(tx: Tx, actor: Actor, seq: int, now: datetime) -> None:
    """Give up on an event that is in quarantine; it opens nothing. NotFound otherwise."""
    require(actor, Permission.MANAGE_INSTANCE)
    row = await _quarantined(tx, seq)
    await tx.execute(store.INSERT_GIVEN_UP, {"seq": seq, "reason": SET_ASIDE})
    await tx.execute(store.DELETE_QUARANTINED, {"seq": seq})
    await _decided(tx, actor, now, "set_aside", row)


async def _quarantined(tx: Tx, seq: int) -> Quarantined:
    row = await tx.one(Quarantined, store.LOCK_QUARANTINED, {"seq": seq})
    if row is None:
        raise NotFound("event in quarantine", str(seq))
    return row


async def _decided(tx: Tx, actor: Actor, now: datetime, action: str, row: Quarantined) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="event",
        subject_id=str(row.seq),
        subject_label=str(row.seq),
        before=row,
    )
    _told(tx)


def _told(tx: Tx) -> None:
    tx.notify("tocsin_wake", "intake")
    feed.changed(tx, "incidents")
