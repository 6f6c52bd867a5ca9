"""The watch: every few seconds, what the auditor finds and when each stage last finished a pass.

What it learns goes to the metrics, to /readyz and to the dead man's switch. Stages are written to
the database so that any node sees when no node finishes them.
"""

from collections.abc import Callable
from datetime import timedelta

from tocsin import metrics
from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.database import Database
from tocsin.engine.auditor import VITAL_STAGES, Finding, FindingKind, audit

log = logs.get(__name__)

UPSERT_STAGES = """
insert into stages (name, finished_at, node)
select name, finished_at, %(node)s
from unnest(%(names)s::text[], %(times)s::timestamptz[]) as s (name, finished_at)
on conflict (name) do update set finished_at = excluded.finished_at, node = excluded.node
where stages.finished_at < excluded.finished_at
"""


class Watch:
    """An engine stage. `finished_at` gives the steady time of each stage's last good pass."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        node: str,
        finished_at: Callable[[], dict[str, float]],
    ) -> None:
        self.database = database
        self.clock = clock
        self.node = node
        self.finished_at = finished_at
        self.findings: tuple[Finding, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing keeps people from being paged."""
        return not any(finding.is_stuck for finding in self.findings)

    async def begin(self) -> None:
        """A node that starts gives its stages until they would be called silent."""
        now = self.clock.now()
        values = {
            "names": list(VITAL_STAGES),
            "times": [now] * len(VITAL_STAGES),
            "node": self.node,
        }
        async with self.database.transaction() as tx:
            await tx.execute(UPSERT_STAGES, values)

    async def run(self) -> int:
        """Store the stages' signs of life and look for what is overdue."""
        now = self.clock.now()
        steady = self.clock.steady()
        # A copy: other stages finish while this one waits for the database.
        finished = dict(self.finished_at())
        times = [now - timedelta(seconds=max(0.0, steady - at)) for at in finished.values()]
        for name, at in finished.items():
            metrics.STAGE_AGE.labels(name).set(max(0.0, steady - at))
        async with self.database.transaction() as tx:
            if finished:
                await tx.execute(
                    UPSERT_STAGES, {"names": list(finished), "times": times, "node": self.node}
                )
            findings = await audit(tx, now)
        counts = {finding.kind: finding.count for finding in findings}
        for kind in FindingKind:
            metrics.OVERDUE.labels(kind.value).set(counts.get(kind, 0))
        known = {finding.kind for finding in self.findings}
        for finding in findings:
            if finding.kind not in known:
                log.error("overdue", kind=finding.kind.value, finding=finding.text())
        self.findings = findings
        return 0
