"""`tocsin send-test` beside a running engine, and without one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.commands import run_async
from tests.support.settings import settings_for
from tests.support.world import PASSWORD, Phone
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser
from tocsin.app import Program
from tocsin.channels.model import Dead, Message, Receipt
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.engine import nodes
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft


@pytest.fixture
async def program(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[Program]:
    """A node that is built and not yet running, with Ann and her phone and mail."""
    clock = LogicalClock()
    async with Database(fresh_dsn, size=6) as database:
        await nodes.join_time(database, clock)
        program = Program(
            settings_for(tmp_path),
            clock=clock,
            database=database,
            web_database=database,
            door_database=database,
            extra_channels=[Phone("phone"), Phone("mail")],
        )
        async with database.transaction() as tx:
            new = NewUser(name="Ann", email="ann@example.com", password=PASSWORD)
            ann = await accounts.first_run(tx, new, clock.now())
            for channel in ("phone", "mail"):
                await paging.add_contact_method(
                    tx,
                    SYSTEM,
                    ContactMethodDraft(
                        user_id=ann.id, channel=channel, label=channel.title(), address="ann"
                    ),
                    clock.now(),
                    channels=program.channels,
                    secret_box=program.secret_box,
                )
        yield program


@pytest.fixture
async def running(program: Program) -> AsyncIterator[Program]:
    """The same, with its engine at work."""
    stopping = asyncio.Event()
    task = asyncio.create_task(program.run(stopping))
    await program.beat.run()
    yield program
    stopping.set()
    await task
    await program.close()


async def test_each_contact_method_is_tested(running: Program, fresh_dsn: str) -> None:
    ran = await run_async(
        "send-test", "--user", "ann@example.com", "--json", "--database-url", fresh_dsn
    )
    assert ran.code == 0, ran.err
    outcomes = {each["channel"]: each["state"] for each in ran.json["outcomes"]}
    assert outcomes == {"phone": "sent", "mail": "sent"}
    phone = running.channels["phone"]
    assert isinstance(phone, Phone)
    assert [message.kind for message in phone.waiting["ann"]] == ["test"]


async def test_a_method_that_does_not_work_is_shown_with_its_reason(
    running: Program, fresh_dsn: str
) -> None:
    phone = running.channels["phone"]
    assert isinstance(phone, Phone)

    def gone(message: Message, address: str) -> Receipt:
        return Dead(detail="410 no such phone")

    phone.outcome = gone
    ran = await run_async(
        "send-test", "--user", "ann@example.com", "--channel", "phone", "--database-url", fresh_dsn
    )
    assert ran.code == 1
    assert "failed" in ran.out
    assert "410 no such phone" in ran.out
    assert "Mail" not in ran.out


async def test_without_an_engine_it_says_so_and_queues_nothing(
    program: Program, fresh_dsn: str
) -> None:
    ran = await run_async("send-test", "--user", "ann@example.com", "--database-url", fresh_dsn)
    assert ran.code == 1
    assert "no engine runs" in ran.err
    async with program.database.transaction() as tx:
        assert await tx.value("select count(*) from deliveries") == 0


async def test_a_killed_node_is_not_taken_for_a_running_one(
    program: Program, fresh_dsn: str
) -> None:
    await program.beat.run()
    ran = await run_async("send-test", "--user", "ann@example.com", "--database-url", fresh_dsn)
    assert "no engine runs" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--user", "nobody@example.com"], "nobody has the e-mail address"),
        (["--user", "ann@example.com", "--channel", "pigeon"], "no contact method for pigeon"),
    ],
)
async def test_refusals(program: Program, fresh_dsn: str, arguments: list[str], says: str) -> None:
    ran = await run_async("send-test", *arguments, "--database-url", fresh_dsn)
    assert ran.code == 1
    assert says in ran.err
