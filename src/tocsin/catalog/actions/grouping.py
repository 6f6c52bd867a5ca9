"""Alert grouping settings: create, change, delete, find.

A setting belongs to its services: who changes it must be allowed to manage each of them, before and
after; who sees one of them sees it. A service is in one setting at most, and a setting without
services goes.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.catalog import store
from tocsin.catalog.actions.catalog import get_service, services_by_ids
from tocsin.catalog.grouping import GroupingInput, GroupingSetting, checked
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import checked_limit
from tocsin.timeline import feed

KIND = "alert grouping setting"


class Groupings(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list, and whether there are others before and after it."""

    items: Sequence[GroupingSetting]
    earlier: bool
    later: bool


async def create_grouping(
    tx: Tx, actor: Actor, wanted: GroupingInput, now: datetime
) -> GroupingSetting:
    """Group the alerts of these services from now on."""
    clean = checked(wanted)
    id = ids.new("P", now)
    await _check_services(tx, actor, id, clean.service_ids)
    setting = GroupingSetting(
        id=id, revision=1, created_at=now, updated_at=now, **structs.asdict(clean)
    )
    await tx.execute(store.INSERT_GROUPING, structs.asdict(setting))
    await tx.execute(store.GROUP_SERVICES, {"id": id, "service_ids": list(setting.service_ids)})
    await _changed(tx, actor, now, action="create", setting=setting, after=setting)
    return setting


async def update_grouping(
    tx: Tx, actor: Actor, setting_id: str, wanted: GroupingInput, now: datetime
) -> GroupingSetting:
    """Change all of a setting; it counts from the next alert on. With another type or other fields
    the groups that are open are joined no more."""
    old = await _locked(tx, actor, setting_id)
    clean = checked(wanted)
    await _check_services(tx, actor, setting_id, clean.service_ids)
    new = structs.replace(old, **structs.asdict(clean))
    if structs.replace(new, service_ids=sorted(new.service_ids)) == structs.replace(
        old, service_ids=sorted(old.service_ids)
    ):
        return old
    ways = ("type", "aggregate", "fields", "text_fields")
    others = any(getattr(new, way) != getattr(old, way) for way in ways)
    new = structs.replace(new, updated_at=now, revision=old.revision + others)
    await tx.execute(store.UPDATE_GROUPING, structs.asdict(new))
    await tx.execute(store.UNGROUP_SERVICES, {"id": setting_id})
    await tx.execute(store.GROUP_SERVICES, {"id": setting_id, "service_ids": list(new.service_ids)})
    await _changed(tx, actor, now, action="update", setting=new, before=old, after=new)
    return new


async def delete_grouping(tx: Tx, actor: Actor, setting_id: str, now: datetime) -> None:
    """Group no more: each alert opens an incident of its own from now on."""
    old = await _locked(tx, actor, setting_id)
    await tx.execute(store.UNGROUP_SERVICES, {"id": setting_id})
    await tx.execute(store.DELETE_GROUPING, {"id": setting_id})
    await _changed(tx, actor, now, action="delete", setting=old, before=old)


async def group_service(
    tx: Tx, actor: Actor, service_id: str, wanted: GroupingInput | None, now: datetime
) -> GroupingSetting | None:
    """Give one service a setting of its own, or none. It leaves a setting that it shares, which
    stays as it is for the others."""
    service = await get_service(tx, actor, service_id)
    require(actor, Permission.MANAGE_SERVICES, service.team_id)
    old = None
    if service.grouping_setting_id is not None:
        old = await tx.one(
            GroupingSetting, store.LOCK_GROUPING, {"id": service.grouping_setting_id}
        )
    own = old is not None and list(old.service_ids) == [service_id]
    if old is not None and own and wanted is not None:
        named = structs.replace(
            wanted, name=wanted.name or old.name, description=wanted.description or old.description
        )
        return await update_grouping(tx, actor, old.id, named, now)
    if old is not None and own:
        await delete_grouping(tx, actor, old.id, now)
    elif old is not None:
        await _leave(tx, actor, old, service_id, now)
    return None if wanted is None else await create_grouping(tx, actor, wanted, now)


