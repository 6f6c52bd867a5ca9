"""The demo's company really lived its days: every state is there, and nothing is left undone."""

from pathlib import Path

from tests.support.commands import run
from tests.support.settings import settings_for
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SignInReason
from tocsin.cli.demo import fill
from tocsin.cli.demo_company import PEOPLE, STORIES
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database

COUNT_BY_STATUS = "select status, count(*) from incidents group by status order by status"
COUNT_LEVELS = "select count(*) from pages where reason = 'no_answer'"


async def test_the_company(fresh_dsn: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, simulated_channel="true")
    access = await fill(settings, fresh_dsn)
    now = LogicalClock().now()
    async with Database(fresh_dsn, size=2) as database, database.transaction() as tx:
        statuses = dict(await tx.tuples(COUNT_BY_STATUS))
        assert sum(statuses.values()) == len(STORIES)
        assert set(statuses) == {"triggered", "acknowledged", "resolved"}
        assert await tx.value(
            "select count(*) from incidents where snoozed_until > %(n)s", {"n": now}
        )
        # Somebody did not answer once, and the next level was asked.
        assert await tx.value(COUNT_LEVELS) > 0
        assert await tx.value("select count(*) from deliveries where state <> 'sent'") == 0
        assert await tx.value("select count(*) from nodes") == 0
    async with Database(fresh_dsn, size=2) as database:
        entered = await accounts.sign_in(
            database,
            email=access.email,
            password=access.password,
            address="127.0.0.1",
            user_agent="test",
            now=now,
        )
    assert entered.reason is SignInReason.SIGNED_IN


def test_people_are_made_up() -> None:
    assert len({person.email for person in PEOPLE}) == len(PEOPLE)
    assert all(person.email.endswith(".example") for person in PEOPLE)


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    ran = run("demo", "--fresh", "--data-dir", str(tmp_path))
    assert ran.code == 1
    assert "something else than a demo" in ran.err
    assert (tmp_path / "precious").read_text() == "x"
