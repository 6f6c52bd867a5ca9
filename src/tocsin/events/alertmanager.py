"""Alertmanager's webhook: one event for each alert, by the alert's own status.

The group's status says "firing" as long as one member fires, so it is only used when an alert has
none of its own. The dedup key is the alert's fingerprint, which is the same from every Alertmanager
of a cluster, or a hash of its labels. Everything is tolerant: a webhook that is refused is dropped
by Alertmanager for good.
"""

from hashlib import sha256
from typing import Any

import msgspec

from tocsin.events.model import Event, Link, Message, Rejected, Severity
from tocsin.events.rejections import NOT_AN_OBJECT, invalid, unrecognised
from tocsin.events.text import address, decode, moment, optional, repair

ALERT_LIMIT = 10_000
DEDUP_KEY_LIMIT = 255
# What teams write into the label `severity`. A word that is not here, or none, is an error: loud
# enough to page, and not so loud as what somebody called critical.
SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(
        ("critical", "crit", "page", "fatal", "emergency", "emerg", "alert", "disaster"), "critical"
    ),
    **dict.fromkeys(("p1", "sev1", "sev-1", "s1", "1", "high", "urgent"), "critical"),
    **dict.fromkeys(("error", "err", "major", "p2", "sev2", "sev-2", "s2", "2"), "error"),
    **dict.fromkeys(("warning", "warn", "minor", "medium", "average", "ticket"), "warning"),
    **dict.fromkeys(("p3", "sev3", "sev-3", "s3", "3"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "notice", "debug", "low"), "info"),
    **dict.fromkeys(("none", "ok", "p4", "p5", "sev4", "sev5", "s4", "s5", "4", "5"), "info"),
}
DEFAULT_SEVERITY: Severity = "error"


def parse(body: bytes, dedup_key: str | None = None) -> tuple[Event, ...] | Rejected:
    """What an accepted body says. Each alert has its own key, so `dedup_key` is not used."""
    message = read(body)
    return message if isinstance(message, Rejected) else message.events


def read(body: bytes, *, needs_key: bool = False) -> Message | Rejected:
    """Read a webhook's body. The integration key is never in it."""
    try:
        wire = decode(repair(body))
    except ValueError:
        return unrecognised()
    if not isinstance(wire, dict):
        return NOT_AN_OBJECT
    return read_object(wire, needs_key=needs_key)


def read_object(wire: dict[str, Any], *, needs_key: bool = False) -> Message | Rejected:
    """Read a decoded body."""
    alerts = wire.get("alerts")
    if not isinstance(alerts, list):
        return invalid(["'alerts' is missing or no array"])
    alerts = [alert for alert in alerts if isinstance(alert, dict)]
    if not alerts:
        return invalid(["'alerts' holds no alert"])
    if len(alerts) > ALERT_LIMIT:
        return invalid(
            [f"'alerts' holds more than {ALERT_LIMIT} alerts: set max_alerts on the receiver"]
        )
    return Message(key="", events=tuple(_event(alert, wire) for alert in alerts))


def _event(alert: dict[str, Any], group: dict[str, Any]) -> Event:
    labels = _texts(alert.get("labels"))
    annotations = _texts(alert.get("annotations"))
    status = alert.get("status") or group.get("status")
    resolved = isinstance(status, str) and status.strip().lower() == "resolved"
    name = optional(labels.get("alertname"))
    return Event(
        action="resolve" if resolved else "trigger",
        dedup_key=optional(alert.get("fingerprint"), DEDUP_KEY_LIMIT) or _hash(labels),
        severity=severity_of(labels.get("severity") or annotations.get("severity")),
        summary=_first(annotations, "summary", "title", "description", "message")
        or name
        or "Alert",
        source=_first(labels, "instance", "host", "hostname", "node", "pod", "job")
        or "Alertmanager",
        component=_first(labels, "component", "job"),
        grouping=_first(labels, "group", "cluster", "namespace"),
        class_=name,
        client="Alertmanager",
        client_url=address(group.get("externalURL")),
        details={"labels": labels, "annotations": annotations},
        links=_links(alert, labels, annotations),
        occurred_at=moment(alert.get("endsAt" if resolved else "startsAt")),
    )


def severity_of(word: str | None) -> Severity:
    """One of the four severities for whatever word a team uses."""
    return SEVERITIES.get((word or "").strip().lower(), DEFAULT_SEVERITY)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        name: text if isinstance(text, str) else msgspec.json.encode(text).decode()
        for name, text in value.items()
        if text is not None
    }


def _first(texts: dict[str, str], *names: str) -> str | None:
    for name in names:
        text = optional(texts.get(name))
        if text is not None:
            return text
    return None


def _hash(labels: dict[str, str]) -> str:
    return sha256(msgspec.json.encode(sorted(labels.items()))).hexdigest()


def _links(
    alert: dict[str, Any], labels: dict[str, str], annotations: dict[str, str]
) -> tuple[Link, ...]:
    candidates = [
        ("Runbook", ("runbook_url", "runbook")),
        ("Dashboard", ("dashboard_url", "dashboard", "grafana_url")),
    ]
    found = []
    for text, names in candidates:
        for name in names:
            href = address(annotations.get(name)) or address(labels.get(name))
            if href is not None:
                found.append(Link(href=href, text=text))
                break
    source = address(alert.get("generatorURL"))
    if source is not None:
        found.append(Link(href=source, text="Source"))
    return tuple(found)
