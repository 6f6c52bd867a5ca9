"""The audit record: who changed what, with the difference, and whether the chain still holds."""

from datetime import timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import AuditRecord
from tocsin.core.errors import Invalid
from tocsin.queries import choices
from tocsin.web import local_times
from tocsin.web.page import Page, get, post
from tocsin.web.visit import Visit

PAGE_SIZE = 50
SECTION = "audit"
LONGEST_SHOWN = 300
SUBJECTS: dict[str, tuple[str, str | None]] = {
    # What it is called, and where it is found by its id.
    "user": ("person", "/app/people/"),
    "team": ("team", "/app/teams/"),
    "service": ("service", "/app/services/"),
    "integration": ("integration", None),
    "business_service": ("business service", "/app/business-services/"),
    "service_dependency": ("dependency", None),
    "change_event": ("change event", None),
    "tag": ("tag", None),
    "escalation_policy": ("escalation policy", "/app/escalation-policies/"),
    "schedule": ("schedule", "/app/schedules/"),
    "override": ("override in", None),
    "contact_method": ("contact method", None),
    "notification_rule": ("notification rule", None),
    "key": ("REST key", None),
    "instance": ("installation", "/app/settings"),
    "event": ("event", None),
}
VERBS = {
    "create": "made",
    "update": "changed",
    "delete": "deleted",
    "sign_in": "signed in",
    "try_again": "tried again",
    "set_aside": "set aside for good",
    "change_password": "changed the password of",
    "rotate_key": "replaced the key of",
    "update_members": "changed who is in",
    "revoke_session": "signed out a browser of",
    "revoke_sessions": "signed out every browser of",
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs; None where there was or is nothing."""

    field: str
    before: str | None
    after: str | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the record in words."""

    record: AuditRecord
    verb: str
    kind: str
    href: str | None
    differences: list[Difference]


async def record(visit: Visit) -> Response:
    """The record, newest first."""
    return await _show(visit)


async def verify(visit: Visit) -> Response:
    """Read the whole chain and say whether it holds."""
    require(visit.actor, Permission.VIEW_AUDIT)
    async with visit.tx() as tx:
        broken = await audit.verify(tx)
        head = await audit.head(tx)
    return await _show(visit, checked=(broken, head.chain, head.hash.hex()[:16]))


async def _show(visit: Visit, *, checked: tuple[int | None, int, str] | None = None) -> Response:
    names = ("actor", "subject", "id", "since", "until")
    chosen = {name: visit.query(name) for name in names}
    cursor = visit.query("cursor") or None
    zone = visit.viewer.time_zone
    since = local_times.instant("since", chosen["since"], zone) if chosen["since"] else None
    until = local_times.instant("until", chosen["until"], zone) if chosen["until"] else None
    if until is not None:
        until += timedelta(days=1)
    if chosen["subject"] and chosen["subject"] not in SUBJECTS:
        raise Invalid("subject", f"is one of {', '.join(SUBJECTS)}")
    async with visit.tx() as tx:
        found = await audit.page(
            tx,
            visit.actor,
            since=since,
            until=until,
            subject_type=chosen["subject"] or None,
            subject_id=chosen["id"] or None,
            actor_id=chosen["actor"] or None,
            cursor=cursor,
            limit=PAGE_SIZE,
        )
        head = await audit.head(tx)
        people = await choices.people(tx, keep=[chosen["actor"]])
    return visit.render(
        "audit/list.html",
        page={"title": "Audit", "section": SECTION},
        told=[tell(one) for one in found.items],
        next=found.next,
        cursor=cursor,
        chosen=chosen,
        people=[("", "anybody"), *((user.id, user.name) for user in people)],
        subjects=[("", "anything"), *((key, name) for key, (name, _) in SUBJECTS.items())],
        sealed=head.chain,
        checked=checked,
    )


def tell(record: AuditRecord) -> Told:
    """One row in words, with its differences field by field."""
    action = record.action.rpartition(".")[2]
    kind, base = SUBJECTS.get(record.subject_type, (record.subject_type.replace("_", " "), None))
    href = None
    if base is not None and action != "delete":
        href = base if record.subject_type == "instance" else base + record.subject_id
    return Told(
        record=record,
        verb=VERBS.get(action, action.replace("_", " ")),
        kind=kind,
        href=href,
        differences=_differences(record.before or {}, record.after or {}),
    )


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    fields = [*before, *(name for name in after if name not in before)]
    found = []
    for name in fields:
        old, new = _shown(before.get(name)), _shown(after.get(name))
        if old != new:
            found.append(Difference(field=name.replace("_", " "), before=old, after=new))
    return found


def _shown(value: Any) -> str | None:
    if value is None or value in ("", [], {}):
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


PAGES: tuple[Page, ...] = (get("/app/audit", record), post("/app/audit/verify", verify))
