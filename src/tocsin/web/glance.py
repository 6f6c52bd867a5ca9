"""A glance at what is wrong, for the navigation of every page: cheap, and never in the way.

One look for each process in five seconds, however many pages are loaded; a database that is away
leaves the last answer out rather than the page.
"""

import msgspec

from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database, DatabaseError
from tocsin.engine.auditor import audit
from tocsin.engine.self_watch import seen_lately
from tocsin.engine.troubles import of_finding

log = logs.get(__name__)

FRESH_SECONDS = 5.0


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How many things are wrong, and in words those that keep people from being paged."""

    count: int = 0
    stuck: tuple[str, ...] = ()


class Glance:
    """What was last seen, and when."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._look = Look()
        self._at: float | None = None

    async def look(self) -> Look:
        """What is wrong now, give or take five seconds."""
        steady = self.clock.steady()
        if self._at is not None and steady - self._at < FRESH_SECONDS:
            return self._look
        # Whoever comes while this look is under way is given the last one.
        self._at = steady
        try:
            async with self.database.transaction() as tx:
                now = self.clock.now()
                findings = await audit(tx, now)
                others = await seen_lately(tx, now)
        except DatabaseError as error:
            log.warning("no glance at what is wrong", error=str(error))
            self._look = Look()
            return self._look
        keys = {finding.kind.value for finding in findings} | {one.key for one in others}
        stuck = tuple(of_finding(finding).summary for finding in findings if finding.is_stuck)
        self._look = Look(count=len(keys), stuck=stuck)
        return self._look

    def forget(self) -> None:
        """Look again the next time: somebody has just mended something."""
        self._at = None
