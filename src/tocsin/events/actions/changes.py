"""Change events: keep, list, correct, forget. Nobody is ever notified of one.

A change event belongs to its service, and through it to a team.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, allowed, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.accounts.validation import line
from tocsin.core import ids
from tocsin.core.database import Tx, json
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import checked_limit
from tocsin.events import change_store, store
from tocsin.events.model import Change, ChangeEvent, ChangesWanted
from tocsin.events.pagerduty_v2 import SUMMARY_LIMIT

FORGOTTEN_AT_ONCE = 1000
MOST_EACH = 20
MOST_DETAILS = 524_288


async def record_change(
    tx: Tx, service_id: str, integration_id: str, change: Change, now: datetime
) -> str:
    """Keep a change event; its id. A machine acts here by its key, which was checked."""
    id = ids.new("P", now)
    await store.insert_change(
        tx, id, change, now, service_id=service_id, integration_id=integration_id
    )
    return id


async def list_changes(
    tx: Tx, actor: Actor, wanted: ChangesWanted, *, offset: int = 0, limit: int = 25
) -> tuple[list[ChangeEvent], bool]:
    """Change events that the actor may see, newest first, and whether more follow."""
    require_somewhere(actor, Permission.VIEW)
    asked = {**_asked(actor, wanted), "offset": offset, "limit": checked_limit(limit) + 1}
    rows = await tx.all(ChangeEvent, change_store.SELECT_CHANGES, asked)
    return rows[:limit], len(rows) > limit


async def count_changes(tx: Tx, actor: Actor, wanted: ChangesWanted) -> int:
    """How many `list_changes` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    return int(await tx.value(change_store.COUNT_CHANGES, _asked(actor, wanted)))


async def get_change(tx: Tx, actor: Actor, id: str) -> ChangeEvent:
    """One change event that the actor may see."""
    found = (await changes_by_ids(tx, [id])).get(id)
    if found is None or not allowed(actor, Permission.VIEW, found.team_id):
        raise NotFound("change event", id)
    return found


async def changes_by_ids(tx: Tx, ids: Sequence[str]) -> dict[str, ChangeEvent]:
    """Change events by id; unknown ids are left out."""
    found = await tx.all(ChangeEvent, change_store.SELECT_CHANGES_BY_IDS, {"ids": list(ids)})
    return {change.id: change for change in found}


async def changes_around(
    tx: Tx, actor: Actor, service_ids: Sequence[str], since: datetime, until: datetime
) -> list[ChangeEvent]:
    """The newest twenty of each of these services from `since` until before `until`, as far as the
    actor may see them."""
    asked = {
        "service_ids": list(service_ids),
        "since": since,
        "until": until,
        "each": MOST_EACH,
        "visible": _visible(actor),
    }
    return await tx.all(ChangeEvent, change_store.SELECT_CHANGES_AROUND, asked)


async def update_change(
    tx: Tx, actor: Actor, id: str, given: dict[str, Any], now: datetime
) -> ChangeEvent:
    """Correct what was said: `summary` and `details` may be given, the rest is the machine's."""
    await tx.execute(change_store.LOCK_CHANGE, {"id": id})
    old = await get_change(tx, actor, id)
    require(actor, Permission.MANAGE_SERVICES, old.team_id)
    new = old
    if given.get("summary") is not None:
        new = msgspec.structs.replace(new, summary=line("summary", given["summary"], SUMMARY_LIMIT))
    if "details" in given:
        new = msgspec.structs.replace(new, details=given["details"])
    if len(msgspec.json.encode(new.details)) > MOST_DETAILS:
        raise Invalid("custom_details", f"must not be larger than {MOST_DETAILS} bytes")
    if new == old:
        return old
    details = None if new.details is None else json(new.details)
    values = {"id": id, "summary": new.summary, "details": details}
    await tx.execute(change_store.UPDATE_CHANGE, values)
    await audit.record(
        tx,
        actor,
        now,
        action="update",
        subject_type="change_event",
        subject_id=id,
        subject_label=new.summary,
        before={"summary": old.summary, "details": old.details},
        after={"summary": new.summary, "details": new.details},
    )
    return new


async def forget_changes(tx: Tx, before: datetime) -> int:
    """Delete up to a thousand that happened and arrived before then; how many. For upkeep."""
    asked = {"before": before, "limit": FORGOTTEN_AT_ONCE}
    return await tx.execute(change_store.DELETE_OLD_CHANGES, asked)


def _asked(actor: Actor, wanted: ChangesWanted) -> dict[str, Any]:
    def many(values: Sequence[str] | None) -> list[str] | None:
        return None if values is None else list(values)

    return {
        "visible": _visible(actor),
        "team_ids": many(wanted.team_ids),
        "service_ids": many(wanted.service_ids),
        "integration_ids": many(wanted.integration_ids),
        "since": wanted.since,
        "until": wanted.until,
    }


def _visible(actor: Actor) -> list[str] | None:
    visible = visible_teams(actor)
    return None if visible is None else list(visible)
