"""The audit record, newest first, a cursor at a time: who changed what, and from what to what."""

from datetime import timedelta
from typing import Any

from tocsin.accounts import audit
from tocsin.accounts.model import AuditRecord
from tocsin.rest.call import DEFAULT_LIMIT, MAX_LIMIT, Call
from tocsin.rest.resource import Handler, Operation, Param, Ref

DAY = timedelta(days=1)
# The things whose changes have an address of their own, and what the record calls them.
SUBJECTS = {
    "users": "user",
    "teams": "team",
    "services": "service",
    "escalation_policies": "escalation_policy",
    "schedules": "schedule",
}
PARAMS = (
    Param(name="cursor"),
    Param(name="limit", type=int),
    Param(name="since"),
    Param(name="until"),
)


def _records(subject_type: str | None) -> Handler:
    async def handle(call: Call) -> object:
        limit = min(call.whole("limit", DEFAULT_LIMIT, 1, 999_999_999), MAX_LIMIT)
        since, until = call.instant("since"), call.instant("until")
        found = await audit.page(
            call.tx,
            call.actor,
            since=since or (until or call.now) - DAY,
            until=until,
            subject_type=subject_type,
            subject_id=call.path.get("id"),
            cursor=call.text("cursor"),
            limit=limit,
        )
        return {
            "records": [_shown(record) for record in found.items],
            "next_cursor": found.next,
            "limit": limit,
        }

    return handle


def _shown(record: AuditRecord) -> dict[str, Any]:
    subject = {
        "id": record.subject_id,
        "type": f"{record.subject_type}_reference",
        "summary": record.subject_label,
    }
    verb = record.action.rpartition(".")[2]
    return {
        "id": f"QAUDIT{record.seq}",
        "type": "audit_record",
        "self": None,
        "execution_time": record.at,
        "execution_context": {"request_id": None, "remote_address": record.address},
        "actors": [_actor(record)],
        "method": {
            "type": record.method,
            "description": None,
            "truncated_token": None,
        },
        "root_resource": subject,
        "action": verb if verb in ("create", "delete") else "update",
        "details": {"resource": subject, "fields": _fields(record), "references": []},
    }


def _actor(record: AuditRecord) -> Any:
    if record.actor_id is not None and record.actor_kind in ("person", "key", "reply"):
        return Ref("user", record.actor_id)
    kind = "api_key_reference" if record.actor_kind == "key" else "system_reference"
    return {"id": record.actor_id, "type": kind, "summary": record.actor_label}


def _fields(record: AuditRecord) -> list[dict[str, Any]]:
    before, after = record.before or {}, record.after or {}
    return [
        {"name": name, "before_value": before.get(name), "value": after.get(name)}
        for name in sorted({*before, *after})
    ]


def _operation(path: str, id: str, subject_type: str | None) -> Operation:
    return Operation(
        method="GET",
        path=path,
        id=id,
        summary="List audit records, newest first",
        tag="Audit",
        handle=_records(subject_type),
        params=PARAMS,
        gives={"records": list[dict[str, Any]], "next_cursor": str | None, "limit": int},
    )


OPERATIONS = (
    _operation("/audit/records", "listAuditRecords", None),
    *(
        _operation(
            f"/{plural}/{{id}}/audit/records",
            f"list{''.join(part.title() for part in plural.split('_'))}AuditRecords",
            kind,
        )
        for plural, kind in SUBJECTS.items()
    ),
)
