"""The stage that tells people before their turn on call begins or ends.

A schedule's row says when it is next looked at: at the next notice that anybody wants, at once
after a change, and every few minutes in any case.
"""

from tocsin.engine.isolate import DueWork
from tocsin.handoffs import actions as handoffs

WORK = DueWork(
    name="handoffs",
    run=handoffs.look,
    due=handoffs.due_handoffs,
    push_back=handoffs.push_back,
    limit=50,
)
