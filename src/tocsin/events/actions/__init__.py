"""The door of the events area: accepting what machines send, what the intake gave up on, and change
events."""

from tocsin.events.actions.accepting import accept, set_aside, try_again, try_all_again
from tocsin.events.actions.changes import (
    changes_around,
    changes_by_ids,
    count_changes,
    forget_changes,
    get_change,
    list_changes,
    record_change,
    update_change,
)

__all__ = [
    "accept",
    "changes_around",
    "changes_by_ids",
    "count_changes",
    "forget_changes",
    "get_change",
    "list_changes",
    "record_change",
    "set_aside",
    "try_again",
    "try_all_again",
    "update_change",
]
