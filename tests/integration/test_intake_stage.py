"""The intake: in order, in turns, once, and never stopped by a row that fails."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from tests.support.front_door import START, add_service
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database, DatabaseError, Tx, Unavailable
from tocsin.engine import intake, intake_store
from tocsin.events import actions
from tocsin.events.model import Accepted, Arrived, Destination, Outcome

SECOND = timedelta(seconds=1)


class Recorder:
    """Stands where incidents do: keeps what it was given, in the caller's transaction.

    A key that starts with "poison" fails, by an exception or by an error of the database.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.healed = False

    async def __call__(self, tx: Tx, arrived: Sequence[Arrived], now: datetime) -> list[Outcome]:
        keys = [event.dedup_key for one in arrived for event in one.events]
        for key in keys:
            if self.healed:
                continue
            if key.startswith("poison-sql"):
                await tx.execute("select 1 / 0")
            if key.startswith("poison-slow"):
                await tx.execute("set local statement_timeout = 20")
                await tx.execute("select pg_sleep(10)")
            if key.startswith("poison"):
                raise LookupError(f"cannot record {key}")
        self.batches.append(keys)
        return [
            Outcome(seq=one.seq, position=place, reason="opened", alert_id=f"A{one.seq}")
            for one in arrived
            for place, _ in enumerate(one.events)
        ]

    @property
    def keys(self) -> list[str]:
        return [key for batch in self.batches for key in batch]


async def send(database: Database, service: tuple[str, str], slice: int, *keys: str) -> None:
    destination = Destination(
        service_id=service[0], integration_id=service[1], slice=slice, format="pagerduty_v2"
    )
    batch = [
        Accepted(
            destination=destination,
            dedup_key=None,
            body=msgspec.json.encode({"event_action": "resolve", "dedup_key": key}),
        )
        for key in keys
    ]
    async with database.transaction() as tx:
        await actions.accept(tx, batch, START)


async def waiting(database: Database) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        return await tx.rows("select * from inbox order by seq")


async def outcomes(database: Database) -> list[tuple[Any, ...]]:
    async with database.transaction() as tx:
        return await tx.tuples(
            "select seq, position, reason, alert_id from event_outcomes order by seq, position"
        )


async def test_events_are_recorded_in_order_and_leave_the_inbox(database: Database) -> None:
    service = await add_service(database)
    await send(database, service, 1, "a", "b", "c")
    recorder = Recorder()
    clock = ManualClock(START)
    assert await intake.run_due(database, clock, record=recorder) == 3
    assert recorder.batches == [["a", "b", "c"]]
    assert await waiting(database) == []
    assert await outcomes(database) == [
        (1, 0, "opened", "A1"),
        (2, 0, "opened", "A2"),
        (3, 0, "opened", "A3"),
    ]
    assert await intake.run_due(database, clock, record=recorder) == 0


async def test_every_alert_of_a_webhook_has_its_own_outcome(database: Database) -> None:
    service, integration = await add_service(database)
    body = {"alerts": [{"fingerprint": "f1"}, {"fingerprint": "f2", "status": "resolved"}]}
    destination = Destination(
        service_id=service, integration_id=integration, slice=1, format="alertmanager"
    )
    async with database.transaction() as tx:
        one = Accepted(destination=destination, dedup_key=None, body=msgspec.json.encode(body))
        await actions.accept(tx, [one], START)
    await intake.run_due(database, ManualClock(START), record=Recorder())
    assert [(row[0], row[1]) for row in await outcomes(database)] == [(1, 0), (1, 1)]


@pytest.mark.parametrize("poison", ["poison", "poison-sql", "poison-slow"])
async def test_a_poison_row_is_found_pushed_back_and_at_last_quarantined(
    database: Database, poison: str
) -> None:
    service = await add_service(database)
    good = [f"k{number}" for number in range(20)]
    await send(database, service, 1, *good[:9], poison, *good[9:])
    recorder = Recorder()
    clock = ManualClock(START)
    await intake.run_due(database, clock, record=recorder)
    assert sorted(recorder.keys) == sorted(good)
    [row] = await waiting(database)
    assert (row["seq"], row["attempts"], row["quarantined"]) == (10, 1, False)
    assert row["due_at"] > START
    assert row["error"]

    await send(database, service, 1, "later")
    await intake.run_due(database, clock, record=recorder)
    assert recorder.keys[-1] == "later"

    for attempts in (2, 3):
        clock.advance(60 * SECOND)
        assert await intake.run_due(database, clock, record=recorder) == 1
        [row] = await waiting(database)
        assert (row["attempts"], row["quarantined"]) == (attempts, attempts == 3)
    clock.advance(3600 * SECOND)
    assert await intake.run_due(database, clock, record=recorder) == 0
    assert len(await outcomes(database)) == 21


