"""Turn a batch of machines' events into alerts and incidents, in one transaction.

Everything the batch touches is loaded in a few queries, `dedup` and `lifecycle` decide in memory in
the order the events arrived, and each table is written once. Repeats of one alert in a batch make
one timeline entry with a count. The caller is the intake, the only writer of a service's slice;
people may act on the same incidents meanwhile, so open alerts are read again under the lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Retry, Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Ladder, Move
from tocsin.events.model import Arrived, Event, Outcome
from tocsin.incidents import dedup, urgency
from tocsin.incidents.actions.holding import Holding
from tocsin.incidents.actions.joining import Joins
from tocsin.incidents.actions.pausing import Pausing
from tocsin.incidents.actions.work import Draft, Question, Work
from tocsin.incidents.dedup import Verdict
from tocsin.incidents.grouping import Joining
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import (
    MAX_TITLE,
    Acknowledgement,
    Incident,
    Reason,
    Settings,
    Status,
    Urgency,
)
from tocsin.incidents.store import alerts
from tocsin.incidents.store import incidents as store
from tocsin.incidents.store.alerts import HeldAlert, OpenAlert
from tocsin.timeline.model import Kind

Key = tuple[str, str]
LOCK_ATTEMPTS = 3


@dataclass(slots=True)
class _Batch:
    """What the events of one batch meet: services, names, open alerts, drafts."""

    work: Work
    holding: Holding
    pausing: Pausing
    joins: Joins
    settings: dict[str, Settings]
    ladders: dict[str, Ladder]
    actors: dict[str, Actor]
    open: dict[Key, OpenAlert]
    touched: dict[str, OpenAlert]

    def draft_of(self, alert: OpenAlert | None) -> Draft | None:
        """The incident of an alert; None without one."""
        if alert is None or alert.incident_id is None:
            return None
        return self.work.drafts[alert.incident_id]


async def record_events(tx: Tx, arrived: Sequence[Arrived], now: datetime) -> list[Outcome]:
    """Record a batch in the order given; one outcome for each event, in the same order."""
    if not arrived:
        return []
    batch = await _load(tx, arrived, now)
    outcomes = [
        _record(batch, one, position, event)
        for one in arrived
        for position, event in enumerate(one.events)
    ]
    _tell_repeats(batch)
    await _flush(tx, batch)
    return outcomes


async def _flush(tx: Tx, batch: _Batch) -> None:
    await alerts.write(tx, batch.touched.values())
    await batch.holding.flush(tx)
    await batch.pausing.flush(tx)
    await batch.joins.flush(tx)
    await batch.work.flush()


async def open_held(tx: Tx, held: Sequence[HeldAlert], now: datetime) -> None:
    """Let alerts go on that were held back, as if they came now: each opens an incident and pages,
    and one that has an incident gets the urgency that its severity asks for.

    The caller is the only writer of their services' slices, and has seen that none is in
    maintenance.
    """
    arrived = [
        Arrived(
            seq=0,
            service_id=one.service_id,
            integration_id=one.integration_id,
            received_at=now,
            events=(one.event,),
        )
        for one in held
    ]
    batch = await _load(tx, arrived, now)
    for one in arrived:
        # Whoever resolved its incident a moment ago has ended it.
        alert = batch.open.get((one.integration_id, one.events[0].dedup_key))
        if alert is not None:
            _let_go(batch, one, alert, batch.settings[one.service_id])
    await _flush(tx, batch)


async def _load(tx: Tx, arrived: Sequence[Arrived], now: datetime) -> _Batch:
    keys = {(one.integration_id, event.dedup_key) for one in arrived for event in one.events}
    settings = await store.settings(tx, (one.service_id for one in arrived))
    names = await store.integration_names(tx, (one.integration_id for one in arrived))
    holding = await Holding.load(tx, settings, now)
    joins = await Joins.load(tx, settings, arrived, now)
    work, found = await _lock(tx, keys, joins.incident_ids, now)
    return _Batch(
        work=work,
        holding=holding,
        pausing=Pausing(now),
        joins=joins,
        settings=settings,
        ladders=await escalations.ladders(tx, (s.policy_id for s in settings.values())),
        actors={
            id: Actor(kind="integration", id=id, label=names.get(id, "an integration"))
            for id in {one.integration_id for one in arrived}
        },
        open=found,
        touched={},
    )


async def _lock(
    tx: Tx, keys: set[Key], joinable: set[str], now: datetime
) -> tuple[Work, dict[Key, OpenAlert]]:
    """Lock the incidents that hold the open alerts of these keys and those that new ones may join,
    and read the alerts again.

    A merge may move an alert between the two reads; then the other incident is locked too.
    """
    work = Work(tx, now)
    found = await alerts.open_by_keys(tx, keys)
    holders = _holders(found) | joinable
    if not holders:
        return work, _by_key(found)
    for _ in range(LOCK_ATTEMPTS):
        await work.load(holders)
        found = await alerts.open_by_keys(tx, keys)
        missing = _holders(found) - set(work.drafts)
        if not missing:
            return work, _by_key(found)
        holders = missing
    raise Retry("the alerts of this batch keep moving between incidents")


def _holders(found: Sequence[OpenAlert]) -> set[str]:
    return {alert.incident_id for alert in found if alert.incident_id is not None}


def _by_key(found: Sequence[OpenAlert]) -> dict[Key, OpenAlert]:
    return {(alert.integration_id, alert.dedup_key): alert for alert in found}


def _record(batch: _Batch, one: Arrived, position: int, event: Event) -> Outcome:
    settings = batch.settings.get(one.service_id)
    if settings is None or settings.disabled:
        gone = Verdict.SERVICE_GONE if settings is None else Verdict.SERVICE_DISABLED
        return Outcome(seq=one.seq, position=position, reason=gone.value)
    key = (one.integration_id, event.dedup_key)
    alert = batch.open.get(key)
    if alert is not None and batch.pausing.takes(alert, settings, event):
        return _pause(batch, one, position, event)
    if batch.holding.takes(alert, one.service_id, event):
        return _hold(batch, one, position, event)
    if batch.pausing.takes(alert, settings, event):
        return _pause(batch, one, position, event)
    draft = batch.draft_of(alert)
    verdict = dedup.decide(event.action, None if draft is None else draft.incident.status)
    if verdict is Verdict.NO_OPEN_ALERT:
        return Outcome(seq=one.seq, position=position, reason=verdict.value)
    actor = batch.actors[one.integration_id]
    if alert is None or draft is None:
        alert, verdict = _open(batch, one, event, settings, actor)
    else:
        batch.touched[alert.id] = alert
        if verdict is Verdict.REPEATED:
            _repeat(batch, alert, draft, event, actor)
        elif verdict is Verdict.RESOLVED:
            del batch.open[key]
            _resolve(batch, alert, draft, actor)
        elif verdict is Verdict.ACKNOWLEDGED:
            _acknowledge(batch, draft, actor)
    return Outcome(
        seq=one.seq,
        position=position,
        reason=verdict.value,
        alert_id=alert.id,
        incident_id=alert.incident_id,
    )


def _hold(batch: _Batch, one: Arrived, position: int, event: Event) -> Outcome:
    key = (one.integration_id, event.dedup_key)
    alert, verdict = batch.holding.record(batch.open.get(key), one, event)
    return _kept(batch, one, position, (alert, verdict))


def _pause(batch: _Batch, one: Arrived, position: int, event: Event) -> Outcome:
    settings = batch.settings[one.service_id]
    before = batch.open.get((one.integration_id, event.dedup_key))
    return _kept(batch, one, position, batch.pausing.record(before, one, settings, event))


def _kept(
    batch: _Batch, one: Arrived, position: int, decided: tuple[OpenAlert, Verdict]
) -> Outcome:
    """The outcome for an alert that has no incident after it either."""
    alert, verdict = decided
    key = (alert.integration_id, alert.dedup_key)
    batch.touched[alert.id] = alert
    if alert.resolved_at is None:
        batch.open[key] = alert
    else:
        del batch.open[key]
    return Outcome(seq=one.seq, position=position, reason=verdict.value, alert_id=alert.id)


def _open(
    batch: _Batch, one: Arrived, event: Event, settings: Settings, actor: Actor
) -> tuple[OpenAlert, Verdict]:
    """Bring an alert under an incident, that of its group or a new one: a new alert, or one that
    was held back until now."""
    work, now = batch.work, batch.work.now
    held = batch.open.get((one.integration_id, event.dedup_key))
    joining = batch.joins.find(work, one.service_id, event)
    if joining is not None:
        draft = work.drafts[joining.incident_id]
    else:
        draft = _new_incident(batch, event, settings, actor)
        batch.joins.opened(one.service_id, event, draft.incident.id)
    incident = draft.incident
    draft.set(
        alert_count=incident.alert_count + 1,
        open_alert_count=incident.open_alert_count + 1,
        last_alert_at=now,
    )
    alert = held or OpenAlert(
        id=ids.new("Q", now),
        incident_id=incident.id,
        service_id=settings.service_id,
        integration_id=one.integration_id,
        dedup_key=event.dedup_key,
        event=event,
        created_at=now,
        last_event_at=now,
        is_new=True,
    )
    batch.open[(one.integration_id, event.dedup_key)] = alert
    batch.touched[alert.id] = alert
    _tell_opened(batch, draft, alert, event, joining)
    if held is not None:
        held.go_on(incident.id)
    if joining is None:
        return alert, Verdict.OPENED
    loud = urgency.lifted(
        opened_under=draft.settings.urgency_rule_at(incident.created_at),
        rule=settings.urgency_rule_at(now),
        current=incident.urgency,
        severity=event.severity,
    )
    if loud:
        _raise(batch, draft, actor, Reason.URGENT_ALERT_JOINED)
    return alert, Verdict.JOINED


def _new_incident(batch: _Batch, event: Event, settings: Settings, actor: Actor) -> Draft:
    """An incident for its first alert; its number comes when all is decided."""
    now = batch.work.now
    incident = Incident(
        id=ids.new("Q", now),
        number=0,
        service_id=settings.service_id,
        escalation_policy_id=settings.policy_id,
        title=(event.summary or event.dedup_key)[:MAX_TITLE],
        status=Status.TRIGGERED,
        urgency=urgency.initial(settings.urgency_rule_at(now), event.severity),
        created_at=now,
        changed_at=now,
    )
    draft = batch.work.add(incident, settings, batch.ladders[settings.policy_id])
    draft.question = Question(Move.BEGIN, Kind.ASSIGN, actor)
    return draft


def _tell_opened(
    batch: _Batch, draft: Draft, alert: OpenAlert, event: Event, joining: Joining | None
) -> None:
    data: dict[str, Any] = {
        "alert_id": alert.id,
        "dedup_key": event.dedup_key,
        "severity": event.severity,
        "summary": event.summary,
        "source": event.source,
    }
    kind, reason = Kind.TRIGGER, Reason.NEW_ALERT
    if alert.is_paused:
        reason = Reason.PAUSE_ENDED
        data |= {"first_at": alert.created_at}
    elif not alert.is_new:
        reason = Reason.MAINTENANCE_ENDED
        data |= {"window_id": alert.suppressed_by, "first_at": alert.created_at}
    if joining is not None:
        quiet = draft.incident.status is Status.ACKNOWLEDGED
        kind, reason = Kind.FIELD_CHANGE, Reason.ALERT_JOINED
        reason = Reason.ALERT_JOINED_QUIETLY if quiet else reason
        data["why"] = joining.why
        if alert.service_id != draft.incident.service_id:
            own = batch.settings[alert.service_id]
            data["service"] = {"id": own.service_id, "name": own.service_name}
    batch.work.tell(draft, kind, reason.value, batch.actors[alert.integration_id], data)


def _let_go(batch: _Batch, one: Arrived, alert: OpenAlert, settings: Settings) -> None:
    event, actor = one.events[0], batch.actors[one.integration_id]
    draft = batch.draft_of(alert)
    if draft is None:
        _open(batch, one, event, settings, actor)
        return
    alert.go_on(draft.incident.id)
    batch.touched[alert.id] = alert
    rule = settings.urgency_rule_at(batch.work.now)
    if urgency.raised(rule, draft.incident.urgency, event.severity):
        _raise(batch, draft, actor)


def _repeat(batch: _Batch, alert: OpenAlert, draft: Draft, event: Event, actor: Actor) -> None:
    now = batch.work.now
    alert.event = event
    alert.repeats += 1
    alert.last_event_at = now
    if draft.incident.last_alert_at != now:
        draft.set(last_alert_at=now)
    rule = draft.settings.urgency_rule_at(now)
    louder = urgency.raised(rule, draft.incident.urgency, event.severity)
    if louder and not batch.holding.mutes(alert):
        _raise(batch, draft, actor)


def _raise(
    batch: _Batch, draft: Draft, actor: Actor, reason: Reason = Reason.SEVERITY_RAISED
) -> None:
    work = batch.work
    draft.set(urgency=Urgency.HIGH)
    data = {"from": Urgency.LOW.value, "to": Urgency.HIGH.value}
    work.tell(draft, Kind.URGENCY_CHANGE, reason.value, actor, data)
    if draft.question is None:
        # One that opens in this batch has its question already, and asks it with high urgency.
        work.apply(draft, Act.CHANGE_URGENCY, reason.value, actor)


def _resolve(batch: _Batch, alert: OpenAlert, draft: Draft, actor: Actor) -> None:
    alert.resolved_at = batch.work.now
    draft.set(open_alert_count=draft.incident.open_alert_count - 1)
    data = {"alert_id": alert.id, "dedup_key": alert.dedup_key}
    if draft.incident.open_alert_count > 0:
        left = {**data, "open_alerts": draft.incident.open_alert_count}
        batch.work.tell(draft, Kind.FIELD_CHANGE, Reason.ALERT_RESOLVED.value, actor, left)
        return
    reason = Reason.LAST_ALERT_RESOLVED.value
    batch.work.apply(draft, Act.RESOLVE, reason, actor)
    batch.work.tell(draft, Kind.RESOLVE, reason, actor, data)


def _acknowledge(batch: _Batch, draft: Draft, actor: Actor) -> None:
    reason = Reason.ACKNOWLEDGED_BY_EVENT.value
    batch.work.apply(draft, Act.ACKNOWLEDGE, reason, actor)
    draft.acknowledgements = (
        *draft.acknowledgements,
        Acknowledgement(None, batch.work.now, actor.label),
    )
    batch.work.tell(draft, Kind.ACKNOWLEDGE, reason, actor)


def _tell_repeats(batch: _Batch) -> None:
    for alert in batch.touched.values():
        draft = batch.draft_of(alert)
        if alert.repeats and draft is not None:
            batch.work.tell(
                draft,
                Kind.TRIGGER,
                Reason.REPEATED_ALERT.value,
                batch.actors[alert.integration_id],
                {
                    "alert_id": alert.id,
                    "dedup_key": alert.dedup_key,
                    "events": alert.repeats,
                    "severity": None if alert.event is None else alert.event.severity,
                },
            )
