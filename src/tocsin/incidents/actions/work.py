"""The working memory of one transaction over incidents, and the only road to writing them.

An action loads (and so locks) incidents into drafts, applies acts to the drafts in memory, lets the
ladders that were asked decide together, and flushes: each table is written by at most two
statements, whether one incident changed or five hundred. New incidents need no loading.

Invariants: a draft that leaves `triggered` loses its question to the ladder, so nobody is paged for
an incident that is acknowledged or resolved in the same transaction; pages are stopped before new
ones are opened, and opened last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.core.database import Tx
from tocsin.core.errors import Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import (
    Climb,
    Decision,
    Ladder,
    Move,
    Person,
    Progress,
    Run,
    RunState,
)
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents import lifecycle
from tocsin.incidents.actions import crew
from tocsin.incidents.lifecycle import Act, Effect, Refusal, Stale, Step
from tocsin.incidents.model import (
    Acknowledgement,
    Incident,
    Settings,
    Status,
    TimerKind,
    Urgency,
)
from tocsin.incidents.store import incidents as store
from tocsin.paging import actions as paging
from tocsin.paging.model import Ask
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

# Why a ladder stands still, by the status that stopped it. A person who moves a triggered incident
# asks the ladder a question at once, and the answer overwrites this.
_STOPPED_BY = {
    Status.TRIGGERED: LadderReason.MOVED,
    Status.ACKNOWLEDGED: LadderReason.ACKNOWLEDGED,
    Status.RESOLVED: LadderReason.RESOLVED,
}

WAKE_WITHIN = timedelta(seconds=1)


@dataclass(slots=True)
class Question:
    """What a draft asks its ladder, and how the answer is told on the timeline.

    Without a `reason` the ladder's own is told. `direct` names people a person chose: they are
    paged without a ladder.
    """

    move: Move
    kind: Kind
    actor: Actor
    reason: str | None = None
    level: int | None = None
    direct: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """One incident as this transaction will leave it. `was` is the state that was loaded."""

    incident: Incident
    settings: Settings
    run: Run
    assignees: dict[str, datetime] = field(default_factory=dict)
    acknowledgements: tuple[Acknowledgement, ...] = ()
    timers: dict[TimerKind, datetime] = field(default_factory=dict)
    question: Question | None = None
    was: "Draft | None" = None

    def set(self, **changes: Any) -> None:
        """Change fields of the incident."""
        self.incident = structs.replace(self.incident, **changes)


class Work:
    """Drafts by incident id, and what the flush will write besides them."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self.drafts: dict[str, Draft] = {}
        self.entries: list[Entry] = []
        self.stops: dict[str, list[str]] = {}
        self.ended: list[str] = []
        self.over: list[str] = []
        self.asks: list[Ask] = []

    async def load(self, ids: Iterable[str]) -> None:
        """Lock these incidents and make drafts of those that exist. Call it once: the order of
        locks is the order of ids within one call."""
        tx = self.tx
        found = await store.lock(tx, ids)
        if not found:
            return
        known = list(found)
        settings = await store.settings(tx, (i.service_id for i in found.values()))
        runs = await escalations.runs(tx, known)
        assigned = await store.assignments(tx, known)
        acknowledged = await store.acknowledgements(tx, known)
        timers = await store.timers(tx, known)
        for id, incident in found.items():
            draft = Draft(
                incident=incident,
                settings=settings[incident.service_id],
                run=runs[id],
                assignees=assigned.get(id, {}),
                acknowledgements=acknowledged.get(id, ()),
                timers=timers.get(id, {}),
            )
            draft.was = Draft(
                incident=incident,
                settings=draft.settings,
                run=draft.run,
                assignees=dict(draft.assignees),
                acknowledgements=draft.acknowledgements,
                timers=dict(draft.timers),
            )
            self.drafts[id] = draft

    def add(self, incident: Incident, settings: Settings, ladder: Ladder) -> Draft:
        """A new incident, with its ladder not yet begun and its auto-resolve timer set."""
        draft = Draft(
            incident=incident,
            settings=settings,
            run=Run(
                incident_id=incident.id,
                ladder=ladder,
                state=RunState.STOPPED,
                progress=Progress(),
                due_at=None,
                reason=LadderReason.OPENED,
                changed_at=self.now,
            ),
        )
        self.wait_for_auto_resolve(draft)
        self.drafts[incident.id] = draft
        return draft

    def tell(
        self,
        draft: Draft,
        kind: Kind,
        reason: str,
        actor: Actor,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Add a timeline entry."""
        self.entries.append(
            Entry(
                incident_id=draft.incident.id,
                service_id=draft.incident.service_id,
                kind=kind,
                reason=reason,
                actor=actor,
                at=self.now,
                data=data,
            )
        )

    def apply(self, draft: Draft, act: Act, reason: str, actor: Actor) -> bool:
        """Carry out an act in memory. False when a timer came too late; raises Refused."""
        step = lifecycle.decide(draft.incident.status, act)
        if isinstance(step, Stale):
            return False
        if isinstance(step, Refusal):
            raise Refused(step.reason, f"#{draft.incident.number}: {step.message}")
        self._move(draft, step)
        if Effect.STOP in step.effects:
            self._stop(draft, reason)
        if Effect.FORGET_ACKNOWLEDGEMENTS in step.effects:
            draft.acknowledgements = ()
            draft.timers.pop(TimerKind.ACKNOWLEDGEMENT_TIMEOUT, None)
            if draft.timers.pop(TimerKind.SNOOZE, None) is not None:
                self.wait_for_auto_resolve(draft)
        if Effect.WAIT_FOR_PROGRESS in step.effects:
            self._wait_for_progress(draft)
        if Effect.PAGE_AGAIN in step.effects:
            draft.question = Question(Move.RESUME, Kind.ASSIGN, actor, reason)
        if Effect.END in step.effects:
            self._end(draft)
        return True

    def _move(self, draft: Draft, step: Step) -> None:
        if step.to is draft.incident.status:
            return
        acknowledged = self.now if step.to is Status.ACKNOWLEDGED else None
        if step.to is Status.RESOLVED:
            acknowledged = draft.incident.acknowledged_at
        draft.set(
            status=step.to,
            changed_at=self.now,
            acknowledged_at=acknowledged,
            snoozed_until=None,
            resolved_at=self.now if step.to is Status.RESOLVED else None,
        )

    def _stop(self, draft: Draft, reason: str) -> None:
        draft.question = None
        if draft.run.state is RunState.RUNNING or draft.was is None:
            draft.run = structs.replace(
                draft.run,
                state=RunState.STOPPED,
                due_at=None,
                reason=_STOPPED_BY[draft.incident.status],
                changed_at=self.now,
            )
        if draft.was is not None:
            self.stops.setdefault(reason, []).append(draft.incident.id)

    def _end(self, draft: Draft) -> None:
        if draft.was is not None:
            self.over.append(draft.incident.id)
        draft.timers = {}
        draft.assignees = {}
        draft.acknowledgements = ()
        if draft.incident.open_alert_count:
            self.ended.append(draft.incident.id)
            draft.set(open_alert_count=0)

    def _wait_for_progress(self, draft: Draft) -> None:
        timeout = draft.settings.acknowledgement_timeout
        if timeout is not None:
            due_at = self.now + timedelta(seconds=timeout)
            draft.timers[TimerKind.ACKNOWLEDGEMENT_TIMEOUT] = due_at

    def wait_for_auto_resolve(self, draft: Draft) -> None:
        """Start the auto-resolve timer anew, if the service has one."""
        timeout = draft.settings.auto_resolve_timeout
        if timeout is not None:
            draft.timers[TimerKind.AUTO_RESOLVE] = self.now + timedelta(seconds=timeout)

    async def climb(self) -> None:
        """Let the ladders answer the drafts' questions: runs, assignees, entries, pages."""
        asking = [
            draft
            for draft in self.drafts.values()
            if draft.question is not None and draft.incident.status is Status.TRIGGERED
        ]
        climbing = await self._page_chosen(asking)
        decisions, people = await escalations.climb(
            self.tx, [_climb(draft) for draft in climbing], self.now
        )
        told: dict[int, dict[str, Any]] = {}
        for draft, decision in zip(climbing, decisions, strict=True):
            if decision is None:
                refusal = lifecycle.NOBODY_ON_CALL
                raise Refused(refusal.reason, f"#{draft.incident.number}: {refusal.message}")
            data = told.get(id(decision))
            if data is None:
                # One dict for all incidents of a storm that got the same decision.
                data = told[id(decision)] = _data(draft, decision, people)
            self._follow(draft, decision, data)

    async def _page_chosen(self, asking: Sequence[Draft]) -> list[Draft]:
        """Page people whom a person chose. Returns the drafts that climb a ladder: the others,
        and those whose people cannot be reached any more, because silence is worse."""
        climbing: list[Draft] = []
        chosen: list[tuple[Draft, tuple[str, ...]]] = []
        for draft in asking:
            users = _chosen(draft)
            if users:
                chosen.append((draft, users))
            else:
                climbing.append(draft)
        if not chosen:
            return climbing
        everyone = {user for _, users in chosen for user in users}
        people = await escalations.people(self.tx, everyone)
        for draft, users in chosen:
            reachable = tuple(u for u in users if u in people and people[u].reachable)
            if not reachable:
                climbing.append(draft)
                continue
            progress = draft.run.progress
            decision = Decision(
                state=RunState.STOPPED,
                reason=LadderReason.REASSIGNED,
                progress=Progress(progress.level, progress.loop, progress.step + 1),
                user_ids=users,
            )
            self._follow(draft, decision, _data(draft, decision, people))
        return climbing

    def _follow(self, draft: Draft, decision: Decision, data: dict[str, Any]) -> None:
        question = draft.question
        assert question is not None
        draft.question = None
        by_itself = question.move is Move.ADVANCE
        chosen = decision.reason is LadderReason.REASSIGNED
        settled = decision.state is RunState.STOPPED and not chosen
        draft.run = structs.replace(
            draft.run,
            state=decision.state,
            progress=decision.progress,
            due_at=decision.due_at,
            reason=LadderReason.LOW_URGENCY if settled else decision.reason,
            changed_at=self.now,
        )
        reason = question.reason or decision.reason.value
        kind = question.kind
        if decision.state is RunState.EXHAUSTED:
            kind, reason = Kind.EXHAUST, decision.reason.value
        elif by_itself and decision.repeated:
            kind = Kind.REPEAT
        self.tell(draft, kind, reason, question.actor, data)
        if not decision.user_ids:
            return
        if by_itself:
            self.stops.setdefault(decision.reason.value, []).append(draft.incident.id)
        before = draft.assignees
        draft.assignees = {user: before.get(user, self.now) for user in decision.user_ids}
        incident = draft.incident
        for user in decision.user_ids:
            self.asks.append(
                Ask(
                    incident_id=incident.id,
                    service_id=incident.service_id,
                    user_id=user,
                    step=decision.progress.step,
                    urgency=incident.urgency.value,
                    reason=reason,
                    number=incident.number,
                    title=incident.title,
                )
            )

    async def flush(self) -> None:
        """Write everything, pages last. The work is done after this."""
        await self._number()
        await self.climb()
        drafts = list(self.drafts.values())
        new = [draft for draft in drafts if draft.was is None]
        old = [draft for draft in drafts if draft.was is not None]
        tx, now = self.tx, self.now
        if new:
            await store.insert_incidents(tx, (draft.incident for draft in new))
            await catalog.incidents_opened(
                tx, sorted({draft.incident.service_id for draft in new}), now
            )
        changed = [d.incident for d in old if d.was and d.incident is not d.was.incident]
        if changed:
            await store.update_incidents(tx, changed)
        if self.ended:
            await tx.execute(store.RESOLVE_ALERTS_OF, {"ids": self.ended, "now": now})
        await self._flush_people(drafts)
        await self._flush_waits(drafts)
        await feed.append(tx, self.entries)
        for reason, ids in self.stops.items():
            await paging.stop(tx, ids, reason, now)
        if self.over:
            await crew.stand_down(tx, [self.drafts[id].incident for id in self.over], now)
        if self.asks:
            paged = await paging.page(tx, self.asks, now)
            if paged.unreachable:
                await escalations.hurry(tx, [ask.incident_id for ask in paged.unreachable], now)
                tx.notify("tocsin_wake", "escalate")

    async def _number(self) -> None:
        """Give new incidents their numbers, in the order in which they opened: by now it is known
        how many there are."""
        fresh = [d for d in self.drafts.values() if d.was is None and not d.incident.number]
        if fresh:
            numbers = await store.numbers(self.tx, len(fresh))
            for draft, number in zip(fresh, numbers, strict=True):
                draft.set(number=number)

    async def _flush_people(self, drafts: Sequence[Draft]) -> None:
        moved = [d for d in drafts if d.was is None or d.assignees != d.was.assignees]
        await store.replace_assignments(
            self.tx,
            [d.incident.id for d in moved if d.was is not None and d.was.assignees],
            [(d.incident.id, user, at) for d in moved for user, at in d.assignees.items()],
        )
        said = [
            d for d in drafts if d.acknowledgements != (d.was.acknowledgements if d.was else ())
        ]
        await store.replace_acknowledgements(
            self.tx,
            [d.incident.id for d in said if d.was is not None and d.was.acknowledgements],
            [(d.incident.id, a.user_id, a.at, a.label) for d in said for a in d.acknowledgements],
        )

    async def _flush_waits(self, drafts: Sequence[Draft]) -> None:
        tx, now = self.tx, self.now
        waits = [d for d in drafts if d.timers != (d.was.timers if d.was else {})]
        await store.replace_timers(
            tx,
            [d.incident.id for d in waits if d.was is not None and d.was.timers],
            [(d.incident.id, kind.value, at) for d in waits for kind, at in d.timers.items()],
        )
        climbed = [d for d in drafts if d.was is not None and d.run is not d.was.run]
        await escalations.write_runs(
            tx,
            new=[d.run for d in drafts if d.was is None],
            changed=[d.run for d in climbed],
            new_ladders=frozenset(
                d.incident.id for d in climbed if d.was and d.run.ladder is not d.was.run.ladder
            ),
            now=now,
        )
        # The stages look by themselves every moment: waking them for what is due in half an hour
        # would only take time from the events of a storm.
        soon = now + WAKE_WITHIN
        if any(at <= soon for d in waits for at in d.timers.values()):
            tx.notify("tocsin_wake", "timers")
        if any(d.run.due_at is not None and d.run.due_at <= soon for d in drafts):
            tx.notify("tocsin_wake", "escalate")


def _climb(draft: Draft) -> Climb:
    question = draft.question
    assert question is not None
    return Climb(
        move=question.move,
        ladder=draft.run.ladder,
        progress=draft.run.progress,
        level=question.level,
        assignees=tuple(draft.assignees) if question.move is Move.RESUME else (),
        climbs=draft.incident.urgency is Urgency.HIGH,
    )


def _chosen(draft: Draft) -> tuple[str, ...]:
    question = draft.question
    assert question is not None
    if question.direct:
        return question.direct
    if question.move is Move.RESUME and draft.run.reason is LadderReason.REASSIGNED:
        return tuple(draft.assignees)
    return ()


def _data(draft: Draft, decision: Decision, people: dict[str, Person]) -> dict[str, Any]:
    """What a reader of the timeline needs to follow the decision."""
    return {
        "level": decision.progress.level,
        "loop": decision.progress.loop,
        "step": decision.progress.step,
        "policy": {"id": draft.run.ladder.policy_id, "name": draft.run.ladder.policy_name},
        "users": [
            {"id": user, "name": people[user].name if user in people else user}
            for user in decision.user_ids
        ],
        "why": decision.reason.value,
        "state": decision.state.value,
        "next_at": decision.due_at,
        "skipped": [
            {
                "level": skip.level,
                "kind": skip.target.kind.value,
                "id": skip.target.id,
                "reason": skip.reason.value,
                "user_id": skip.user_id,
            }
            for skip in decision.skips
        ],
    }
