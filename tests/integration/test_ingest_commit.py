"""Group commit: shared, complete, honest when the database fails, and bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg

from tests.support.front_door import KEY, add_service, front_door, stored
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database, DatabaseError, Unavailable
from tocsin.events.model import Accepted, Destination
from tocsin.ingest.group_commit import GroupCommit, Overloaded

DESTINATION = Destination(service_id="PS", integration_id="PI", slice=3, format="pagerduty_v2")


def row(number: int, dedup_key: str | None = None) -> Accepted:
    return Accepted(
        destination=DESTINATION,
        dedup_key=dedup_key or f"key{number}",
        body=b"{%d\x00\xff}" % number,
    )


def trigger(key: str = "k") -> dict[str, Any]:
    return {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {"summary": "Disk full", "source": "db1", "severity": "error"},
    }


async def test_many_requests_share_few_commits_and_all_are_kept(database: Database) -> None:
    commit = GroupCommit(database, LogicalClock())
    await asyncio.gather(*(commit.accept(row(number)) for number in range(2500)))
    rows = await stored(database)
    assert [(r["dedup_key"], r["body"]) for r in rows] == [
        (f"key{number}", b"{%d\x00\xff}" % number) for number in range(2500)
    ]
    assert all(r["waits"] == r["seq"] and r["slice"] == 3 for r in rows)
    assert commit.commits == 3


async def test_rows_of_several_destinations_stay_apart(database: Database) -> None:
    commit = GroupCommit(database, LogicalClock())
    places = [
        Destination(service_id=f"PS{n}", integration_id=f"PI{n}", slice=n, format=f"f{n}")
        for n in range(5)
    ]
    given = [Accepted(destination=places[n % 5], dedup_key=None, body=b"x" * n) for n in range(50)]
    await asyncio.gather(*(commit.accept(each) for each in given))
    for number, kept in enumerate(await stored(database)):
        place = number % 5
        assert (kept["service_id"], kept["integration_id"]) == (f"PS{place}", f"PI{place}")
        assert (kept["slice"], kept["format"], kept["dedup_key"]) == (place, f"f{place}", None)
        assert kept["body"] == b"x" * number


async def test_five_hundred_posts_at_once(database: Database) -> None:
    await add_service(database)
    async with front_door(database) as (url, door):
        limits = httpx.Limits(max_connections=500)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            answers = await asyncio.gather(
                *(client.post("/v2/enqueue", json=trigger(f"k{n}")) for n in range(500))
            )
        assert [answer.status_code for answer in answers] == [202] * 500
        assert door.commit.commits < 250
    assert len(await stored(database)) == 500


async def test_one_row_that_cannot_be_stored_fails_alone(database: Database) -> None:
    commit = GroupCommit(database, LogicalClock())
    rows = [row(1), row(2, dedup_key="bad\x00key"), row(3)]
    results = await asyncio.gather(*map(commit.accept, rows), return_exceptions=True)
    assert results[0] is None
    assert results[2] is None
    assert isinstance(results[1], DatabaseError)
    assert not isinstance(results[1], Unavailable)
    assert [r["dedup_key"] for r in await stored(database)] == ["key1", "key3"]


async def test_too_much_waiting_is_refused_at_once(database: Database) -> None:
    commit = GroupCommit(database, LogicalClock(), waiting_rows=10)
    results = await asyncio.gather(
        *(commit.accept(row(number)) for number in range(15)), return_exceptions=True
    )
    assert sum(isinstance(result, Overloaded) for result in results) == 5
    assert len(await stored(database)) == 10
    # What was answered makes room again.
    await commit.accept(row(99))


async def test_close_waits_for_what_was_brought(database: Database) -> None:
    commit = GroupCommit(database, LogicalClock())
    tasks = [asyncio.create_task(commit.accept(row(number))) for number in range(5)]
    await asyncio.sleep(0)
    await commit.close()
    assert all(task.done() for task in tasks)


async def test_a_commit_that_hangs_is_not_acknowledged(database: Database, fresh_dsn: str) -> None:
    await add_service(database)
    async with (
        await psycopg.AsyncConnection.connect(fresh_dsn) as other,
        front_door(database) as (url, door),
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.post("/v2/enqueue", json=trigger("a"))).status_code == 202
        door.commit.flush_seconds = 0.2
        await other.execute("lock table inbox in access exclusive mode")
        answer = await client.post("/v2/enqueue", json=trigger("b"))
        assert answer.status_code == 503
        assert answer.json()["message"] == "The event was not accepted; send it again"
        await other.rollback()
        assert (await client.post("/v2/enqueue", json=trigger("b"))).status_code == 202


async def test_with_the_database_gone_nothing_is_acknowledged(
    fresh_dsn: str, server_dsn: str
) -> None:
    pool = Database(fresh_dsn, size=2)
    await pool.open()
    await add_service(pool)
    name = psycopg.conninfo.conninfo_to_dict(fresh_dsn)["dbname"]
    async with (
        await psycopg.AsyncConnection.connect(server_dsn, autocommit=True) as admin,
        front_door(pool) as (url, door),
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        door.commit.flush_seconds = 0.5
        kept = [f"before{number}" for number in range(5)]
        for key in kept:
            assert (await client.post("/v2/enqueue", json=trigger(key))).status_code == 202
        await admin.execute(f'alter database "{name}" allow_connections false')
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        for path, body in (
            ("/v2/enqueue", trigger("lost")),
            (f"/integration/{KEY}/alertmanager", {"alerts": [{"status": "firing"}]}),
        ):
            for _ in range(3):
                answer = await client.post(path, json=body)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 1
        await admin.execute(f'alter database "{name}" allow_connections true')
        await eventually(lambda: accepted_again(client))
        kept += ["after"]
    rows = await stored(pool)
    assert [row["body"].count(b"lost") for row in rows] == [0] * len(kept)
    await pool.close()


async def accepted_again(client: httpx.AsyncClient) -> bool:
    return (await client.post("/v2/enqueue", json=trigger("after"))).status_code == 202


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(200):
        if await check():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it never happened")


async def test_an_error_nobody_foresaw_asks_for_the_event_again(database: Database) -> None:
    async def broken(tx: object, key: str) -> None:
        raise KeyError("a bug")

    async with (
        front_door(database, find_target=broken) as (url, _),
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.post("/v2/enqueue", json=trigger())).status_code == 503
    assert await stored(database) == []
