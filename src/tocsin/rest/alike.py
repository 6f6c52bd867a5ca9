"""Incidents like one incident: past ones, related ones, and whether it is an outlier."""

from typing import Any

from tocsin.incidents import actions as incidents
from tocsin.incidents.likeness import Why
from tocsin.incidents.model import Incident
from tocsin.queries import alike
from tocsin.queries.alike import Alike, Subject
from tocsin.rest.call import Call
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Operation, Param, Ref

TAG = "Incidents"
DETAILS = ("incident",)
PAST_LIMIT, MOST_PAST = 5, 999


async def _subject(call: Call) -> tuple[Incident, Subject]:
    incident = await incidents.get(call.tx, call.actor, call.path["id"])
    subject = Subject(
        id=incident.id,
        title=incident.title,
        service_id=incident.service_id,
        created_at=incident.created_at,
    )
    return incident, subject


def _short(call: Call, id: str, title: str, created_at: Any) -> dict[str, Any]:
    return {
        "id": id,
        "created_at": created_at,
        "self": f"{call.deps.base_url}/incidents/{id}",
        "title": title,
    }


async def past(call: Call) -> object:
    """Earlier incidents of the service that were like this one, the most alike first."""
    _, subject = await _subject(call)
    limit = call.whole("limit", PAST_LIMIT, 1, MOST_PAST)
    found, total = await alike.past(call.tx, subject, limit)
    return {
        "past_incidents": [
            {
                "incident": _short(call, one.line.id, one.line.title, one.line.created_at),
                "score": one.likeness.score,
                "reason": one.likeness.why,
            }
            for one in found
        ],
        "total": total if call.flag("total") else None,
        "limit": limit,
    }


async def related(call: Call) -> object:
    """Incidents on other services that began at about the same time and have to do with it."""
    incident, subject = await _subject(call)
    whole = "incident" in (call.many("additional_details", DETAILS) or ())
    found = await alike.related(call.tx, call.actor, subject)
    return {
        "related_incidents": [
            {
                "incident": Ref("incident", one.line.id, full=True)
                if whole
                else _short(call, one.line.id, one.line.title, one.line.created_at),
                "relationships": [_relationship(incident, one)],
            }
            for one in found
        ]
    }


def _relationship(incident: Incident, one: Alike) -> dict[str, Any]:
    mine, theirs = Ref("service", incident.service_id), Ref("service", one.line.service_id)
    why = one.likeness.why
    told = {"reason": why, "score": one.likeness.score, "shared_words": list(one.likeness.words)}
    if why is Why.SHARED_WORDS:
        # The wire's word for all that is inferred; what is done is to compare the titles' words.
        metadata = {"grouping_classification": "similar_contents", "user_feedback": None, **told}
        return {"type": "machine_learning_inferred", "metadata": metadata}
    pairs = {
        Why.SUPPORTING: ([mine], [theirs]),
        Why.DEPENDENT: ([theirs], [mine]),
        Why.SAME_BUSINESS: ([], [mine, theirs]),
    }
    dependent, supporting = pairs[why]
    metadata = {"dependent_services": dependent, "supporting_services": supporting, **told}
    return {"type": "service_dependency", "metadata": metadata}


async def outlier(call: Call) -> object:
    """How usual the incident is for its service."""
    incident, subject = await _subject(call)
    call.many("additional_details", DETAILS)
    since = call.instant("since") or incident.created_at - alike.LAST_MONTH
    if since >= incident.created_at:
        raise invalid("since must be before the incident opened")
    if incident.created_at - since > alike.HALF_YEAR:
        raise invalid("since must be at most six months before the incident opened")
    found = await alike.occurrence(call.tx, subject, since)
    return {
        "outlier_incident": {
            "incident": {
                **_short(call, incident.id, incident.title, incident.created_at),
                "occurrence": {
                    "count": found.count,
                    "frequency": found.frequency,
                    "category": found.category,
                    "since": found.since,
                    "until": found.until,
                },
            },
            "incident_template": {
                # A kind has no row of its own: it is named by the incident that was asked about.
                "id": incident.id,
                "cluster_id": incident.service_id,
                "mined_text": found.pattern,
            },
        }
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/incidents/{id}/past_incidents",
        id="getPastIncidents",
        summary="List earlier incidents like this one",
        tag=TAG,
        handle=past,
        params=(Param(name="limit", type=int), Param(name="total", type=bool)),
        gives={
            "past_incidents": list[dict[str, Any]],
            "total": int | None,
            "limit": int,
        },
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/related_incidents",
        id="getRelatedIncidents",
        summary="List incidents on other services that have to do with this one",
        tag=TAG,
        handle=related,
        params=(Param(name="additional_details", many=True),),
        gives={"related_incidents": list[dict[str, Any]]},
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/outlier_incident",
        id="getOutlierIncident",
        summary="Tell how usual an incident is for its service",
        tag=TAG,
        handle=outlier,
        params=(Param(name="since"), Param(name="additional_details", many=True)),
        gives={"outlier_incident": dict[str, Any]},
    ),
)
