"""What people do to single alerts: resolve them by hand, or move them to another incident.

An incident whose last open alert ends or leaves has nothing open any more, and resolves, as it does
when a machine says so. Moving an alert pages nobody: the incident it goes to keeps its state.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.incidents.actions import opening
from tocsin.incidents.actions.work import Draft, Work
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import (
    MAX_ALERTS,
    MAX_BULK,
    Alert,
    AlertChange,
    Reason,
    Status,
)
from tocsin.incidents.store import by_hand
from tocsin.timeline.model import Kind

# How many alerts one entry of the timeline names.
MOST_NAMED = 20


async def change_alerts(
    tx: Tx,
    actor: Actor,
    incident_id: str,
    changes: Sequence[AlertChange],
    now: datetime,
) -> list[Alert]:
    """Resolve alerts of an incident, and move them; all or none of up to 250.

    An alert moves to another open incident of its service, within 1,000 alerts each. What is so
    already is left alone. Returns the alerts as they are then, in the order asked, each once.

    Raises NotFound (incident, alert), Invalid, Forbidden, Refused("already_resolved" for a target
    that is, "too_many_alerts").
    """
    wanted = _wanted(changes)
    targets = {c.to_incident_id for c in wanted.values() if c.to_incident_id is not None}
    # A request may say where an alert is already.
    targets.discard(incident_id)
    work = await opening.load(tx, actor, [incident_id, *sorted(targets)], now)
    found = await _alerts(tx, list(wanted))
    for id in wanted:
        if id not in found or found[id].incident_id != incident_id:
            raise NotFound("alert", id)
    source = work.drafts[incident_id]
    ending = [alert for alert in found.values() if _ends(alert, wanted[alert.id])]
    await _resolve(work, source, ending, actor)
    over = {alert.id for alert in ending}
    for target_id in sorted(targets):
        moving = [a for a in found.values() if wanted[a.id].to_incident_id == target_id]
        await _move(work, source, work.drafts[target_id], moving, over=over, actor=actor)
    reason = Reason.LAST_ALERT_RESOLVED_BY_PERSON if ending else Reason.LAST_ALERT_MOVED
    _end_if_empty(work, source, reason, actor)
    await work.flush()
    after = await _alerts(tx, list(wanted))
    return [after[id] for id in wanted]


def _ends(alert: Alert, change: AlertChange) -> bool:
    if change.status is None or change.status == alert.status:
        return False
    if change.status is not Status.RESOLVED:
        raise Invalid(
            "status",
            "must be resolved: an alert that has ended opens again only when its machine says so",
        )
    return True


def _wanted(changes: Sequence[AlertChange]) -> dict[str, AlertChange]:
    if not 1 <= len(changes) <= MAX_BULK:
        raise Invalid("alerts", f"name 1 to {MAX_BULK} alerts at a time")
    wanted = {change.alert_id: change for change in changes}
    if len(wanted) != len(changes):
        raise Invalid("alerts", "name each alert once")
    return wanted


async def _alerts(tx: Tx, ids: Sequence[str]) -> dict[str, Alert]:
    rows = await tx.all(Alert, by_hand.SELECT_ALERTS, {"ids": list(ids)})
    return {row.id: row for row in rows}


async def _resolve(work: Work, source: Draft, ending: Sequence[Alert], actor: Actor) -> None:
    if not ending:
        return
    await work.tx.execute(by_hand.RESOLVE, {"ids": [a.id for a in ending], "now": work.now})
    left = source.incident.open_alert_count - len(ending)
    source.set(open_alert_count=left)
    reason = Reason.ALERT_RESOLVED_BY_PERSON.value
    data = {**_names(ending), "open_alerts": left}
    work.tell(source, Kind.FIELD_CHANGE, reason, actor, data)


async def _move(
    work: Work,
    source: Draft,
    target: Draft,
    moving: Sequence[Alert],
    *,
    over: set[str],
    actor: Actor,
) -> None:
    reason = Reason.ALERT_MOVED.value
    work.apply(target, Act.TAKE_ALERTS, reason, actor)
    if target.incident.service_id != source.incident.service_id:
        raise Invalid("incident", "an alert moves only to an incident of its own service")
    total = target.incident.alert_count + len(moving)
    if total > MAX_ALERTS:
        raise Refused(
            "too_many_alerts", f"an incident holds at most {MAX_ALERTS} alerts; this makes {total}"
        )
    ids = [alert.id for alert in moving]
    await work.tx.execute(by_hand.MOVE, {"ids": ids, "targets": [target.incident.id for _ in ids]})
    still_open = sum(a.status == Status.TRIGGERED and a.id not in over for a in moving)
    last = max(alert.last_event_at for alert in moving)
    source.set(
        alert_count=source.incident.alert_count - len(moving),
        open_alert_count=source.incident.open_alert_count - still_open,
    )
    target.set(
        alert_count=total,
        open_alert_count=target.incident.open_alert_count + still_open,
        last_alert_at=max(filter(None, (target.incident.last_alert_at, last))),
    )
    names = _names(moving)
    work.tell(source, Kind.FIELD_CHANGE, reason, actor, {**names, "to": _number(target)})
    work.tell(target, Kind.FIELD_CHANGE, reason, actor, {**names, "from": _number(source)})


def _end_if_empty(work: Work, source: Draft, reason: Reason, actor: Actor) -> None:
    was = source.was
    assert was is not None
    emptied = was.incident.open_alert_count > 0 and source.incident.open_alert_count == 0
    if not emptied or not source.incident.is_open:
        return
    work.apply(source, Act.RESOLVE, reason.value, actor)
    work.tell(source, Kind.RESOLVE, reason.value, actor)


def _names(alerts: Sequence[Alert]) -> dict[str, Any]:
    named = [{"id": a.id, "dedup_key": a.dedup_key} for a in alerts[:MOST_NAMED]]
    return {"field": "alerts", "alerts": named, "count": len(alerts)}


def _number(draft: Draft) -> dict[str, Any]:
    return {"id": draft.incident.id, "number": draft.incident.number}
