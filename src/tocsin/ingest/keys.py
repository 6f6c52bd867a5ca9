"""From an integration key to where it leads, remembered for a while.

A known key is remembered for 30 s and an unknown one for 2 s, so that a key works soon after it is
made; `forget` drops everything at once when the configuration changes. Requests that ask for the
same key share one look-up, and few look-ups run at a time, so that strangers trying keys cannot
take the database from those who have one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from tocsin.catalog.model import IntegrationTarget
from tocsin.core.clock import Clock
from tocsin.core.database import Database, Tx, Unavailable
from tocsin.events.rejections import key_errors

KNOWN_SECONDS = 30.0
UNKNOWN_SECONDS = 2.0
KEYS = 10_000
LOOK_UPS = 2
LOOK_UP_SECONDS = 5.0

Finder = Callable[[Tx, str], Awaitable[IntegrationTarget | None]]


class Keys:
    """The keys asked for lately."""

    def __init__(self, database: Database, clock: Clock, find: Finder) -> None:
        self.database = database
        self.clock = clock
        self._find = find
        self._remembered: OrderedDict[str, tuple[IntegrationTarget | None, float]] = OrderedDict()
        self._running: dict[str, asyncio.Task[IntegrationTarget | None]] = {}
        self._turns = asyncio.Semaphore(LOOK_UPS)
        self._generation = 0

    def remembered(self, key: str) -> IntegrationTarget | None:
        """Where `key` leads, when that is known already."""
        found = self._remembered.get(key)
        return found[0] if found is not None and self.clock.steady() < found[1] else None

    async def target(self, key: str) -> IntegrationTarget | None:
        """Where `key` leads; None for an unknown one. Raises Unavailable with the database away."""
        found = self._remembered.get(key)
        if found is not None and self.clock.steady() < found[1]:
            return found[0]
        if key_errors(key):
            return None
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look_up(key, self._generation))
            self._running[key] = task
        # Shielded: one request that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Ask the database again for every key; also for those being asked about right now."""
        self._generation += 1
        self._remembered.clear()
        self._running.clear()

    async def _look_up(self, key: str, generation: int) -> IntegrationTarget | None:
        try:
            async with (
                asyncio.timeout(LOOK_UP_SECONDS),
                self._turns,
                self.database.transaction() as tx,
            ):
                target = await self._find(tx, key)
        except TimeoutError as error:
            raise Unavailable("the look-up of a key took too long") from error
        finally:
            if generation == self._generation:
                self._running.pop(key, None)
        if generation == self._generation:
            self._remember(key, target)
        return target

    def _remember(self, key: str, target: IntegrationTarget | None) -> None:
        seconds = UNKNOWN_SECONDS if target is None else KNOWN_SECONDS
        self._remembered[key] = (target, self.clock.steady() + seconds)
        self._remembered.move_to_end(key)
        if len(self._remembered) > KEYS:
            self._remembered.popitem(last=False)
