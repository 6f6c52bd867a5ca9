"""Responder requests: ask people and escalation policies to join an incident, and call that off."""

from typing import Any

import msgspec

from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest, Roster
from tocsin.incidents.responders import Asked, AskKind, Request, State, Target, Wanted
from tocsin.rest.call import Call, Given, convert
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Operation, Ref

TAG = "Incidents"
TARGETS = "responder_request_targets"
KINDS = {
    "user": AskKind.USER,
    "user_reference": AskKind.USER,
    "escalation_policy": AskKind.POLICY,
    "escalation_policy_reference": AskKind.POLICY,
}
# On the wire whatever ended without an answer was cancelled by a user.
STATES = {State.CANCELLED: "user_cancelled"}


class TargetGiven(msgspec.Struct):
    """One target of a request, wrapped as the API does it."""

    responder_request_target: Given


def _wanted(call: Call) -> tuple[Wanted, ...]:
    found = []
    for number, item in enumerate(call.list_of(TARGETS, dict[str, Any])):
        name = f"{TARGETS}[{number}]"
        # Some clients leave the wrapper out.
        given = convert(name, item.get("responder_request_target", item), Given)
        kind = KINDS.get(given.type or "")
        if kind is None:
            raise invalid(f"{name}.type must be user_reference or escalation_policy_reference")
        found.append(Wanted(kind, given.id))
    return tuple(dict.fromkeys(found))


async def ask(call: Call) -> object:
    """Page people, or policies level by level, until somebody joins or declines."""
    requester = call.body.get("requester_id")
    new = NewRequest(
        targets=_wanted(call),
        message=convert("message", call.body.get("message") or "", str),
        requester_id=None if requester is None else convert("requester_id", requester, str),
    )
    id = call.path["id"]
    made = await incidents.ask_responders(call.tx, call.actor, id, new, call.now)
    roster = await incidents.responders(call.tx, [id])
    return {"responder_request": shown(made, roster)}


async def cancel(call: Call) -> object:
    """Call off what nobody answered, for the targets named or, without any, for all."""
    id = call.path["id"]
    wanted = _wanted(call) if call.body.get(TARGETS) is not None else None
    ended = await incidents.cancel_requests(call.tx, call.actor, id, wanted, call.now)
    roster = await incidents.responders(call.tx, [id])
    touched = {target.request_id for target in ended}
    return {
        "responder_requests": [shown(one, roster) for one in roster.requests if one.id in touched]
    }


def shown(request: Request, roster: Roster) -> dict[str, Any]:
    """One request as the API shows it."""
    return {
        "incident": Ref("incident", request.incident_id),
        "requester": None if request.requester_id is None else Ref("user", request.requester_id),
        "requested_at": request.at,
        "message": request.message,
        TARGETS: [
            {"responder_request_target": _target(one, request, roster)}
            for one in roster.targets_of(request.id)
        ],
    }


def _target(target: Target, request: Request, roster: Roster) -> dict[str, Any]:
    return {
        "id": target.target_id,
        "type": target.kind.value,
        "summary": target.label,
        "state": STATES.get(target.state, target.state.value),
        "incidents_responders": [_asked(one, request) for one in roster.people_of(target.id)],
    }


def _asked(asked: Asked, request: Request) -> dict[str, Any]:
    return {
        "state": STATES.get(asked.state, asked.state.value),
        "user": Ref("user", asked.user_id),
        "incident": Ref("incident", asked.incident_id),
        "updated_at": asked.changed_at,
        "message": request.message,
        "requester": None if request.requester_id is None else Ref("user", request.requester_id),
        "requested_at": asked.asked_at,
    }


def of_incident(roster: Roster, incident_id: str) -> list[dict[str, Any]]:
    """The requests of one incident, oldest first."""
    return [shown(one, roster) for one in roster.requests if one.incident_id == incident_id]


def people_of_incident(roster: Roster, incident_id: str) -> list[dict[str, Any]]:
    """Everybody who was asked for an incident, each once, as they stand now."""
    requests = {one.id: one for one in roster.requests if one.incident_id == incident_id}
    newest = {one.user_id: one for one in roster.people if one.incident_id == incident_id}
    return [_asked(one, requests[one.request_id]) for one in newest.values()]


OPERATIONS = (
    Operation(
        method="POST",
        path="/incidents/{id}/responder_requests",
        id="createIncidentResponderRequest",
        summary="Ask people or escalation policies to join an incident",
        tag=TAG,
        handle=ask,
        takes={
            "requester_id": str | None,
            "message": str | None,
            TARGETS: list[TargetGiven],
        },
        gives={"responder_request": dict[str, Any]},
        needs_from=True,
    ),
    Operation(
        method="PUT",
        path="/incidents/{id}/responder_requests/cancel",
        id="cancelIncidentResponderRequest",
        summary="Call off responder requests that nobody answered",
        tag=TAG,
        handle=cancel,
        takes={"requester_id": str | None, TARGETS: list[TargetGiven] | None},
        gives={"responder_requests": list[dict[str, Any]]},
        needs_from=True,
    ),
)
