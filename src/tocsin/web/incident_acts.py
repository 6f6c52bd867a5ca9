"""What people do to one incident. Each is a plain form; the page then says what is true.

A refusal or a wrong value shows the incident again, as it is now, with what stood in the way.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.responses import Response

from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import AlertChange, Conference, Priority, Status, Urgency
from tocsin.queries.incidents import PRIORITIES
from tocsin.web import formats, incident_crew, local_times
from tocsin.web.incident import shown
from tocsin.web.incidents_list import LIST, merge_target, reassignment
from tocsin.web.page import Page, post
from tocsin.web.visit import Visit

# What an act says when it is done, and whether it can be given back by a tap.
Said = tuple[str, bool]
Act = Callable[[Tx, Visit, str], Awaitable[Said]]
MOST_LEVEL = 50


def _page(act: Act) -> Callable[[Visit], Awaitable[Response]]:
    async def run(visit: Visit) -> Response:
        incident_id = visit.path("id")
        try:
            async with visit.tx() as tx:
                text, undoable = await act(tx, visit, incident_id)
        except Invalid as error:
            return await shown(
                visit, incident_id, problem=formats.sentence(error.message), status=422
            )
        except Refused as refusal:
            return await shown(
                visit, incident_id, problem=formats.sentence(refusal.message), status=409
            )
        undo = f"{LIST}/{incident_id}/unacknowledge" if undoable else None
        return visit.see_other(f"{LIST}/{incident_id}", toast=text, undo=undo)

    return run


async def acknowledge(tx: Tx, visit: Visit, id: str) -> Said:
    """Take it on."""
    (after,) = await incidents.acknowledge(tx, visit.actor, [id], visit.now)
    return f"Acknowledged #{after.number}. The ladder stopped.", True


async def unacknowledge(tx: Tx, visit: Visit, id: str) -> Said:
    """Give it back; also ends a snooze."""
    (after,) = await incidents.unacknowledge(tx, visit.actor, [id], visit.now)
    return f"#{after.number} is triggered again, and its people are paged.", False


async def resolve(tx: Tx, visit: Visit, id: str) -> Said:
    """End it, with a note or without."""
    note = visit.field("note") or None
    (after,) = await incidents.resolve(tx, visit.actor, [id], visit.now, note=note)
    return f"Resolved #{after.number}.", False


async def escalate(tx: Tx, visit: Visit, id: str) -> Said:
    """Page the next level now, or one that was chosen."""
    level = visit.whole("level", 1, MOST_LEVEL) if visit.field("level") else None
    (after,) = await incidents.escalate(tx, visit.actor, [id], visit.now, level=level)
    where = f"Level {level}" if level else "The next level"
    return f"{where} of #{after.number} is paged now.", False


async def reassign(tx: Tx, visit: Visit, id: str) -> Said:
    """Give it to people, or to a policy."""
    to = reassignment(visit)
    (after,) = await incidents.reassign(tx, visit.actor, [id], to, visit.now)
    return f"Reassigned #{after.number}. Those who have it now are paged.", False


async def snooze(tx: Tx, visit: Visit, id: str) -> Said:
    """Let it rest for a length of the list, or until a time of the viewer's own."""
    seconds = _snooze_seconds(visit)
    (after,) = await incidents.snooze(tx, visit.actor, [id], seconds, visit.now)
    until = formats.moment(
        visit.now + timedelta(seconds=seconds), visit.viewer.time_zone, visit.now
    )
    return f"#{after.number} is snoozed until {until}.", True


def _snooze_seconds(visit: Visit) -> int:
    until = visit.field("until")
    if visit.field("seconds"):
        return visit.whole("seconds", 60, 604_800)
    if not until:
        raise Invalid("until", "choose for how long it is snoozed")
    at = local_times.instant("until", until, visit.viewer.time_zone)
    seconds = int((at - visit.now).total_seconds())
    if not 60 <= seconds <= 604_800:
        raise Invalid("until", "choose a time between a minute and seven days from now")
    return seconds


