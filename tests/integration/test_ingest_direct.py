"""The short way of POST /v2/enqueue answers as the ordinary way does, byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import msgspec
import pytest
from starlette.applications import Starlette

from tests.support.front_door import KEY, Counted, add_service, front_door, serving, stored
from tests.support.running import eventually
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.ingest import bodies, direct
from tocsin.ingest.routes import FrontDoor, IngestDeps

BODY = msgspec.json.encode(
    {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "disk/db1",
        "payload": {"summary": "Disk full", "source": "db1", "severity": "critical"},
    }
)
MADE_KEY = re.compile(rb'"dedup_key":"Q[0-9A-Z]{15}"')
DATE = re.compile(rb"date: [^\r]*\r\n")


def request(
    body: bytes = BODY,
    *headers: str,
    path: str = "/v2/enqueue",
    method: str = "POST",
    version: str = "1.1",
    length: int | None = None,
) -> bytes:
    """One request as it travels; `length` None is the true one, -1 none at all."""
    lines = [f"{method} {path} HTTP/{version}", "Host: tocsin.test", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


CHUNKED = request(
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "Transfer-Encoding: chunked", length=-1
)
LONG = BODY[:-1] + b" " * bodies.EVENT_LIMIT + b"}"
FULL = BODY[:-1] + b" " * (bodies.EVENT_LIMIT - len(BODY)) + b"}"
OTHER = f"/integration/{KEY}/enqueue"
CLOSE = "Connection: close"
# A request that swallows the end of the talk is never answered, and then the server is silent.
SILENCE_SECONDS = 30.0
PARTS: dict[str, Sequence[bytes]] = {
    "plain": [request()],
    "a key is made": [request(BODY.replace(b'"disk/db1"', b'""'))],
    "another case of names": [request().replace(b"Content-Length", b"CONTENT-LENGTH")],
    "two after each other": [request(), request()],
    "in pieces": [request()[:30], request()[30:140], request()[140:180], request()[180:]],
    "byte by byte": [bytes([byte]) for byte in request()],
    "two at once": [request() * 2],
    "two at once, then another path": [request() * 2 + request(path=OTHER)],
    "behind another path": [request(path=OTHER) + request() + request()],
    "the end is the beginning of the next": [request() + request()[:50], request()[50:]],
    "close": [request(BODY, CLOSE)],
    "close, then more": [request(BODY, CLOSE) + request()],
    "1.0": [request(version="1.0")],
    "1.0, kept alive": [request(BODY, "Connection: keep-alive", version="1.0")],
    "with a query": [request(path="/v2/enqueue?a=1")],
    "escaped": [request(path="/v2/%65nqueue")],
    "the whole address": [request(path="http://tocsin.test/v2/enqueue")],
    "GET": [request(b"", method="GET")],
    "PUT": [request(method="PUT")],
    "chunked": [CHUNKED],
    "chunked, then plain": [CHUNKED + request()],
    "expects": [request(BODY, "Expect: 100-continue")],
    "compressed": [request(BODY, "Content-Encoding: gzip")],
    "not compressed": [request(BODY, "Content-Encoding: identity")],
    "no length": [request(b"", length=-1)],
    "no body": [request(b"")],
    "as long as may be": [FULL[:0] + request(FULL)],
    "too long": [request(LONG)],
    "not JSON": [request(b"{")],
    "nothing known": [request(BODY.replace(KEY.encode(), b"f" * 32))],
    "fields missing": [request(b"{}")],
    "NUL": [request(BODY.replace(b"Disk full", b"Disk\\u0000"))],
    "two lengths": [request(BODY, "Content-Length: 3")],
    "a wrong length": [request(length=-5)],
    "no HTTP": [b"hello\r\n\r\n"],
}


class Doors:
    """The same front door twice: with the short way, and without."""

    def __init__(self, urls: Sequence[str], counted: Sequence[Counted], front: FrontDoor) -> None:
        self.urls = urls
        self.counted = counted
        self.front = front

    async def both(self, parts: Sequence[bytes]) -> bytes:
        """What both answer; fails when they differ."""
        short, ordinary = [await talk(url, parts) for url in self.urls]
        assert short == ordinary
        assert self.counted[0].__dict__ == self.counted[1].__dict__, parts
        return short


async def talk(url: str, parts: Sequence[bytes]) -> bytes:
    """Everything the server says until it is silent or hangs up, without what differs each time."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    heard = b""
    for part in parts:
        writer.write(part)
        # The server is to see it as a part of its own.
        await writer.drain()
        await asyncio.sleep(0)
    # A request that ends the talk: each server answers in order, so this is the last answer.
    writer.write(request(path="/last", version="1.1", method="GET", body=b""))
    while b" 404 " not in heard[-400:] or not heard.endswith(b"Not Found"):
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                some = await reader.read(65536)
        except (TimeoutError, ConnectionResetError):
            break
        if not some:
            break
        heard += some
    writer.close()
    return DATE.sub(b"", MADE_KEY.sub(b'"dedup_key":"made"', heard))


