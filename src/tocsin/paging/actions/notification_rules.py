"""A person's notification rules: which contact method, and how long after the page."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require_self_or, require_self_or_looking
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.paging import store
from tocsin.paging.model import (
    MAX_DELAY_SECONDS,
    MAX_RULES,
    ContactMethod,
    NotificationRule,
    Urgency,
)
from tocsin.timeline import feed


class RuleDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A rule to be."""

    user_id: str
    contact_method_id: str
    urgency: Urgency
    delay_seconds: int


async def notification_rules(tx: Tx, actor: Actor, user_id: str) -> list[NotificationRule]:
    """A person's rules, by urgency and delay."""
    require_self_or_looking(actor, user_id)
    return await tx.all(NotificationRule, store.SELECT_RULES, {"user_ids": [user_id]})


async def notification_rules_of(
    tx: Tx, actor: Actor, user_ids: Sequence[str]
) -> dict[str, list[NotificationRule]]:
    """The rules of each of these people, by urgency and delay."""
    for user_id in user_ids:
        require_self_or_looking(actor, user_id)
    found: dict[str, list[NotificationRule]] = {user_id: [] for user_id in user_ids}
    for rule in await tx.all(NotificationRule, store.SELECT_RULES, {"user_ids": list(user_ids)}):
        found[rule.user_id].append(rule)
    return found


async def add_rule(tx: Tx, actor: Actor, draft: RuleDraft, now: datetime) -> NotificationRule:
    """Add a rule. Raises Invalid, Forbidden, NotFound, Refused("too_many" or "duplicate")."""
    require_self_or(actor, draft.user_id, Permission.MANAGE_USERS)
    existing = await _locked_rules(tx, draft.user_id)
    if len(existing) >= MAX_RULES:
        raise Refused("too_many", f"a person has at most {MAX_RULES} notification rules")
    await _check(tx, draft, existing)
    rule = NotificationRule(
        id=ids.new("P", now),
        user_id=draft.user_id,
        contact_method_id=draft.contact_method_id,
        urgency=draft.urgency,
        delay_seconds=draft.delay_seconds,
    )
    await tx.execute(store.INSERT_RULE, msgspec.structs.asdict(rule))
    await _audit(tx, actor, now, "create", before=None, after=rule)
    return rule


async def change_rule(
    tx: Tx, actor: Actor, id: str, draft: RuleDraft, now: datetime
) -> NotificationRule:
    """Replace a rule's method, urgency and delay; `draft.user_id` must be its owner."""
    require_self_or(actor, draft.user_id, Permission.MANAGE_USERS)
    existing = await _locked_rules(tx, draft.user_id)
    before = next((rule for rule in existing if rule.id == id), None)
    if before is None:
        raise NotFound("notification rule", id)
    await _check(tx, draft, [rule for rule in existing if rule.id != id])
    after = msgspec.structs.replace(
        before,
        contact_method_id=draft.contact_method_id,
        urgency=draft.urgency,
        delay_seconds=draft.delay_seconds,
    )
    await tx.execute(store.UPDATE_RULE, msgspec.structs.asdict(after))
    await _audit(tx, actor, now, "update", before=before, after=after)
    return after


async def remove_rule(tx: Tx, actor: Actor, id: str, now: datetime) -> None:
    """Remove a rule. Without any rule for an urgency, every contact method is used at once."""
    rule = await tx.one(NotificationRule, store.SELECT_RULE, {"id": id})
    if rule is None:
        raise NotFound("notification rule", id)
    require_self_or(actor, rule.user_id, Permission.MANAGE_USERS)
    await tx.execute(store.DELETE_RULE, {"id": id})
    await _audit(tx, actor, now, "delete", before=rule, after=None)


async def _locked_rules(tx: Tx, user_id: str) -> list[NotificationRule]:
    """The rules of a person whose row is held, so that two changes do not cross."""
    if await tx.value(store.LOCK_PERSON, {"user_id": user_id}) is None:
        raise NotFound("user", user_id)
    return await tx.all(NotificationRule, store.SELECT_RULES, {"user_ids": [user_id]})


async def _check(tx: Tx, draft: RuleDraft, others: list[NotificationRule]) -> None:
    if draft.urgency not in ("high", "low"):
        raise Invalid("urgency", "must be high or low")
    if not 0 <= draft.delay_seconds <= MAX_DELAY_SECONDS:
        raise Invalid("delay_seconds", f"must be between 0 and {MAX_DELAY_SECONDS}")
    method = await tx.one(ContactMethod, store.SELECT_METHOD, {"id": draft.contact_method_id})
    if method is None or method.user_id != draft.user_id:
        raise Invalid("contact_method_id", "must be one of the person's own contact methods")
    wanted = (draft.contact_method_id, draft.urgency, draft.delay_seconds)
    if wanted in {(rule.contact_method_id, rule.urgency, rule.delay_seconds) for rule in others}:
        raise Refused("duplicate", "there is already such a rule")


async def _audit(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    *,
    before: NotificationRule | None,
    after: NotificationRule | None,
) -> None:
    subject = after or before
    assert subject is not None
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="notification_rule",
        subject_id=subject.id,
        subject_label=f"{subject.urgency} after {subject.delay_seconds} s",
        before=before,
        after=after,
    )
    feed.changed(tx, "config")
