"""A person's hand-off rules: over which contact method, how long before, at which end of a turn."""

from datetime import datetime

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require_self_or, require_self_or_looking
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.handoffs import store
from tocsin.handoffs.model import MAX_ADVANCE_SECONDS, MAX_RULES, HandoffRule
from tocsin.paging import actions as paging
from tocsin.schedules import actions as schedules
from tocsin.timeline import feed

DIRECTIONS = ("both", "oncall", "offcall")


class RuleDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A rule to be."""

    user_id: str
    contact_method_id: str
    direction: str
    advance_seconds: int


async def handoff_rules(tx: Tx, actor: Actor, user_id: str) -> list[HandoffRule]:
    """A person's rules, the earliest notice last."""
    require_self_or_looking(actor, user_id)
    return await tx.all(HandoffRule, store.SELECT_RULES, {"user_ids": [user_id]})


async def add_rule(tx: Tx, actor: Actor, draft: RuleDraft, now: datetime) -> HandoffRule:
    """Add a rule. Raises Invalid, Forbidden, NotFound, Refused("too_many" or "duplicate")."""
    require_self_or(actor, draft.user_id, Permission.MANAGE_USERS)
    existing = await _locked(tx, draft.user_id)
    if len(existing) >= MAX_RULES:
        raise Refused("too_many", f"a person has at most {MAX_RULES} hand-off rules")
    rule = await _settled(tx, actor, draft, ids.new("P", now), existing)
    await tx.execute(store.INSERT_RULE, msgspec.structs.asdict(rule))
    await _changed(tx, actor, now, "create", before=None, after=rule)
    return rule


async def change_rule(
    tx: Tx, actor: Actor, id: str, draft: RuleDraft, now: datetime
) -> HandoffRule:
    """Replace a rule's method, direction and advance; `draft.user_id` must be its owner."""
    require_self_or(actor, draft.user_id, Permission.MANAGE_USERS)
    existing = await _locked(tx, draft.user_id)
    before = next((rule for rule in existing if rule.id == id), None)
    if before is None:
        raise NotFound("hand-off rule", id)
    others = [rule for rule in existing if rule.id != id]
    after = await _settled(tx, actor, draft, id, others)
    await tx.execute(store.UPDATE_RULE, msgspec.structs.asdict(after))
    await _changed(tx, actor, now, "update", before=before, after=after)
    return after


async def remove_rule(tx: Tx, actor: Actor, user_id: str, id: str, now: datetime) -> None:
    """Remove a rule of this person. Raises Forbidden or NotFound."""
    require_self_or(actor, user_id, Permission.MANAGE_USERS)
    rule = next((rule for rule in await _locked(tx, user_id) if rule.id == id), None)
    if rule is None:
        raise NotFound("hand-off rule", id)
    await tx.execute(store.DELETE_RULE, {"id": id})
    await _changed(tx, actor, now, "delete", before=rule, after=None)


async def _locked(tx: Tx, user_id: str) -> list[HandoffRule]:
    """The rules of a person whose row is held, so that two changes do not cross."""
    if await tx.value(store.LOCK_PERSON, {"user_id": user_id}) is None:
        raise NotFound("user", user_id)
    return await tx.all(HandoffRule, store.SELECT_RULES, {"user_ids": [user_id]})


async def _settled(
    tx: Tx, actor: Actor, draft: RuleDraft, id: str, others: list[HandoffRule]
) -> HandoffRule:
    if draft.direction not in DIRECTIONS:
        raise Invalid("handoff_type", f"must be one of {', '.join(DIRECTIONS)}")
    if not 0 <= draft.advance_seconds <= MAX_ADVANCE_SECONDS:
        most = MAX_ADVANCE_SECONDS // 60
        raise Invalid("notify_advance_in_minutes", f"must be 0 to {most}")
    methods = await paging.contact_methods(tx, actor, draft.user_id)
    method = next((one for one in methods if one.id == draft.contact_method_id), None)
    if method is None:
        raise Invalid("contact_method_id", "must be one of the person's own contact methods")
    rule = HandoffRule(id=id, channel=method.channel, **msgspec.structs.asdict(draft))
    same = msgspec.structs.asdict(draft)
    if any(all(getattr(one, name) == value for name, value in same.items()) for one in others):
        raise Refused("duplicate", "there is already such a rule")
    return rule


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    *,
    before: HandoffRule | None,
    after: HandoffRule | None,
) -> None:
    subject = after or before
    assert subject is not None
    await schedules.look_at_handoffs(tx, now)
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="handoff_rule",
        subject_id=subject.id,
        subject_label=f"{subject.direction}, {subject.advance_seconds} s before",
        before=before,
        after=after,
    )
    feed.changed(tx, "config")
