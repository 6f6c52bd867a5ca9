"""What an event means for the alert with its key: open, repeat, acknowledge, resolve, or nothing.

The scope of a key is one integration, as on the wire. Repeating a batch of triggers changes counts
and times only: nothing is opened twice.
"""

from enum import StrEnum

from tocsin.incidents.model import Status


class Verdict(StrEnum):
    """What becomes of an event; the value is the outcome's `reason`."""

    OPENED = "opened"
    REPEATED = "repeated"
    ACKNOWLEDGED = "acknowledged"
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    RESOLVED = "resolved"
    NO_OPEN_ALERT = "no_open_alert"
    SUPPRESSED = "suppressed_by_maintenance"
    PAUSED = "paused"
    RESOLVED_IN_PAUSE = "resolved_in_pause"
    JOINED = "joined"
    SERVICE_DISABLED = "service_disabled"
    SERVICE_GONE = "service_gone"


_NEW = {
    "trigger": Verdict.OPENED,
    "acknowledge": Verdict.NO_OPEN_ALERT,
    "resolve": Verdict.NO_OPEN_ALERT,
}

_HELD = {
    "trigger": Verdict.SUPPRESSED,
    "acknowledge": Verdict.SUPPRESSED,
    "resolve": Verdict.RESOLVED,
}


def decide_held(action: str) -> Verdict:
    """What an event means for an alert that a maintenance window holds back from having an
    incident: there is nothing to acknowledge, and a resolve spares people all of it."""
    return _HELD[action]


_PAUSED = {
    "trigger": Verdict.PAUSED,
    "acknowledge": Verdict.PAUSED,
    "resolve": Verdict.RESOLVED_IN_PAUSE,
}


def decide_paused(action: str) -> Verdict:
    """What an event means for an alert that its service's pause keeps from opening an incident."""
    return _PAUSED[action]


def decide(action: str, incident: Status | None) -> Verdict:
    """`incident` is the status of the incident that holds the open alert; None: no open alert."""
    if incident is None:
        return _NEW[action]
    if action == "trigger":
        return Verdict.REPEATED
    if action == "resolve":
        return Verdict.RESOLVED
    if incident is Status.ACKNOWLEDGED:
        return Verdict.ALREADY_ACKNOWLEDGED
    return Verdict.ACKNOWLEDGED
