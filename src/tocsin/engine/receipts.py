"""What became of sends, written down: one writer at a time, many receipts a transaction.

Both pumps keep their receipts here. Sends that end together are written together; what ends while
the writer writes goes into its next transaction. While the database is away receipts wait; one that
cannot be written is left out alone, and its lease sends it again: twice is better than not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from tocsin.core import database as db
from tocsin.core import logs
from tocsin.core.clock import Clock

log = logs.get(__name__)

PAUSE_SECONDS = 0.2

R = TypeVar("R")


class Receipts(Generic[R]):
    """The receipts at hand of one pump. `record` writes a batch in one transaction, `name` says in
    the logs whose they are, and `id_of` which send a receipt is of."""

    def __init__(
        self,
        clock: Clock,
        record: Callable[[Sequence[R]], Awaitable[None]],
        *,
        name: str,
        id_of: Callable[[R], str],
        most: int,
    ) -> None:
        self._clock = clock
        self._record = record
        self._name = name
        self._id_of = id_of
        self._most = most
        self._at_hand: list[R] = []
        self._writer: asyncio.Task[None] | None = None

    def add(self, receipt: R) -> None:
        """Keep one for the next :meth:`write` or :meth:`begin`."""
        self._at_hand.append(receipt)

    def begin(self) -> None:
        """Have what is at hand written, without waiting for it."""
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_until_done(), name=self._name)

    async def write(self) -> None:
        """Write every receipt at hand. Those of a failed transaction stay at hand.

        Raises Unavailable or Retry when the database cannot take them now.
        """
        while self._at_hand:
            batch = self._at_hand[: self._most]
            try:
                await self._record(batch)
            except (db.Unavailable, db.Retry):
                raise
            except Exception:
                await self._one_by_one(batch)
            del self._at_hand[: len(batch)]

    async def close(self, timeout: float) -> None:
        """Give the writer `timeout` seconds to end."""
        writer = self._writer
        if writer is not None and not writer.done():
            await asyncio.wait({writer}, timeout=timeout)
            writer.cancel()

    async def _write_until_done(self) -> None:
        while self._at_hand:
            try:
                await self.write()
            except (db.Unavailable, db.Retry) as error:
                log.warning("receipts wait for the database", of=self._name, error=str(error))
                await self._clock.sleep(PAUSE_SECONDS)

    async def _one_by_one(self, batch: Sequence[R]) -> None:
        for receipt in batch:
            try:
                await self._record([receipt])
            except (db.Unavailable, db.Retry):
                raise
            except Exception:
                log.exception(
                    "receipt cannot be recorded", of=self._name, delivery=self._id_of(receipt)
                )


async def end(tasks: set["asyncio.Task[None]"], timeout: float) -> None:
    """Give sends under way `timeout` seconds; what does not end in time is left to its lease."""
    if tasks:
        _, late = await asyncio.wait(set(tasks), timeout=timeout)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def storable(text: str) -> str:
    """What the other side said, as PostgreSQL can keep it: without NUL and without half characters.
    A receipt that cannot be kept would have the message sent again and again."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
