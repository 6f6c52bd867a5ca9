"""Maintenance windows: make, change, end, find.

Whoever may respond for every service of a window may make and change it: at night it is the
responder who takes a machine down. Who does not see all teams sees the windows of services of
theirs, and of those windows these services alone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.suppression import lifecycle, store
from tocsin.suppression.lifecycle import PAST, Removal
from tocsin.suppression.model import MAX_OPEN, Filter, NewWindow, Window, WindowChange
from tocsin.timeline import feed

KIND = "maintenance window"
SHOWN_OPEN = 100


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Which windows a list shows; None does not restrict. `query` is part of a description."""

    filter: Filter = Filter.ALL
    query: str | None = None
    service_ids: Sequence[str] | None = None
    team_ids: Sequence[str] | None = None


async def create(tx: Tx, actor: Actor, new: NewWindow, now: datetime) -> Window:
    """Make a window. One that would begin in the past begins now. Raises Invalid, Forbidden, or
    Refused when there are too many that are not over."""
    ready = lifecycle.begun(new, now)
    await _check_services(tx, actor, ready.service_ids)
    if await tx.value(store.COUNT_OPEN, {"now": now}) >= MAX_OPEN:
        raise Refused(
            "too_many_windows",
            f"at most {MAX_OPEN} maintenance windows may be ongoing or still to come: end some",
        )
    window = Window(
        id=ids.new("P", now),
        sequence_number=0,
        description=ready.description,
        service_ids=ready.service_ids,
        starts_at=ready.starts_at,
        ends_at=ready.ends_at,
        created_by=actor.user_id,
        created_at=now,
    )
    number = await tx.value(store.INSERT_WINDOW, _values(window))
    window = msgspec.structs.replace(window, sequence_number=number)
    await _changed(tx, actor, now, "create", window, after=window)
    return window


async def update(
    tx: Tx, actor: Actor, window_id: str, change: WindowChange, now: datetime
) -> Window:
    """Change a window that is not over. What it held back and holds no more opens at once."""
    old = await _locked(tx, actor, window_id)
    await _check_services(tx, actor, old.service_ids, known=old.service_ids)
    new = lifecycle.changed(old, change, now)
    await _check_services(tx, actor, new.service_ids, known=old.service_ids)
    if new != old:
        await _save(tx, actor, now, old=old, new=new)
    return new


async def remove(tx: Tx, actor: Actor, window_id: str, now: datetime) -> Removal:
    """Take a window back: one under way ends now, one to come disappears. Raises Refused for one
    that is over."""
    old = await _locked(tx, actor, window_id)
    await _check_services(tx, actor, old.service_ids, known=old.service_ids)
    decision = lifecycle.removal(old, now)
    if decision is Removal.REFUSED_PAST:
        raise Refused(PAST, "This maintenance window is over: the past cannot be changed")
    if decision is Removal.ENDED_NOW:
        new = msgspec.structs.replace(old, ends_at=now)
        await _save(tx, actor, now, old=old, new=new)
    else:
        new = msgspec.structs.replace(old, deleted_at=now)
        await _save(tx, actor, now, old=old, new=new)
    return decision


async def get(tx: Tx, actor: Actor, window_id: str) -> Window:
    """One window, with the services that the actor may see. Raises NotFound."""
    found = (await by_ids(tx, [window_id])).get(window_id)
    if found is None or found.deleted_at is not None:
        raise NotFound(KIND, window_id)
    seen = await _seen(tx, actor, [found])
    if not seen:
        raise NotFound(KIND, window_id)
    return seen[0]


async def by_ids(tx: Tx, window_ids: Sequence[str]) -> dict[str, Window]:
    """Windows by id, deleted ones too, for showing; no check of access."""
    found = await store.windows(tx, store.SELECT_WINDOWS_BY_IDS, {"ids": list(window_ids)})
    return {window.id: window for window in found}


