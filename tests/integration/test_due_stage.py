"""Due work row by row: the poison is pushed back, a row that only met a lock stays due."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tocsin.core.clock import ManualClock
from tocsin.core.database import Database, Retry, Tx
from tocsin.engine.isolate import DueStage, DueWork

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Rows:
    """Rows that are due, by name; each fails in its own way or is done."""

    def __init__(self, **failures: Exception | None) -> None:
        self.failures = failures
        self.done: list[str] = []
        self.pushed_back: list[str] = []

    async def run(self, tx: Tx, now: datetime, limit: int, only: Sequence[str] | None) -> int:
        if only is None:
            raise RuntimeError("one of them is poison")
        (row,) = only
        failure = self.failures[row]
        if failure is not None:
            raise failure
        self.done.append(row)
        return 1

    async def due(self, tx: Tx, now: datetime, limit: int) -> list[str]:
        return list(self.failures)

    async def push_back(self, tx: Tx, row: str, error: str, now: datetime) -> None:
        self.pushed_back.append(row)


async def test_only_the_poison_is_pushed_back(database: Database) -> None:
    rows = Rows(a=RuntimeError("poison"), b=Retry("a deadlock"), c=None)
    work = DueWork(name="work", run=rows.run, due=rows.due, push_back=rows.push_back)
    assert await DueStage(database, ManualClock(START), work).run() == 1
    assert rows.done == ["c"]
    assert rows.pushed_back == ["a"]
