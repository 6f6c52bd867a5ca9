"""Parsers never raise, what they make can be stored, and both ways through v2 agree."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events import change, pagerduty_v2
from tocsin.events.formats import events_of, read_any
from tocsin.events.model import Event, Format, Message, Rejected
from tocsin.events.text import decode, repair, too_deep

KEY = "0123456789abcdef0123456789abcdef"

texts = st.text(st.characters(), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
odd = values | st.sampled_from(["critical", "Error ", "trigger", "resolve", KEY, "", "https://a/b"])
items = st.lists(
    st.dictionaries(st.sampled_from(["href", "src", "text", "alt", "type"]), odd, max_size=4) | odd,
    max_size=3,
)


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


payloads = some(
    {
        "summary": odd,
        "source": odd,
        "severity": st.sampled_from(["critical", "info", "WARNING", "x"]) | odd,
        "timestamp": odd,
        "component": odd,
        "group": odd,
        "class": odd,
        "custom_details": values,
    }
)
bodies_v2 = some(
    {
        "routing_key": st.just(KEY) | odd,
        "event_action": st.sampled_from(["trigger", "acknowledge", "resolve"]) | odd,
        "dedup_key": odd,
        "payload": payloads | odd,
        "links": items | odd,
        "images": items | odd,
        "client": odd,
        "client_url": odd,
    }
)
bodies_v1 = some(
    {
        "service_key": st.just(KEY) | odd,
        "event_type": st.sampled_from(["trigger", "acknowledge", "resolve"]) | odd,
        "incident_key": odd,
        "description": odd,
        "details": values,
        "contexts": items | odd,
        "client": odd,
        "client_url": odd,
    }
)
alerts = some(
    {
        "status": st.sampled_from(["firing", "resolved"]) | odd,
        "labels": st.dictionaries(st.sampled_from(["alertname", "severity", "instance"]), odd),
        "annotations": st.dictionaries(st.sampled_from(["summary", "runbook_url"]), odd) | odd,
        "startsAt": odd,
        "endsAt": odd,
        "fingerprint": odd,
        "generatorURL": odd,
    }
)
groups = some({"status": odd, "alerts": st.lists(alerts | odd, max_size=4) | odd, "version": odd})


def check(found: object) -> None:
    if isinstance(found, Rejected):
        assert found.errors
        return
    assert isinstance(found, tuple)
    assert found
    for event in found:
        assert isinstance(event, Event)
        assert event.dedup_key
        assert len(event.dedup_key) <= 255
        assert len(event.summary) <= 1024
        assert event.action != "trigger" or event.summary
        # jsonb and text take it: valid UTF-8 and no NUL.
        encoded = msgspec.json.encode(event)
        assert b"\\u0000" not in encoded
        assert encoded.decode("utf-8")


@pytest.mark.parametrize("format", list(Format))
@given(body=st.binary(max_size=200))
def test_no_bytes_make_a_parser_raise(format: Format, body: bytes) -> None:
    check(events_of(format, body, "MADE"))


@given(wire=bodies_v2 | bodies_v1 | groups)
def test_no_json_makes_a_parser_raise(wire: dict[str, Any]) -> None:
    body = json.dumps(wire).encode()
    for format in Format:
        check(events_of(format, body, "MADE"))
    change.read(body)


@given(wire=bodies_v2 | bodies_v1 | groups)
def test_what_the_front_door_takes_the_engine_can_read(wire: dict[str, Any]) -> None:
    body = json.dumps(wire).encode()
    format, message = read_any(body)
    found = events_of(format, body, "MADE")
    assert isinstance(found, Rejected) is isinstance(message, Rejected)


@given(wire=bodies_v2, needs_key=st.booleans())
def test_both_ways_through_version_2_agree(wire: dict[str, Any], needs_key: bool) -> None:
    body = json.dumps(wire).encode()
    quick = pagerduty_v2.read(body, needs_key=needs_key)
    slow = pagerduty_v2.read_object(decode(repair(body)), needs_key=needs_key)
    assert quick == slow


@given(
    tail=st.text(st.sampled_from('\\u0d89cCfF"{}[]'), max_size=60),
)
def test_repair_leaves_nothing_that_cannot_be_stored(tail: str) -> None:
    body = repair(b'{"a":"' + tail.encode() + b'"}')
    try:
        value = decode(body)
    except ValueError:
        return
    again = msgspec.json.encode(value)
    assert b"\\u0000" not in again


@given(depth=st.integers(0, 150), noise=st.text(max_size=10), lists=st.booleans())
def test_depth_is_what_it_says(depth: int, noise: str, lists: bool) -> None:
    value: Any = [noise, noise]
    for _ in range(depth):
        value = [value, "[{"] if lists else {noise: 1, "k]}": value}
    assert too_deep(msgspec.json.encode(value)) is (depth + 1 > 100)


def test_a_message_is_what_read_gives() -> None:
    body = b'{"event_action":"resolve","dedup_key":"k","routing_key":"' + KEY.encode() + b'"}'
    assert isinstance(pagerduty_v2.read(body), Message)
