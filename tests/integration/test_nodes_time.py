"""A node that joins others takes their time, not one that is a beat old."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.engine import nodes

INSERT_NODE = """
insert into nodes (id, name, role, version, started_at, beat_at)
values ('PNODE', 'other', 'all', '1', %(at)s, %(at)s)
"""


async def join(database: Database, ahead: timedelta) -> float:
    """Join a cluster that beats, whose last beat stores a time `ahead` of the database's clock;
    the seconds between that time and the one the new node starts with."""
    async with database.transaction() as tx:
        await tx.execute(nodes.UPSERT_TIME, {"now": datetime(2026, 1, 1, tzinfo=UTC)})
        await tx.execute(INSERT_NODE, {"at": datetime(2026, 1, 1, tzinfo=UTC)})
    clock = LogicalClock()
    joining = asyncio.create_task(nodes.join_time(database, clock))
    await asyncio.sleep(0.3)
    async with database.transaction() as tx:
        stored = await tx.server_time() + ahead
        await tx.execute(nodes.UPSERT_TIME, {"now": stored})
    await joining
    return (clock.now() - stored).total_seconds()


async def test_the_age_of_the_last_beat_is_added(database: Database) -> None:
    # The beat is a second old when the node looks: the cluster's time has moved on by that.
    assert await join(database, timedelta(0)) >= 0.9


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_a_clock_that_jumped_away_is_not_asked(database: Database, ahead: timedelta) -> None:
    assert 0.0 <= await join(database, ahead) < 0.5
