"""Single incidents, as actions and faces need them. Lists and joins for screens are `queries`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts import access
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Run
from tocsin.incidents.model import Acknowledgement, Assignment, Incident, Note, TimerKind
from tocsin.incidents.store import incidents as store

MAX_NOTES = 1000


async def get(tx: Tx, actor: Actor, incident_id: str) -> Incident:
    """One incident. Raises NotFound, or Unseen when the actor may not see its service."""
    incident = await store.incident(tx, incident_id)
    if incident is None:
        raise NotFound("incident", incident_id)
    settings = await store.settings(tx, [incident.service_id])
    access.require_seen(actor, settings[incident.service_id].team_id, "incident", incident_id)
    return incident


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to incidents, each by incident id; what is empty may be left out."""

    assignments: dict[str, dict[str, datetime]]
    acknowledgements: dict[str, tuple[Acknowledgement, ...]]
    timers: dict[str, dict[TimerKind, datetime]]
    runs: dict[str, Run]
    teams: dict[str, str | None]


async def by_ids(tx: Tx, incident_ids: Sequence[str]) -> dict[str, Incident]:
    """Incidents by id, for showing; unknown ids are left out. No access check."""
    return await store.incidents(tx, incident_ids) if incident_ids else {}


async def surroundings(tx: Tx, incidents: Sequence[Incident]) -> Surroundings:
    """All that belongs to these incidents, in a fixed number of queries. No access check."""
    ids = [incident.id for incident in incidents]
    settings = await store.settings(tx, [incident.service_id for incident in incidents])
    return Surroundings(
        assignments=await store.assignments(tx, ids),
        acknowledgements=await store.acknowledgements(tx, ids),
        timers=await store.timers(tx, ids),
        runs=await escalations.runs(tx, ids),
        teams={i.id: settings[i.service_id].team_id for i in incidents},
    )


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
