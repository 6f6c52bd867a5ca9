"""Events API v2: every refusal in its words, every tolerance, and what the event says."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.events import pagerduty_v2
from tocsin.events.model import Image, Link, Message, Rejected

KEY = "0123456789abcdef0123456789abcdef"
SUMMARY_TOO_LONG = "Length of 'payload.summary' is incorrect (should be at most 1024 characters)"
DEDUP_KEY_TOO_LONG = "Length of 'dedup_key' is incorrect (should be at most 255 characters)"


def body(**changes: Any) -> bytes:
    """A right trigger with top-level fields replaced, or left out when ... is given."""
    payload = {"summary": "Disk full", "source": "db1", "severity": "critical"}
    payload |= changes.pop("payload_with", {})
    wire = {"routing_key": KEY, "event_action": "trigger", "payload": payload, **changes}
    wire = {name: value for name, value in wire.items() if value is not ...}
    wire_payload = wire.get("payload")
    if isinstance(wire_payload, dict):
        wire["payload"] = {k: v for k, v in wire_payload.items() if v is not ...}
    return msgspec.json.encode(wire)


def accepted(data: bytes) -> Message:
    message = pagerduty_v2.read(data)
    assert isinstance(message, Message), message
    return message


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"routing_key": ...}, "'routing_key' is missing or blank"),
        ({"routing_key": None}, "'routing_key' is missing or blank"),
        ({"routing_key": ""}, "'routing_key' is missing or blank"),
        ({"routing_key": 7}, "'routing_key' must be a string"),
        (
            {"routing_key": "abc"},
            "Length of 'routing_key' is incorrect (should be 32 characters)",
        ),
        (
            {"routing_key": KEY[:-1] + "-"},
            "'routing_key' cannot contain non-alphanumeric characters.",
        ),
        (
            {"routing_key": KEY[:-1] + "\u00e9"},
            "'routing_key' cannot contain non-alphanumeric characters.",
        ),
        ({"event_action": ...}, "'event_action' is missing or blank"),
        ({"event_action": "explode"}, pagerduty_v2.BAD_ACTION),
        ({"event_action": ["trigger"]}, pagerduty_v2.BAD_ACTION),
        ({"payload": ...}, "'payload' is missing or blank"),
        ({"payload": "text"}, "'payload' must be an object"),
        ({"payload_with": {"summary": ...}}, "'payload.summary' is missing or blank"),
        ({"payload_with": {"summary": "  "}}, "'payload.summary' is missing or blank"),
        ({"payload_with": {"summary": 5}}, "'payload.summary' must be a string"),
        ({"payload_with": {"summary": "x" * 1025}}, SUMMARY_TOO_LONG),
        ({"payload_with": {"source": ...}}, "'payload.source' is missing or blank"),
        ({"payload_with": {"source": ""}}, "'payload.source' is missing or blank"),
        ({"payload_with": {"source": {}}}, "'payload.source' must be a string"),
        ({"payload_with": {"severity": ...}}, "'payload.severity' is missing or blank"),
        ({"payload_with": {"severity": "page"}}, pagerduty_v2.BAD_SEVERITY),
        ({"payload_with": {"severity": 1}}, pagerduty_v2.BAD_SEVERITY),
        ({"dedup_key": "k" * 256}, DEDUP_KEY_TOO_LONG),
        ({"dedup_key": ["k"]}, "'dedup_key' must be a string"),
        ({"event_action": "resolve"}, "'dedup_key' is missing or blank"),
        ({"event_action": "acknowledge", "dedup_key": " "}, "'dedup_key' is missing or blank"),
        ({"links": {}}, "'links' must be an array"),
        ({"links": [{"text": "x"}]}, "'links[0].href' is missing or blank"),
        ({"links": ["x"]}, "'links[0]' must be an object"),
        ({"images": [{"src": "https://a/x.png"}, {}]}, "'images[1].src' is missing or blank"),
    ],
)
def test_what_is_refused_and_how(changes: dict[str, Any], error: str) -> None:
    rejected = pagerduty_v2.read(body(**changes))
    assert rejected == Rejected(
        reason="invalid",
        status="invalid event",
        message="Event object is invalid",
        errors=(error,),
    )


def test_every_error_is_told_at_once() -> None:
    rejected = pagerduty_v2.read(b'{"routing_key":"a-","event_action":"trigger","payload":{}}')
    assert isinstance(rejected, Rejected)
    assert rejected.errors == (
        "Length of 'routing_key' is incorrect (should be 32 characters)",
        "'routing_key' cannot contain non-alphanumeric characters.",
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"payload_with": {"severity": "CRITICAL"}}, "severity", "critical"),
        ({"payload_with": {"severity": " Warning "}}, "severity", "warning"),
        ({"payload_with": {"severity": "info"}}, "severity", "info"),
        ({"payload_with": {"summary": "x" * 1024}}, "summary", "x" * 1024),
        ({"payload_with": {"source": 17}}, "source", "17"),
        ({"payload_with": {"group": "shop", "class": "disk"}}, "grouping", "shop"),
        ({"payload_with": {"class": "disk"}}, "class_", "disk"),
        ({"payload_with": {"component": ""}}, "component", None),
        ({"payload_with": {"component": "c" * 5000}}, "component", "c" * 1024),
        ({"payload_with": {"custom_details": "text"}}, "details", "text"),
        ({"payload_with": {"custom_details": {"a": [1]}}}, "details", {"a": [1]}),
        ({"payload_with": {"timestamp": "yesterday"}}, "occurred_at", None),
        ({"payload_with": {"timestamp": 5}}, "occurred_at", None),
        (
            {"payload_with": {"timestamp": "2026-03-02T10:00:00.5+0100"}},
            "occurred_at",
            datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC),
        ),
        (
            {"payload_with": {"timestamp": "2026-03-02T09:00:00+00:00Z"}},
            "occurred_at",
            datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        ),
        ({"payload_with": {"timestamp": "0001-01-01T00:00:00Z"}}, "occurred_at", None),
        ({"dedup_key": "k" * 255}, "dedup_key", "k" * 255),
        ({"dedup_key": 42}, "dedup_key", "42"),
        ({"dedup_key": None}, "dedup_key", ""),
        ({"client": "Nagios"}, "client", "Nagios"),
        ({"client_url": "https://n.example.org"}, "client_url", "https://n.example.org"),
        ({"client_url": "javascript:alert(1)"}, "client_url", None),
        (
            {"links": [{"href": "https://r.example.org", "text": "runbook"}]},
            "links",
            (Link(href="https://r.example.org", text="runbook"),),
        ),
        ({"links": [{"href": "javascript:alert(1)"}]}, "links", ()),
        (
            {"images": [{"src": "https://g/x.png", "alt": "graph"}]},
            "images",
            (Image(src="https://g/x.png", alt="graph"),),
        ),
        ({"images": [{"src": "http://g/x.png"}]}, "images", ()),
        ({"links": None, "images": None}, "links", ()),
    ],
)
def test_what_is_taken_and_how(changes: dict[str, Any], field: str, value: Any) -> None:
    [event] = accepted(body(**changes)).events
    assert getattr(event, field) == value


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_acknowledge_and_resolve_need_their_key_alone(action: str) -> None:
    for payload in (..., None, "text", {"severity": "page", "summary": "x" * 5000}):
        data = body(event_action=action, dedup_key="k", payload=payload, links="bad")
        [event] = accepted(data).events
        assert (event.action, event.dedup_key) == (action, "k")


def test_the_last_of_a_duplicated_field_counts() -> None:
    data = body()[:-1] + b',"dedup_key":"a","dedup_key":"b"}'
    assert accepted(data).events[0].dedup_key == "b"


def test_a_byte_order_mark_is_tolerated() -> None:
    assert accepted(b"\xef\xbb\xbf" + body()).key == KEY


@pytest.mark.parametrize(("depth", "is_accepted"), [(98, True), (99, False), (900, False)])
def test_nesting_is_bounded_wherever_it_is(depth: int, is_accepted: bool) -> None:
    nested = b"[" * depth + b"]" * depth
    for field in (b'"payload":{"custom_details":', b'"payload":{"unknown":'):
        data = body().replace(b'"payload":{', field + nested + b",")
        assert isinstance(pagerduty_v2.read(data), Message) is is_accepted


def test_brackets_inside_texts_are_no_nesting() -> None:
    assert isinstance(pagerduty_v2.read(body(dedup_key='[{"' * 80)), Message)


def test_the_key_the_front_door_made_is_used_only_when_none_was_sent() -> None:
    made = pagerduty_v2.parse(body(), "MADE")
    sent = pagerduty_v2.parse(body(dedup_key="sent"), "MADE")
    assert not isinstance(made, Rejected)
    assert not isinstance(sent, Rejected)
    assert (made[0].dedup_key, sent[0].dedup_key) == ("MADE", "sent")
