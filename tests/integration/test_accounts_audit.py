"""The audit record: written with the change, sealed afterwards, and honest about tampering."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from tests.support.postgres import as_superuser
from tocsin.accounts import audit
from tocsin.accounts.chain import Head
from tocsin.accounts.model import SYSTEM, Actor, Role
from tocsin.core.database import Database, DatabaseError
from tocsin.core.errors import Forbidden, Invalid

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADA = Actor(kind="person", id="PADA", label="Ada", role=Role.ADMIN, address="192.0.2.7")


async def note(database: Database, count: int, start: int = 0) -> None:
    async with database.transaction() as tx:
        for n in range(start, start + count):
            await audit.record(
                tx,
                ADA,
                NOW + timedelta(minutes=n),
                action="update",
                subject_type="service",
                subject_id=f"P{n % 3}",
                subject_label=f"Service {n}",
                before={"name": "old", "same": [1, {"b": 1.5, "a": None}]},
                after={"name": f"new {n}", "same": [1, {"b": 1.5, "a": None}]},
            )


async def seal_all(database: Database) -> int:
    total = 0
    while True:
        async with database.transaction() as tx:
            sealed = await audit.seal(tx)
        if not sealed:
            return total
        total += sealed


async def verified(database: Database, anchor: Head | None = None) -> int | None:
    async with database.transaction() as tx:
        return await audit.verify(tx, anchor)


def tamper(database: Database, *statements: LiteralString) -> None:
    """What a superuser with a grudge can do: switch the triggers off and edit."""
    with psycopg.connect(as_superuser(database.dsn)) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)


async def test_only_what_differs_is_kept_and_who_did_it(database: Database) -> None:
    await note(database, 1)
    async with database.transaction() as tx:
        (row,) = (await audit.page(tx, SYSTEM)).items
    assert (row.before, row.after) == ({"name": "old"}, {"name": "new 0"})
    assert (row.actor_kind, row.actor_id, row.method) == ("person", "PADA", "browser")
    assert (row.address, row.action, row.at) == ("192.0.2.7", "update", NOW)


async def test_no_row_without_its_change(database: Database) -> None:
    async def fail_after_recording() -> None:
        async with database.transaction() as tx:
            await audit.record(
                tx, ADA, NOW, action="x", subject_type="y", subject_id="z", subject_label="z"
            )
            raise RuntimeError("the change failed")

    with pytest.raises(RuntimeError, match="the change failed"):
        await fail_after_recording()
    async with database.transaction() as tx:
        assert (await audit.page(tx, SYSTEM)).items == ()


async def test_the_tables_refuse_to_be_changed(database: Database) -> None:
    await note(database, 1)
    await seal_all(database)
    for statement in ("delete from audit", "update audit_chain set hash = ''"):
        with pytest.raises(DatabaseError, match="append-only"):
            async with database.transaction() as tx:
                await tx.execute(statement)  # type: ignore[arg-type]


async def test_sealing_covers_everything_in_batches_and_goes_on(database: Database) -> None:
    await note(database, 1005)
    assert await seal_all(database) == 1005
    await note(database, 3, start=2000)
    assert await verified(database) is None
    assert await seal_all(database) == 3
    assert await verified(database) is None
    async with database.transaction() as tx:
        assert (await audit.head(tx)).chain == 1008


async def test_only_one_seals_at_a_time(database: Database) -> None:
    await note(database, 4)
    async with database.transaction() as first, database.transaction() as second:
        assert await audit.seal(first) == 4
        assert await audit.seal(second) == 0
    assert await verified(database) is None


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        ("update audit set actor_label = 'Mallory' where seq = 4", 4),
        ('update audit set after = \'{"name": "new"}\' where seq = 5', 5),
        ("update audit set at = at + interval '1 second' where seq = 2", 2),
        ("delete from audit where seq = 6", 6),
        ("delete from audit_chain where audit_seq = 3", 4),
        ("update audit_chain set hash = sha256('x') where audit_seq = 7", 7),
        (
            "update audit set subject_id = case seq when 2 then 'P2' else 'P1' end"
            " where seq in (2, 3)",
            2,
        ),
        (
            "insert into audit (at, actor_kind, actor_label, method, action, subject_type,"
            " subject_id, subject_label) select at, actor_kind, 'Forged', method, action,"
            " subject_type, subject_id, subject_label from audit where seq = 1",
            11,
        ),
    ],
)
async def test_tampering_is_found_at_the_row(
    database: Database, deed: LiteralString, found: int
) -> None:
    await note(database, 10)
    await seal_all(database)
    tamper(database, deed)
    assert await verified(database) == found


async def test_cutting_off_the_end_is_found_with_an_anchor(database: Database) -> None:
    await note(database, 10)
    await seal_all(database)
    async with database.transaction() as tx:
        anchor = await audit.head(tx)
    assert await verified(database, anchor) is None
    tamper(
        database,
        "delete from audit_chain where audit_seq > 7",
        "delete from audit where seq > 7",
    )
    assert await verified(database) is None
    assert await verified(database, anchor) == 0
    rewritten = Head(chain=5, hash=b"\x00" * 32)
    assert await verified(database, rewritten) == 5


async def test_the_record_is_read_newest_first_in_pages(database: Database) -> None:
    await note(database, 7)
    seen: list[int] = []
    cursor: str | None = None
    async with database.transaction() as tx:
        while True:
            page = await audit.page(tx, SYSTEM, cursor=cursor, limit=3)
            seen += [row.seq for row in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert seen == [7, 6, 5, 4, 3, 2, 1]
        of_one = await audit.page(tx, SYSTEM, subject_type="service", subject_id="P1")
        assert [row.seq for row in of_one.items] == [5, 2]
        window = await audit.page(
            tx, SYSTEM, since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=4)
        )
        assert [row.seq for row in window.items] == [4, 3]
        assert (await audit.page(tx, SYSTEM, actor_id="PBOB")).items == ()
        assert (await audit.page(tx, SYSTEM, action="delete")).items == ()


async def test_who_may_read_it_and_with_what(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(Forbidden, match="view_audit"):
            await audit.page(tx, Actor(kind="person", id="P1", label="Bob", role=Role.MANAGER))
        for bad in ("nonsense", "WyJ4Il0", "WyItMSJd", "!"):
            with pytest.raises(Invalid, match="cursor"):
                await audit.page(tx, SYSTEM, cursor=bad)
        with pytest.raises(Invalid, match="limit"):
            await audit.page(tx, SYSTEM, limit=101)
