"""The timeline on a real database: written in order, announced once, and followed without gaps."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.accounts.model import ENGINE, Actor
from tocsin.core import ids
from tocsin.core.database import Database
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADA = Actor(kind="person", id="PADA", label="Ada")


def entry(incident: str, n: int = 0, **more: object) -> Entry:
    values: dict[str, object] = {
        "incident_id": incident,
        "service_id": "PSERVICE",
        "kind": Kind.NOTIFY,
        "reason": "first_rule",
        "actor": ENGINE,
        "at": NOW + timedelta(seconds=n),
    }
    return Entry(**{**values, **more})  # type: ignore[arg-type]


async def test_entries_come_back_as_written(database: Database) -> None:
    data = {"user": {"id": "PADA", "name": "Ada \t\n\\ \N{SNOWMAN}"}, "at": NOW, "n": [1, None]}
    async with database.transaction() as tx:
        fresh = await feed.append(
            tx,
            [
                entry("Q1", kind=Kind.ACKNOWLEDGE, reason="by_person", actor=ADA, data=data),
                entry("Q2"),
                entry("Q1", 1),
            ],
        )
    async with database.transaction() as tx:
        first, second = await feed.for_incident(tx, "Q1", 0, 10)
    assert [first.id, second.id] == [fresh[0], fresh[2]]
    assert all(ids.is_id(id) and id.startswith("Q") for id in fresh)
    assert (first.kind, first.reason, first.at) == ("acknowledge", "by_person", NOW)
    assert (first.actor_kind, first.actor_id, first.actor_label) == ("person", "PADA", "Ada")
    assert first.data == {**data, "at": "2026-03-02T09:00:00Z"}
    assert second.data is None
    assert first.seq < second.seq


async def test_pages_of_an_incident_forward_and_backward(database: Database) -> None:
    async with database.transaction() as tx:
        await feed.append(tx, [entry("Q1", n) for n in range(5)])
        first = await feed.for_incident(tx, "Q1", 0, 2)
        rest = await feed.for_incident(tx, "Q1", first[-1].seq, 10)
        latest = await feed.latest_for_incident(tx, "Q1", 2)
        older = await feed.latest_for_incident(tx, "Q1", 10, before_seq=latest[-1].seq)
    assert [len(first), len(rest), len(latest), len(older)] == [2, 3, 2, 3]
    assert [e.seq for e in (*latest, *older)] == [e.seq for e in (*first, *rest)][::-1]


async def test_nothing_is_written_and_nothing_announced_for_an_empty_batch(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        assert await feed.append(tx, []) == []
        assert await feed.since(tx, 0, 10) == []


async def test_each_incident_is_announced_once_a_transaction(database: Database) -> None:
    heard: list[str] = []
    async with database.session() as connection:
        await connection.execute("listen tocsin_changed")
        async with database.transaction() as tx:
            await feed.append(tx, [entry("Q1"), entry("Q1"), entry("Q2")])
            await feed.append(tx, [entry("Q1")])
            feed.changed(tx, "oncall")
        async for notice in connection.notifies(timeout=5, stop_after=4):
            heard.append(notice.payload)
    assert sorted(heard) == ["incident Q1", "incident Q2", "incidents", "oncall"]


async def test_a_follower_never_skips_a_slow_writer(database: Database) -> None:
    """The lower number commits last; whoever follows by number must still see it."""
    async with database.transaction() as slow:
        await feed.append(slow, [entry("QSLOW")])
        async with database.transaction() as quick:
            await feed.append(quick, [entry("QQUICK")])
        async with database.transaction() as reader:
            assert await feed.since(reader, 0, 10) == []
    async with database.transaction() as reader:
        seen = await feed.since(reader, 0, 10)
        assert [e.incident_id for e in seen] == ["QSLOW", "QQUICK"]
        assert await feed.since(reader, seen[-1].seq, 10) == []


async def test_a_writer_that_gave_up_holds_nobody(database: Database) -> None:
    async def give_up() -> None:
        async with database.transaction() as tx:
            await feed.append(tx, [entry("QGONE")])
            raise RuntimeError("changed its mind")

    with pytest.raises(RuntimeError, match="changed its mind"):
        await give_up()
    async with database.transaction() as tx:
        await feed.append(tx, [entry("Q1")])
    async with database.transaction() as reader:
        assert [e.incident_id for e in await feed.since(reader, 0, 10)] == ["Q1"]


async def test_following_under_concurrent_writers_sees_every_entry_once(
    database: Database,
) -> None:
    writers, batches, size = 3, 12, 7
    done = asyncio.Event()

    async def write(name: int) -> None:
        for batch in range(batches):
            async with database.transaction() as tx:
                await feed.append(tx, [entry(f"Q{name}X{batch}", n) for n in range(size)])
                await tx.execute("select pg_sleep(%(s)s)", {"s": 0.001 * ((name + batch) % 4)})

    async def follow() -> list[str]:
        seen: list[str] = []
        last = 0
        while True:
            finished = done.is_set()
            async with database.transaction() as tx:
                page = await feed.since(tx, last, 25)
            seen += [e.id for e in page]
            last = page[-1].seq if page else last
            if finished and not page:
                return seen

    follower = asyncio.create_task(follow())
    await asyncio.gather(*(write(name) for name in range(writers)))
    done.set()
    seen = await follower
    assert len(seen) == len(set(seen)) == writers * batches * size