async def page(
    tx: Tx, actor: Actor, wanted: Listed, now: datetime, *, limit: int, offset: int = 0
) -> list[Window]:
    """A part of the list, the latest beginning first."""
    asked = {**_asked(actor, wanted, now), "limit": limit, "offset": offset}
    return await _seen(tx, actor, await store.windows(tx, store.SELECT_WINDOWS, asked))


async def count(tx: Tx, actor: Actor, wanted: Listed, now: datetime) -> int:
    """How many windows the list has in all."""
    return int(await tx.value(store.COUNT_WINDOWS, _asked(actor, wanted, now)))


async def open_windows(tx: Tx, service_ids: Sequence[str], now: datetime) -> list[Window]:
    """The windows of these services that are ongoing or to come, the earliest beginning first; no
    check of access."""
    asked = {"service_ids": list(service_ids), "now": now, "limit": SHOWN_OPEN}
    return await store.windows(tx, store.SELECT_OPEN, asked)


def _values(window: Window) -> dict[str, Any]:
    return {**msgspec.structs.asdict(window), "service_ids": list(window.service_ids)}


def _asked(actor: Actor, wanted: Listed, now: datetime) -> dict[str, Any]:
    require_somewhere(actor, Permission.VIEW)
    visible = visible_teams(actor)
    over = wanted.filter is Filter.PAST
    to_come = wanted.filter is Filter.FUTURE
    begun = wanted.filter is Filter.ONGOING
    is_open = wanted.filter in (Filter.FUTURE, Filter.ONGOING, Filter.OPEN)
    return {
        "ended_by": now if over else None,
        "ends_after": now if is_open else None,
        "begun_by": now if begun else None,
        "begins_after": now if to_come else None,
        "query": wanted.query or None,
        "service_ids": None if wanted.service_ids is None else list(wanted.service_ids),
        "team_ids": None if wanted.team_ids is None else list(wanted.team_ids),
        "visible": None if visible is None else list(visible),
    }


async def _seen(tx: Tx, actor: Actor, windows: Sequence[Window]) -> list[Window]:
    """The windows with only what the actor may know of them."""
    visible = visible_teams(actor)
    if visible is None:
        return list(windows)
    named = {id for window in windows for id in window.service_ids}
    services = await catalog.services_by_ids(tx, sorted(named))
    own = {id for id, service in services.items() if service.team_id in visible}
    cut = (
        msgspec.structs.replace(
            window, service_ids=tuple(id for id in window.service_ids if id in own)
        )
        for window in windows
    )
    return [window for window in cut if window.service_ids]


async def _locked(tx: Tx, actor: Actor, window_id: str) -> Window:
    found = await store.windows(tx, store.LOCK_WINDOW, {"id": window_id})
    if not await _seen(tx, actor, found):
        raise NotFound(KIND, window_id)
    return found[0]


async def _check_services(
    tx: Tx, actor: Actor, service_ids: Sequence[str], known: Sequence[str] = ()
) -> Mapping[str, Service]:
    """Each exists, or stood there before it was deleted, and is the actor's to respond for."""
    services = await catalog.services_by_ids(tx, service_ids)
    for id in service_ids:
        service = services.get(id)
        if service is None or (service.deleted_at is not None and id not in known):
            raise Invalid("services", f"there is no service {id}")
        require(actor, Permission.RESPOND, service.team_id)
    return services


async def _save(tx: Tx, actor: Actor, now: datetime, *, old: Window, new: Window) -> None:
    await tx.execute(store.UPDATE_WINDOW, _values(new))
    touched = sorted({*old.service_ids, *new.service_ids})
    await tx.execute(store.HURRY, {"service_ids": touched, "now": now})
    tx.notify("tocsin_wake", "maintenance")
    if new.deleted_at is None:
        await _changed(tx, actor, now, "update", new, before=old, after=new)
    else:
        await _changed(tx, actor, now, "delete", new, before=old)


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    window: Window,
    *,
    before: Window | None = None,
    after: Window | None = None,
) -> None:
    feed.changed(tx, "services")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="maintenance_window",
        subject_id=window.id,
        subject_label=window.description or f"maintenance window {window.sequence_number}",
        before=before,
        after=after,
    )
