"""Which urgency an incident has: by the service's rule, and raised by a more severe event.

A raise is never taken back by a milder event: people have already been woken for it.
"""

from tocsin.incidents.model import Urgency

LOUD = frozenset({"critical", "error"})


def initial(rule: str, severity: str | None) -> Urgency:
    """The urgency at opening. `rule` is the service's: high, low or severity_based.

    Without a severity (an incident made by hand) `severity_based` means high: a person asked.
    """
    if rule == "severity_based":
        return Urgency.HIGH if severity is None or severity in LOUD else Urgency.LOW
    return Urgency.LOW if rule == "low" else Urgency.HIGH


def raised(rule: str, current: Urgency, severity: str) -> bool:
    """Whether an event of `severity` lifts an incident of urgency `current` to high."""
    return rule == "severity_based" and current is Urgency.LOW and severity in LOUD
