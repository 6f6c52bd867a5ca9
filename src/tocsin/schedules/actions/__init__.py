"""The door of the schedules area: who is on call, and every change of a schedule.

Each change checks access first and writes its audit row in the same transaction.
"""

from tocsin.schedules.actions.edits import create, delete, preview, update
from tocsin.schedules.actions.handoffs import (
    claim_handoffs,
    due_handoffs,
    look_at_handoffs,
    put_off_handoffs,
)
from tocsin.schedules.actions.overrides import OverrideOutcome, add_overrides, remove_override
from tocsin.schedules.actions.questions import final_shifts, next_handoffs, on_call, shifts_at
from tocsin.schedules.actions.reading import (
    count,
    get,
    head,
    heads_by_ids,
    in_force,
    overrides_within,
    page,
    rendered,
)

__all__ = [
    "OverrideOutcome",
    "add_overrides",
    "claim_handoffs",
    "count",
    "create",
    "delete",
    "due_handoffs",
    "final_shifts",
    "get",
    "head",
    "heads_by_ids",
    "in_force",
    "look_at_handoffs",
    "next_handoffs",
    "on_call",
    "overrides_within",
    "page",
    "preview",
    "put_off_handoffs",
    "remove_override",
    "rendered",
    "shifts_at",
    "update",
]
