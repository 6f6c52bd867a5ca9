"""Single incidents, as actions and faces need them. Lists and joins for screens are `queries`."""

from tocsin.accounts import access
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Run
from tocsin.incidents.model import Acknowledgement, Assignment, Incident, Note
from tocsin.incidents.store import incidents as store

MAX_NOTES = 1000


async def get(tx: Tx, actor: Actor, incident_id: str) -> Incident:
    """One incident. Raises NotFound, or Forbidden when the actor may not see its service."""
    incident = await store.incident(tx, incident_id)
    if incident is None:
        raise NotFound("incident", incident_id)
    settings = await store.settings(tx, [incident.service_id])
    access.require(actor, Permission.VIEW, settings[incident.service_id].team_id)
    return incident


async def get_run(tx: Tx, incident_id: str) -> Run | None:
    """Its ladder and where that stands; check access with :func:`get` first."""
    return (await escalations.runs(tx, [incident_id])).get(incident_id)


async def assignments(tx: Tx, incident_id: str) -> list[Assignment]:
    """Who it is with, longest first; check access with :func:`get` first."""
    found = await store.assignments(tx, [incident_id])
    return [Assignment(user_id, at) for user_id, at in found.get(incident_id, {}).items()]


async def acknowledgements(tx: Tx, incident_id: str) -> tuple[Acknowledgement, ...]:
    """The acknowledgements that hold; check access with :func:`get` first."""
    return (await store.acknowledgements(tx, [incident_id])).get(incident_id, ())


async def notes(tx: Tx, incident_id: str, limit: int = MAX_NOTES) -> list[Note]:
    """Its notes, newest first; check access with :func:`get` first."""
    return await store.notes(tx, incident_id, max(0, min(limit, MAX_NOTES)))
