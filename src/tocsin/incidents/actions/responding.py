"""Acknowledge, un-acknowledge, resolve and snooze. All or nothing over up to 250 incidents.

An acknowledgement by a person makes that person the assignee; the ladder and all pages stop in the
same transaction, so nobody is paged after it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.incidents.actions import opening
from tocsin.incidents.actions import responders as asked
from tocsin.incidents.actions.work import Draft, Work
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import (
    MAX_NOTE,
    MAX_SNOOZE_SECONDS,
    Acknowledgement,
    Incident,
    Reason,
    Status,
    TimerKind,
)
from tocsin.timeline.model import Kind


async def acknowledge(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], now: datetime
) -> list[Incident]:
    """Take incidents on. Acknowledging again by the same person changes nothing; another person
    joins. Raises Refused("already_resolved")."""
    work = await opening.load(tx, actor, incident_ids, now)
    for draft in opening.drafts(work, incident_ids):
        acknowledge_draft(work, draft, actor)
    await work.flush()
    found = opening.after(work, incident_ids)
    await asked.acknowledging_joins(tx, actor, found, now)
    return found


def acknowledge_draft(work: Work, draft: Draft, actor: Actor) -> None:
    """One acknowledgement in memory."""
    reason = Reason.ACKNOWLEDGED_BY_PERSON
    if actor.kind == "reply":
        reason = Reason.ACKNOWLEDGED_BY_REPLY
    joined = draft.incident.status is Status.ACKNOWLEDGED
    work.apply(draft, Act.ACKNOWLEDGE, reason.value, actor)
    if not _sign(work, draft, actor) and joined:
        return
    work.tell(draft, Kind.ACKNOWLEDGE, reason.value, actor)


async def unacknowledge(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], now: datetime
) -> list[Incident]:
    """Give incidents back: triggered again, the ladder restarts where it was and pages.

    Raises Refused("not_acknowledged" or "already_resolved").
    """
    work = await opening.load(tx, actor, incident_ids, now)
    reason = Reason.UNACKNOWLEDGED_BY_PERSON.value
    for draft in opening.drafts(work, incident_ids):
        work.apply(draft, Act.UNACKNOWLEDGE, reason, actor)
        work.tell(draft, Kind.UNACKNOWLEDGE, reason, actor)
    await work.flush()
    return opening.after(work, incident_ids)


async def resolve(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], now: datetime, *, note: str | None = None
) -> list[Incident]:
    """End incidents and their alerts. `note` says how, in at most 2,000 characters.

    Raises Refused("already_resolved").
    """
    if note is not None and len(note) > MAX_NOTE:
        raise Invalid("resolution", f"use at most {MAX_NOTE} characters")
    work = await opening.load(tx, actor, incident_ids, now)
    reason = Reason.RESOLVED_BY_REPLY if actor.kind == "reply" else Reason.RESOLVED_BY_PERSON
    for draft in opening.drafts(work, incident_ids):
        work.apply(draft, Act.RESOLVE, reason.value, actor)
        if note:
            draft.set(resolution=note)
        work.tell(draft, Kind.RESOLVE, reason.value, actor, {"note": note} if note else None)
    await work.flush()
    return opening.after(work, incident_ids)


async def snooze(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], seconds: int, now: datetime
) -> list[Incident]:
    """Acknowledge incidents and have them come back after `seconds` (1 to 604,800).

    A snooze stands in for the acknowledgement timeout and for auto-resolve. Raises
    Refused("already_resolved").
    """
    if not 1 <= seconds <= MAX_SNOOZE_SECONDS:
        raise Invalid("duration", f"use 1 to {MAX_SNOOZE_SECONDS} seconds")
    work = await opening.load(tx, actor, incident_ids, now)
    until = now + timedelta(seconds=seconds)
    reason = Reason.SNOOZED.value
    for draft in opening.drafts(work, incident_ids):
        work.apply(draft, Act.SNOOZE, reason, actor)
        _sign(work, draft, actor)
        draft.set(snoozed_until=until)
        draft.timers = {TimerKind.SNOOZE: until}
        work.tell(draft, Kind.SNOOZE, reason, actor, {"until": until, "seconds": seconds})
    await work.flush()
    return opening.after(work, incident_ids)


def _sign(work: Work, draft: Draft, actor: Actor) -> bool:
    """Note who acknowledges, and make a person the assignee. False when they had done so."""
    user_id = actor.user_id
    signed = {(a.user_id, a.label if a.user_id is None else "") for a in draft.acknowledgements}
    if (user_id, actor.label if user_id is None else "") in signed:
        return False
    draft.acknowledgements = (
        *draft.acknowledgements,
        Acknowledgement(user_id, work.now, actor.label),
    )
    if user_id is not None:
        held = {a.user_id for a in draft.acknowledgements}
        draft.assignees = {u: at for u, at in draft.assignees.items() if u in held}
        draft.assignees.setdefault(user_id, work.now)
    return True
