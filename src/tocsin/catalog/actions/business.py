"""Business services: create, change, delete, find.

A business service may belong to a team; one without a team is shaped by those who shape everything.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.access import Permission, allowed, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.accounts.validation import line, optional_line, optional_text
from tocsin.catalog import graph_store as store
from tocsin.catalog.graph_model import (
    PRIORITIES,
    BusinessService,
    BusinessServiceChange,
    NewBusinessService,
)
from tocsin.catalog.validation import MAX_DESCRIPTION, MAX_NAME
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor
from tocsin.timeline import feed

TAKEN = "is already the name of another business service"
KIND = "business service"
MOST_IN_ALL = 10_000
THRESHOLD = "business_impact_threshold"


async def create_business_service(
    tx: Tx, actor: Actor, new: NewBusinessService, now: datetime
) -> BusinessService:
    """Create a business service. Invalid names the field that is wrong."""
    require(actor, Permission.MANAGE_SERVICES, new.team_id)
    await _check_team(tx, new.team_id)
    made = _checked(
        BusinessService(
            id=ids.new("P", now),
            name=new.name,
            description=new.description,
            point_of_contact=new.point_of_contact,
            team_id=new.team_id,
            created_at=now,
        )
    )
    if not await tx.execute(store.INSERT_BUSINESS, msgspec.structs.asdict(made)):
        raise Invalid("name", TAKEN)
    await _changed(tx, actor, now, action="create", one=made, after=made)
    return made


async def update_business_service(
    tx: Tx, actor: Actor, id: str, change: BusinessServiceChange, now: datetime
) -> BusinessService:
    """Change a business service; to give it to another team needs the right in both."""
    old = await _locked(tx, actor, id)
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    given = {name: value for name, value in fields.items() if value is not UNSET}
    new = _checked(msgspec.structs.replace(old, **given))
    if new.team_id != old.team_id:
        require(actor, Permission.MANAGE_SERVICES, new.team_id)
        await _check_team(tx, new.team_id)
    if new == old:
        return old
    if not await tx.execute(store.UPDATE_BUSINESS, msgspec.structs.asdict(new)):
        raise Invalid("name", TAKEN)
    await _changed(tx, actor, now, action="update", one=new, before=old, after=new)
    return new


async def delete_business_service(tx: Tx, actor: Actor, id: str, now: datetime) -> None:
    """Delete a business service and its dependencies."""
    old = await _locked(tx, actor, id)
    await tx.execute(store.DELETE_DEPENDENCIES_OF, {"id": id})
    await tx.execute(store.DELETE_BUSINESS, {"id": id, "now": now})
    await _changed(tx, actor, now, action="delete", one=old, before=old)


async def get_business_service(tx: Tx, actor: Actor, id: str) -> BusinessService:
    """One business service that the actor may see."""
    found = (await business_services_by_ids(tx, [id])).get(id)
    visible = visible_teams(actor)
    if found is None or found.deleted_at is not None:
        raise NotFound(KIND, id)
    if visible is not None and found.team_id not in visible:
        raise NotFound(KIND, id)
    return found


async def business_services_by_ids(tx: Tx, ids: Sequence[str]) -> dict[str, BusinessService]:
    """Business services by id, deleted ones too; unknown ids are left out."""
    found = await tx.all(BusinessService, store.SELECT_BUSINESS_BY_IDS, {"ids": list(ids)})
    return {one.id: one for one in found}


async def business_services_seen(tx: Tx, actor: Actor, ids: Sequence[str]) -> list[BusinessService]:
    """Those of these that are there and that the actor may see, by name."""
    require_somewhere(actor, Permission.VIEW)
    found = (await business_services_by_ids(tx, ids)).values()
    seen = [one for one in found if one.deleted_at is None and _visible(actor, one)]
    return sorted(seen, key=lambda one: (one.name.lower(), one.id))


async def all_business_services(tx: Tx, actor: Actor) -> list[BusinessService]:
    """Those that the actor may see, by name; at most `MOST_IN_ALL`. For what is worked out over all
    of them; lists for people and clients are paged."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    asked = {
        "query": None,
        "visible": None if visible is None else list(visible),
        "after_name": None,
        "after_id": None,
        "offset": 0,
        "limit": MOST_IN_ALL,
    }
    return await tx.all(BusinessService, store.SELECT_BUSINESS, asked)


async def list_business_services(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> Page[BusinessService]:
    """Business services that the actor may see, by name; `query` is part of a name."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    after_name, after_id = read_cursor(cursor, 2)
    asked = {
        "query": query or None,
        "visible": None if visible is None else list(visible),
        "after_name": after_name,
        "after_id": after_id,
        "offset": offset,
        "limit": checked_limit(limit) + 1,
    }
    rows = await tx.all(BusinessService, store.SELECT_BUSINESS, asked)
    return page_of(rows, limit, lambda one: (one.name.lower(), one.id))


async def count_business_services(tx: Tx, actor: Actor, *, query: str | None = None) -> int:
    """How many `list_business_services` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    asked = {"query": query or None, "visible": None if visible is None else list(visible)}
    return int(await tx.value(store.COUNT_BUSINESS, asked))


async def impact_threshold(tx: Tx) -> str | None:
    """The lowest priority with which an incident hits what depends on its service; None: any open
    incident does, with or without a priority."""
    kept = await accounts.read_value(tx, THRESHOLD, str)
    return kept or None


async def set_impact_threshold(
    tx: Tx, actor: Actor, priority: str | None, now: datetime
) -> str | None:
    """Set it, or let every open incident count again (None)."""
    require(actor, Permission.MANAGE_SERVICES)
    if priority is not None and priority not in PRIORITIES:
        raise Invalid("priority", f"must be one of {', '.join(PRIORITIES)}")
    old = await impact_threshold(tx)
    if old != priority:
        await accounts.write_value(tx, THRESHOLD, priority or "")
        feed.changed(tx, "services")
        await audit.record(
            tx,
            actor,
            now,
            action="update",
            subject_type="instance",
            subject_id=THRESHOLD,
            subject_label="Which incidents hit business services",
            before={"priority": old},
            after={"priority": priority},
        )
    return priority


async def _locked(tx: Tx, actor: Actor, id: str) -> BusinessService:
    old = await tx.one(BusinessService, store.LOCK_BUSINESS, {"id": id})
    if old is None or not _visible(actor, old):
        raise NotFound(KIND, id)
    require(actor, Permission.MANAGE_SERVICES, old.team_id)
    return old


def _visible(actor: Actor, one: BusinessService) -> bool:
    return allowed(actor, Permission.VIEW, one.team_id)


async def _check_team(tx: Tx, team_id: str | None) -> None:
    if team_id is not None and await tx.value(store.SELECT_TEAM, {"id": team_id}) is None:
        raise Invalid("team", f"there is no team {team_id}")


def _checked(one: BusinessService) -> BusinessService:
    return msgspec.structs.replace(
        one,
        name=line("name", one.name, MAX_NAME),
        description=optional_text("description", one.description, MAX_DESCRIPTION),
        point_of_contact=optional_line("point_of_contact", one.point_of_contact, MAX_NAME),
    )


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    one: BusinessService,
    before: BusinessService | None = None,
    after: BusinessService | None = None,
) -> None:
    feed.changed(tx, "services")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="business_service",
        subject_id=one.id,
        subject_label=one.name,
        before=before,
        after=after,
    )
