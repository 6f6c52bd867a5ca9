"""Each path of the front door over real HTTP on a real database: codes, bodies, what is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest

from tests.support.front_door import (
    KEY,
    OTHER_KEY,
    START,
    Counted,
    add_service,
    front_door,
    stored,
)
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database
from tocsin.events.formats import events_of
from tocsin.ingest.routes import FrontDoor

V1 = "/generic/2010-04-15/create_event.json"


def trigger(**changes: Any) -> dict[str, Any]:
    payload = {"summary": "Disk full on db1", "source": "db1", "severity": "critical"}
    return {"routing_key": KEY, "event_action": "trigger", "payload": payload, **changes}


def alert(status: str, fingerprint: str, **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "DiskFull", **labels},
        "annotations": {"summary": "Disk full"},
        "startsAt": "2026-03-02T09:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": fingerprint,
    }


class Door:
    def __init__(self, url: str, door: FrontDoor, counted: Counted, database: Database) -> None:
        self.client = httpx.AsyncClient(base_url=url, timeout=30)
        self.door = door
        self.counted = counted
        self.database = database


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    await add_service(database)
    counted = Counted()
    async with front_door(database, counters=counted) as (url, front):
        made = Door(url, front, counted, database)
        yield made
        await made.client.aclose()


async def test_a_trigger_is_kept_and_its_key_is_echoed(door: Door) -> None:
    answer = await door.client.post("/v2/enqueue", json=trigger(dedup_key="disk/db1"))
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "disk/db1",
    }
    [row] = await stored(door.database)
    assert row["service_id"] == "PSVC00001"
    assert row["integration_id"] == "PINT00001"
    assert row["slice"] == 1
    assert row["waits"] == row["seq"]
    assert row["dedup_key"] is None
    [event] = events_of(row["format"], row["body"], row["dedup_key"])
    assert (event.dedup_key, event.summary) == ("disk/db1", "Disk full on db1")
    assert door.counted.accepted_by_source == {"pagerduty_v2": 1}


async def test_a_trigger_without_a_key_is_given_one_that_the_engine_sees(door: Door) -> None:
    first = (await door.client.post("/v2/enqueue", json=trigger())).json()["dedup_key"]
    second = (await door.client.post("/v2/enqueue", json=trigger())).json()["dedup_key"]
    assert first != second
    rows = await stored(door.database)
    kept = [events_of(row["format"], row["body"], row["dedup_key"])[0].dedup_key for row in rows]
    assert kept == [first, second]


async def test_the_integration_key_is_not_kept_with_the_body(door: Door) -> None:
    escaped = msgspec.json.encode(trigger(dedup_key="b")).replace(b'"0123', b'"\\u0030123')
    await door.client.post("/v2/enqueue", json=trigger(dedup_key="a"))
    assert (await door.client.post("/v2/enqueue", content=escaped)).status_code == 202
    await door.client.post(
        V1, json={"service_key": KEY, "event_type": "resolve", "incident_key": "a"}
    )
    rows = await stored(door.database)
    assert len(rows) == 3
    for row in rows:
        assert KEY.encode() not in row["body"]
        assert b"0123456789" not in row["body"].replace(b"\\u0030", b"0")
        assert events_of(row["format"], row["body"], row["dedup_key"])[0].dedup_key in ("a", "b")


async def test_version_1_answers_200_with_the_incident_key(door: Door) -> None:
    body = {"service_key": KEY, "event_type": "trigger", "description": "Host down"}
    answer = await door.client.post(V1, json={**body, "incident_key": "host/1"})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "message": "Event processed",
        "incident_key": "host/1",
    }
    made = await door.client.post(V1, json=body)
    assert made.json()["incident_key"]
    assert [row["format"] for row in await stored(door.database)] == ["pagerduty_v1"] * 2


@pytest.mark.parametrize("path", ["/v2/enqueue", V1, f"/integration/{KEY}/enqueue"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"routing_key": "0123',
        b"\xff\xfe{}",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\x00" * 100,
        b'{"a": "\x00"}',
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_not_json_is_refused_and_leaves_nothing(
    door: Door, path: str, body: bytes
) -> None:
    answer = await door.client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json() == {
        "status": "Unrecognized object",
        "message": "Event object format is unrecognized",
        "errors": ["JSON parse error"],
    }
    assert await stored(door.database) == []


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
async def test_json_that_is_no_object_is_refused(door: Door, body: bytes) -> None:
    answer = await door.client.post("/v2/enqueue", content=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "Unrecognized object"


async def test_nul_and_lone_surrogates_are_kept_in_a_form_that_can_be_stored(door: Door) -> None:
    body = msgspec.json.encode(trigger(dedup_key="KEYTEXT", x=1))
    body = body.replace(b"Disk full", b"Disk\\u0000full\\ud83d \\\\ud83d \\ud83d\\ude00")
    body = body.replace(b"KEYTEXT", b"key\\u0000\\udc00")
    answer = await door.client.post("/v2/enqueue", content=body)
    assert answer.status_code == 202
    assert answer.json()["dedup_key"] == "key\ufffd\ufffd"
    [row] = await stored(door.database)
    [event] = events_of(row["format"], row["body"], row["dedup_key"])
    assert event.summary == "Disk\ufffdfull\ufffd \\ud83d \U0001f600 on db1"


async def test_the_size_limit_is_exact(door: Door) -> None:
    def sized(size: int) -> bytes:
        body = msgspec.json.encode(trigger(pad=""))
        return body.replace(b'"pad":""', b'"pad":"' + b"x" * (size - len(body)) + b'"')

    assert (await door.client.post("/v2/enqueue", content=sized(524_288))).status_code == 202
    answer = await door.client.post("/v2/enqueue", content=sized(524_289))
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert answer.json()["errors"] == ["The body is too large (should be at most 524288 bytes)"]
    assert len(await stored(door.database)) == 1


async def test_a_chunked_body_over_the_limit_is_refused(door: Door) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b"x" * 1024

    answer = await door.client.post("/v2/enqueue", content=chunks())
    assert answer.status_code == 400
    assert "too large" in answer.json()["errors"][0]


async def test_an_endless_body_is_cut_off(door: Door) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b"x" * 65_536

    # Some transports see the early answer, others the closed connection.
    with suppress(httpx.TransportError):
        answer = await door.client.post("/v2/enqueue", content=chunks())
        assert answer.status_code == 400
    assert sent < 64 * 1024 * 1024


async def test_a_body_cut_short_by_the_client_leaves_nothing(door: Door) -> None:
    url = door.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = msgspec.json.encode(trigger())
    head = f"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:-10])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert reader is not None
    while not door.counted.rejected_by_reason:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    assert door.counted.rejected_by_reason == {"gone": 1}
    assert await stored(door.database) == []


async def test_a_compressed_body_is_refused_clearly(door: Door) -> None:
    answer = await door.client.post(
        "/v2/enqueue", content=b"\x1f\x8b123", headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        "Content-Encoding 'gzip' is not supported: send the body uncompressed"
    ]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_the_content_type_does_not_matter(door: Door, content_type: str) -> None:
    answer = await door.client.post(
        "/v2/enqueue",
        content=msgspec.json.encode(trigger()),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/enqueue", trigger(routing_key=OTHER_KEY)),
        (V1, {"service_key": OTHER_KEY, "event_type": "trigger", "description": "x"}),
        ("/v2/change/enqueue", {"routing_key": OTHER_KEY, "payload": {"summary": "x"}}),
        (f"/integration/{OTHER_KEY}/enqueue", trigger()),
        ("/integration/short/enqueue", trigger()),
        (f"/integration/{OTHER_KEY}/alertmanager", {"alerts": [alert("firing", "f1")]}),
    ],
)
async def test_an_unknown_key_is_refused(door: Door, path: str, body: dict[str, Any]) -> None:
    answer = await door.client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json() == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["Invalid routing key"],
    }
    assert await stored(door.database) == []


async def test_only_post_is_answered(door: Door) -> None:
    assert (await door.client.get("/v2/enqueue")).status_code == 405


async def test_a_webhook_is_one_event_for_each_alert_by_its_own_status(door: Door) -> None:
    body = {
        "status": "firing",
        "alerts": [alert("firing", "f1", severity="page"), alert("resolved", "f2")],
        "externalURL": "http://am.example.org",
    }
    answer = await door.client.post(f"/integration/{KEY}/alertmanager", json=body)
    assert answer.status_code == 202
    [row] = await stored(door.database)
    events = events_of(row["format"], row["body"], row["dedup_key"])
    assert [(event.action, event.dedup_key, event.severity) for event in events] == [
        ("trigger", "f1", "critical"),
        ("resolve", "f2", "error"),
    ]
    assert door.counted.accepted_by_source == {"alertmanager": 2}


async def test_a_webhook_may_show_its_key_as_a_bearer(door: Door) -> None:
    body = {"alerts": [alert("firing", "f1")]}
    answer = await door.client.post(
        "/alertmanager", json=body, headers={"Authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 202
    refused = await door.client.post("/alertmanager", json=body)
    assert refused.status_code == 400
    assert "Authorization" in refused.json()["errors"][0]


async def test_a_webhook_of_two_thousand_alerts_is_taken(door: Door) -> None:
    alerts = [alert("firing", f"f{number}", pad="x" * 300) for number in range(2000)]
    answer = await door.client.post(f"/integration/{KEY}/alertmanager", json={"alerts": alerts})
    assert answer.status_code == 202
    assert door.counted.accepted_by_source == {"alertmanager": 2000}


@pytest.mark.parametrize(
    ("body", "status", "format"),
    [
        ({"event_action": "trigger", "payload": trigger()["payload"]}, 202, "pagerduty_v2"),
        ({"event_type": "trigger", "description": "x"}, 200, "pagerduty_v1"),
        ({"alerts": [alert("firing", "f1")]}, 202, "alertmanager"),
    ],
)
async def test_the_keyed_path_tells_the_formats_apart(
    door: Door, body: dict[str, Any], status: int, format: str
) -> None:
    answer = await door.client.post(f"/integration/{KEY}/enqueue", json=body)
    assert answer.status_code == status
    assert [row["format"] for row in await stored(door.database)] == [format]


async def test_a_change_is_kept_and_never_queued(door: Door) -> None:
    body = {
        "routing_key": KEY,
        "payload": {
            "summary": "Deployed shop 1.2",
            "source": "ci",
            "timestamp": "2026-03-02T10:00:00+01:00",
            "custom_details": {"build": 7},
        },
        "links": [{"href": "https://ci.example.org/7", "text": "build"}],
    }
    answer = await door.client.post("/v2/change/enqueue", json=body)
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Change event processed"}
    async with door.database.transaction() as tx:
        [row] = await tx.rows("select * from change_events")
    assert (row["summary"], row["source"], row["details"]) == (
        "Deployed shop 1.2",
        "ci",
        {"build": 7},
    )
    assert row["at"].hour == 9
    assert row["links"] == [{"href": "https://ci.example.org/7", "text": "build"}]
    assert await stored(door.database) == []


async def test_over_a_keys_limit_each_path_answers_what_its_clients_retry(
    database: Database,
) -> None:
    await add_service(database)
    clock = ManualClock(START)
    v1 = {"service_key": KEY, "event_type": "trigger", "description": "x"}
    webhook = {"alerts": [alert("firing", "f1")]}
    async with (
        front_door(database, clock=clock, events_per_minute=2) as (url, _),
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert [(await client.post("/v2/enqueue", json=trigger())).status_code for _ in "12"] == [
            202,
            202,
        ]
        limited = await client.post("/v2/enqueue", json=trigger())
        assert limited.status_code == 429
        assert 60 <= int(limited.headers["retry-after"]) <= 120
        assert (await client.post(V1, json=v1)).status_code == 403
        held = await client.post(f"/integration/{KEY}/alertmanager", json=webhook)
        assert held.status_code == 503
        assert "retry-after" in held.headers
    assert len(await stored(database)) == 2


async def test_while_stopping_every_path_answers_503(database: Database) -> None:
    await add_service(database)
    async with (
        front_door(database, is_stopping=lambda: True) as (url, _),
        httpx.AsyncClient(base_url=url) as client,
    ):
        for path in ("/v2/enqueue", V1, "/v2/change/enqueue", f"/integration/{KEY}/enqueue"):
            assert (await client.post(path, json=trigger())).status_code == 503
    assert await stored(database) == []


async def test_forget_makes_a_new_key_work_at_once(door: Door) -> None:
    body = trigger(routing_key=OTHER_KEY)
    assert (await door.client.post("/v2/enqueue", json=body)).status_code == 400
    await add_service(door.database, OTHER_KEY, number=2)
    assert (await door.client.post("/v2/enqueue", json=body)).status_code == 400
    door.door.forget()
    assert (await door.client.post("/v2/enqueue", json=body)).status_code == 202
