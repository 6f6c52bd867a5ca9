"""Which nodes are alive. A killed node leaves its row behind, so the rows alone prove nothing: the
common beat has to move while we watch."""

from datetime import datetime, timedelta

import msgspec

from tocsin.core.clock import Clock
from tocsin.core.database import Database
from tocsin.engine import nodes
from tocsin.engine.nodes import Node


class Living(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes alive, and the product's time as they last told it (None when there are none)."""

    nodes: tuple[Node, ...] = ()
    at: datetime | None = None

    @property
    def engines(self) -> int:
        """How many of them move incidents and send messages."""
        return sum(node.role != "web" for node in self.nodes)

    @property
    def webs(self) -> int:
        """How many of them serve requests."""
        return sum(node.role != "engine" for node in self.nodes)


class _Time(msgspec.Struct, frozen=True):
    at: datetime
    beat: int


async def living_nodes(database: Database, clock: Clock) -> Living:
    """Watch for a little more than a beat; who beat."""
    async with database.transaction() as tx:
        first = await tx.one(_Time, nodes.SELECT_TIME)
        known = await nodes.living(tx)
    if first is None or not known:
        return Living()
    await clock.sleep(nodes.WATCH_SECONDS)
    async with database.transaction() as tx:
        second = await tx.one(_Time, nodes.SELECT_TIME)
        known = await nodes.living(tx)
    if second is None or second.beat == first.beat:
        return Living()
    since = second.at - timedelta(seconds=nodes.ALIVE_SECONDS)
    return Living(nodes=tuple(node for node in known if node.beat_at >= since), at=second.at)
