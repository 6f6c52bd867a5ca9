"""Names and uses of what escalation policies point at."""

from collections.abc import Sequence

import msgspec

from tocsin.core.database import Tx

MAX_USES = 200

SELECT_SCHEDULE_NAMES = """
select id, name, time_zone from schedules where id = any(%(ids)s) and deleted_at is null
"""

SELECT_SERVICES_OF = """
select id, name, escalation_policy_id, disabled_at is not null as disabled
from services
where escalation_policy_id = any(%(ids)s) and deleted_at is null
order by lower(name), id
limit %(limit)s
"""

SELECT_POLICIES_USING = """
select distinct p.id, p.name, t.target_id as schedule_id
from escalation_targets t
join escalation_levels l on l.id = t.level_id
join escalation_policies p on p.id = l.policy_id and p.deleted_at is null
where t.kind = 'schedule' and t.target_id = any(%(ids)s)
order by p.name, p.id
limit %(limit)s
"""

SELECT_TURNS = "select level_id, turn from escalation_turns where level_id = any(%(ids)s)"


class ScheduleName(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as far as a target names it."""

    id: str
    name: str
    time_zone: str


class ServiceUse(msgspec.Struct, frozen=True, kw_only=True):
    """A service that uses a policy."""

    id: str
    name: str
    escalation_policy_id: str
    disabled: bool


class PolicyUse(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that points at a schedule."""

    id: str
    name: str
    schedule_id: str


async def schedule_names(tx: Tx, ids: Sequence[str]) -> dict[str, ScheduleName]:
    """Living schedules by id."""
    found = await tx.all(ScheduleName, SELECT_SCHEDULE_NAMES, {"ids": list(ids)})
    return {schedule.id: schedule for schedule in found}


async def services_of(
    tx: Tx, policy_ids: Sequence[str], *, limit: int = MAX_USES
) -> dict[str, list[ServiceUse]]:
    """Which services use each policy, by name; at most `limit` in all."""
    uses: dict[str, list[ServiceUse]] = {policy_id: [] for policy_id in policy_ids}
    asked = {"ids": list(policy_ids), "limit": limit}
    for use in await tx.all(ServiceUse, SELECT_SERVICES_OF, asked):
        uses[use.escalation_policy_id].append(use)
    return uses


async def policies_using(
    tx: Tx, schedule_ids: Sequence[str], *, limit: int = MAX_USES
) -> dict[str, list[PolicyUse]]:
    """Which policies point at each schedule; at most `limit` in all."""
    uses: dict[str, list[PolicyUse]] = {schedule_id: [] for schedule_id in schedule_ids}
    asked = {"ids": list(schedule_ids), "limit": limit}
    for use in await tx.all(PolicyUse, SELECT_POLICIES_USING, asked):
        uses[use.schedule_id].append(use)
    return uses


async def turns(tx: Tx, level_ids: Sequence[str]) -> dict[str, int]:
    """Whose turn it is on each round-robin level; levels never used are left out."""
    return dict(await tx.tuples(SELECT_TURNS, {"ids": list(level_ids)}))
