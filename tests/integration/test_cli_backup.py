"""`tocsin backup` and `tocsin restore`: everything comes back, nobody is paged twice, and what goes
wrong leaves what was there."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest

from tests.support.commands import empty_database, run, run_async
from tests.support.postgres import START
from tests.support.settings import MASTER_KEY
from tests.support.world import World, make_world
from tocsin.channels.model import Message, Receipt, Retry
from tocsin.incidents import actions as incidents

FOR_EVER = {"acknowledgement_timeout": None, "auto_resolve_timeout": None}


@pytest.fixture
def other_dsn(server_dsn: str, worker_id: str) -> Iterator[str]:
    """An empty database to restore into."""
    with empty_database(server_dsn, f"other_{worker_id}_{os.getpid()}") as dsn:
        yield dsn


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_MASTER_KEY", MASTER_KEY)


def rows(dsn: str, statement: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


async def a_busy_evening(world: World) -> None:
    """Ann has a message that never got through, one under way and one to come; a third incident
    is acknowledged."""
    await world.person(
        "ann", rules=[("phone", "high", 0), ("mail", "high", 3)], channels=("phone", "mail")
    )
    await world.person("bob")
    await world.service("shop", [["ann"], ["bob"]], minutes=5, **FOR_EVER)
    await world.trigger("shop", "handled")
    world["ann"].expects_page("handled")
    await world["ann"].acts(incidents.acknowledge, "handled")
    await world.trigger("shop", "sent")
    world["ann"].expects_page("sent")

    def down(message: Message, address: str) -> Receipt:
        return Retry(detail="503")

    world.channels["phone"].outcome = down
    await world.trigger("shop", "stuck")
    await world.trigger("shop", "under way")
    async with world.database.transaction() as tx:
        await tx.execute(
            "update deliveries set state = 'sending', leased_until = %(at)s, fence = fence + 1"
            " where channel = 'phone' and incident_id ="
            " (select id from incidents where title = 'under way')",
            {"at": world.clock.now() + timedelta(seconds=15)},
        )


async def test_a_restore_brings_everything_back_and_pages_nobody_twice(
    fresh_dsn: str, other_dsn: str, tmp_path: Path, key: None
) -> None:
    file = tmp_path / "evening.tbk"
    async with make_world(fresh_dsn, tmp_path / "a", START) as world:
        await a_busy_evening(world)
        made = await run_async("backup", str(file), "--database-url", fresh_dsn, "--json")
        assert made.code == 0, made.err
    manifest = made.json["manifest"]
    assert manifest["rows"]["incidents"] == 4
    assert manifest["with_key"] is False
    assert file.stat().st_mode & 0o777 == 0o600
    with ZipFile(file) as archive:
        assert archive.namelist() == ["database.dump", "manifest.json"]
        assert MASTER_KEY.encode() not in archive.read("manifest.json")

    done = await run_async("restore", str(file), "--database-url", other_dsn, "--json")
    assert done.code == 0, done.err
    assert done.json["unopened"] == []
    for table, count in manifest["rows"].items():
        if table in ("nodes", "stages"):
            continue
        (found,) = rows(other_dsn, f'select count(*) from "{table}"')[0]
        assert found >= count, table
    assert rows(other_dsn, "select nspname from pg_namespace where nspname like 'tocsin%'") == []

    # The clock of a restored server is the wall clock; the backup is months old by then.
    now = datetime.now(UTC)
    async with make_world(other_dsn, tmp_path / "b", now) as after:
        phone = after.channels["phone"]
        await after.settle()
        # One message on each way that was still due, of all that is open; "handled" is over.
        for waiting in (phone.waiting, after.channels["mail"].waiting):
            (summary,) = waiting.pop("ann")
            assert summary.kind == "summary"
            titles = sorted(line.title for line in summary.incidents)
            assert titles == ["sent", "stuck", "under way"]
            assert waiting == {}
        await after.advance(seconds=59)
        assert phone.waiting == {}
        # Nobody is forgotten: the ladder goes on and Bob is asked.
        await after.advance(minutes=6)
        assert "bob" in phone.waiting


async def test_a_backup_is_of_one_instant_while_the_server_writes(
    fresh_dsn: str, tmp_path: Path, key: None
) -> None:
    file = tmp_path / "x.tbk"
    async with make_world(fresh_dsn, tmp_path / "a", START) as world:
        await a_busy_evening(world)
        first = await run_async("backup", str(file), "--database-url", fresh_dsn, "--json")
        again = await run_async("backup", str(file), "--database-url", fresh_dsn)
        assert again.code == 1
        assert "--force" in again.err
        await world.trigger("shop", "later")
        second = await run_async(
            "backup", str(file), "--database-url", fresh_dsn, "--json", "--force"
        )
    assert first.json["manifest"]["rows"]["incidents"] == 4
    assert second.json["manifest"]["rows"]["incidents"] == 5
    assert sorted(os.listdir(tmp_path)) == ["x.tbk"]


def test_restore_does_not_touch_data_without_being_forced(fresh_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "x.tbk"
    where = ("--database-url", fresh_dsn, "--data-dir", str(tmp_path / "v"))
    assert run("backup", str(file), *where).code == 0
    with psycopg.connect(fresh_dsn) as connection:
        connection.execute(
            "insert into users (id, name, email, role, time_zone, created_at)"
            " values ('PANN', 'Ann', 'ann@example.com', 'owner', 'UTC', '2026-01-01Z')"
        )
    refused = run("restore", str(file), *where)
    assert refused.code == 1
    assert "not empty" in refused.err
    assert rows(fresh_dsn, "select id from users") == [("PANN",)]
    assert run("restore", str(file), *where, "--force").code == 0
    assert rows(fresh_dsn, "select id from users") == []


def test_a_restore_beside_a_running_server_is_refused(fresh_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "x.tbk"
    where = ("--database-url", fresh_dsn, "--data-dir", str(tmp_path / "v"))
    assert run("backup", str(file), *where).code == 0
    with psycopg.connect(fresh_dsn, application_name="tocsin engine"):
        refused = run("restore", str(file), *where, "--force")
    assert refused.code == 1
    assert "stop every node first" in refused.err


@pytest.mark.parametrize("damage", ["cut", "flipped", "not a backup"])
def test_a_damaged_backup_leaves_what_was_there(
    fresh_dsn: str, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "x.tbk"
    where = ("--database-url", fresh_dsn, "--data-dir", str(tmp_path / "v"))
    assert run("backup", str(file), *where).code == 0
    whole = bytearray(file.read_bytes())
    if damage == "cut":
        del whole[len(whole) // 2 :]
    elif damage == "flipped":
        whole[len(whole) // 2] ^= 0xFF
    else:
        whole = bytearray(b"hello")
    file.write_bytes(whole)
    before = rows(fresh_dsn, "select count(*) from pg_class")
    refused = run("restore", str(file), *where)
    assert refused.code == 1
    assert str(file) in refused.err
    assert rows(fresh_dsn, "select count(*) from schema_migrations")[0][0] > 0
    assert rows(fresh_dsn, "select count(*) from pg_class") == before


def test_a_restore_that_was_killed_half_way_is_taken_back(fresh_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "x.tbk"
    where = ("--database-url", fresh_dsn, "--data-dir", str(tmp_path / "v"))
    assert run("backup", str(file), *where).code == 0
    with psycopg.connect(fresh_dsn) as connection:
        connection.execute("alter schema public rename to tocsin_before_restore")
        connection.execute("create schema public")
        connection.execute("create table public.users (half int)")
    assert run("restore", str(file), *where).code == 0
    assert rows(fresh_dsn, "select count(*) from schema_migrations")[0][0] > 0


def test_a_backup_from_a_newer_version_is_refused(fresh_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "x.tbk"
    where = ("--database-url", fresh_dsn, "--data-dir", str(tmp_path / "v"))
    with psycopg.connect(fresh_dsn) as connection:
        connection.execute(
            "insert into schema_migrations values (9999, 'from_tomorrow', 'x', '2026-01-01Z')"
        )
    assert run("backup", str(file), *where).code == 1
    with psycopg.connect(fresh_dsn) as connection:
        connection.execute("delete from schema_migrations where number = 9999")
    assert run("backup", str(file), *where).code == 0
    newer = tmp_path / "newer.tbk"
    with ZipFile(file) as old, ZipFile(newer, "w") as new:
        new.writestr("database.dump", old.read("database.dump"))
        manifest = old.read("manifest.json").replace(b'"number": 1,', b'"number": 9999,')
        new.writestr("manifest.json", manifest)
    refused = run("restore", str(newer), *where)
    assert refused.code == 1
    assert "9999" in refused.err


def test_the_key_travels_only_when_asked(fresh_dsn: str, other_dsn: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "master.key").write_text(MASTER_KEY + "\n")
    (here / "master.key").chmod(0o600)
    file = tmp_path / "x.tbk"
    made = run(
        "backup", str(file), "--with-key", "--database-url", fresh_dsn, "--data-dir", str(here)
    )
    assert made.code == 0, made.err
    done = run("restore", str(file), "--database-url", other_dsn, "--data-dir", str(there))
    assert done.code == 0, done.err
    placed = there / "master.key"
    assert bytes.fromhex(placed.read_text().strip()) == bytes.fromhex(MASTER_KEY)
    assert placed.stat().st_mode & 0o777 == 0o600
    placed.write_text("11" * 32)
    refused = run(
        "restore", str(file), "--force", "--database-url", other_dsn, "--data-dir", str(there)
    )
    assert refused.code == 1
    assert "not the one in use here" in refused.err