@asynccontextmanager
async def doors_to(database: Database) -> AsyncIterator[Doors]:
    """Both, on one database."""
    counted = [Counted(), Counted()]
    async with AsyncExitStack() as stack:
        short, front = await stack.enter_async_context(front_door(database, counters=counted[0]))
        ordinary, _ = await stack.enter_async_context(
            front_door(database, counters=counted[1], short_way=False)
        )
        yield Doors([short, ordinary], counted, front)


async def test_both_ways_say_the_same(database: Database) -> None:
    await add_service(database)
    async with doors_to(database) as doors:
        for name, parts in PARTS.items():
            answer = await doors.both(parts)
            assert b"500 Internal" not in answer, name
        kept = await stored(database)
    # Each event was kept once on each way.
    halves = sorted(bytes(row["body"]) for row in kept)
    assert halves[::2] == halves[1::2]
    assert doors.counted[0].accepted_by_source["pagerduty_v2"] * 2 == len(kept)


async def test_the_short_way_is_taken(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of the HTTP server that goes round it fails here."""
    await add_service(database)
    async with doors_to(database) as doors:
        taken = []
        enqueue_now = doors.front.enqueue_now

        def watched(body: bytes, answer: Callable[[object], None]) -> None:
            taken.append(body)
            enqueue_now(body, answer)

        monkeypatch.setattr(doors.front, "enqueue_now", watched)
        for name in ("plain", "in pieces", "close"):
            await doors.both(PARTS[name])
        assert taken == [BODY] * 3


async def test_without_a_database_it_says_send_again(database: Database) -> None:
    await add_service(database)
    async with doors_to(database) as doors:
        await doors.both([request()])
        await database.close()
        answer = await doors.both([request()])
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in answer


async def test_a_body_that_does_not_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "READ_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "READ_SECONDS", 0.2)
    async with doors_to(database) as doors:

        async def slowly(url: str) -> bytes:
            place = urlsplit(url)
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(request()[:-10])
            heard = await reader.read()
            writer.close()
            return DATE.sub(b"", heard)

        short, ordinary = [await slowly(url) for url in doors.urls]
        assert short == ordinary
        assert short.startswith(b"HTTP/1.1 408 ")
        assert doors.counted[0].rejected_by_reason == {"too_slow": 1}


async def test_a_client_that_goes_away_is_counted_and_nothing_is_kept(database: Database) -> None:
    await add_service(database)
    async with doors_to(database) as doors:
        place = urlsplit(doors.urls[0])
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(request()[:-10])
        await writer.drain()
        writer.close()

        async def counted() -> dict[str, int]:
            return doors.counted[0].rejected_by_reason

        await eventually(counted, lambda found: found == {"gone": 1})
        assert await stored(database) == []


async def test_a_client_that_does_not_wait_for_its_answer_has_its_event_kept(
    database: Database,
) -> None:
    await add_service(database)
    async with doors_to(database) as doors:
        await doors.both([request()])
        place = urlsplit(doors.urls[0])
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(request())
        await writer.drain()
        writer.close()

        async def kept() -> int:
            return len(await stored(database))

        await eventually(kept, lambda number: number == 3)


async def test_a_server_that_stops_answers_what_it_has_read(database: Database) -> None:
    await add_service(database)
    counted = Counted()
    talks: list[asyncio.Task[bytes]] = []
    async with front_door(database, counters=counted) as (url, _):
        for _ in range(20):
            talks.append(asyncio.create_task(talk(url, [request()])))

        async def seen() -> int:
            return len(await stored(database))

        await eventually(seen)
    answers = [await talk for talk in talks]
    accepted = sum(answer.startswith(b"HTTP/1.1 202 ") for answer in answers)
    assert accepted == counted.accepted_by_source["pagerduty_v2"]


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(database: Database) -> None:
    await add_service(database)
    door = FrontDoor(IngestDeps(database=database, clock=LogicalClock()))
    http = direct.protocol(door)
    app = door.in_front_of(Starlette(routes=door.routes()))
    async with serving(app, http=http, timeout_keep_alive=1) as url:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for path in ("/v2/enqueue", OTHER) * 3:
            # Together longer than it may be idle, each pause shorter.
            await asyncio.sleep(0.4)
            writer.write(request(path=path))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 202 ")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
        assert await reader.read() == b""
        writer.close()
    await door.close()
