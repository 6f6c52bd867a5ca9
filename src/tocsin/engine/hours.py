"""The stage that raises the urgency of open incidents when support hours begin or end."""

from tocsin.engine.isolate import DueWork
from tocsin.incidents import actions as incidents

WORK = DueWork(
    name="hours",
    run=incidents.raise_urgencies,
    due=incidents.due_raises,
    push_back=incidents.push_back_raise,
    limit=20,
)
