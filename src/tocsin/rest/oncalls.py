"""Who is on call: for each level of each escalation policy, each person and how long."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Policy, TargetKind
from tocsin.rest.call import Call
from tocsin.rest.errors import ApiError, invalid
from tocsin.rest.operations import PAGING
from tocsin.rest.resource import Operation, Param, Ref, Reference
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import Shift

LONGEST = timedelta(days=90)
AT_ONCE = 1000
MOST_POLICIES = 10_000
TICK = timedelta(microseconds=1)
BAD_RANGE = 2004


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """One person's turn at one level; without a schedule it has neither start nor end."""

    policy: Policy
    level: int
    user_id: str
    schedule_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class OnCallShown(msgspec.Struct):
    """One line of an answer."""

    escalation_policy: Reference
    escalation_level: int
    schedule: Reference | None
    user: Reference
    start: datetime | None
    end: datetime | None


async def list_oncalls(call: Call) -> object:
    """Whoever is on call now, or at any time of the range."""
    wanted = call.paging()
    since = call.instant("since") or call.now
    until = call.instant("until") or max(since, call.now)
    if until < since:
        raise ApiError(400, BAD_RANGE, "Invalid Date Range", "until must not be before since")
    if until - since > LONGEST:
        raise invalid(f"until must be at most {LONGEST.days} days after since")
    policies = await _policies(call)
    shifts = await _shifts(call, policies, since, until)
    duties = list(_duties(policies, shifts))
    user_ids, schedule_ids = call.many("user_ids"), call.many("schedule_ids")
    duties = [
        duty
        for duty in duties
        if (user_ids is None or duty.user_id in user_ids)
        and (schedule_ids is None or duty.schedule_id in schedule_ids)
    ]
    if call.flag("earliest"):
        duties = _earliest(duties)
    part = duties[wanted.offset : wanted.offset + wanted.limit]
    return {
        "oncalls": [_shown(duty, call.includes) for duty in part],
        "limit": wanted.limit,
        "offset": wanted.offset,
        "total": len(duties) if wanted.total else None,
        "more": wanted.offset + wanted.limit < len(duties),
    }


async def _policies(call: Call) -> list[Policy]:
    ids = call.many("escalation_policy_ids")
    found: list[Policy] = []
    while len(found) < MOST_POLICIES:
        part = await escalations.list_policies(
            call.tx, call.actor, limit=AT_ONCE, offset=len(found)
        )
        found += part
        if len(part) < AT_ONCE:
            break
    return [policy for policy in found if ids is None or policy.id in ids]


async def _shifts(
    call: Call, policies: Sequence[Policy], since: datetime, until: datetime
) -> dict[str, tuple[Shift, ...]]:
    """The whole shifts of each schedule that touch the range, also beyond its bounds."""
    ids = sorted(
        {
            target.id
            for policy in policies
            for level in policy.levels
            for target in level.targets
            if target.kind is TargetKind.SCHEDULE
        }
    )
    first = await schedules.shifts_at(call.tx, ids, since)
    if until == since:
        return {id: (shift,) if shift is not None else () for id, shift in first.items()}
    last = await schedules.shifts_at(call.tx, ids, until - TICK)
    cut = await schedules.final_shifts(call.tx, ids, since, until)
    return {id: _uncut(shifts, first.get(id), last.get(id)) for id, shifts in cut.items()}


def _uncut(shifts: tuple[Shift, ...], first: Shift | None, last: Shift | None) -> tuple[Shift, ...]:
    whole = list(shifts)
    if whole and first is not None and first.start < whole[0].start < first.end:
        whole[0] = msgspec.structs.replace(whole[0], start=first.start)
    if whole and last is not None and last.start < whole[-1].end < last.end:
        whole[-1] = msgspec.structs.replace(whole[-1], end=last.end)
    return tuple(whole)


def _duties(policies: Sequence[Policy], shifts: Mapping[str, Sequence[Shift]]) -> Iterator[Duty]:
    for policy in policies:
        for number, level in enumerate(policy.levels, 1):
            for target in level.targets:
                if target.kind is TargetKind.USER:
                    yield Duty(policy=policy, level=number, user_id=target.id)
                    continue
                for shift in shifts.get(target.id, ()):
                    yield Duty(
                        policy=policy,
                        level=number,
                        user_id=shift.user_id,
                        schedule_id=target.id,
                        start=shift.start,
                        end=shift.end,
                    )


def _earliest(duties: Sequence[Duty]) -> list[Duty]:
    """The first turn of each person at each level of each policy."""
    best: dict[tuple[str, int, str], Duty] = {}
    for duty in duties:
        key = (duty.policy.id, duty.level, duty.user_id)
        known = best.get(key)
        if known is None or (known.start is not None and _before(duty, known)):
            best[key] = duty
    return list(best.values())


def _before(duty: Duty, known: Duty) -> bool:
    return duty.start is None or known.start is None or duty.start < known.start


def _shown(duty: Duty, includes: frozenset[str]) -> dict[str, Any]:
    schedule = None
    if duty.schedule_id is not None:
        schedule = Ref("schedule", duty.schedule_id, full="schedules" in includes)
    full = "escalation_policies" in includes
    return {
        "escalation_policy": Ref("escalation_policy", duty.policy.id, duty.policy, full=full),
        "escalation_level": duty.level,
        "schedule": schedule,
        "user": Ref("user", duty.user_id, full="users" in includes),
        "start": duty.start,
        "end": duty.end,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/oncalls",
        id="listOnCalls",
        summary="List who is on call",
        tag="On-Calls",
        handle=list_oncalls,
        params=(
            Param(name="since"),
            Param(name="until"),
            Param(name="earliest", type=bool),
            Param(name="escalation_policy_ids", many=True),
            Param(name="schedule_ids", many=True),
            Param(name="user_ids", many=True),
            Param(name="time_zone"),
            Param(name="include", many=True),
            *PAGING,
        ),
        gives={"oncalls": list[OnCallShown]},
        paged=True,
    ),
)
