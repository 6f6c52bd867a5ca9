"""Which urgency an incident has: by the service's rule, and raised by a more severe event.

A raise is never taken back by a milder event: people have already been woken for it.
"""

from datetime import datetime

from tocsin.catalog.support_hours import SupportHours, within
from tocsin.incidents.model import Reason, Urgency

LOUD = frozenset({"critical", "error"})


def initial(rule: str, severity: str | None) -> Urgency:
    """The urgency at opening. `rule` is the service's: high, low or severity_based.

    Without a severity (an incident made by hand) `severity_based` means high: a person asked.
    """
    if rule == "severity_based":
        return Urgency.HIGH if severity is None or severity in LOUD else Urgency.LOW
    return Urgency.LOW if rule == "low" else Urgency.HIGH


def lifted(*, opened_under: str, rule: str, current: Urgency, severity: str) -> bool:
    """Whether an alert that joins an incident lifts its urgency to high. `rule` is that of the
    alert's own service now, `opened_under` that of the incident's when it opened.

    Where every incident opens with high urgency, a person has lowered this one, and that stands.
    """
    if current is Urgency.HIGH or opened_under == "high":
        return False
    return initial(rule, severity) is Urgency.HIGH


def edge(hours: SupportHours, due_at: datetime, now: datetime) -> Reason | None:
    """Why open incidents become urgent now, at an edge of the support hours that was due at
    `due_at`. None when it was missed and the hours are on the other side of an edge again."""
    inside = within(hours, due_at)
    if within(hours, now) is not inside:
        return None
    return Reason.SUPPORT_HOURS_STARTED if inside else Reason.SUPPORT_HOURS_ENDED


def raised(rule: str, current: Urgency, severity: str) -> bool:
    """Whether an event of `severity` lifts an incident of urgency `current` to high."""
    return rule == "severity_based" and current is Urgency.LOW and severity in LOUD
