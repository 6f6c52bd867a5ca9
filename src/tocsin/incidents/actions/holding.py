"""What maintenance windows hold back of a batch: alerts that are kept and open no incident.

The verdict is `suppression.verdict`'s, asked for once a batch. An alert that is held back has its
window's id in `suppressed_by`, and its service has a hold, so that the engine looks at it again
when the window ends. An alert that has an incident already goes on as it was; only the louder
urgency that would page people again waits, in the same way.
"""

from collections.abc import Iterable
from datetime import datetime

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.events.model import Arrived, Event
from tocsin.incidents.dedup import Verdict, decide_held
from tocsin.incidents.store.alerts import OpenAlert
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import Verdict as Held


class Holding:
    """What is held back in one batch, by service."""

    def __init__(self, verdicts: dict[str, Held], now: datetime) -> None:
        self.verdicts = verdicts
        self.now = now
        self._held: set[str] = set()

    @classmethod
    async def load(cls, tx: Tx, service_ids: Iterable[str], now: datetime) -> "Holding":
        """Ask for the verdicts on these services."""
        return cls(await suppression.verdicts(tx, service_ids, now), now)

    def takes(self, alert: OpenAlert | None, service_id: str, event: Event) -> bool:
        """Whether the event is about an alert that has no incident and gets none now."""
        if alert is not None:
            return alert.incident_id is None
        return event.action == "trigger" and service_id in self.verdicts

    def record(
        self, alert: OpenAlert | None, one: Arrived, event: Event
    ) -> tuple[OpenAlert, Verdict]:
        """The alert after the event, which `takes` has chosen, and the outcome."""
        if alert is None:
            return self._keep(one, event), Verdict.SUPPRESSED
        verdict = decide_held(event.action)
        if verdict is Verdict.RESOLVED:
            alert.resolved_at = self.now
        elif event.action == "trigger":
            alert.event = event
            alert.repeats += 1
            alert.last_event_at = self.now
        return alert, verdict

    def mutes(self, alert: OpenAlert) -> bool:
        """Whether a louder urgency has to wait; then it is noted on the alert."""
        held = self.verdicts.get(alert.service_id)
        if held is None:
            return False
        alert.suppressed_by = held.window_id
        self._held.add(alert.service_id)
        return True

    def _keep(self, one: Arrived, event: Event) -> OpenAlert:
        held = self.verdicts[one.service_id]
        self._held.add(one.service_id)
        return OpenAlert(
            id=ids.new("Q", self.now),
            incident_id=None,
            service_id=one.service_id,
            integration_id=one.integration_id,
            dedup_key=event.dedup_key,
            event=event,
            created_at=self.now,
            last_event_at=self.now,
            suppressed_by=held.window_id,
            is_new=True,
        )

    async def flush(self, tx: Tx) -> None:
        """See to it that what is held back is looked at again."""
        await suppression.hold(tx, self._held, self.now)
