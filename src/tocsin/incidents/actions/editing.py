"""Titles and merges: what people change of incidents without answering them."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.incidents import lifecycle
from tocsin.incidents.actions import opening
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import (
    MAX_ALERTS,
    MAX_BULK,
    MAX_TITLE,
    Incident,
    Reason,
)
from tocsin.incidents.store import incidents as store
from tocsin.timeline.model import Kind


async def set_title(tx: Tx, actor: Actor, incident_id: str, title: str, now: datetime) -> Incident:
    """Give an incident another title of 1 to 1,024 characters."""
    wanted = title.strip()
    if not 1 <= len(wanted) <= MAX_TITLE:
        raise Invalid("title", f"give a title of 1 to {MAX_TITLE} characters")
    work = await opening.load(tx, actor, [incident_id], now)
    draft = work.drafts[incident_id]
    if draft.incident.title != wanted:
        data = {"field": "title", "from": draft.incident.title, "to": wanted}
        work.tell(draft, Kind.FIELD_CHANGE, Reason.TITLE_SET.value, actor, data)
        draft.set(title=wanted)
    await work.flush()
    return draft.incident


async def merge(
    tx: Tx, actor: Actor, target_id: str, source_ids: Sequence[str], now: datetime
) -> Incident:
    """Move the alerts of the sources into the target, and resolve the sources into it.

    The target keeps its state: nobody is paged. At most 1,000 alerts fit in one incident. Raises
    Refused("already_resolved" for a target or source that is, "already_merged", "too_many_alerts").
    """
    sources = list(dict.fromkeys(source_ids))
    if not 1 <= len(sources) < MAX_BULK or target_id in sources:
        raise Invalid(
            "source_incidents", f"name 1 to {MAX_BULK - 1} incidents other than the target"
        )
    work = await opening.load(tx, actor, [target_id, *sources], now)
    target = work.drafts[target_id]
    reason = Reason.MERGED.value
    work.apply(target, Act.TAKE_ALERTS, reason, actor)
    total, still_open = target.incident.alert_count, target.incident.open_alert_count
    last = target.incident.last_alert_at
    for id in sources:
        incident = work.drafts[id].incident
        if incident.merged_into is not None:
            refusal = lifecycle.ALREADY_MERGED
            raise Refused(refusal.reason, f"#{incident.number}: {refusal.message}")
        total += incident.alert_count
        still_open += incident.open_alert_count
        last = max(filter(None, (last, incident.last_alert_at)), default=None)
    if total > MAX_ALERTS:
        raise Refused(
            "too_many_alerts", f"an incident holds at most {MAX_ALERTS} alerts; this makes {total}"
        )
    for id in sources:
        draft = work.drafts[id]
        # The alerts go on living in the target, so the source has none left to resolve.
        draft.set(alert_count=0, open_alert_count=0, merged_into=target_id)
        work.apply(draft, Act.MERGE_AWAY, reason, actor)
        data = {"into": {"id": target_id, "number": target.incident.number}}
        work.tell(draft, Kind.RESOLVE, reason, actor, data)
    await tx.execute(store.MOVE_ALERTS, {"target": target_id, "sources": sources})
    target.set(alert_count=total, open_alert_count=still_open, last_alert_at=last)
    merged = [{"id": id, "number": work.drafts[id].incident.number} for id in sources]
    work.tell(target, Kind.MERGE, reason, actor, {"sources": merged})
    await work.flush()
    return target.incident
