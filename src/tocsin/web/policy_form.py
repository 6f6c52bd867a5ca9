"""The form of an escalation policy: what it carries, and the steps that change its shape.

The whole draft travels in the form, so adding, moving and removing levels needs no script and keeps
nothing on the server until "save". A target left blank is a target removed.
"""

from typing import Any

import msgspec

from tocsin.core.errors import Invalid
from tocsin.escalations.model import (
    MAX_LEVELS,
    MAX_LOOPS,
    MAX_TARGETS,
    LevelInput,
    Policy,
    PolicyInput,
    Strategy,
    Target,
    TargetKind,
)
from tocsin.web.visit import Visit

SAVE = "save"


class LevelDraft(msgspec.Struct, kw_only=True):
    """One level as typed. Targets are written `user:ID` and `schedule:ID`."""

    id: str = ""
    delay: str = "15"
    strategy: str = Strategy.EVERYONE.value
    targets: list[str] = []


class PolicyDraft(msgspec.Struct, kw_only=True):
    """The whole form as typed."""

    name: str = ""
    description: str = ""
    team_id: str = ""
    loops: str = "0"
    levels: list[LevelDraft] = []


def of_policy(policy: Policy) -> PolicyDraft:
    """The form filled in with a policy."""
    return PolicyDraft(
        name=policy.name,
        description=policy.description or "",
        team_id=policy.team_id or "",
        loops=str(policy.loops),
        levels=[
            LevelDraft(
                id=level.id,
                delay=str(level.delay_seconds // 60),
                strategy=level.strategy.value,
                targets=[f"{target.kind.value}:{target.id}" for target in level.targets],
            )
            for level in policy.levels
        ],
    )


def read(visit: Visit) -> PolicyDraft:
    """What the form carries."""
    count = visit.whole("level_count", 0, MAX_LEVELS)
    return PolicyDraft(
        name=visit.field("name"),
        description=visit.field("description"),
        team_id=visit.field("team_id"),
        loops=visit.field("loops", "0"),
        levels=[
            LevelDraft(
                id=visit.field(f"id_{number}"),
                delay=visit.field(f"delay_{number}"),
                strategy=visit.field(f"strategy_{number}", Strategy.EVERYONE.value),
                targets=[t for t in visit.fields(f"targets_{number}") if t][:MAX_TARGETS],
            )
            for number in range(1, count + 1)
        ],
    )


def step(draft: PolicyDraft, do: str) -> None:
    """Change the draft's shape: `add`, `remove:2`, `up:2`, `down:2`. Unknown words do nothing."""
    verb, _, number = do.partition(":")
    at = int(number) - 1 if number.isascii() and number.isdigit() else -1
    levels = draft.levels
    if verb == "add" and len(levels) < MAX_LEVELS:
        levels.append(LevelDraft())
    elif not 0 <= at < len(levels):
        return
    elif verb == "remove":
        del levels[at]
    elif verb == "up" and at > 0:
        levels[at - 1], levels[at] = levels[at], levels[at - 1]
    elif verb == "down" and at + 1 < len(levels):
        levels[at + 1], levels[at] = levels[at], levels[at + 1]


def wanted(draft: PolicyDraft) -> PolicyInput:
    """The draft as the action takes it. Raises Invalid."""
    return PolicyInput(
        name=draft.name,
        description=draft.description or None,
        team_id=draft.team_id or None,
        loops=_whole("loops", draft.loops, MAX_LOOPS),
        levels=tuple(
            LevelInput(
                id=level.id or None,
                delay_minutes=_whole(f"delay_{number}", level.delay, 1440),
                strategy=Strategy.ROUND_ROBIN
                if level.strategy == Strategy.ROUND_ROBIN.value
                else Strategy.EVERYONE,
                targets=tuple(_target(f"targets_{number}", target) for target in level.targets),
            )
            for number, level in enumerate(draft.levels, 1)
        ),
    )


def errors_of(error: Invalid) -> dict[str, str]:
    """The error under the name of the form's own field."""
    field = error.field
    if field.startswith("escalation_rules["):
        number = field.partition("[")[2].partition("]")[0]
        part = "targets" if field.endswith("targets") else "delay"
        field = f"{part}_{number}"
    renamed: dict[str, Any] = {"num_loops": "loops", "team": "team_id"}
    return {renamed.get(field, field): error.message}


def _whole(field: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most):
        raise Invalid(field, f"must be a whole number up to {most}")
    return int(text)


def _target(field: str, text: str) -> Target:
    kind, _, id = text.partition(":")
    try:
        return Target(kind=TargetKind(kind), id=id)
    except ValueError:
        raise Invalid(field, "must be a person or a schedule") from None
