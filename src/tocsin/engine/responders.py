"""The stage in which escalation policies that were asked for a responder ask their next level."""

from tocsin.engine.isolate import DueWork
from tocsin.incidents import actions as incidents

WORK = DueWork(
    name="responders",
    run=incidents.advance_requests,
    due=incidents.due_requests,
    push_back=incidents.push_back_requests,
)
