"""The nodes that share the work, and the logical time they share.

Each node beats once a second. Time starts at the cluster's own when another node is alive (its
beat moves while we watch), else at the later of the highest time ever stored and the database's
clock. After that only the boot-time clock carries it (see core/clock).
"""

from datetime import datetime, timedelta

import msgspec

from tocsin import metrics
from tocsin.core import ids
from tocsin.core.clock import SLEW_LIMIT_SECONDS, Clock, LogicalClock
from tocsin.core.database import Database, Tx

BEAT_SECONDS = 1.0
WATCH_SECONDS = 1.3
ALIVE_SECONDS = 5.0

SELECT_TIME = "select at, beat from logical_time"
SELECT_OTHERS = "select count(*) from nodes"
UPSERT_TIME = """
insert into logical_time (single, at, beat) values (true, %(now)s, 1)
on conflict (single) do update
set at = greatest(logical_time.at, excluded.at), beat = logical_time.beat + 1
"""
UPSERT_NODE = """
insert into nodes (id, name, role, version, started_at, beat_at)
values (%(id)s, %(name)s, %(role)s, %(version)s, %(now)s, %(now)s)
on conflict (id) do update set beat_at = excluded.beat_at
"""
DELETE_NODE = "delete from nodes where id = %(id)s"
DELETE_LOST = "delete from nodes where beat_at < %(before)s"
SELECT_NODES = """
select id, name, role, version, started_at, beat_at from nodes order by started_at limit 100
"""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the product."""

    id: str
    name: str
    role: str
    version: str
    started_at: datetime
    beat_at: datetime


class _Time(msgspec.Struct, frozen=True):
    at: datetime
    beat: int


async def join_time(database: Database, clock: LogicalClock) -> None:
    """Start this process's time where the product's time stands."""
    async with database.transaction() as tx:
        stored = await tx.one(_Time, SELECT_TIME)
        others = int(await tx.value(SELECT_OTHERS))
        wall = await tx.server_time()
    if stored is None:
        clock.anchor(wall)
        return
    if others:
        await clock.sleep(WATCH_SECONDS)
        async with database.transaction() as tx:
            later = await tx.one(_Time, SELECT_TIME)
            wall = await tx.server_time()
        if later is not None and later.beat != stored.beat:
            clock.anchor(later.at + _age(wall - later.at))
            return
    clock.anchor(max(stored.at, wall))


def _age(behind: timedelta) -> timedelta:
    """How old the stored time is: up to one beat. Without this each node that joins would be late
    by a part of a second, and the product's time would fall behind with every restart.

    `behind` is by how much the database's clock is ahead; one that jumped away says nothing.
    """
    beat = timedelta(seconds=BEAT_SECONDS)
    if not timedelta(0) <= behind <= timedelta(seconds=SLEW_LIMIT_SECONDS):
        return timedelta(0)
    return min(behind, beat)


class Beat:
    """This node's sign of life: `run` is an engine stage."""

    def __init__(
        self, database: Database, clock: Clock, *, name: str, role: str, version: str
    ) -> None:
        self.database = database
        self.clock = clock
        self.id = ids.new("P", clock.now())
        self.name = name
        self.role = role
        self.version = version
        self._last = clock.steady()

    async def run(self) -> int:
        """Store the time and this node's beat; compare with the database's clock."""
        now = self.clock.now()
        async with self.database.transaction() as tx:
            await tx.execute(UPSERT_TIME, {"now": now})
            await tx.execute(
                UPSERT_NODE,
                {
                    "id": self.id,
                    "name": self.name,
                    "role": self.role,
                    "version": self.version,
                    "now": now,
                },
            )
            wall = await tx.server_time()
        if isinstance(self.clock, LogicalClock):
            steady = self.clock.steady()
            drift = self.clock.observe(wall, steady - self._last)
            self._last = steady
            metrics.CLOCK_DRIFT.set(drift)
        return 0

    async def leave(self) -> None:
        """Say goodbye, so that the next start need not wait to see whether we are alive."""
        async with self.database.transaction() as tx:
            await tx.execute(UPSERT_TIME, {"now": self.clock.now()})
            await tx.execute(DELETE_NODE, {"id": self.id})


async def forget_lost(tx: Tx, before: datetime) -> None:
    """Drop nodes that have not beaten since `before`."""
    await tx.execute(DELETE_LOST, {"before": before})


async def living(tx: Tx) -> list[Node]:
    """Every node on record, oldest first."""
    return await tx.all(Node, SELECT_NODES)
