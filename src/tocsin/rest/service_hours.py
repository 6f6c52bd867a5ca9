"""The wire's forms of a service's urgency, support hours, scheduled actions and pause."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tocsin.catalog.model import Hours, Service
from tocsin.catalog.validation import PAUSES
from tocsin.rest.errors import invalid

UrgencyName = Literal["high", "low", "severity_based"]


class Constant(msgspec.Struct):
    """An urgency within or outside of support hours."""

    type: Literal["constant"] = "constant"
    urgency: UrgencyName = "high"


class UrgencyRule(msgspec.Struct):
    """How urgent the service's incidents are: always the same, or by support hours."""

    type: Literal["constant", "use_support_hours"] = "constant"
    urgency: UrgencyName | None = None
    during_support_hours: Constant | None = None
    outside_support_hours: Constant | None = None


class SupportHours(msgspec.Struct):
    """The hours of the week in which the service has its support."""

    time_zone: str
    start_time: str
    end_time: str
    days_of_week: list[int]
    type: Literal["fixed_time_per_day"] = "fixed_time_per_day"


class NamedTime(msgspec.Struct):
    """When a scheduled action happens."""

    name: Literal["support_hours_start", "support_hours_end"]
    type: Literal["named_time"] = "named_time"


class ScheduledAction(msgspec.Struct):
    """Open incidents of low urgency become urgent."""

    at: NamedTime
    type: Literal["urgency_change"] = "urgency_change"
    to_urgency: Literal["high"] = "high"


class Pause(msgspec.Struct):
    """Whether, and for how many seconds, a new alert waits before it opens an incident."""

    enabled: bool = False
    timeout: int | None = None


def rule_shown(service: Service) -> dict[str, Any]:
    """`incident_urgency_rule`."""
    if service.urgency_outside is None:
        return {"type": "constant", "urgency": service.urgency_rule}
    return {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": service.urgency_rule},
        "outside_support_hours": {"type": "constant", "urgency": service.urgency_outside},
    }


def hours_shown(service: Service) -> dict[str, Any] | None:
    """`support_hours`."""
    hours = service.support_hours
    if hours is None:
        return None
    return {
        "type": "fixed_time_per_day",
        "time_zone": hours.time_zone,
        "start_time": hours.start.isoformat(timespec="seconds"),
        "end_time": hours.end.isoformat(timespec="seconds"),
        "days_of_week": list(hours.days),
    }


def actions_shown(service: Service) -> list[dict[str, Any]]:
    """`scheduled_actions`."""
    return [
        {
            "type": "urgency_change",
            "at": {"type": "named_time", "name": edge},
            "to_urgency": "high",
        }
        for edge in service.raise_at
    ]


def pause_shown(service: Service) -> dict[str, Any]:
    """`auto_pause_notifications_parameters`."""
    return {"enabled": service.pause_seconds is not None, "timeout": service.pause_seconds}


def values(given: dict[str, Any], old: Service | None) -> dict[str, Any]:
    """What a request changes of all these, by the names of the catalog. What it does not name
    stays, as far as it goes together: a rule without support hours ends them."""
    found: dict[str, Any] = {}
    if given.get("auto_pause_notifications_parameters") is not None:
        found["pause_seconds"] = _pause(given["auto_pause_notifications_parameters"])
    rule: UrgencyRule | None = given.get("incident_urgency_rule")
    named = [name for name in ("support_hours", "scheduled_actions") if given.get(name)]
    if rule is None:
        if old is None or old.urgency_outside is None:
            for name in named:
                raise invalid(f"{name} need incident_urgency_rule with the type use_support_hours")
            return found
        if "support_hours" not in given and given.get("scheduled_actions") is None:
            return found
        rule = msgspec.convert(rule_shown(old), UrgencyRule)
    if rule.type == "constant":
        for name in named:
            raise invalid(f"{name} must be left out with a constant incident_urgency_rule")
        if rule.urgency is None:
            raise invalid("incident_urgency_rule.urgency must be high, low or severity_based")
        return {**found, "urgency_rule": rule.urgency, "hours": None}
    during, outside = rule.during_support_hours, rule.outside_support_hours
    if during is None or outside is None:
        raise invalid(
            "incident_urgency_rule must have during_support_hours and outside_support_hours"
        )
    hours = _hours(given, old, outside.urgency)
    return {**found, "urgency_rule": during.urgency, "hours": hours}


def _hours(given: dict[str, Any], old: Service | None, outside: str) -> Hours:
    hours: SupportHours | None = given.get("support_hours")
    if hours is None and old is not None and "support_hours" not in given:
        shown = hours_shown(old)
        hours = None if shown is None else msgspec.convert(shown, SupportHours)
    if hours is None:
        raise invalid("support_hours are required by incident_urgency_rule use_support_hours")
    actions: Sequence[ScheduledAction] | None = given.get("scheduled_actions")
    edges: Sequence[str] = [action.at.name for action in actions or ()]
    if actions is None and old is not None:
        edges = old.raise_at
    return Hours(
        time_zone=hours.time_zone,
        days=hours.days_of_week,
        start=hours.start_time,
        end=hours.end_time,
        urgency_outside=outside,
        raise_at=edges,
    )


def _pause(pause: Pause) -> int | None:
    if not pause.enabled:
        return None
    if pause.timeout not in PAUSES:
        raise invalid(
            "auto_pause_notifications_parameters.timeout must be one of"
            f" {', '.join(map(str, PAUSES))} seconds"
        )
    return pause.timeout
