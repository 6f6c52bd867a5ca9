"""The pause before an alert opens an incident: alerts that end by themselves page nobody.

A new alert of a service that pauses is kept without an incident until `paused_until`; further
events about it count on it, and one that resolves it ends it. The service's row in `pause_holds`
says when the engine looks again: `pause_ends` then lets go on what still stands.
"""

from datetime import datetime, timedelta

from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.events.model import Arrived, Event
from tocsin.incidents.dedup import Verdict, decide_paused
from tocsin.incidents.model import Settings
from tocsin.incidents.store import pauses as store
from tocsin.incidents.store.alerts import OpenAlert


class Pausing:
    """What waits of one batch, by service."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._until: dict[str, datetime] = {}

    def takes(self, alert: OpenAlert | None, settings: Settings, event: Event) -> bool:
        """Whether the event is about an alert that waits already, or that begins to wait now."""
        if alert is not None:
            return alert.is_paused
        return event.action == "trigger" and settings.pause_seconds is not None

    def record(
        self, alert: OpenAlert | None, one: Arrived, settings: Settings, event: Event
    ) -> tuple[OpenAlert, Verdict]:
        """The alert after the event, which `takes` has chosen, and the outcome."""
        if alert is None:
            return self._keep(one, settings, event), Verdict.PAUSED
        verdict = decide_paused(event.action)
        if verdict is Verdict.RESOLVED_IN_PAUSE:
            alert.resolved_at = self.now
        elif event.action == "trigger":
            alert.event = event
            alert.repeats += 1
            alert.last_event_at = self.now
        return alert, verdict

    def _keep(self, one: Arrived, settings: Settings, event: Event) -> OpenAlert:
        assert settings.pause_seconds is not None
        until = self.now + timedelta(seconds=settings.pause_seconds)
        self._until[one.service_id] = until
        return OpenAlert(
            id=ids.new("Q", self.now),
            incident_id=None,
            service_id=one.service_id,
            integration_id=one.integration_id,
            dedup_key=event.dedup_key,
            event=event,
            created_at=self.now,
            last_event_at=self.now,
            paused_until=until,
            is_new=True,
        )

    async def flush(self, tx: Tx) -> None:
        """See to it that what waits is looked at when its time is over."""
        if self._until:
            rows = sorted(self._until.items())
            await tx.execute(
                store.HOLD,
                {"service_ids": [id for id, _ in rows], "due_ats": [at for _, at in rows]},
            )
