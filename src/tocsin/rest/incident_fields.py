"""What the API says of an incident, field by field.

Every field is read from what is kept and says what is true now; what a field needs besides the
incident itself is loaded for a whole page at once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.catalog.grouping import GroupingType
from tocsin.escalations import ladder
from tocsin.escalations.model import Reason as LadderReason
from tocsin.escalations.model import RunState
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import Roster, Surroundings
from tocsin.incidents.model import MAX_ALERTS, Incident, TimerKind, Urgency
from tocsin.queries import incident_pages, incident_rules
from tocsin.queries.incident_pages import Edges
from tocsin.queries.incident_rules import GroupState
from tocsin.rest import fixed, responders
from tocsin.rest.call import Call, Given
from tocsin.rest.resource import Field, Ref, Reference

PENDING = {
    TimerKind.ACKNOWLEDGEMENT_TIMEOUT: "unacknowledge",
    TimerKind.SNOOZE: "unacknowledge",
    TimerKind.AUTO_RESOLVE: "resolve",
}
# What an incident calls the ways to group.
GROUPED: dict[str, str] = {
    GroupingType.TIME: "basic",
    GroupingType.CONTENT: "rules",
    GroupingType.TEXT: "intelligent",
    GroupingType.CONTENT_AND_TEXT: "advanced",
}


class Body(msgspec.Struct):
    """The text of an incident that was opened by hand."""

    details: str | None = None
    type: str = "incident_body"


class AssignmentGiven(msgspec.Struct):
    """One person an incident is given to."""

    assignee: Given


class BridgeGiven(msgspec.Struct):
    """Where the people of an incident talk."""

    conference_number: str | None = None
    conference_url: str | None = None


class AlertCounts(msgspec.Struct):
    """How many alerts an incident has."""

    all: int
    triggered: int
    resolved: int


class Extra(msgspec.Struct):
    """What belongs to incidents and is kept elsewhere."""

    around: Surroundings
    edges: dict[str, Edges]
    roster: Roster
    groups: dict[str, GroupState]
    raises: dict[str, datetime]
    now: datetime


async def prepare(call: Call, items: Sequence[Incident]) -> Extra:
    around = await incidents.surroundings(call.tx, items)
    ids = [incident.id for incident in items]
    edges = await incident_pages.edges(call.tx, ids)
    roster = await incidents.responders(call.tx, ids)
    return Extra(
        around=around,
        edges=edges,
        roster=roster,
        groups=await incident_rules.groups(call.tx, ids),
        raises=await incident_rules.raises(call.tx, [one.service_id for one in items]),
        now=call.now,
    )


def _assigned_via(incident: Incident, extra: Extra) -> str:
    run = extra.around.runs.get(incident.id)
    direct = run is not None and run.reason is LadderReason.REASSIGNED
    return "direct_assignment" if direct else "escalation_policy"


def _pending(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    timers = extra.around.timers.get(incident.id, {})
    found = [{"type": PENDING[kind], "at": at} for kind, at in timers.items()]
    run = extra.around.runs.get(incident.id)
    running = run is not None and run.state is RunState.RUNNING and run.due_at is not None
    if run is not None and running and ladder.next_level(run.ladder, run.progress) is not None:
        # At the very top the ladder ends then, and nobody is asked.
        found.append({"type": "escalate", "at": run.due_at})
    raised_at = extra.raises.get(incident.service_id)
    if raised_at is not None and incident.is_open and incident.urgency is Urgency.LOW:
        found.append({"type": "urgency_change", "at": raised_at, "to": Urgency.HIGH.value})
    return sorted(found, key=lambda one: str(one["at"]))


def _grouping(incident: Incident, extra: Extra) -> dict[str, Any] | None:
    group = extra.groups.get(incident.id)
    if group is None:
        return None
    over = group.until < extra.now
    return {
        "grouping_type": GROUPED[group.type],
        "started_at": group.opened_at,
        "ended_at": incident.resolved_at or (group.until if over else None),
        "alert_grouping_active": incident.is_open and not over,
    }


def _last_mover(incident: Incident, extra: Extra) -> Ref:
    edges = extra.edges[incident.id]
    if edges.actor_id is not None and edges.actor_kind in ("person", "key", "reply"):
        return Ref("user", edges.actor_id)
    return Ref("service", incident.service_id)


def _updated(incident: Incident, extra: Extra) -> Any:
    return extra.edges[incident.id].updated_at or incident.changed_at


def _key(incident: Incident, extra: Extra) -> str | None:
    return incident.incident_key or extra.edges[incident.id].dedup_key


def _first(incident: Incident, extra: Extra) -> Ref | None:
    id = extra.edges[incident.id].first_trigger_id
    return None if id is None else Ref("log_entry", id)


def _teams(incident: Incident, extra: Extra) -> list[Ref]:
    team_id = extra.around.teams.get(incident.id)
    return [] if team_id is None else [Ref("team", team_id)]


def _resolve_reason(incident: Incident, extra: Extra) -> dict[str, Any] | None:
    if incident.merged_into is None:
        return None
    return {"type": "merge_resolve_reason", "incident": Ref("incident", incident.merged_into)}


def _counts(incident: Incident, extra: Extra) -> dict[str, int]:
    return {
        "all": incident.alert_count,
        "triggered": incident.open_alert_count,
        "resolved": incident.alert_count - incident.open_alert_count,
    }


def _assignments(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    held = extra.around.assignments.get(incident.id, {})
    return [{"at": at, "assignee": Ref("user", user_id)} for user_id, at in held.items()]


def _acknowledgements(incident: Incident, extra: Extra) -> list[dict[str, Any]]:
    return [
        {
            "at": one.at,
            "acknowledger": (
                Ref("service", incident.service_id)
                if one.user_id is None
                else Ref("user", one.user_id)
            ),
        }
        for one in extra.around.acknowledgements.get(incident.id, ())
    ]


def _fixed(name: str, type: Any, value: Any) -> Field:
    return Field(name=name, type=type, read=lambda incident, extra: value)


def _priority(incident: Incident, extra: Extra) -> Ref | None:
    # Whole and not a reference, with or without include[]: clients read its name and colour.
    if incident.priority is None:
        return None
    return Ref("priority", fixed.PRIORITY_NAMED[incident.priority].id, full=True)


def _bridge(incident: Incident, extra: Extra) -> dict[str, Any] | None:
    if incident.conference is None:
        return None
    return {
        "conference_number": incident.conference_number,
        "conference_url": incident.conference_url,
    }


def _own(name: str, type: Any, attribute: str) -> Field:
    return Field(name=name, type=type, read=lambda incident, extra: getattr(incident, attribute))


FIELDS: tuple[Field, ...] = (
    _own("incident_number", int, "number"),
    Field(
        name="title",
        type=str,
        write=str | None,
        required=True,
        read=lambda incident, extra: incident.title,
    ),
    _own("description", str, "title"),
    _own("created_at", str, "created_at"),
    Field(name="updated_at", type=str, read=_updated),
    _own("status", str, "status"),
    Field(name="incident_key", type=str | None, write=str | None, read=_key),
    Field(
        name="service",
        type=Reference,
        write=Given | None,
        required=True,
        include="services",
        read=lambda incident, extra: Ref("service", incident.service_id),
    ),
    Field(
        name="assignments",
        type=list[dict[str, Any]],
        write=list[AssignmentGiven] | None,
        include="assignees",
        read=_assignments,
    ),
    Field(name="assigned_via", type=str, read=_assigned_via),
    Field(
        name="acknowledgements",
        type=list[dict[str, Any]],
        include="acknowledgers",
        read=_acknowledgements,
    ),
    _own("last_status_change_at", str, "changed_at"),
    Field(name="last_status_change_by", type=Reference, include="agents", read=_last_mover),
    _own("resolved_at", str | None, "resolved_at"),
    Field(
        name="first_trigger_log_entry",
        type=Reference | None,
        include="first_trigger_log_entries",
        read=_first,
    ),
    Field(name="alert_counts", type=AlertCounts, read=_counts),
    Field(
        name="is_mergeable",
        type=bool,
        read=lambda incident, extra: incident.is_open and incident.alert_count < MAX_ALERTS,
    ),
    Field(
        name="escalation_policy",
        type=Reference,
        write=Given | None,
        include="escalation_policies",
        read=lambda incident, extra: Ref("escalation_policy", incident.escalation_policy_id),
    ),
    Field(name="teams", type=list[Reference], include="teams", read=_teams),
    Field(
        name="impacted_services",
        type=list[Reference],
        include="services",
        read=lambda incident, extra: [Ref("service", incident.service_id)],
    ),
    Field(name="pending_actions", type=list[dict[str, Any]], read=_pending),
    Field(
        name="priority",
        type=Reference | None,
        write=Given | None,
        include="priorities",
        read=_priority,
    ),
    Field(name="resolve_reason", type=dict[str, Any] | None, read=_resolve_reason),
    Field(
        name="conference_bridge",
        type=BridgeGiven | None,
        write=BridgeGiven | None,
        include="conference_bridge",
        read=_bridge,
    ),
    Field(name="alert_grouping", type=dict[str, Any] | None, read=_grouping),
    Field(
        name="incidents_responders",
        type=list[dict[str, Any]],
        read=lambda incident, extra: responders.people_of_incident(extra.roster, incident.id),
    ),
    Field(
        name="responder_requests",
        type=list[dict[str, Any]],
        read=lambda incident, extra: responders.of_incident(extra.roster, incident.id),
    ),
    _fixed("subscriber_requests", list[Any], []),
    _fixed("incident_type", dict[str, str], {"name": "incident_default"}),
    Field(
        name="urgency",
        type=Urgency,
        write=Urgency | None,
        read=lambda incident, extra: incident.urgency,
    ),
    Field(
        name="body",
        type=Body | None,
        write=Body | None,
        read=lambda incident, extra: (
            None if incident.body is None else {"type": "incident_body", "details": incident.body}
        ),
    ),
)
