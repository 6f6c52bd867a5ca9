"""Notes: what people write on incidents, their own to change, and a manager's to put right.

Notes may change; the timeline only grows. What was written stands there as it was, and a change or
a deletion is an entry of its own that says who did it.
"""

from datetime import datetime

from tocsin.accounts import access
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound
from tocsin.incidents.actions import opening
from tocsin.incidents.actions.work import Work
from tocsin.incidents.model import MAX_NOTE, Note, Reason
from tocsin.incidents.store import incidents as store
from tocsin.timeline.model import Kind


async def add_note(tx: Tx, actor: Actor, incident_id: str, content: str, now: datetime) -> Note:
    """Write a note of 1 to 2,000 characters; on resolved incidents too."""
    text = _checked(content)
    work = await opening.load(tx, actor, [incident_id], now)
    note = Note(
        id=ids.new("P", now),
        incident_id=incident_id,
        user_id=actor.user_id,
        label=actor.label,
        content=text,
        at=now,
    )
    await tx.execute(
        store.INSERT_NOTE,
        {
            "id": note.id,
            "incident_id": note.incident_id,
            "user_id": note.user_id,
            "label": note.label,
            "content": note.content,
            "at": note.at,
        },
    )
    data = {"note_id": note.id, "content": note.content}
    work.tell(work.drafts[incident_id], Kind.ANNOTATE, Reason.NOTE_ADDED.value, actor, data)
    await work.flush()
    return note


async def change_note(
    tx: Tx, actor: Actor, incident_id: str, note_id: str, now: datetime, *, content: str
) -> Note:
    """Write one's own note anew; a manager may put right anybody's.

    Raises NotFound, Forbidden, Invalid.
    """
    text = _checked(content)
    work, note = await _load(tx, actor, incident_id, note_id, now)
    if note.content != text:
        await tx.execute(store.UPDATE_NOTE, {"id": note.id, "content": text, "now": now})
        data = {"field": "note", "note_id": note.id, "author": note.label, "content": text}
        _tell(work, incident_id, Reason.NOTE_CHANGED, actor, data)
    await work.flush()
    found = await tx.one(Note, store.SELECT_NOTE, {"id": note.id, "incident_id": incident_id})
    assert found is not None
    return found


async def delete_note(tx: Tx, actor: Actor, incident_id: str, note_id: str, now: datetime) -> None:
    """Take away one's own note; a manager may take away anybody's. Raises NotFound, Forbidden."""
    work, note = await _load(tx, actor, incident_id, note_id, now)
    await tx.execute(store.DELETE_NOTE, {"id": note.id, "now": now})
    data = {"field": "note", "note_id": note.id, "author": note.label}
    _tell(work, incident_id, Reason.NOTE_DELETED, actor, data)
    await work.flush()


def may_change(actor: Actor, note: Note, team_id: str | None) -> bool:
    """Whether a note is the actor's to change: their own, or one of a team they manage."""
    own = note.user_id is not None and note.user_id == actor.user_id
    if own and access.allowed(actor, Permission.RESPOND, team_id):
        return True
    return access.allowed(actor, Permission.MANAGE_SERVICES, team_id)


async def _load(
    tx: Tx, actor: Actor, incident_id: str, note_id: str, now: datetime
) -> tuple[Work, Note]:
    work = await opening.load(tx, actor, [incident_id], now)
    note = await tx.one(Note, store.SELECT_NOTE, {"id": note_id, "incident_id": incident_id})
    if note is None:
        raise NotFound("note", note_id)
    if not may_change(actor, note, work.drafts[incident_id].settings.team_id):
        raise Forbidden(
            f"the note is {note.label}'s: only they or a manager of the service may change it"
        )
    return work, note


def _tell(work: Work, incident_id: str, reason: Reason, actor: Actor, data: dict[str, str]) -> None:
    work.tell(work.drafts[incident_id], Kind.FIELD_CHANGE, reason.value, actor, data)


def _checked(content: str) -> str:
    text = content.strip()
    if not 1 <= len(text) <= MAX_NOTE:
        raise Invalid("content", f"write 1 to {MAX_NOTE} characters")
    return text
