"""The door of incidents: what machines report, people do, and time brings."""

from tocsin.incidents.actions.alerting import change_alerts
from tocsin.incidents.actions.creating import create
from tocsin.incidents.actions.editing import merge, set_title
from tocsin.incidents.actions.joining import forget_groups
from tocsin.incidents.actions.marking import set_conference, set_priority
from tocsin.incidents.actions.noting import add_note, change_note, delete_note, may_change
from tocsin.incidents.actions.owning import Reassignment, escalate, reassign, set_urgency
from tocsin.incidents.actions.pause_ends import due_pauses, end_pauses, push_back_pause
from tocsin.incidents.actions.raising import due_raises, push_back_raise, raise_urgencies
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
from tocsin.incidents.actions.releasing import release_held
from tocsin.incidents.actions.responders import (
    NewRequest,
    Roster,
    advance_requests,
    answer_request,
    ask_responders,
    asks_of,
    cancel_requests,
    due_requests,
    push_back_requests,
    responders,
)
from tocsin.incidents.actions.responding import acknowledge, resolve, snooze, unacknowledge
from tocsin.incidents.actions.status_updates import (
    follows,
    preview_update,
    publish_update,
    status_updates,
    subscribe,
    subscriber,
    subscribers,
    subscriptions,
    unsubscribe,
)
from tocsin.incidents.actions.ticking import (
    advance_escalations,
    due_escalations,
    due_timers,
    next_due,
    push_back,
    run_timers,
)

__all__ = [
    "NewRequest",
    "Reassignment",
    "Roster",
    "Surroundings",
    "acknowledge",
    "acknowledgements",
    "add_note",
    "advance_escalations",
    "advance_requests",
    "answer_request",
    "ask_responders",
    "asks_of",
    "assignments",
    "by_ids",
    "cancel_requests",
    "change_alerts",
    "change_note",
    "create",
    "delete_note",
    "due_escalations",
    "due_pauses",
    "due_raises",
    "due_requests",
    "due_timers",
    "end_pauses",
    "escalate",
    "follows",
    "forget_groups",
    "get",
    "get_run",
    "may_change",
    "merge",
    "next_due",
    "notes",
    "preview_update",
    "publish_update",
    "push_back",
    "push_back_pause",
    "push_back_raise",
    "push_back_requests",
    "raise_urgencies",
    "reassign",
    "record_events",
    "release_held",
    "resolve",
    "responders",
    "run_timers",
    "set_conference",
    "set_priority",
    "set_title",
    "set_urgency",
    "snooze",
    "status_updates",
    "subscribe",
    "subscriber",
    "subscribers",
    "subscriptions",
    "surroundings",
    "unacknowledge",
    "unsubscribe",
]