async def note(tx: Tx, visit: Visit, id: str) -> Said:
    """Write something down."""
    await incidents.add_note(tx, visit.actor, id, visit.field("content"), visit.now)
    return "Note added.", False


async def change_note(tx: Tx, visit: Visit, id: str) -> Said:
    """Write a note anew."""
    note_id = visit.field("note")
    text = visit.field(f"note-{note_id}")
    await incidents.change_note(tx, visit.actor, id, note_id, visit.now, content=text)
    return "Note changed. The timeline says so.", False


async def delete_note(tx: Tx, visit: Visit, id: str) -> Said:
    """Take a note away."""
    await incidents.delete_note(tx, visit.actor, id, visit.field("note"), visit.now)
    return "Note deleted. The timeline says so.", False


async def alert(tx: Tx, visit: Visit, id: str) -> Said:
    """Close one alert, or move it to another incident of the service."""
    alert_id = visit.field("alert")
    if visit.field("do") == "resolve":
        change = AlertChange(alert_id=alert_id, status=Status.RESOLVED)
        said = "The alert is closed."
    else:
        target = await merge_target(tx, visit.field("into"))
        if target == id:
            raise Invalid("into", "the alert is on this incident already")
        change = AlertChange(alert_id=alert_id, to_incident_id=target)
        said = "The alert was moved."
    await incidents.change_alerts(tx, visit.actor, id, [change], visit.now)
    after = await incidents.get(tx, visit.actor, id)
    if not after.is_open:
        said += f" It was the last open one, so #{after.number} is resolved."
    return said, False


async def priority(tx: Tx, visit: Visit, id: str) -> Said:
    """Say how much it matters."""
    wanted = visit.field("priority")
    if wanted and wanted not in PRIORITIES:
        raise Invalid("priority", f"must be one of {', '.join(PRIORITIES)}, or nothing")
    marked = Priority(wanted) if wanted else None
    (after,) = await incidents.set_priority(tx, visit.actor, [id], marked, visit.now)
    return f"#{after.number} has {wanted or 'no priority'} now.", False


async def conference(tx: Tx, visit: Visit, id: str) -> Said:
    """Say where people talk."""
    bridge = Conference(number=visit.field("conference_number"), url=visit.field("conference_url"))
    (after,) = await incidents.set_conference(tx, visit.actor, [id], bridge, visit.now)
    if after.conference is None:
        return f"#{after.number} has no conference bridge now.", False
    return f"The page of #{after.number} and its messages say where people talk.", False


async def urgency(tx: Tx, visit: Visit, id: str) -> Said:
    """Make it more or less urgent."""
    wanted = visit.field("urgency")
    if wanted not in ("high", "low"):
        raise Invalid("urgency", "must be high or low")
    (after,) = await incidents.set_urgency(tx, visit.actor, [id], Urgency(wanted), visit.now)
    return f"#{after.number} has {wanted} urgency now.", False


async def title(tx: Tx, visit: Visit, id: str) -> Said:
    """Call it something else."""
    after = await incidents.set_title(tx, visit.actor, id, visit.field("title"), visit.now)
    return f"#{after.number} has a new title.", False


async def merge(tx: Tx, visit: Visit, id: str) -> Said:
    """Let this incident go into another one."""
    target = await merge_target(tx, visit.field("into"))
    if target == id:
        raise Invalid("into", "an incident cannot be merged into itself")
    merged = await incidents.merge(tx, visit.actor, target, [id], visit.now)
    return f"Merged into #{merged.number}.", False


ACTS: dict[str, Act] = {
    "acknowledge": acknowledge,
    "unacknowledge": unacknowledge,
    "resolve": resolve,
    "escalate": escalate,
    "reassign": reassign,
    "snooze": snooze,
    "note": note,
    "note/change": change_note,
    "note/delete": delete_note,
    "alert": alert,
    "priority": priority,
    "conference": conference,
    "urgency": urgency,
    "title": title,
    "merge": merge,
    **incident_crew.ACTS,
}
PAGES: tuple[Page, ...] = tuple(
    post(f"{LIST}/{{id}}/{name}", _page(act)) for name, act in ACTS.items()
)
