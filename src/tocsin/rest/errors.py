"""Refusals in the API's own form: an HTTP status, a code number, a message and the details.

The one rule here: which number stands for which refusal. The numbers are the documented ones.
"""

from typing import Any

from tocsin.core.database import Conflict
from tocsin.core.errors import Forbidden, Invalid, NotFound, Problem, Refused, Unseen

INTERNAL = 2000
INVALID = 2001
UNAUTHORIZED = 2006
DENIED = 2010
NO_ABILITY = 2014
NOT_NOW = 2015
LIMITED = 2020
NOT_FOUND = 2100

# Kinds of things that have a number of their own for "there is no such thing".
MISSING = {
    "escalation policy": 5001,
    "incident": 5001,
    "log entry": 5001,
    "vendor": 5001,
    "webhook subscription": 5001,
    "service": 5002,
}

# What an action refuses because of the state of things: (status, code). The rest is NOT_NOW.
REFUSALS = {
    "already_resolved": (400, 1001),
    "cannot_escalate": (400, 1006),
    "not_acknowledged": (400, 1012),
    "nobody_on_call": (400, 1015),
    "already_merged": (400, 1019),
    "duplicate_incident_key": (400, INVALID),
    "override_in_past": (400, 4004),
    "member_in_use": (400, 6001),
    "maintenance_past": (405, NOT_NOW),
}

# What an action calls a value, when the wire calls it otherwise.
WIRE_NAMES = {
    "escalation_policy_id": "escalation_policy",
    "contact_method_id": "contact_method",
    "delay_seconds": "start_delay_in_minutes",
    "urgency_rule": "incident_urgency_rule",
    "team": "teams",
    "urgency_outside": "incident_urgency_rule.outside_support_hours",
    "support_time_zone": "support_hours.time_zone",
    "support_days": "support_hours.days_of_week",
    "support_start": "support_hours.start_time",
    "support_end": "support_hours.end_time",
    "raise_at": "scheduled_actions",
    "pause_seconds": "auto_pause_notifications_parameters.timeout",
}


class ApiError(Exception):
    """A refusal that knows its own status and number."""

    def __init__(self, status: int, code: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        """The answer's body."""
        return {"error": {"message": self.message, "code": self.code, "errors": list(self.errors)}}


class PlainError(Exception):
    """The few refusals whose `error` is a plain text on the wire."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def invalid(*errors: str) -> ApiError:
    """A request whose values are wrong; each error names the field and the fix."""
    return ApiError(400, INVALID, "Invalid Input Provided", *errors)


def not_found(text: str = "Not Found", code: int = NOT_FOUND) -> ApiError:
    """There is no such thing."""
    return ApiError(404, code, "Not Found", *([] if text == "Not Found" else [text]))


def of_problem(problem: Problem) -> ApiError:
    """The wire's form of what an action said."""
    if isinstance(problem, Invalid):
        name = WIRE_NAMES.get(problem.field, problem.field)
        return invalid(f"{name} {problem.message}")
    if isinstance(problem, NotFound):
        return not_found(str(problem), MISSING.get(problem.kind, NOT_FOUND))
    if isinstance(problem, Unseen):
        return of_problem(NotFound(problem.kind, problem.id))
    if isinstance(problem, Forbidden):
        return ApiError(403, DENIED, "Access Denied", str(problem))
    if isinstance(problem, Refused):
        status, code = REFUSALS.get(problem.reason, (400, NOT_NOW))
        return ApiError(status, code, problem.message, problem.message)
    return ApiError(400, NOT_NOW, str(problem))


def of_conflict(conflict: Conflict) -> ApiError:
    """Two requests wanted the same unique value at the same time."""
    return invalid(f"{conflict.constraint.rpartition('_')[2]} is already taken")
