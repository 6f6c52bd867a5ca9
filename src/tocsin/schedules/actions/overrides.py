"""Adding and taking back overrides, by the rules of `schedules.overrides`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.schedules import store
from tocsin.schedules.actions.access import locked
from tocsin.schedules.actions.handoffs import look_at_handoffs
from tocsin.schedules.drafts import OverrideDraft
from tocsin.schedules.model import InvalidSchedule, Override, ScheduleHead
from tocsin.schedules.overrides import Removal, removal, window
from tocsin.timeline import feed

MAX_BATCH = 500
MAX_UPCOMING_OVERRIDES = 2_000


class OverrideOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one wanted override: it was added, or why not."""

    override: Override | None
    error: Invalid | None


async def add_overrides(
    tx: Tx, actor: Actor, schedule_id: str, wanted: Sequence[OverrideDraft], now: datetime
) -> list[OverrideOutcome]:
    """Add overrides, each on its own account: one that is wrong does not stop the others.

    Whoever may respond may take shifts; only who manages schedules may give them to others. Later
    items of a batch win over earlier ones. Raises NotFound, Forbidden or Invalid.
    """
    head = await locked(tx, actor, schedule_id)
    for user_id in {item.user_id for item in wanted}:
        _may_cover(actor, head, user_id)
    if not 1 <= len(wanted) <= MAX_BATCH:
        raise Invalid("overrides", f"needs 1 to {MAX_BATCH} overrides")
    room = MAX_UPCOMING_OVERRIDES - await store.upcoming_overrides(tx, schedule_id, now)
    if len(wanted) > room:
        raise Refused(
            "too_many_overrides",
            f"{head.name} may have {MAX_UPCOMING_OVERRIDES} overrides that are not over;"
            " remove some, or change a layer instead",
        )
    known = await store.known_users(tx, {item.user_id for item in wanted})
    outcomes: list[OverrideOutcome] = []
    for item in wanted:
        try:
            override = _override(item, known, now)
        except InvalidSchedule as error:
            outcomes.append(OverrideOutcome(override=None, error=error))
            continue
        await store.insert_override(tx, schedule_id, override, actor.id or actor.kind)
        await _audit_override(
            tx, actor, now, head, override=override.id, action="create", after=override
        )
        outcomes.append(OverrideOutcome(override=override, error=None))
    await look_at_handoffs(tx, now, (schedule_id,))
    return outcomes


async def remove_override(
    tx: Tx, actor: Actor, schedule_id: str, override_id: str, now: datetime
) -> Removal:
    """Take an override back: one under way ends now, one to come disappears.

    Raises NotFound, Forbidden, or Refused for one that is over.
    """
    head = await locked(tx, actor, schedule_id)
    override = await store.lock_override(tx, schedule_id, override_id)
    if override is None:
        raise NotFound("override", override_id)
    _may_cover(actor, head, override.user_id)
    decision = removal(override, now)
    if decision is Removal.REFUSED_PAST:
        raise Refused("override_in_past", "this override is over; the past cannot be changed")
    if decision is Removal.ENDED_NOW:
        await store.end_override(tx, override_id, now)
        ended = msgspec.structs.replace(override, end=now)
        await _audit_override(
            tx,
            actor,
            now,
            head,
            override=override_id,
            action="update",
            before=override,
            after=ended,
        )
    else:
        await store.delete_override(tx, override_id, now)
        await _audit_override(
            tx, actor, now, head, override=override_id, action="delete", before=override
        )
    await look_at_handoffs(tx, now, (schedule_id,))
    return decision


def _may_cover(actor: Actor, head: ScheduleHead, user_id: str) -> None:
    """Whoever may respond may take a shift or give back their own; the rest is management."""
    if actor.user_id is None or actor.user_id != user_id or actor.kind == "reply":
        require(actor, Permission.MANAGE_SCHEDULES, head.team_id)
    else:
        require(actor, Permission.RESPOND, head.team_id)


def _override(item: OverrideDraft, known: frozenset[str], now: datetime) -> Override:
    if item.user_id not in known:
        raise InvalidSchedule("user", f"there is no user {item.user_id}")
    given = window(item.start, item.end, now)
    return Override(
        id=ids.new("P", now),
        user_id=item.user_id,
        start=given.start,
        end=given.end,
        created_at=now,
    )


async def _audit_override(
    tx: Tx,
    actor: Actor,
    now: datetime,
    head: ScheduleHead,
    *,
    override: str,
    action: str,
    before: Override | None = None,
    after: Override | None = None,
) -> None:
    feed.changed(tx, "oncall")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="override",
        subject_id=override,
        subject_label=head.name,
        before=before,
        after=after,
    )
