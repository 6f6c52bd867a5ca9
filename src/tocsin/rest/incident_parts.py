"""What hangs on an incident: its alerts, notes and log entries."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tocsin.core.errors import NotFound
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import MAX_BULK, Alert, AlertChange, Note, Status
from tocsin.queries import incident_pages
from tocsin.queries.incident_pages import EntriesWanted
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging, convert
from tocsin.rest.errors import INVALID, ApiError, invalid
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice
from tocsin.timeline.model import Kind, LogEntry

TAG = "Incidents"
ALERT_STATUSES = ("triggered", "resolved")
# What an overview leaves out: the messages, and what only repeats.
OVERVIEW = [str(kind) for kind in Kind if kind not in (Kind.NOTIFY, Kind.FIELD_CHANGE)]

# Alerts


async def _no_load(call: Call, ids: Sequence[str]) -> dict[str, Any]:
    # Nothing refers to an alert or a note.
    return {}


async def _alerts(call: Call, wanted: Paging) -> Slice:
    incident = await incidents.get(call.tx, call.actor, call.path["incident_id"])
    statuses, key = call.many("statuses", ALERT_STATUSES), call.text("alert_key")
    order = call.sorting("created_at", "resolved_at") or ("created_at", False)
    found = await incident_pages.alerts(
        call.tx,
        incident.id,
        statuses=statuses,
        key=key,
        order=order,
        limit=wanted.limit + 1,
        offset=wanted.offset,
    )
    total = None
    if wanted.total:
        total = await incident_pages.count_alerts(call.tx, incident.id, statuses=statuses, key=key)
    return Slice(items=found[: wanted.limit], more=len(found) > wanted.limit, total=total)


class AlertGiven(msgspec.Struct):
    """What a request wants of one alert."""

    id: str | None = None
    status: Literal["triggered", "resolved"] | None = None
    incident: Given | None = None

    def change(self, id: str) -> AlertChange:
        """The same, for the action."""
        return AlertChange(
            alert_id=id,
            status=None if self.status is None else Status(self.status),
            to_incident_id=None if self.incident is None else self.incident.id,
        )


async def manage_alerts(call: Call) -> object:
    """Change up to 250 alerts of an incident, all or none."""
    given = call.body.get("alerts")
    if isinstance(given, list) and len(given) > MAX_BULK:
        raise ApiError(413, INVALID, "Too Many Alerts", f"at most {MAX_BULK} at a time")
    wanted = call.list_of("alerts", AlertGiven)
    changes = []
    for number, one in enumerate(wanted):
        if one.id is None:
            raise invalid(f"alerts[{number}].id is required")
        changes.append(one.change(one.id))
    id = call.path["incident_id"]
    found = await incidents.change_alerts(call.tx, call.actor, id, changes, call.now)
    return {
        "alerts": [whole(ALERT, alert) for alert in found],
        "limit": MAX_BULK,
        "offset": 0,
        "total": None,
        "more": False,
    }


async def change_alert(call: Call) -> object:
    """Resolve one alert, or move it."""
    given = convert("alert", call.wrapped("alert"), AlertGiven)
    changes = [given.change(call.path["id"])]
    id = call.path["incident_id"]
    (found,) = await incidents.change_alerts(call.tx, call.actor, id, changes, call.now)
    return {"alert": whole(ALERT, found)}


async def _first_triggers(call: Call, alerts: Sequence[Alert]) -> dict[str, str]:
    return await incident_pages.first_triggers(call.tx, [alert.id for alert in alerts])


def _first_trigger(alert: Alert, entries: dict[str, str]) -> Ref | None:
    id = entries.get(alert.id)
    return None if id is None else Ref("log_entry", id)


async def _alert(call: Call, id: str) -> Alert:
    incident = await incidents.get(call.tx, call.actor, call.path["incident_id"])
    found = await incident_pages.alerts(call.tx, incident.id, id=id, limit=1)
    if not found:
        raise NotFound("alert", id)
    return found[0]


def _body(alert: Alert) -> dict[str, Any]:
    return {
        "type": "alert_body",
        "details": alert.details,
        "contexts": [
            *({"type": "link", **_plain(link)} for link in alert.links or ()),
            *({"type": "image", **_plain(image)} for image in alert.images or ()),
        ],
        "cef_details": {
            "client": alert.client,
            "client_url": alert.client_url,
            "contexts": [],
            "dedup_key": alert.dedup_key,
            "description": alert.summary,
            "details": alert.details,
            "event_class": alert.class_,
            "message": alert.summary,
            "mutations": [],
            "reported_at": alert.created_at,
            "severity": alert.severity,
            "source_component": alert.component,
            "source_origin": alert.source,
            "service_group": alert.grouping,
        },
    }


def _plain(value: Any) -> dict[str, Any]:
    plain = msgspec.to_builtins(value)
    return dict(plain) if isinstance(plain, dict) else {}


ALERT = Resource(
    kind="alert",
    plural="alerts",
    path="/incidents/{incident_id}/alerts",
    tag=TAG,
    summary=lambda alert: alert.summary,
    location=lambda alert: f"/incidents/{alert.incident_id}/alerts/{alert.id}",
    page=lambda alert: f"/app/incidents/{alert.incident_id}",
    load=_no_load,
    prepare=_first_triggers,
    params=(
        Param(name="alert_key"),
        Param(name="statuses", many=True),
        Param(name="sort_by"),
    ),
    fields=(
        Field(name="alert_key", type=str, read=lambda alert, extra: alert.dedup_key),
        Field(name="status", type=str, read=lambda alert, extra: alert.status),
        Field(name="severity", type=str, read=lambda alert, extra: alert.severity),
        Field(name="suppressed", type=bool, read=lambda alert, extra: False),
        Field(name="created_at", type=str, read=lambda alert, extra: alert.created_at),
        Field(name="updated_at", type=str, read=lambda alert, extra: alert.last_event_at),
        Field(name="resolved_at", type=str | None, read=lambda alert, extra: alert.resolved_at),
        Field(
            name="incident",
            type=Reference,
            include="incidents",
            read=lambda alert, extra: Ref("incident", alert.incident_id),
        ),
        Field(
            name="service",
            type=Reference,
            include="services",
            read=lambda alert, extra: Ref("service", alert.service_id),
        ),
        Field(
            name="integration",
            type=Reference | None,
            read=lambda alert, extra: (
                None if alert.integration_id is None else Ref("integration", alert.integration_id)
            ),
        ),
        Field(name="body", type=dict[str, Any], read=lambda alert, extra: _body(alert)),
        Field(
            name="first_trigger_log_entry",
            type=Reference | None,
            include="first_trigger_log_entries",
            read=_first_trigger,
        ),
    ),
    list=_alerts,
    get=_alert,
)

# Notes


def _note(note: Note) -> dict[str, Any]:
    user = Ref("user", note.user_id) if note.user_id is not None else None
    return {
        "id": note.id,
        "user": user,
        "content": note.content,
        "created_at": note.at,
        "channel": {
            "summary": note.label,
            "type": None,
            "id": None,
            "self": None,
            "html_url": None,
        },
    }


async def list_notes(call: Call) -> object:
    """The notes of an incident, newest first."""
    incident = await incidents.get(call.tx, call.actor, call.path["id"])
    return {"notes": [_note(note) for note in await incidents.notes(call.tx, incident.id)]}


async def add_note(call: Call) -> object:
    """Write a note."""
    content = _content(call)
    note = await incidents.add_note(call.tx, call.actor, call.path["id"], content, call.now)
    return {"note": _note(note)}


async def change_note(call: Call) -> object:
    """Write a note anew."""
    id, note_id = call.path["id"], call.path["note_id"]
    content = _content(call)
    note = await incidents.change_note(call.tx, call.actor, id, note_id, call.now, content=content)
    return {"note": _note(note)}


async def delete_note(call: Call) -> None:
    """Take a note away."""
    id, note_id = call.path["id"], call.path["note_id"]
    await incidents.delete_note(call.tx, call.actor, id, note_id, call.now)


def _content(call: Call) -> str:
    content: str = convert("note.content", call.wrapped("note").get("content"), str)
    return content


# Log entries


async def _entries(call: Call, paging: Paging) -> Slice:
    return await _log(call, paging, None)


async def _log(call: Call, paging: Paging, incident_id: str | None) -> Slice:
    wanted = EntriesWanted(
        incident_id=incident_id,
        kinds=OVERVIEW if call.flag("is_overview") else None,
        team_ids=call.many("team_ids"),
        since=call.instant("since"),
        until=call.instant("until"),
    )
    found = await incident_pages.entries(
        call.tx, call.actor, wanted, limit=paging.limit + 1, offset=paging.offset
    )
    total = None
    if paging.total:
        total = await incident_pages.count_entries(call.tx, call.actor, wanted)
    return Slice(items=found[: paging.limit], more=len(found) > paging.limit, total=total)


async def _load_entries(call: Call, ids: Sequence[str]) -> dict[str, LogEntry]:
    return await incident_pages.entries_by_ids(call.tx, ids)


async def _entry(call: Call, id: str) -> LogEntry:
    entry = (await _load_entries(call, [id])).get(id)
    if entry is None:
        raise NotFound("log entry", id)
    await incidents.get(call.tx, call.actor, entry.incident_id)
    return entry


async def _teams_of(call: Call, entries: Sequence[LogEntry]) -> dict[str, str | None]:
    ids = list({entry.incident_id: None for entry in entries})
    found = await incidents.by_ids(call.tx, ids)
    return (await incidents.surroundings(call.tx, list(found.values()))).teams


def _agent(entry: LogEntry) -> Ref:
    if entry.actor_id is not None and entry.actor_kind in ("person", "key", "reply"):
        return Ref("user", entry.actor_id)
    if entry.actor_id is not None and entry.actor_kind == "integration":
        return Ref("integration", entry.actor_id)
    return Ref("service", entry.service_id)


def _channel(entry: LogEntry) -> dict[str, Any]:
    data = entry.data or {}
    kind = {"integration": "api", "reply": "mobile", "key": "api"}.get(entry.actor_kind, "website")
    if entry.kind == Kind.ANNOTATE:
        kind = "note"
    elif entry.kind == Kind.NOTIFY:
        kind = "notification"
    elif entry.actor_kind == "engine":
        kind = "timeout" if "timeout" in entry.reason else "auto"
    return {
        "type": kind,
        "summary": data.get("summary") or data.get("content") or data.get("title"),
        "details": entry.data,
        "reason": entry.reason,
    }


def _people(entry: LogEntry) -> list[Ref]:
    users = (entry.data or {}).get("users") or []
    return [Ref("user", user["id"]) for user in users if isinstance(user, dict) and "id" in user]


LOG_ENTRY = Resource(
    kind="log_entry",
    plural="log_entries",
    path="/log_entries",
    tag="Log Entries",
    summary=lambda entry: f"{entry.kind.replace('_', ' ').capitalize()} by {entry.actor_label}",
    page=lambda entry: f"/app/incidents/{entry.incident_id}",
    type_of=lambda entry: f"{entry.kind}_log_entry",
    load=_load_entries,
    prepare=_teams_of,
    params=(
        Param(name="is_overview", type=bool),
        Param(name="since"),
        Param(name="until"),
        Param(name="team_ids", many=True),
        Param(name="time_zone"),
    ),
    fields=(
        Field(name="created_at", type=str, read=lambda entry, teams: entry.at),
        Field(name="agent", type=Reference, read=lambda entry, teams: _agent(entry)),
        Field(name="channel", type=dict[str, Any], read=lambda entry, teams: _channel(entry)),
        Field(
            name="incident",
            type=Reference,
            include="incidents",
            read=lambda entry, teams: Ref("incident", entry.incident_id),
        ),
        Field(
            name="service",
            type=Reference,
            include="services",
            read=lambda entry, teams: Ref("service", entry.service_id),
        ),
        Field(
            name="teams",
            type=list[Reference],
            include="teams",
            read=lambda entry, teams: (
                [] if (id := teams.get(entry.incident_id)) is None else [Ref("team", id)]
            ),
        ),
        Field(name="assignees", type=list[Reference], read=lambda entry, teams: _people(entry)),
        Field(name="contexts", type=list[Any], read=lambda entry, teams: []),
        Field(
            name="event_details",
            type=dict[str, Any],
            read=lambda entry, teams: {"description": (entry.data or {}).get("summary")},
        ),
        Field(
            name="note",
            type=str | None,
            read=lambda entry, teams: (
                (entry.data or {}).get("content") or (entry.data or {}).get("note")
            ),
        ),
    ),
    list=_entries,
    get=_entry,
)


async def incident_log(call: Call) -> object:
    """The log of one incident, newest first."""
    incident = await incidents.get(call.tx, call.actor, call.path["id"])
    paging = call.paging()
    found = await _log(call, paging, incident.id)
    return {
        "log_entries": [whole(LOG_ENTRY, entry) for entry in found.items],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": found.total,
        "more": found.more,
    }


OPERATIONS = (
    *operations.of(ALERT),
    *operations.of(LOG_ENTRY),
    Operation(
        method="PUT",
        path="/incidents/{incident_id}/alerts",
        id="updateIncidentAlerts",
        summary="Resolve or move up to 250 alerts of an incident, all or none",
        tag=TAG,
        handle=manage_alerts,
        takes={"alerts": list[AlertGiven]},
        gives={"alerts": ["alert"]},
        needs_from=True,
        paged=True,
    ),
    Operation(
        method="PUT",
        path="/incidents/{incident_id}/alerts/{id}",
        id="updateIncidentAlert",
        summary="Resolve or move one alert",
        tag=TAG,
        handle=change_alert,
        takes={"alert": AlertGiven},
        gives={"alert": "alert"},
        needs_from=True,
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/log_entries",
        id="listIncidentLogEntries",
        summary="List the log entries of an incident",
        tag=TAG,
        handle=incident_log,
        params=(*LOG_ENTRY.params, Param(name="include", many=True), *operations.PAGING),
        gives={"log_entries": ["log_entry"]},
        paged=True,
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/notes",
        id="listIncidentNotes",
        summary="List the notes of an incident",
        tag=TAG,
        handle=list_notes,
        gives={"notes": list[dict[str, Any]]},
    ),
    Operation(
        method="POST",
        path="/incidents/{id}/notes",
        id="createIncidentNote",
        summary="Write a note on an incident",
        tag=TAG,
        handle=add_note,
        takes={"note": dict[str, str]},
        gives={"note": dict[str, Any]},
        needs_from=True,
    ),
    Operation(
        method="PUT",
        path="/incidents/{id}/notes/{note_id}",
        id="updateIncidentNote",
        summary="Change a note: one's own, or as a manager anybody's",
        tag=TAG,
        handle=change_note,
        takes={"note": dict[str, str]},
        gives={"note": dict[str, Any]},
        needs_from=True,
    ),
    Operation(
        method="DELETE",
        path="/incidents/{id}/notes/{note_id}",
        id="deleteIncidentNote",
        summary="Delete a note: one's own, or as a manager anybody's",
        tag=TAG,
        handle=delete_note,
        ok=204,
    ),
)
