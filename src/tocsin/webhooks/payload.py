"""What is sent: the event in its envelope, with the references that the REST API shows. Pure.

Everything a payload may need is in `Facts`, loaded for a whole batch. Titles, notes and names are
bounded where they are written, and so is the number of assignees: no payload comes near the 55 KiB
that receivers are promised at most.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tocsin.accounts.model import Team, User
from tocsin.catalog.model import Integration, IntegrationKind, Service
from tocsin.escalations.model import Policy
from tocsin.incidents.model import Incident
from tocsin.webhooks import model
from tocsin.webhooks.model import Happening

PING = model.PING
CLIENT = {"name": "Tocsin"}
# An integration's type on the wire, as the REST API has it.
INTEGRATION_TYPES = {
    IntegrationKind.EVENTS_V1: "generic_events_api_inbound_integration",
}
INTEGRATION_TYPE = "events_api_v2_inbound_integration"

Reference = dict[str, Any]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of events is about, each by its id. `assignees` and `keys` are by incident."""

    base_url: str
    incidents: dict[str, Incident] = {}
    services: dict[str, Service] = {}
    assignees: dict[str, list[str]] = {}
    keys: dict[str, str | None] = {}
    users: dict[str, User] = {}
    teams: dict[str, Team] = {}
    policies: dict[str, Policy] = {}
    integrations: dict[str, Integration] = {}

    def reference(
        self, type: str, id: str, item: Any, summary: str, *, at: str, page: str
    ) -> Reference:
        """As the REST API shows it: of what is gone, no address."""
        gone = item is None or getattr(item, "deleted_at", None) is not None
        return {
            "html_url": None if gone else self.base_url + page,
            "id": id,
            "self": None if gone else self.base_url + at,
            "summary": None if item is None else summary,
            "type": type,
        }

    def user(self, id: str) -> Reference:
        """A person."""
        item = self.users.get(id)
        return self.reference(
            "user_reference",
            id,
            item,
            item.name if item else "",
            at=f"/users/{id}",
            page=f"/app/people/{id}",
        )

    def team(self, id: str) -> Reference:
        """A team."""
        item = self.teams.get(id)
        return self.reference(
            "team_reference",
            id,
            item,
            item.name if item else "",
            at=f"/teams/{id}",
            page=f"/app/teams/{id}",
        )

    def policy(self, id: str) -> Reference:
        """An escalation policy."""
        item = self.policies.get(id)
        return self.reference(
            "escalation_policy_reference",
            id,
            item,
            item.name if item else "",
            at=f"/escalation_policies/{id}",
            page=f"/app/escalation-policies/{id}",
        )

    def service(self, id: str, type: str = "service_reference") -> Reference:
        """A service."""
        item = self.services.get(id)
        return self.reference(
            type,
            id,
            item,
            item.name if item else "",
            at=f"/services/{id}",
            page=f"/app/services/{id}",
        )

    def integration(self, id: str) -> Reference:
        """A door of a service."""
        item = self.integrations.get(id)
        if item is None:
            name = f"{INTEGRATION_TYPE}_reference"
            return self.reference(name, id, None, "", at="", page="")
        type = INTEGRATION_TYPES.get(IntegrationKind(item.kind), INTEGRATION_TYPE)
        return self.reference(
            f"{type}_reference",
            id,
            item,
            item.name,
            at=f"/services/{item.service_id}/integrations/{id}",
            page=f"/app/services/{item.service_id}",
        )

    def incident(self, id: str) -> Reference:
        """An incident."""
        item = self.incidents.get(id)
        return self.reference(
            "incident_reference",
            id,
            item,
            f"[#{item.number}] {item.title}" if item else "",
            at=f"/incidents/{id}",
            page=f"/app/incidents/{id}",
        )

    def priority(self, name: str) -> Reference:
        """A priority; there are five and they never go."""
        id = f"PPRIORITY{name[1:]}"
        shown = self.reference(
            "priority_reference", id, name, name, at=f"/priorities/{id}", page=""
        )
        return {**shown, "html_url": None}

    def teams_of(self, service_id: str) -> list[Reference]:
        """The team that owns a service, if one does."""
        service = self.services.get(service_id)
        if service is None or service.team_id is None:
            return []
        return [self.team(service.team_id)]


def body(event_id: str, happening: Happening, facts: Facts) -> str:
    """The whole body of an event, as it is sent and signed."""
    return _enveloped(
        event_id,
        happening.type,
        happening.at,
        agent=_agent(happening, facts),
        client=CLIENT if happening.actor_kind in ("person", "reply") else None,
        data=_DATA[happening.data_type](happening, facts),
    )


