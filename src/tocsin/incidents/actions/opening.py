"""The common beginning of what people do to incidents: bounds, locks, existence, access."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts import access
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.incidents.actions.work import Draft, Work
from tocsin.incidents.model import MAX_BULK, Incident


async def load(tx: Tx, actor: Actor, incident_ids: Sequence[str], now: datetime) -> Work:
    """Lock these incidents for a change by `actor`, who must be allowed to respond to each."""
    if not 1 <= len(incident_ids) <= MAX_BULK:
        raise Invalid("incidents", f"name 1 to {MAX_BULK} incidents at a time")
    work = Work(tx, now)
    await work.load(set(incident_ids))
    for id in incident_ids:
        if id not in work.drafts:
            raise NotFound("incident", id)
        access.require(actor, Permission.RESPOND, work.drafts[id].settings.team_id)
    return work


def drafts(work: Work, incident_ids: Sequence[str]) -> list[Draft]:
    """The drafts in the order asked, each once."""
    return [work.drafts[id] for id in dict.fromkeys(incident_ids)]


def after(work: Work, incident_ids: Sequence[str]) -> list[Incident]:
    """The incidents as they are now, in the order asked, each once."""
    return [draft.incident for draft in drafts(work, incident_ids)]