async def get_grouping(tx: Tx, actor: Actor, setting_id: str) -> GroupingSetting:
    """A setting of a service that the actor may see."""
    found = await list_groupings(tx, actor, only=setting_id, limit=1)
    if not found.items:
        raise NotFound(KIND, setting_id)
    return found.items[0]


async def groupings_by_ids(tx: Tx, setting_ids: Sequence[str]) -> dict[str, GroupingSetting]:
    """Settings by id; unknown ids are left out."""
    if not setting_ids:
        return {}
    found = await tx.all(GroupingSetting, store.SELECT_GROUPINGS_BY_IDS, {"ids": list(setting_ids)})
    return {setting.id: setting for setting in found}


async def list_groupings(
    tx: Tx,
    actor: Actor,
    *,
    service_ids: Sequence[str] | None = None,
    only: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 25,
) -> Groupings:
    """Settings of services that the actor may see, oldest first. `after` and `before` are ids: the
    list goes on after the one, or ends before the other."""
    if only is None:
        require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    backwards = before is not None
    rows = await tx.all(
        GroupingSetting,
        store.SELECT_GROUPINGS,
        {
            "service_ids": None if service_ids is None else list(service_ids),
            "visible": None if visible is None else list(visible),
            "only": only,
            "after": after,
            "before": before,
            "backwards": backwards,
            "limit": checked_limit(limit) + 1,
        },
    )
    more = len(rows) > limit
    items = rows[:limit][::-1] if backwards else rows[:limit]
    return Groupings(
        items=items,
        earlier=more if backwards else after is not None,
        later=backwards or more,
    )


async def count_groupings(tx: Tx, actor: Actor, *, service_ids: Sequence[str] | None = None) -> int:
    """How many settings `list_groupings` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    asked = {
        "service_ids": None if service_ids is None else list(service_ids),
        "visible": None if visible is None else list(visible),
    }
    return int(await tx.value(store.COUNT_GROUPINGS, asked))


async def _leave(
    tx: Tx, actor: Actor, old: GroupingSetting, service_id: str, now: datetime
) -> None:
    left = [id for id in old.service_ids if id != service_id]
    new = structs.replace(old, service_ids=left, updated_at=now)
    await tx.execute(store.UNGROUP_SERVICE, {"service_id": service_id})
    await tx.execute(store.UPDATE_GROUPING, structs.asdict(new))
    await _changed(tx, actor, now, action="update", setting=new, before=old, after=new)


async def _locked(tx: Tx, actor: Actor, setting_id: str) -> GroupingSetting:
    await get_grouping(tx, actor, setting_id)
    setting = await tx.one(GroupingSetting, store.LOCK_GROUPING, {"id": setting_id})
    if setting is None:
        raise NotFound(KIND, setting_id)
    services = await services_by_ids(tx, setting.service_ids)
    for service in services.values():
        require(actor, Permission.MANAGE_SERVICES, service.team_id)
    return setting


async def _check_services(
    tx: Tx, actor: Actor, setting_id: str, service_ids: Sequence[str]
) -> None:
    """Every service is there, may be managed, and is in no other setting."""
    await tx.tuples(store.LOCK_SERVICES, {"ids": list(service_ids)})
    found = await services_by_ids(tx, service_ids)
    for id in service_ids:
        service = found.get(id)
        if service is None or service.deleted_at is not None:
            raise Invalid("services", f"there is no service {id}")
        require(actor, Permission.MANAGE_SERVICES, service.team_id)
        if service.grouping_setting_id not in (None, setting_id):
            raise Invalid(
                "services",
                f"{service.name} ({id}) is in the setting {service.grouping_setting_id} already:"
                " take it out there first",
            )


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    setting: GroupingSetting,
    before: GroupingSetting | None = None,
    after: GroupingSetting | None = None,
) -> None:
    feed.changed(tx, "services")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="alert_grouping_setting",
        subject_id=setting.id,
        subject_label=setting.name or setting.type,
        before=before,
        after=after,
    )