def ping(event_id: str, who: User | None, now: datetime, base_url: str) -> str:
    """The body of a test event that somebody asked for."""
    facts = Facts(base_url=base_url, users={} if who is None else {who.id: who})
    agent = None if who is None else facts.user(who.id)
    data = {"message": "This is a test of a webhook subscription of Tocsin.", "type": "ping"}
    return _enveloped(event_id, PING, now, agent=agent, client=None, data=data)


def _enveloped(
    event_id: str,
    type: str,
    at: datetime,
    *,
    agent: Reference | None,
    client: dict[str, str] | None,
    data: dict[str, Any],
) -> str:
    event = {
        "id": event_id,
        "event_type": type,
        "resource_type": type.partition(".")[0],
        "occurred_at": _instant(at, "milliseconds"),
        "agent": agent,
        "client": client,
        "data": data,
    }
    return msgspec.json.encode({"event": event}).decode()


def _agent(happening: Happening, facts: Facts) -> Reference | None:
    if happening.actor_id is None:
        return None
    if happening.actor_kind in ("person", "key", "reply"):
        return facts.user(happening.actor_id)
    if happening.actor_kind == "integration":
        return facts.integration(happening.actor_id)
    return None


def _incident(happening: Happening, facts: Facts) -> dict[str, Any]:
    one = facts.incidents[happening.resource_id]
    base = facts.base_url
    merged = None
    if one.merged_into is not None:
        merged = {"type": "merge_resolve_reason", "incident": facts.incident(one.merged_into)}
    return {
        "id": one.id,
        "type": "incident",
        "self": f"{base}/incidents/{one.id}",
        "html_url": f"{base}/app/incidents/{one.id}",
        "number": one.number,
        "status": happening.status or str(one.status),
        "incident_key": facts.keys.get(one.id),
        "created_at": _instant(one.created_at),
        "reopened_at": None,
        "title": one.title,
        "incident_type": {"name": "incident_default"},
        "service": facts.service(one.service_id),
        "assignees": [facts.user(id) for id in facts.assignees.get(one.id, [])],
        "escalation_policy": facts.policy(one.escalation_policy_id),
        "teams": facts.teams_of(one.service_id),
        "priority": None if one.priority is None else facts.priority(one.priority),
        "urgency": str(one.urgency),
        "conference_bridge": _bridge(one),
        "resolve_reason": merged,
    }


def _bridge(incident: Incident) -> dict[str, Any] | None:
    bridge = incident.conference
    if bridge is None:
        return None
    return {"conference_number": bridge.number, "conference_url": bridge.url}


def _conference(happening: Happening, facts: Facts) -> dict[str, Any]:
    bridge = happening.data.get("to") or {}
    number = bridge.get("conference_number")
    return {
        "incident": facts.incident(happening.resource_id),
        "conference_numbers": [] if number is None else [{"label": None, "number": number}],
        "conference_url": bridge.get("conference_url"),
        "type": "incident_conference_bridge",
    }


def _note(happening: Happening, facts: Facts) -> dict[str, Any]:
    return {
        "incident": facts.incident(happening.resource_id),
        "id": happening.data.get("note_id"),
        "content": happening.data.get("content"),
        "trimmed": False,
        "type": "incident_note",
    }


def _responder(happening: Happening, facts: Facts) -> dict[str, Any]:
    policy_id = happening.data.get("policy_id")
    return {
        "incident": facts.incident(happening.resource_id),
        "user": facts.user(happening.data["user_id"]),
        "escalation_policy": None if policy_id is None else facts.policy(policy_id),
        "message": happening.data.get("message"),
        "state": happening.data["state"],
        "type": "incident_responder",
    }


def _status_update(happening: Happening, facts: Facts) -> dict[str, Any]:
    return {
        "incident": facts.incident(happening.resource_id),
        "id": happening.data.get("status_update_id"),
        "message": happening.data.get("message"),
        "trimmed": False,
        "type": "incident_status_update",
    }


def _service(happening: Happening, facts: Facts) -> dict[str, Any]:
    id = happening.resource_id
    shown = facts.service(id, "service")
    if happening.type == "service.deleted":
        shown = {**shown, "self": None, "html_url": None}
    return {
        **shown,
        "summary": shown["summary"] or happening.label,
        "alert_creation": "create_alerts_and_incidents",
        "teams": facts.teams_of(id),
    }


_DATA: dict[str, Callable[[Happening, Facts], dict[str, Any]]] = {
    "incident": _incident,
    "incident_conference_bridge": _conference,
    "incident_note": _note,
    "incident_responder": _responder,
    "incident_status_update": _status_update,
    "service": _service,
}


def _instant(at: datetime, precision: str = "seconds") -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
