"""Make, change and remove escalation policies.

A change reaches incidents that open after it; open ones keep the ladder they began with. A level
that keeps its id keeps its round-robin turn.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import access, audit
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.escalations import store, validation
from tocsin.escalations.model import Level, Policy, PolicyInput, TargetKind
from tocsin.timeline import feed

MAX_PAGE = 1000


async def create_policy(tx: Tx, actor: Actor, wanted: PolicyInput, now: datetime) -> Policy:
    """Create a policy. Raises Invalid (also when the name is taken) or Forbidden."""
    access.require(actor, Permission.MANAGE_POLICIES, wanted.team_id)
    await _check(tx, wanted)
    policy_id = ids.new("P", now)
    await _write(tx, store.INSERT_POLICY, policy_id, wanted, now)
    levels = _levels(wanted, set(), now)
    await store.write_levels(tx, policy_id, levels)
    policy = await _load(tx, policy_id)
    await _record(tx, actor, now, "create", policy, before=None, after=msgspec.to_builtins(policy))
    return policy


async def update_policy(
    tx: Tx, actor: Actor, policy_id: str, wanted: PolicyInput, now: datetime
) -> Policy:
    """Replace a policy by what is wanted. Open incidents keep their ladder."""
    await tx.execute(store.LOCK_POLICY, {"id": policy_id})
    before = await _load(tx, policy_id)
    access.require(actor, Permission.MANAGE_POLICIES, before.team_id)
    if wanted.team_id != before.team_id:
        access.require(actor, Permission.MANAGE_POLICIES, wanted.team_id)
    await _check(tx, wanted)
    await _write(tx, store.UPDATE_POLICY, policy_id, wanted, now)
    levels = _levels(wanted, {level.id for level in before.levels}, now)
    await store.write_levels(tx, policy_id, levels)
    policy = await _load(tx, policy_id)
    await _record(
        tx,
        actor,
        now,
        "update",
        policy,
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(policy),
    )
    return policy


async def delete_policy(tx: Tx, actor: Actor, policy_id: str, now: datetime) -> None:
    """Delete a policy that no service uses; Refused names the services otherwise."""
    await tx.execute(store.LOCK_POLICY, {"id": policy_id})
    policy = await _load(tx, policy_id)
    access.require(actor, Permission.MANAGE_POLICIES, policy.team_id)
    using = [row[0] for row in await tx.tuples(store.SELECT_SERVICES_USING, {"id": policy_id})]
    if using:
        raise Refused(
            "policy_in_use",
            f"{policy.name} is used by {', '.join(using)}: give these services another escalation"
            " policy first",
        )
    await tx.execute(store.DELETE_POLICY, {"id": policy_id, "now": now})
    await _record(tx, actor, now, "delete", policy, before=msgspec.to_builtins(policy), after=None)


async def get_policy(tx: Tx, actor: Actor, policy_id: str) -> Policy:
    """One policy. Raises NotFound, or Unseen when the actor may not see it."""
    policy = await _load(tx, policy_id)
    access.require_seen(actor, policy.team_id, "escalation policy", policy_id)
    return policy


class PolicyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which policies a list shows; None does not restrict. `query` is part of a name, `user_ids`
    are targets of a level, `tag_id` is a tag that they carry."""

    query: str | None = None
    team_ids: Sequence[str] | None = None
    user_ids: Sequence[str] | None = None
    tag_id: str | None = None


async def list_policies(
    tx: Tx,
    actor: Actor,
    *,
    limit: int,
    offset: int = 0,
    query: str | None = None,
    wanted: PolicyFilter | None = None,
    descending: bool = False,
) -> list[Policy]:
    """Policies the actor may see, by name; `query` is part of a name. At most 1,000 at a time."""
    rows = await tx.tuples(
        store.SELECT_POLICY_PAGE,
        {
            **_filter(actor, wanted or PolicyFilter(query=query)),
            "descending": descending,
            "limit": max(0, min(limit, MAX_PAGE)),
            "offset": max(0, offset),
        },
    )
    found = await store.policies(tx, [row[0] for row in rows])
    return [found[row[0]] for row in rows]


