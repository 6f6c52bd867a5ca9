"""The door of incidents: what machines report, people do, and time brings."""

from tocsin.incidents.actions.creating import create
from tocsin.incidents.actions.editing import add_note, merge, set_title
from tocsin.incidents.actions.owning import Reassignment, escalate, reassign, set_urgency
from tocsin.incidents.actions.reading import (
    Surroundings,
    acknowledgements,
    assignments,
    by_ids,
    get,
    get_run,
    notes,
    surroundings,
)
from tocsin.incidents.actions.recording import record_events
from tocsin.incidents.actions.responding import acknowledge, resolve, snooze, unacknowledge
from tocsin.incidents.actions.ticking import (
    advance_escalations,
    due_escalations,
    due_timers,
    next_due,
    push_back,
    run_timers,
)

__all__ = [
    "Reassignment",
    "Surroundings",
    "acknowledge",
    "acknowledgements",
    "add_note",
    "advance_escalations",
    "assignments",
    "by_ids",
    "create",
    "due_escalations",
    "due_timers",
    "escalate",
    "get",
    "get_run",
    "merge",
    "next_due",
    "notes",
    "push_back",
    "reassign",
    "record_events",
    "resolve",
    "run_timers",
    "set_title",
    "set_urgency",
    "snooze",
    "surroundings",
    "unacknowledge",
]
