"""Messages as the delivery pump composes them, for tests of channels."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.channels.model import IncidentLine, Message

NOW = datetime(2026, 3, 29, 2, 58, tzinfo=UTC)


def line(**changes: Any) -> IncidentLine:
    """One incident, nine minutes old."""
    fields: dict[str, Any] = {
        "incident_id": "Q1INCIDENT",
        "number": 42,
        "title": "p99 over 2 s",
        "service": "checkout",
        "urgency": "high",
        "status": "triggered",
        "created_at": NOW - timedelta(minutes=9),
        "alert_count": 3,
    }
    return IncidentLine(**(fields | changes))


def page(**changes: Any) -> Message:
    """A page about one incident."""
    fields: dict[str, Any] = {
        "kind": "page",
        "delivery_id": "Q1DELIVERY",
        "now": NOW,
        "person": "Ann",
        "incidents": (line(),),
        "reason": "You are on call, level 1 of Payments.",
        "acknowledge_url": "https://tocsin.example/a/token-1?x=1&y=2",
        "incident_url": "https://tocsin.example/app/incidents/42",
    }
    return Message(**(fields | changes))


def test_message() -> Message:
    """What `send-test` sends."""
    return page(kind="test", incidents=(), reason="", acknowledge_url=None)


# pytest would take the name above for a test.
test_message.__test__ = False  # type: ignore[attr-defined]
