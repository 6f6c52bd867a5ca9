"""What an escalation policy must look like. Pure; names the field and the fix."""

from tocsin.core.errors import Invalid
from tocsin.escalations.model import (
    MAX_DELAY_MINUTES,
    MAX_DESCRIPTION,
    MAX_LEVELS,
    MAX_LOOPS,
    MAX_NAME,
    MAX_TARGETS,
    MIN_DELAY_MINUTES,
    LevelInput,
    PolicyInput,
)

HANDOFF_NOTIFICATIONS = ("if_has_services", "always")


def check(wanted: PolicyInput) -> None:
    """Raise Invalid for the first thing that is wrong."""
    if not 1 <= len(wanted.name.strip()) <= MAX_NAME:
        raise Invalid("name", f"give a name of 1 to {MAX_NAME} characters")
    if wanted.description is not None and len(wanted.description) > MAX_DESCRIPTION:
        raise Invalid("description", f"use at most {MAX_DESCRIPTION} characters")
    if not 0 <= wanted.loops <= MAX_LOOPS:
        raise Invalid("num_loops", f"use 0 to {MAX_LOOPS}")
    if wanted.handoff_notifications not in HANDOFF_NOTIFICATIONS:
        raise Invalid("on_call_handoff_notifications", "use if_has_services or always")
    if not 1 <= len(wanted.levels) <= MAX_LEVELS:
        raise Invalid("escalation_rules", f"give 1 to {MAX_LEVELS} levels")
    for number, level in enumerate(wanted.levels, 1):
        _check_level(f"escalation_rules[{number}]", level)
    ids = [level.id for level in wanted.levels if level.id is not None]
    if len(set(ids)) != len(ids):
        raise Invalid("escalation_rules", "name each level's id once")


def _check_level(field: str, level: LevelInput) -> None:
    if not MIN_DELAY_MINUTES <= level.delay_minutes <= MAX_DELAY_MINUTES:
        raise Invalid(
            f"{field}.escalation_delay_in_minutes",
            f"use {MIN_DELAY_MINUTES} to {MAX_DELAY_MINUTES} minutes",
        )
    if not 1 <= len(level.targets) <= MAX_TARGETS:
        raise Invalid(f"{field}.targets", f"give 1 to {MAX_TARGETS} people or schedules")
    if len(set((target.kind, target.id) for target in level.targets)) != len(level.targets):
        raise Invalid(f"{field}.targets", "name each person or schedule once")
