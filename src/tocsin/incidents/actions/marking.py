"""What people mark incidents with: a priority, and where to talk. On resolved ones too.

A mark pages nobody and moves nothing: it stands on the page, in lists, and in the messages that
are sent from then on.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.incidents import conference
from tocsin.incidents.actions import opening
from tocsin.incidents.model import Conference, Incident, Priority, Reason
from tocsin.timeline.model import Kind


async def set_priority(
    tx: Tx,
    actor: Actor,
    incident_ids: Sequence[str],
    priority: Priority | None,
    now: datetime,
) -> list[Incident]:
    """Give incidents a priority, or take it away. One that has it already is left alone."""
    work = await opening.load(tx, actor, incident_ids, now)
    for draft in opening.drafts(work, incident_ids):
        before = draft.incident.priority
        if before is priority:
            continue
        draft.set(priority=priority)
        data = {"field": "priority", "from": before, "to": priority}
        work.tell(draft, Kind.FIELD_CHANGE, Reason.PRIORITY_SET.value, actor, data)
    await work.flush()
    return opening.after(work, incident_ids)


async def set_conference(
    tx: Tx,
    actor: Actor,
    incident_ids: Sequence[str],
    wanted: Conference | None,
    now: datetime,
) -> list[Incident]:
    """Say where the people of incidents talk; None or nothing but blanks takes it away.

    Raises Invalid for a number that nobody can dial or an address that nobody can open.
    """
    bridge = checked_conference(wanted)
    work = await opening.load(tx, actor, incident_ids, now)
    for draft in opening.drafts(work, incident_ids):
        before = draft.incident.conference
        if before == bridge:
            continue
        draft.set(
            conference_number=None if bridge is None else bridge.number,
            conference_url=None if bridge is None else bridge.url,
        )
        data = {"field": "conference_bridge", "from": _plain(before), "to": _plain(bridge)}
        work.tell(draft, Kind.FIELD_CHANGE, Reason.CONFERENCE_SET.value, actor, data)
    await work.flush()
    return opening.after(work, incident_ids)


def checked_conference(wanted: Conference | None) -> Conference | None:
    """The bridge as it is kept. Raises Invalid."""
    bridge = conference.tidied(wanted)
    found = conference.problem(bridge)
    if found is not None:
        raise Invalid(*found)
    return bridge


def _plain(bridge: Conference | None) -> dict[str, str | None] | None:
    if bridge is None:
        return None
    return {"conference_number": bridge.number, "conference_url": bridge.url}
