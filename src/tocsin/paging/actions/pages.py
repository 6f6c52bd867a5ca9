"""Open and stop pages. Both run in the caller's transaction, which holds the incident rows."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.paging.model import Ask, Paged


async def page(tx: Tx, asks: Sequence[Ask], now: datetime) -> Paged:
    """Demand that these people act. Repeats of an (incident, person, step) change nothing.

    Call it once in a transaction and last, after every incident row is locked: it locks the
    paging window of each person, and those locks are held until the commit.
    """
    raise NotImplementedError


async def stop(tx: Tx, incident_ids: Sequence[str], reason: str, now: datetime) -> int:
    """Stop every open page of these incidents and cancel what is queued for them.

    Returns how many pages were open. Safe to call for incidents without any.
    """
    raise NotImplementedError
