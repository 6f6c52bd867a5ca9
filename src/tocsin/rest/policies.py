"""Escalation policies, and giving them to teams."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.core.errors import NotFound
from tocsin.escalations import actions as escalations
from tocsin.escalations.actions import PolicyFilter
from tocsin.escalations.model import (
    Level,
    LevelInput,
    Policy,
    PolicyInput,
    Strategy,
    Target,
    TargetKind,
)
from tocsin.queries import policies as policy_queries
from tocsin.queries.policies import ServiceUse
from tocsin.rest import operations
from tocsin.rest.call import Call, Given, Paging
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

TAG = "Escalation Policies"
MOST_SERVICES = 10_000


class AssignmentStrategy(msgspec.Struct):
    """Whom a rule pages: all its targets, or one in turn."""

    type: Strategy = Strategy.EVERYONE


class RuleGiven(msgspec.Struct):
    """One rule of a request. The id of a rule of the policy keeps its turn."""

    escalation_delay_in_minutes: int
    targets: list[Given]
    id: str | None = None
    escalation_rule_assignment_strategy: AssignmentStrategy | None = None


class Rule(msgspec.Struct):
    """One rule of an answer."""

    id: str
    escalation_delay_in_minutes: int
    targets: list[Reference]
    escalation_rule_assignment_strategy: AssignmentStrategy


async def _prepare(call: Call, policies: Sequence[Policy]) -> dict[str, list[ServiceUse]]:
    ids = [policy.id for policy in policies]
    return await policy_queries.services_of(call.tx, ids, limit=MOST_SERVICES)


async def _load(call: Call, ids: Sequence[str]) -> dict[str, Policy]:
    return await escalations.policies_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    sorting = call.sorting("name")
    filter = PolicyFilter(
        query=call.text("query"),
        team_ids=call.many("team_ids"),
        user_ids=call.many("user_ids"),
    )
    found = await escalations.list_policies(
        call.tx,
        call.actor,
        wanted=filter,
        descending=sorting is not None and sorting[1],
        limit=wanted.limit + 1,
        offset=wanted.offset,
    )
    total = None
    if wanted.total:
        total = await escalations.count_policies(call.tx, call.actor, filter)
    return Slice(items=found[: wanted.limit], more=len(found) > wanted.limit, total=total)


async def _get(call: Call, id: str) -> Policy:
    return await escalations.get_policy(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> Policy:
    wanted = PolicyInput(
        name=given["name"],
        description=given.get("description"),
        team_id=_team(given, None),
        loops=given.get("num_loops") or 0,
        handoff_notifications=given.get("on_call_handoff_notifications") or "if_has_services",
        levels=_levels(given["escalation_rules"]),
    )
    return await escalations.create_policy(call.tx, call.actor, wanted, call.now)


async def _update(call: Call, id: str, given: dict[str, Any]) -> Policy:
    old = await _get(call, id)
    rules, loops = given.get("escalation_rules"), given.get("num_loops")
    wanted = PolicyInput(
        name=given.get("name") or old.name,
        description=given.get("description", old.description),
        team_id=_team(given, old.team_id),
        loops=old.loops if loops is None else loops,
        handoff_notifications=given.get("on_call_handoff_notifications")
        or old.handoff_notifications,
        levels=_kept(old.levels) if rules is None else _levels(rules),
    )
    return await escalations.update_policy(call.tx, call.actor, id, wanted, call.now)


async def _delete(call: Call, id: str) -> None:
    await escalations.delete_policy(call.tx, call.actor, id, call.now)


def _team(given: dict[str, Any], old: str | None) -> str | None:
    teams = given.get("teams")
    if teams is None:
        return old
    if len(teams) > 1:
        raise invalid("teams has at most one team")
    return str(teams[0].id) if teams else None


def _levels(rules: Sequence[RuleGiven]) -> tuple[LevelInput, ...]:
    return tuple(
        LevelInput(
            id=rule.id,
            delay_minutes=rule.escalation_delay_in_minutes,
            strategy=(rule.escalation_rule_assignment_strategy or AssignmentStrategy()).type,
            targets=tuple(_target(number, target) for target in rule.targets),
        )
        for number, rule in enumerate(rules, 1)
    )


def _target(number: int, target: Given) -> Target:
    kind = (target.type or "").removesuffix("_reference")
    if kind not in (TargetKind.USER, TargetKind.SCHEDULE):
        raise invalid(
            f"escalation_rules[{number}].targets type must be user_reference or schedule_reference"
        )
    return Target(kind=TargetKind(kind), id=target.id)


def _kept(levels: Sequence[Level]) -> tuple[LevelInput, ...]:
    return tuple(
        LevelInput(
            id=level.id,
            delay_minutes=level.delay_seconds // 60,
            strategy=level.strategy,
            targets=level.targets,
        )
        for level in levels
    )


def _rules(policy: Policy) -> list[dict[str, Any]]:
    return [
        {
            "id": level.id,
            "escalation_delay_in_minutes": level.delay_seconds // 60,
            "targets": [Ref(target.kind, target.id) for target in level.targets],
            "escalation_rule_assignment_strategy": {"type": level.strategy},
        }
        for level in policy.levels
    ]


ESCALATION_POLICY = Resource(
    kind="escalation_policy",
    plural="escalation_policies",
    path="/escalation_policies",
    tag=TAG,
    summary=lambda policy: policy.name,
    page=lambda policy: f"/app/escalation-policies/{policy.id}",
    load=_load,
    team_of=lambda policy: policy.team_id,
    prepare=_prepare,
    params=(
        Param(name="query"),
        Param(name="team_ids", many=True),
        Param(name="user_ids", many=True),
        Param(name="sort_by"),
    ),
    fields=(
        Field(
            name="name",
            type=str,
            write=str | None,
            required=True,
            read=lambda policy, uses: policy.name,
        ),
        Field(
            name="description",
            type=str | None,
            write=str | None,
            read=lambda policy, uses: policy.description,
        ),
        Field(
            name="num_loops",
            type=int,
            write=int | None,
            read=lambda policy, uses: policy.loops,
        ),
        Field(
            name="on_call_handoff_notifications",
            type=str,
            write=str | None,
            read=lambda policy, uses: policy.handoff_notifications,
        ),
        Field(
            name="escalation_rules",
            type=list[Rule],
            write=list[RuleGiven] | None,
            required=True,
            include="targets",
            read=lambda policy, uses: _rules(policy),
        ),
        Field(
            name="services",
            type=list[Reference],
            include="services",
            read=lambda policy, uses: [Ref("service", use.id) for use in uses[policy.id]],
        ),
        Field(
            name="teams",
            type=list[Reference],
            write=list[Given] | None,
            include="teams",
            read=lambda policy, uses: (
                [] if policy.team_id is None else [Ref("team", policy.team_id)]
            ),
        ),
        Field(name="privilege", type=None, read=lambda policy, uses: None),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
    create_needs_from=True,
)


async def give_to_team(call: Call) -> None:
    """Make a team the owner of a policy."""
    team = await accounts.get_team(call.tx, call.actor, call.path["id"])
    await _move(call, await _get(call, call.path["escalation_policy_id"]), team.id)


async def take_from_team(call: Call) -> None:
    """Leave a policy without a team."""
    team = await accounts.get_team(call.tx, call.actor, call.path["id"])
    policy = await _get(call, call.path["escalation_policy_id"])
    if policy.team_id != team.id:
        raise NotFound("escalation policy", policy.id)
    await _move(call, policy, None)


async def _move(call: Call, policy: Policy, team_id: str | None) -> None:
    wanted = PolicyInput(
        name=policy.name,
        description=policy.description,
        team_id=team_id,
        loops=policy.loops,
        handoff_notifications=policy.handoff_notifications,
        levels=_kept(policy.levels),
    )
    await escalations.update_policy(call.tx, call.actor, policy.id, wanted, call.now)


OPERATIONS = (
    *operations.of(ESCALATION_POLICY),
    Operation(
        method="PUT",
        path="/teams/{id}/escalation_policies/{escalation_policy_id}",
        id="updateTeamEscalationPolicy",
        summary="Give an escalation policy to a team",
        tag="Teams",
        handle=give_to_team,
        ok=204,
    ),
    Operation(
        method="DELETE",
        path="/teams/{id}/escalation_policies/{escalation_policy_id}",
        id="deleteTeamEscalationPolicy",
        summary="Take an escalation policy from a team",
        tag="Teams",
        handle=take_from_team,
        ok=204,
    ),
)
