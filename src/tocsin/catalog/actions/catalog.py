"""Services: create, change, disable, delete, find.

A service belongs to the team of its escalation policy, so moving it to another policy needs the
right to manage services in both teams. A service with open incidents is not deleted.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.catalog import graph_store, store
from tocsin.catalog.model import NewService, Service, ServiceChange
from tocsin.catalog.support_hours import next_edge
from tocsin.catalog.validation import checked, hours, slice_of
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor
from tocsin.timeline import feed

TAKEN = "is already the name of another service"


async def create_service(tx: Tx, actor: Actor, new: NewService, now: datetime) -> Service:
    """Create a service. Invalid names the field that is wrong."""
    team_id = await _policy_team(tx, new.escalation_policy_id)
    require(actor, Permission.MANAGE_SERVICES, team_id)
    id = ids.new("P", now)
    service = checked(
        Service(
            id=id,
            name=new.name,
            description=new.description,
            escalation_policy_id=new.escalation_policy_id,
            team_id=team_id,
            urgency_rule=new.urgency_rule,
            acknowledgement_timeout=new.acknowledgement_timeout,
            auto_resolve_timeout=new.auto_resolve_timeout,
            slice=slice_of(id),
            created_at=now,
            last_incident_at=None,
            disabled_at=None,
            deleted_at=None,
            pause_seconds=new.pause_seconds,
            **hours(new.hours),
        )
    )
    if not await tx.execute(store.INSERT_SERVICE, msgspec.structs.asdict(service)):
        raise Invalid("name", TAKEN)
    await _plan_raise(tx, service, now)
    await _changed(tx, actor, now, action="create", service=service, after=service)
    return service


async def update_service(
    tx: Tx, actor: Actor, service_id: str, change: ServiceChange, now: datetime
) -> Service:
    """Change a service; a new policy counts for incidents that open from now on."""
    old = await _locked(tx, service_id)
    require(actor, Permission.MANAGE_SERVICES, old.team_id)
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    given = {name: value for name, value in fields.items() if value is not UNSET}
    if "hours" in given:
        given |= hours(given.pop("hours"))
    if change.escalation_policy_id not in (UNSET, old.escalation_policy_id):
        team_id = await _policy_team(tx, str(change.escalation_policy_id))
        require(actor, Permission.MANAGE_SERVICES, team_id)
        given["team_id"] = team_id
    return await _save(tx, actor, old, checked(msgspec.structs.replace(old, **given)), now)


async def set_enabled(
    tx: Tx, actor: Actor, service_id: str, enabled: bool, now: datetime
) -> Service:
    """Disable a service (its events are accepted, recorded as dropped, and open nothing), or
    enable it again. Open incidents go on as they are."""
    old = await _locked(tx, service_id)
    require(actor, Permission.MANAGE_SERVICES, old.team_id)
    if enabled == (old.disabled_at is None):
        return old
    new = msgspec.structs.replace(old, disabled_at=None if enabled else now)
    return await _save(tx, actor, old, new, now)


async def delete_service(tx: Tx, actor: Actor, service_id: str, now: datetime) -> None:
    """Delete a service, its keys and dependencies, or raise Refused("open_incidents") with which
    are open."""
    service = await _locked(tx, service_id)
    require(actor, Permission.MANAGE_SERVICES, service.team_id)
    still_open = await tx.tuples(store.SELECT_OPEN_INCIDENTS, {"id": service_id})
    if still_open:
        names = "; ".join(f"#{number} {title[:80]}" for number, title in still_open)
        raise Refused(
            "open_incidents", f"{service.name} has open incidents: {names}. Resolve them first."
        )
    await tx.execute(store.DELETE_INTEGRATIONS_OF, {"service_id": service_id, "now": now})
    await tx.execute(graph_store.DELETE_DEPENDENCIES_OF, {"id": service_id})
    await tx.execute(store.DELETE_SERVICE, {"id": service_id, "now": now})
    await tx.execute(store.DELETE_NEXT_RAISE, {"service_id": service_id})
    await tx.execute(store.DELETE_EMPTY_GROUPING, {"id": service.grouping_setting_id})
    await _changed(tx, actor, now, action="delete", service=service, before=service)


async def get_service(tx: Tx, actor: Actor, service_id: str) -> Service:
    """One service that the actor may see."""
    service = (await services_by_ids(tx, [service_id])).get(service_id)
    if service is None or service.deleted_at is not None:
        raise NotFound("service", service_id)
    visible = visible_teams(actor)
    if visible is not None and service.team_id not in visible:
        raise NotFound("service", service_id)
    return service


async def services_by_ids(tx: Tx, service_ids: Sequence[str]) -> dict[str, Service]:
    """Services by id, deleted ones too; unknown ids are left out."""
    found = await tx.all(Service, store.SELECT_SERVICES_BY_IDS, {"ids": list(service_ids)})
    return {service.id: service for service in found}


async def list_services(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    team_ids: Sequence[str] | None = None,
    policy_id: str | None = None,
    name: str | None = None,
    descending: bool = False,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> Page[Service]:
    """Services that the actor may see, by name. `query` is part of a name, `name` all of it. Pages
    are turned by `cursor`; clients that count, or want the other order, use `offset`."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    after_name, after_id = read_cursor(cursor, 2)
    rows = await tx.all(
        Service,
        store.SELECT_SERVICES,
        {
            "query": query or None,
            "team_ids": None if team_ids is None else list(team_ids),
            "visible": None if visible is None else list(visible),
            "policy_id": policy_id,
            "name": name,
            "descending": descending,
            "after_name": after_name,
            "after_id": after_id,
            "offset": offset,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda service: (service.name.lower(), service.id))


async def count_services(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    team_ids: Sequence[str] | None = None,
    name: str | None = None,
) -> int:
    """How many services `list_services` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    asked = {
        "query": query or None,
        "team_ids": None if team_ids is None else list(team_ids),
        "visible": None if visible is None else list(visible),
        "name": name,
    }
    return int(await tx.value(store.COUNT_SERVICES, asked))


async def incidents_opened(tx: Tx, service_ids: Sequence[str], at: datetime) -> None:
    """Note the time of the newest incident; for incidents, once a batch. Not audited."""
    await tx.execute(store.TOUCH_LAST_INCIDENT, {"ids": list(service_ids), "at": at})


async def raise_done(tx: Tx, service_id: str, now: datetime) -> None:
    """The urgency of the service's incidents was raised: note when it will be next. For incidents;
    not audited."""
    service = (await services_by_ids(tx, [service_id])).get(service_id)
    if service is not None:
        await _plan_raise(tx, service, now)


async def _save(tx: Tx, actor: Actor, old: Service, new: Service, now: datetime) -> Service:
    if new == old:
        return old
    if not await tx.execute(store.UPDATE_SERVICE, msgspec.structs.asdict(new)):
        raise Invalid("name", TAKEN)
    if (new.support_hours, list(new.raise_at)) != (old.support_hours, list(old.raise_at)):
        await _plan_raise(tx, new, now)
    await _changed(tx, actor, now, action="update", service=new, before=old, after=new)
    return new


async def _plan_raise(tx: Tx, service: Service, now: datetime) -> None:
    due_at = None
    if service.support_hours is not None:
        due_at = next_edge(service.support_hours, tuple(service.raise_at), now)
    if due_at is None:
        await tx.execute(store.DELETE_NEXT_RAISE, {"service_id": service.id})
    else:
        await tx.execute(store.SET_NEXT_RAISE, {"service_id": service.id, "due_at": due_at})


async def _locked(tx: Tx, service_id: str) -> Service:
    if await tx.value(store.LOCK_SERVICE, {"id": service_id}) is None:
        raise NotFound("service", service_id)
    return (await services_by_ids(tx, [service_id]))[service_id]


async def _policy_team(tx: Tx, policy_id: str) -> str | None:
    found = await tx.tuples(store.SELECT_POLICY_TEAM, {"id": policy_id})
    if not found:
        raise Invalid("escalation_policy_id", f"there is no escalation policy {policy_id}")
    return found[0][0] if found[0][0] is None else str(found[0][0])


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    service: Service,
    before: Service | None = None,
    after: Service | None = None,
) -> None:
    feed.changed(tx, "services")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="service",
        subject_id=service.id,
        subject_label=service.name,
        before=before,
        after=after,
    )
