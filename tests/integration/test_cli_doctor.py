"""`tocsin doctor` on a real installation: it finds what was broken, and nothing else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.commands import Ran, run, run_async
from tests.support.postgres import START
from tests.support.settings import MASTER_KEY
from tests.support.world import make_world
from tocsin.channels import registry
from tocsin.channels.email import SmtpSettings
from tocsin.channels.registry import ChannelSettings
from tocsin.core.clock import LogicalClock
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import parse_allow_list
from tocsin.schedules.drafts import LayerDraft


@pytest.fixture
def where(fresh_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that lead to this test's installation."""
    monkeypatch.setenv("TOCSIN_MASTER_KEY", MASTER_KEY)
    return ["--database-url", fresh_dsn, "--data-dir", str(tmp_path / "var")]


def verdicts(ran: Ran) -> dict[str, str]:
    """The worst verdict by check name."""
    found: dict[str, str] = {}
    for check in ran.json["checks"]:
        if found.get(check["name"]) != "bad":
            found[check["name"]] = check["verdict"]
    return found


async def test_an_installation_that_works(fresh_dsn: str, where: list[str], tmp_path: Path) -> None:
    async with make_world(fresh_dsn, tmp_path, START) as world:
        await world.person("ann")
        await world.service("shop", [["ann"]])
        ran = await run_async("doctor", "--json", *where)
    assert ran.code == 0, ran.out
    found = verdicts(ran)
    for name in WELL:
        assert found[name] == "ok", name
    # Nobody runs an engine here, and it says so.
    assert found["nodes"] == "warn"


WELL = (
    "server version",
    "server settings",
    "schema",
    "channels",
    "people",
    "catch-all",
    "escalation policies",
    "sealed values",
    "overdue",
    "set aside",
)

BREAK = {
    "people": "update contact_methods set dead_since = '2026-01-01Z', dead_reason = 'gone'",
    "catch-all": "update users set deleted_at = '2026-01-01Z'",
    "escalation policies": "delete from escalation_targets",
    "set aside": (
        "with e as (insert into events (received_at, service_id, integration_id, format, body)"
        " values ('2026-03-02Z', 'P', 'P', 'pagerduty_v2', '{}') returning seq)"
        " insert into inbox (seq, slice, service_id, due_at, quarantined, error)"
        " select seq, 1, 'P', '2026-03-02Z', true, 'boom' from e"
    ),
    "overdue": (
        "insert into incident_timers (incident_id, kind, due_at)"
        " values ('Q1', 'snooze', '2026-03-02Z')"
    ),
    "sealed values": "update contact_methods set address_sealed = 'rubbish that is long enough'",
    "schema": "delete from schema_migrations where number = 6",
}


@pytest.mark.parametrize("name", BREAK)
async def test_what_is_broken_is_found(
    fresh_dsn: str, where: list[str], tmp_path: Path, name: str
) -> None:
    async with make_world(fresh_dsn, tmp_path, START) as world:
        await world.person("ann")
        await world.service("shop", [["ann"]])
    statement: Any = BREAK[name]
    with psycopg.connect(fresh_dsn) as connection:
        connection.execute(statement)
    ran = await run_async("doctor", "--json", *where)
    assert ran.code == 1
    assert verdicts(ran)[name] == "bad"
    shown = await run_async("doctor", *where)
    assert f"BAD   {name}" in shown.out


def test_a_database_that_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(
        "doctor",
        "--json",
        "--database-url",
        "postgresql://x@127.0.0.1:1/x",
        "--data-dir",
        str(tmp_path),
    )
    assert ran.code == 1
    assert verdicts(ran)["database"] == "bad"


def test_a_key_file_that_others_may_read(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_MASTER_KEY")
    (tmp_path / "var").mkdir()
    key = tmp_path / "var" / "master.key"
    key.write_text(MASTER_KEY)
    key.chmod(0o644)
    ran = run("doctor", "--json", *where)
    assert verdicts(ran)["master key"] == "bad"


def test_looking_makes_no_key(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_MASTER_KEY")
    run("doctor", "--json", *where)
    assert not (tmp_path / "var" / "master.key").exists()


def test_the_doctor_knows_which_channels_need_setting_up() -> None:
    """It goes by the settings alone; the channels themselves must agree that only e-mail needs
    any."""
    smtp = SmtpSettings(
        host=None,
        port=587,
        user=None,
        password=None,
        tls="starttls",
        sender=None,
        public_host="localhost",
    )
    channels = registry.build(
        ChannelSettings(smtp=smtp, ntfy_url="https://ntfy.sh", ntfy_token=None, simulated=True),
        Outbound(parse_allow_list("")),
    )
    assert [name for name, each in channels.items() if each.missing()] == ["email"]


async def test_a_schedule_that_ends_is_told_before_it_does(
    fresh_dsn: str, where: list[str], tmp_path: Path
) -> None:
    now = LogicalClock().now()
    async with make_world(fresh_dsn, tmp_path, now) as world:
        ann = await world.person("ann")
        layer = LayerDraft(
            rotation_virtual_start=now,
            rotation_turn_length_seconds=86_400,
            members=(ann.user.id,),
            end=now + timedelta(days=3),
        )
        nights = await world.schedule("Nights", "Etc/UTC", [layer])
        await world.service("shop", [[nights]])
        ran = await run_async("doctor", "--json", *where)
    found = verdicts(ran)
    assert found["schedules"] == "warn"
    assert found["escalation policies"] == "ok"
    (told,) = [each for each in ran.json["checks"] if each["name"] == "schedules"]
    assert "Nights from" in told["finding"]
