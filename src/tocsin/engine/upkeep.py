"""Upkeep: what has outlived its use is removed, a bounded piece at a time."""

from datetime import timedelta

from tocsin.accounts import actions as accounts
from tocsin.core.clock import Clock
from tocsin.core.database import Database
from tocsin.engine import nodes
from tocsin.events import actions as events
from tocsin.incidents import actions as incidents
from tocsin.webhooks import actions as webhooks

LOST_NODE = timedelta(hours=1)
CHANGE_EVENT_LIFE = timedelta(days=90)


class Upkeep:
    """An engine stage."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    async def run(self) -> int:
        """Remove expired sessions, nodes that are gone, alert groups that nothing can join any
        more, and change events and webhook deliveries past their life."""
        now = self.clock.now()
        async with self.database.transaction() as tx:
            swept = await accounts.sweep(tx, now)
            await nodes.forget_lost(tx, now - LOST_NODE)
            groups = await incidents.forget_groups(tx, now)
            changes = await events.forget_changes(tx, now - CHANGE_EVENT_LIFE)
        async with self.database.transaction() as tx:
            told = await webhooks.forget_old(tx, now)
        return swept + changes + groups + told
