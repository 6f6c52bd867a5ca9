"""Events API v1, Alertmanager's webhook, change events, and telling formats apart."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.events import alertmanager, change, pagerduty_v1
from tocsin.events.formats import events_of, read_any
from tocsin.events.model import Format, Image, Link, Message, Rejected

KEY = "0123456789abcdef0123456789abcdef"


def encode(wire: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in wire.items() if value is not ...})


def v1(**changes: Any) -> bytes:
    wire = {"service_key": KEY, "event_type": "trigger", "description": "Host down"}
    return encode(wire | changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"service_key": ...}, "Service key is missing or blank"),
        ({"service_key": "abc"}, "Service key is the wrong length (should be 32 characters)"),
        ({"service_key": 5}, "Service key is the wrong length (should be 32 characters)"),
        ({"service_key": "-" * 32}, "Service key cannot contain non-alphanumeric characters"),
        ({"event_type": ...}, "event_type is missing or blank"),
        (
            {"event_type": "boom"},
            "event_type is invalid (must be one of: trigger acknowledge resolve)",
        ),
        ({"description": ...}, "Description is missing or blank"),
        ({"description": "x" * 1025}, "Description is too long (maximum is 1024 characters)"),
        ({"description": []}, "Description must be a string"),
        ({"event_type": "resolve"}, "Incident key is missing or blank"),
        ({"incident_key": "k" * 256}, "Incident key is too long (maximum is 255 characters)"),
    ],
)
def test_what_version_1_refuses(changes: dict[str, Any], error: str) -> None:
    rejected = pagerduty_v1.read(v1(**changes))
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.message) == ("invalid event", "Event object is invalid")
    assert rejected.errors == (error,)


def test_version_1_says_everything_it_knows() -> None:
    message = pagerduty_v1.read(
        v1(
            incident_key="host/1",
            details={"load": 9},
            client="Nagios",
            client_url="https://n.example.org/1",
            contexts=[
                {"type": "link", "href": "https://r.example.org", "text": "runbook"},
                {"type": "image", "src": "https://g.example.org/x.png", "alt": "graph"},
                {"type": "link", "href": "ftp://no"},
                "nonsense",
            ],
        )
    )
    assert isinstance(message, Message)
    [event] = message.events
    assert (event.action, event.dedup_key, event.severity) == ("trigger", "host/1", "critical")
    assert (event.summary, event.details, event.client) == ("Host down", {"load": 9}, "Nagios")
    assert event.links == (Link(href="https://r.example.org", text="runbook"),)
    assert event.images == (Image(src="https://g.example.org/x.png", alt="graph"),)


def alert(**changes: Any) -> dict[str, Any]:
    wire = {
        "status": "firing",
        "labels": {"alertname": "DiskFull", "instance": "db1", "severity": "critical"},
        "annotations": {"summary": "Disk full on db1", "runbook_url": "https://r.example.org/d"},
        "startsAt": "2026-03-02T09:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prom.example.org/graph?g0.expr=x",
        "fingerprint": "3f1a9c02b7d54e88",
    }
    return {name: value for name, value in (wire | changes).items() if value is not ...}


def events(*alerts: Any, **group: Any) -> tuple[Any, ...]:
    found = alertmanager.parse(encode({"alerts": list(alerts), **group}))
    assert not isinstance(found, Rejected), found
    return found


def test_an_alert_becomes_an_event() -> None:
    [event] = events(alert(), externalURL="http://am.example.org")
    assert event.action == "trigger"
    assert event.dedup_key == "3f1a9c02b7d54e88"
    assert event.severity == "critical"
    assert (event.summary, event.source, event.class_) == ("Disk full on db1", "db1", "DiskFull")
    assert (event.client, event.client_url) == ("Alertmanager", "http://am.example.org")
    assert event.links == (
        Link(href="https://r.example.org/d", text="Runbook"),
        Link(href="http://prom.example.org/graph?g0.expr=x", text="Source"),
    )
    assert event.details["labels"]["alertname"] == "DiskFull"
    assert event.details["annotations"]["summary"] == "Disk full on db1"
    assert event.occurred_at == datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "group", "action"),
    [
        ("firing", "resolved", "trigger"),
        ("resolved", "firing", "resolve"),
        ("Resolved", "firing", "resolve"),
        (..., "resolved", "resolve"),
        (..., "firing", "trigger"),
        ("something", "resolved", "trigger"),
        (7, "resolved", "trigger"),
    ],
)
def test_the_alerts_own_status_counts(status: Any, group: str, action: str) -> None:
    [event] = events(alert(status=status), status=group)
    assert event.action == action


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", "critical"),
        ("Page", "critical"),
        ("P1", "critical"),
        ("error", "error"),
        ("MAJOR", "error"),
        ("warning", "warning"),
        ("warn", "warning"),
        ("ticket", "warning"),
        ("info", "info"),
        ("none", "info"),
        ("weird", "error"),
        ("", "error"),
        (None, "error"),
    ],
)
def test_severity_words(word: str | None, severity: str) -> None:
    assert alertmanager.severity_of(word) == severity


@pytest.mark.parametrize(
    ("annotations", "summary"),
    [
        ({"summary": "s", "description": "d"}, "s"),
        ({"description": "d"}, "d"),
        ({"summary": "  "}, "DiskFull"),
        ({}, "DiskFull"),
        (None, "DiskFull"),
        ({"summary": "x" * 3000}, "x" * 1024),
    ],
)
def test_the_summary(annotations: Any, summary: str) -> None:
    assert events(alert(annotations=annotations))[0].summary == summary


def test_without_a_fingerprint_the_labels_are_the_key() -> None:
    first = events(alert(fingerprint=...))[0]
    reordered = alert(fingerprint=...)
    reordered["labels"] = dict(reversed(reordered["labels"].items()))
    other = alert(fingerprint=..., labels={"alertname": "DiskFull", "instance": "db2"})
    assert len(first.dedup_key) == 64
    assert events(reordered)[0].dedup_key == first.dedup_key
    assert events(other)[0].dedup_key != first.dedup_key


def test_one_odd_alert_does_not_refuse_the_others() -> None:
    found = events(None, "x", {}, alert(labels="bad", annotations=[], generatorURL=5), alert())
    assert [event.dedup_key for event in found][1:] == ["3f1a9c02b7d54e88"] * 2
    assert found[0].summary == "Alert"


@pytest.mark.parametrize("wire", [{}, {"alerts": None}, {"alerts": []}, {"alerts": ["x"]}])
def test_a_webhook_without_alerts_is_refused(wire: dict[str, Any]) -> None:
    assert isinstance(alertmanager.read(encode(wire)), Rejected)


def test_a_webhook_holds_a_bounded_number_of_alerts() -> None:
    rejected = alertmanager.read(encode({"alerts": [{}] * 10_001}))
    assert isinstance(rejected, Rejected)
    assert "max_alerts" in rejected.errors[0]


@pytest.mark.parametrize(
    ("wire", "errors"),
    [
        ({"payload": {"summary": "x"}}, ["'routing_key' is missing or blank"]),
        ({"routing_key": KEY}, ["'payload' is missing or blank"]),
        ({"routing_key": KEY, "payload": "x"}, ["'payload' must be an object"]),
        (
            {"routing_key": KEY, "payload": {"source": "x"}},
            ["'payload.summary' is missing or blank"],
        ),
        (
            {"routing_key": "R" + KEY[1:], "payload": {"summary": "x"}},
            [change.ORCHESTRATION_KEY],
        ),
        (
            {"routing_key": KEY, "payload": {"summary": "x"}, "links": [{}]},
            ["'links[0].href' is missing or blank"],
        ),
    ],
)
def test_what_a_change_lacks(wire: dict[str, Any], errors: list[str]) -> None:
    rejected = change.read(encode(wire))
    assert isinstance(rejected, Rejected)
    assert list(rejected.errors) == errors


@pytest.mark.parametrize(
    ("wire", "format"),
    [
        ({"event_action": "resolve", "dedup_key": "k"}, Format.PAGERDUTY_V2),
        ({"event_action": "resolve", "dedup_key": "k", "alerts": []}, Format.PAGERDUTY_V2),
        ({"event_type": "resolve", "incident_key": "k"}, Format.PAGERDUTY_V1),
        ({"alerts": [{}]}, Format.ALERTMANAGER),
    ],
)
def test_a_body_shows_its_format(wire: dict[str, Any], format: Format) -> None:
    found, message = read_any(encode(wire))
    assert found is format
    assert isinstance(message, Message)
    assert not isinstance(events_of(found, encode(wire), None), Rejected)


def test_an_unknown_format_is_rejected_and_does_not_raise() -> None:
    assert isinstance(events_of("smoke-signals", b"{}", None), Rejected)