async def count_policies(tx: Tx, actor: Actor, wanted: PolicyFilter) -> int:
    """How many policies `list_policies` would list in all."""
    return int(await tx.value(store.COUNT_POLICIES, _filter(actor, wanted)))


def _filter(actor: Actor, wanted: PolicyFilter) -> dict[str, Any]:
    teams = access.visible_teams(actor)
    return {
        "query": wanted.query or None,
        "teams": None if teams is None else list(teams),
        "team_ids": None if wanted.team_ids is None else list(wanted.team_ids),
        "user_ids": None if wanted.user_ids is None else list(wanted.user_ids),
        "tag_id": wanted.tag_id,
    }


async def policies_by_ids(tx: Tx, policy_ids: Sequence[str]) -> dict[str, Policy]:
    """Policies by id, deleted ones too, for showing; no access check."""
    return await store.policies(tx, policy_ids, deleted=True) if policy_ids else {}


async def schedules_told_of(tx: Tx, schedule_ids: Sequence[str]) -> frozenset[str]:
    """Those whose people want to hear of hand-offs: a policy in use names the schedule."""
    rows = await tx.tuples(store.SELECT_SCHEDULES_TOLD_OF, {"ids": list(schedule_ids)})
    return frozenset(id for (id,) in rows)


async def _load(tx: Tx, policy_id: str) -> Policy:
    policy = (await store.policies(tx, [policy_id])).get(policy_id)
    if policy is None:
        raise NotFound("escalation policy", policy_id)
    return policy


async def _check(tx: Tx, wanted: PolicyInput) -> None:
    validation.check(wanted)
    team_id = wanted.team_id
    if team_id is not None and await tx.value(store.SELECT_TEAM, {"id": team_id}) is None:
        raise Invalid("team", f"there is no team {team_id}")
    targets = [
        (f"escalation_rules[{number}].targets", target)
        for number, level in enumerate(wanted.levels, 1)
        for target in level.targets
    ]
    known = await tx.tuples(
        store.SELECT_KNOWN_TARGETS,
        {
            "users": [t.id for _, t in targets if t.kind is TargetKind.USER],
            "schedules": [t.id for _, t in targets if t.kind is TargetKind.SCHEDULE],
        },
    )
    exists = {(row[0], row[1]) for row in known}
    for field, target in targets:
        if (target.kind.value, target.id) not in exists:
            raise Invalid(field, f"there is no {target.kind} {target.id}")


async def _write(
    tx: Tx, statement: Any, policy_id: str, wanted: PolicyInput, now: datetime
) -> None:
    values = {
        "id": policy_id,
        "name": wanted.name.strip(),
        "description": wanted.description,
        "team_id": wanted.team_id,
        "loops": wanted.loops,
        "handoff_notifications": wanted.handoff_notifications,
        "now": now,
    }
    if await tx.value(store.SELECT_NAME_TAKEN, {"name": values["name"], "id": policy_id}):
        raise Invalid("name", "another escalation policy has this name: choose a different one")
    await tx.execute(statement, values)


def _levels(wanted: PolicyInput, own: set[str], now: datetime) -> tuple[Level, ...]:
    return tuple(
        Level(
            id=level.id if level.id in own and level.id is not None else ids.new("P", now),
            delay_seconds=level.delay_minutes * 60,
            strategy=level.strategy,
            targets=level.targets,
        )
        for level in wanted.levels
    )


async def _record(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    policy: Policy,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=f"escalation_policy.{action}",
        subject_type="escalation_policy",
        subject_id=policy.id,
        subject_label=policy.name,
        before=before,
        after=after,
    )
    feed.changed(tx, "config")