async def test_what_failed_for_a_while_is_recorded_when_it_can_be(database: Database) -> None:
    service = await add_service(database)
    await send(database, service, 1, "poison")
    recorder = Recorder()
    clock = ManualClock(START)
    await intake.run_due(database, clock, record=recorder)
    recorder.healed = True
    clock.advance(6 * SECOND)
    await intake.run_due(database, clock, record=recorder)
    assert recorder.keys == ["poison"]
    assert await waiting(database) == []


async def test_a_quiet_service_is_in_the_next_batch_of_a_stormy_slice(database: Database) -> None:
    stormy = await add_service(database, "a" * 32, number=1, slice=7)
    quiet = await add_service(database, "b" * 32, number=2, slice=7)
    elsewhere = await add_service(database, "c" * 32, number=3, slice=9)
    await send(database, stormy, 7, *(f"storm{number}" for number in range(300)))
    await send(database, quiet, 7, "quiet1", "quiet2")
    await send(database, elsewhere, 9, "elsewhere")
    recorder = Recorder()
    await intake.run_due(database, ManualClock(START), record=recorder, limit=10)
    first, second = recorder.batches
    assert first == ["elsewhere"]
    assert second == [*(f"storm{number}" for number in range(8)), "quiet1", "quiet2"]


async def test_many_slices_share_a_batch_and_a_storm_has_its_own(database: Database) -> None:
    services = {
        number: await add_service(database, f"{number:032d}", number=number, slice=number)
        for number in range(1, 9)
    }
    await send(database, services[1], 1, *(f"storm{number}" for number in range(300)))
    for number in range(2, 9):
        await send(database, services[number], number, f"quiet{number}")
    recorder = Recorder()
    await intake.run_due(database, ManualClock(START), record=recorder, limit=10)
    first, second = recorder.batches
    assert first == [f"quiet{number}" for number in range(2, 9)]
    assert second == [f"storm{number}" for number in range(10)]


def test_slices_share_batches_as_long_as_there_is_room() -> None:
    assert intake.shared([], 10) == []
    assert intake.shared([(4, 10)], 10) == [[4]]
    assert intake.shared([(1, 2), (2, 3), (3, 5), (4, 6), (5, 10)], 10) == [[1, 2, 3], [4], [5]]
    assert intake.shared([(7, 20), (8, 20)], 10) == [[7], [8]]


async def test_a_poison_row_holds_up_no_other_slice_of_its_batch(database: Database) -> None:
    services = {
        number: await add_service(database, f"{number:032d}", number=number, slice=number)
        for number in (1, 3, 5)
    }
    await send(database, services[1], 1, "a")
    await send(database, services[3], 3, "poison")
    await send(database, services[5], 5, "b")
    recorder = Recorder()
    clock = ManualClock(START)
    while await intake.run_due(database, clock, record=recorder):
        pass
    assert sorted(recorder.keys) == ["a", "b"]
    [row] = await waiting(database)
    assert row["slice"] == 3
    assert row["attempts"] == 1


async def test_a_batch_is_bounded_in_bytes_and_a_large_row_still_goes(
    database: Database,
) -> None:
    service = await add_service(database)
    await send(database, service, 1, "x" * 200, "y" * 200, "z" * 200)
    recorder = Recorder()
    clock = ManualClock(START)
    while await intake.run_due(database, clock, record=recorder, most_bytes=450):
        pass
    assert [len(batch) for batch in recorder.batches] == [2, 1]
    await send(database, service, 1, "x", "y")
    await intake.run_due(database, clock, record=recorder, most_bytes=1)
    assert recorder.batches[-1] == ["x"]


async def test_a_disabled_service_keeps_the_events_outcome_and_records_nothing(
    database: Database,
) -> None:
    service = await add_service(database)
    await send(database, service, 1, "a")
    async with database.transaction() as tx:
        await tx.execute("update services set disabled_at = %(now)s", {"now": START})
    recorder = Recorder()
    assert await intake.run_due(database, ManualClock(START), record=recorder) == 1
    assert recorder.batches == []
    assert await outcomes(database) == [(1, 0, "service_disabled", None)]
    assert await waiting(database) == []


