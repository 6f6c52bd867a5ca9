"""Making, changing and deleting schedules.

What an edit may do to the past is decided by `schedules.revisions`: nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.schedules import drafts, store
from tocsin.schedules.actions.access import locked
from tocsin.schedules.actions.handoffs import look_at_handoffs
from tocsin.schedules.drafts import ScheduleDraft
from tocsin.schedules.model import Schedule, ScheduleHead
from tocsin.schedules.rendering import Rendered, render
from tocsin.schedules.revisions import Revision, revise
from tocsin.timeline import feed


async def create(tx: Tx, actor: Actor, draft: ScheduleDraft, now: datetime) -> Schedule:
    """Make a schedule. Raises Forbidden or Invalid."""
    require(actor, Permission.MANAGE_SCHEDULES, draft.team_id)
    wanted = await _settled(tx, draft, ids.new("P", now), (), now)
    head = _head(wanted, now)
    await store.insert_schedule(tx, head)
    await _write(tx, head.id, revise((), wanted.layers, now), now)
    schedule = await _current(tx, head, now)
    feed.changed(tx, "oncall")
    await audit.record(
        tx,
        actor,
        now,
        action="create",
        subject_type="schedule",
        subject_id=schedule.id,
        subject_label=schedule.name,
        after=_facts(schedule),
    )
    return schedule


async def update(
    tx: Tx, actor: Actor, schedule_id: str, draft: ScheduleDraft, now: datetime
) -> Schedule:
    """Turn a schedule into the draft from now on. Raises NotFound, Forbidden or Invalid.

    Layers of the draft that carry an id go on under it; layers that the draft leaves out end now.
    """
    head = await locked(tx, actor, schedule_id)
    require(actor, Permission.MANAGE_SCHEDULES, head.team_id)
    require(actor, Permission.MANAGE_SCHEDULES, draft.team_id)
    before = await _current(tx, head, now)
    versions = await store.versions(tx, schedule_id, now)
    known = tuple(version.layer.id for version in versions)
    schedule = await _settled(tx, draft, schedule_id, known, now)
    revision = revise(versions, schedule.layers, now)
    changed = _head(schedule, head.created_at)
    await store.update_schedule(tx, changed)
    await _write(tx, schedule_id, revision, now)
    after = await _current(tx, changed, now)
    await look_at_handoffs(tx, now, (schedule_id,))
    feed.changed(tx, "oncall")
    await audit.record(
        tx,
        actor,
        now,
        action="update",
        subject_type="schedule",
        subject_id=schedule_id,
        subject_label=schedule.name,
        before=_facts(before),
        after=_facts(after) | _changes(revision),
    )
    return after


async def delete(tx: Tx, actor: Actor, schedule_id: str, now: datetime) -> None:
    """Delete a schedule that no escalation policy names. Raises NotFound, Forbidden or Refused."""
    head = await locked(tx, actor, schedule_id)
    require(actor, Permission.MANAGE_SCHEDULES, head.team_id)
    policies = await store.policies_using(tx, schedule_id)
    if policies:
        raise Refused(
            "schedule_in_use",
            f"{head.name} is used by the escalation policy {', '.join(policies)};"
            " take it out of the policy first",
        )
    before = await _current(tx, head, now)
    await store.delete_schedule(tx, schedule_id, now)
    feed.changed(tx, "oncall")
    await audit.record(
        tx,
        actor,
        now,
        action="delete",
        subject_type="schedule",
        subject_id=schedule_id,
        subject_label=head.name,
        before=_facts(before),
    )


async def preview(
    tx: Tx,
    actor: Actor,
    draft: ScheduleDraft,
    since: datetime,
    until: datetime,
    *,
    now: datetime,
) -> Rendered:
    """What a draft would look like; nothing is kept. Raises Forbidden or Invalid."""
    require(actor, Permission.MANAGE_SCHEDULES, draft.team_id)
    named = tuple(layer.id for layer in draft.layers if layer.id)
    return render(await _settled(tx, draft, "", named, now), since, until)


async def _settled(
    tx: Tx, draft: ScheduleDraft, id: str, known_layers: Sequence[str], now: datetime
) -> Schedule:
    fresh = tuple(ids.new("P", now) for _ in draft.layers)
    schedule = drafts.settle(draft, id=id, layer_ids=fresh, now=now)
    users = await store.known_users(tx, drafts.members(draft))
    drafts.refuse_unknown(draft, layers=known_layers, users=users)
    if draft.team_id is not None and not await store.team_exists(tx, draft.team_id):
        raise Invalid("team", f"there is no team {draft.team_id}")
    if id and await store.name_taken(tx, draft.name, id):
        raise Invalid("name", f"another schedule is called {draft.name}; choose another name")
    return schedule


async def _write(tx: Tx, schedule_id: str, revision: Revision, now: datetime) -> None:
    await store.end_layers(tx, revision.ended, now)
    await store.delete_layers(tx, revision.deleted, now)
    for version in revision.updated:
        await store.update_layer(tx, version)
    for position, layer in revision.inserted:
        await store.insert_layer(tx, schedule_id, ids.new("P", now), position, layer)


async def _current(tx: Tx, head: ScheduleHead, now: datetime) -> Schedule:
    return (await store.load(tx, [head], now, None))[head.id]


def _head(schedule: Schedule, created_at: datetime) -> ScheduleHead:
    return ScheduleHead(
        id=schedule.id,
        name=schedule.name,
        description=schedule.description,
        time_zone=schedule.time_zone,
        team_id=schedule.team_id,
        created_at=created_at,
    )


def _facts(schedule: Schedule) -> dict[str, Any]:
    """The schedule for the audit record, without the overrides, which have rows of their own."""
    return {
        "name": schedule.name,
        "description": schedule.description,
        "time_zone": schedule.time_zone,
        "team_id": schedule.team_id,
        "layers": msgspec.to_builtins(schedule.layers),
    }


def _changes(revision: Revision) -> dict[str, Any]:
    """What became of each layer that the edit touched."""
    return {"layer_changes": revision.changes} if revision.changes else {}
