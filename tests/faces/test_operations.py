"""/healthz, /readyz and /metrics: what they say when all is well and when something is not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.postgres import START
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database
from tocsin.engine.loop import Engine, Stage
from tocsin.web.operations import OperationsDeps, routes


class Site:
    """The three routes over a database, and a clock that moves when told to."""

    def __init__(self, database: Database, engine: Engine | None, clock: ManualClock) -> None:
        self.database = database
        self.engine = engine
        self.clock = clock
        deps = OperationsDeps(database=database, clock=clock, engine=engine, began=clock.steady())
        transport = httpx.ASGITransport(app=Starlette(routes=routes(deps)))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://tocsin.test")

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def not_ready(self) -> dict[str, str]:
        """What /readyz complains of, after checking that code and body agree."""
        answer = await self.get("/readyz")
        body = answer.json()
        assert answer.status_code == (200 if body["ready"] else 503)
        assert body["ready"] == (body["not_ready"] == [])
        return {each["what"]: each["detail"] for each in body["not_ready"]}

    async def numbers(self) -> dict[str, float]:
        """Every sample of /metrics by its name and labels."""
        answer = await self.get("/metrics")
        assert answer.status_code == 200
        lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def sql(self, statement: Any, **params: Any) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(statement, params)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    clock = ManualClock(START)

    async def nothing() -> int:
        return 0

    engine = Engine(database, clock, [Stage(name="intake", run=nothing, poll_seconds=1)])
    site = Site(database, engine, clock)
    yield site
    await site.client.aclose()


@pytest.fixture
async def broken(server_dsn: str) -> AsyncIterator[Site]:
    """A site whose database is gone."""
    database = Database("postgresql:///nothing?host=/nonexistent", size=2)
    database._pool.timeout = 0.2
    await database._pool.open(wait=False)
    yield Site(database, None, ManualClock(START))
    await database.close()


ADD_EVENT = """
with e as (
    insert into events (received_at, service_id, integration_id, format, body)
    values (%(at)s, 'shop', 'shop-key', 'pagerduty_v2', '{}') returning seq
)
insert into inbox (seq, slice, service_id, due_at, quarantined)
select seq, 3, 'shop', %(at)s, %(quarantined)s from e
"""


async def test_health_asks_nobody(broken: Site) -> None:
    answer = await broken.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["cache-control"] == "no-store"


async def test_all_is_well(site: Site) -> None:
    assert await site.not_ready() == {}


async def test_a_database_that_is_away_is_not_ready(broken: Site) -> None:
    assert list(await broken.not_ready()) == ["database"]


async def test_a_stage_that_hangs_is_named_after_thirty_seconds(site: Site) -> None:
    site.clock.advance(timedelta(seconds=31))
    assert await site.not_ready() == {}
    site.clock.advance(timedelta(seconds=1))
    assert "intake" in (await site.not_ready())["engine"]
    site.engine.finished_at["intake"] = site.clock.steady()  # type: ignore[union-attr]
    assert await site.not_ready() == {}


async def test_a_process_without_an_engine_does_not_speak_for_one(
    site: Site, database: Database
) -> None:
    web = Site(database, None, site.clock)
    site.clock.advance(timedelta(minutes=5))
    assert await web.not_ready() == {}


async def test_a_missing_migration_is_not_ready(site: Site) -> None:
    await site.sql("delete from schema_migrations where number = 5")
    assert "0005" in (await site.not_ready())["schema"]


async def test_a_newer_schema_is_not_ready(site: Site) -> None:
    await site.sql(
        "insert into schema_migrations values (9999, 'from_tomorrow', 'x', %(now)s)", now=START
    )
    assert "from_tomorrow" in (await site.not_ready())["schema"]


async def test_work_that_nobody_takes_up_is_overdue(site: Site) -> None:
    await site.sql(ADD_EVENT, at=START, quarantined=False)
    site.engine.finished_at["intake"] = 60.0  # type: ignore[union-attr]
    site.clock.advance(timedelta(seconds=30))
    assert await site.not_ready() == {}
    site.clock.advance(timedelta(seconds=1))
    assert list(await site.not_ready()) == ["inbox_waiting"]
    assert (await site.numbers())['tocsin_overdue_findings{kind="inbox_waiting"}'] == 1


async def test_an_event_set_aside_is_counted_and_the_server_is_ready(site: Site) -> None:
    await site.sql(ADD_EVENT, at=START, quarantined=True)
    site.engine.finished_at["intake"] = 60.0  # type: ignore[union-attr]
    site.clock.advance(timedelta(minutes=1))
    assert await site.not_ready() == {}
    numbers = await site.numbers()
    assert numbers['tocsin_overdue_findings{kind="inbox_quarantined"}'] == 1
    assert numbers["tocsin_engine_lag_seconds"] == 0


async def test_metrics_show_what_waits(site: Site) -> None:
    await site.sql(ADD_EVENT, at=START, quarantined=False)
    site.clock.advance(timedelta(seconds=7))
    numbers = await site.numbers()
    assert numbers["tocsin_engine_lag_seconds"] == 7
    assert numbers['tocsin_due_work{kind="events"}'] == 1
    assert numbers['tocsin_due_work{kind="deliveries"}'] == 0
    assert numbers['tocsin_stage_age_seconds{stage="intake"}'] == 7
    assert numbers["tocsin_database_up"] == 1


async def test_metrics_without_a_database_say_so_instead_of_the_last_number(broken: Site) -> None:
    numbers = await broken.numbers()
    assert numbers["tocsin_database_up"] == 0
    lag = numbers["tocsin_engine_lag_seconds"]
    assert lag != lag  # not a number


async def test_the_answers_need_no_sign_in_and_take_no_writes(site: Site) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await site.client.post(path)).status_code == 405
        assert (await site.client.head(path)).status_code == 200


async def test_many_at_once(site: Site) -> None:
    answers = await asyncio.gather(*(site.get("/metrics") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