async def test_a_body_that_cannot_be_read_has_an_outcome_too(database: Database) -> None:
    service, integration = await add_service(database)
    destination = Destination(
        service_id=service, integration_id=integration, slice=1, format="pagerduty_v2"
    )
    async with database.transaction() as tx:
        one = Accepted(destination=destination, dedup_key=None, body=b"\xff")
        await actions.accept(tx, [one], START)
    await intake.run_due(database, ManualClock(START), record=Recorder())
    assert await outcomes(database) == [(1, 0, "unreadable", None)]


async def test_a_missing_outcome_is_a_failure_and_not_a_silent_loss(database: Database) -> None:
    service = await add_service(database)
    await send(database, service, 1, "a")

    async def forgetful(tx: Tx, arrived: Sequence[Arrived], now: datetime) -> list[Outcome]:
        return []

    await intake.run_due(database, ManualClock(START), record=forgetful)
    [row] = await waiting(database)
    assert "needs one outcome" in row["error"]


async def test_a_slice_has_one_writer(database: Database) -> None:
    service = await add_service(database)
    await send(database, service, 1, "a")
    recorder = Recorder()
    clock = ManualClock(START)
    async with database.transaction() as tx:
        assert await intake_store.lock_slices(tx, [1]) == [1]
        assert await intake.run_due(database, clock, record=recorder) == 0
    assert await intake.run_due(database, clock, record=recorder) == 1


async def test_two_nodes_record_each_event_once(database: Database, fresh_dsn: str) -> None:
    services = [
        await add_service(database, f"{number:032d}", number=number) for number in range(1, 9)
    ]
    for number, service in enumerate(services, 1):
        await send(database, service, number, *(f"{number}/{n}" for n in range(40)))
    other = Database(fresh_dsn, size=4)
    await other.open()
    first, second = Recorder(), Recorder()

    async def node(pool: Database, recorder: Recorder) -> None:
        while await waiting(pool):
            await intake.run_due(pool, ManualClock(START), record=recorder, limit=7)

    await asyncio.gather(node(database, first), node(other, second))
    await other.close()
    assert len(first.keys) + len(second.keys) == 320
    assert len(await outcomes(database)) == 320
    for keys in (first.keys, second.keys):
        for number in range(1, 9):
            mine = [int(key.split("/")[1]) for key in keys if key.startswith(f"{number}/")]
            assert mine == sorted(mine)


async def test_with_the_database_away_no_row_is_blamed(
    database: Database, fresh_dsn: str, server_dsn: str
) -> None:
    service = await add_service(database)
    await send(database, service, 1, "a", "b")
    name = psycopg.conninfo.conninfo_to_dict(fresh_dsn)["dbname"]

    async def cut_off(tx: Tx, arrived: Sequence[Arrived], now: datetime) -> list[Outcome]:
        async with await psycopg.AsyncConnection.connect(server_dsn, autocommit=True) as admin:
            await admin.execute(f'alter database "{name}" allow_connections false')
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                (name,),
            )
        await tx.execute("select 1")
        raise AssertionError("the connection should be gone")

    with pytest.raises(Unavailable):
        await intake.run_due(database, ManualClock(START), record=cut_off)
    async with await psycopg.AsyncConnection.connect(server_dsn, autocommit=True) as admin:
        await admin.execute(f'alter database "{name}" allow_connections true')
    recorder = Recorder()
    for _ in range(100):
        try:
            await intake.run_due(database, ManualClock(START), record=recorder)
            break
        except DatabaseError:
            await asyncio.sleep(0.1)
    assert recorder.keys == ["a", "b"]


async def test_a_connection_that_is_lost_is_no_rows_fault(database: Database) -> None:
    """The database restarts so fast that it is back when the intake looks: no row is put off, or
    a trigger would be overtaken by its resolve."""
    service = await add_service(database)
    await send(database, service, 1, "a", "b")
    recorder = Recorder()

    async def cut_off(tx: Tx, arrived: Sequence[Arrived], now: datetime) -> list[Outcome]:
        await tx.execute("select pg_terminate_backend(pg_backend_pid())")
        raise AssertionError("the connection should be gone")

    for _ in range(4):
        with pytest.raises(Unavailable):
            await intake.run_due(database, ManualClock(START), record=cut_off)
    while not recorder.keys:
        try:
            await intake.run_due(database, ManualClock(START), record=recorder)
        except Unavailable:
            continue
    assert recorder.batches == [["a", "b"]]
