"""The working memory of one transaction over the responders of incidents.

It is loaded with the targets that wait and everybody who was asked; an action changes them in
memory, lets the policies that must climb ask their ladders together, and flushes: tables first,
then the timeline, then the pages that end, and last those that begin.

The caller holds the rows of the incidents. A person gets at most one page from one transaction,
and a new page ends the one before it, so that asking again reminds and never doubles.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import structs

from tocsin.accounts.model import ENGINE, Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Climb, Move
from tocsin.incidents import responders as rules
from tocsin.incidents.model import Incident
from tocsin.incidents.responders import Asked, Following, Reason, State, Target
from tocsin.incidents.store import responders as store
from tocsin.paging import actions as paging
from tocsin.paging.model import Ask
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

PAGE_REASON = "responder_asked"


class Crew:
    """Who is asked for some incidents, as this transaction will leave it."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self.incidents: dict[str, Incident] = {}
        self.targets: dict[str, Target] = {}
        self.people: dict[str, Asked] = {}
        self.names: dict[str, str] = {}
        self._stored: set[str] = set()
        self._changed: dict[str, None] = {}
        self._entries: list[Entry] = []
        self._stops: dict[tuple[str, str], str] = {}
        self._asks: dict[tuple[str, str], Ask] = {}

    async def load(self, incidents: Sequence[Incident]) -> None:
        """Everything that waits for these incidents, and everybody who was ever asked there."""
        self.incidents = {incident.id: incident for incident in incidents}
        wanted = list(self.incidents)
        self.targets = {t.id: t for t in await store.targets(self.tx, wanted, pending=True)}
        self.people = {p.id: p for p in await store.people(self.tx, wanted)}
        self._stored = {*self.targets, *self.people}
        found = await escalations.people(self.tx, {p.user_id for p in self.people.values()})
        self.names = {id: person.name for id, person in found.items()}

    def of(self, target: Target) -> list[Asked]:
        """Everybody who was asked for a target."""
        return [one for one in self.people.values() if one.target_id == target.id]

    def joined(self, incident_id: str) -> set[str]:
        """Who has joined an incident."""
        return {
            one.user_id
            for one in self.people.values()
            if one.incident_id == incident_id and one.state is State.JOINED
        }

    def pending(self, incident_id: str) -> list[Asked]:
        """Who may still answer."""
        return [
            one
            for one in self.people.values()
            if one.incident_id == incident_id and one.state is State.PENDING
        ]

    def put(self, target: Target) -> None:
        """A target as it is now."""
        self.targets[target.id] = target
        self._changed[target.id] = None

    def say(self, asked: Asked) -> None:
        """A person as they stand now. Their page ends unless another ask of them waits."""
        self.people[asked.id] = asked
        self._changed[asked.id] = None
        waiting = {one.user_id for one in self.pending(asked.incident_id)}
        if asked.user_id not in waiting:
            self.end_page(asked.incident_id, asked.user_id, asked.reason)

    def end_page(self, incident_id: str, user_id: str, reason: str) -> None:
        """Whatever is still to be sent to a person because they were asked is not sent."""
        self._stops[incident_id, user_id] = reason

    def end(self, target: Target, state: State, reason: Reason) -> list[Asked]:
        """Give a target its last word, and stand down who still waits for it; those."""
        self.put(rules.ended(target, state, reason, self.now))
        waiting = [one for one in self.of(target) if one.state is State.PENDING]
        for one in waiting:
            self.say(rules.answered(one, State.CANCELLED, reason, self.now, None))
        return waiting

    def ask(self, target: Target, user_ids: Sequence[str]) -> None:
        """Ask people for a target, each by a page."""
        incident = self.incidents[target.incident_id]
        # Below zero, so that no rung of the incident's own ladder has the number.
        number = -1 - sum(p.incident_id == incident.id for p in self.people.values())
        for user_id in user_ids:
            asked = Asked(
                id=ids.new("Q", self.now),
                target_id=target.id,
                request_id=target.request_id,
                incident_id=incident.id,
                user_id=user_id,
                step=target.progress.step,
                level=target.progress.level,
                state=State.PENDING,
                reason=Reason.ASKED.value,
                note=None,
                asked_at=self.now,
                changed_at=self.now,
            )
            self.people[asked.id] = asked
            self._changed[asked.id] = None
            self.end_page(incident.id, user_id, Reason.ASKED.value)
            self._asks[incident.id, user_id] = Ask(
                incident_id=incident.id,
                service_id=incident.service_id,
                user_id=user_id,
                step=number,
                urgency="high",
                reason=PAGE_REASON,
                number=incident.number,
                title=incident.title,
                responder_request_id=target.request_id,
            )

    async def climb(self, targets: Sequence[Target], *, tell: bool = True) -> None:
        """Let policies ask their next people: the first level of one that has not begun. `tell`
        writes what came of it on the timeline, as the engine's doing."""
        climbs = [
            Climb(
                move=Move.ADVANCE if target.progress.step else Move.BEGIN,
                ladder=target.ladder,
                progress=target.progress,
            )
            for target in targets
            if target.ladder is not None
        ]
        decisions, people = await escalations.climb(self.tx, climbs, self.now)
        self.names |= {id: person.name for id, person in people.items()}
        for target, decision in zip(targets, decisions, strict=True):
            assert decision is not None
            before = [one for one in self.of(target) if one.state is State.PENDING]
            rung = rules.rung(
                target,
                decision,
                joined=self.joined(target.incident_id),
                pending=bool(before),
                now=self.now,
            )
            self.put(rung.target)
            if rung.target.state is not State.PENDING:
                self.end(rung.target, rung.target.state, Reason(rung.target.reason))
            for one in before if rung.ends_earlier else ():
                self.end_page(one.incident_id, one.user_id, rung.target.reason)
            self.ask(rung.target, rung.user_ids)
            if tell:
                data = {"target": named(rung.target), **self.users(rung.user_ids)}
                self.tell(rung.target, Kind.RESPONDER_REQUEST, rung.target.reason, ENGINE, data)

    def users(self, user_ids: Sequence[str]) -> dict[str, Any]:
        """People as the timeline names them."""
        return {"users": [{"id": id, "name": self.names.get(id, id)} for id in user_ids]}

    def tell(
        self,
        about: Target | Asked,
        kind: Kind,
        reason: str,
        actor: Actor,
        data: dict[str, Any],
    ) -> None:
        """Add a timeline entry."""
        incident = self.incidents[about.incident_id]
        self._entries.append(
            Entry(
                incident_id=incident.id,
                service_id=incident.service_id,
                kind=kind,
                reason=reason,
                actor=actor,
                at=self.now,
                data=data,
            )
        )

    async def answer(
        self,
        incident_id: str,
        user_id: str,
        state: State,
        reason: Reason,
        *,
        actor: Actor,
        note: str | None = None,
    ) -> None:
        """A person's answer to everything they are asked about an incident, and what follows.

        Changes nothing for somebody who is asked nothing."""
        own = [one for one in self.pending(incident_id) if one.user_id == user_id]
        if not own:
            return
        for one in own:
            self.say(rules.answered(one, state, reason, self.now, note))
        kind = Kind.RESPONDER_ACCEPT if state is State.JOINED else Kind.RESPONDER_DECLINE
        climbing: list[Target] = []
        spared: list[str] = []
        for target in [self.targets[one.target_id] for one in own]:
            match rules.following(target, self.of(target)):
                case Following.JOINED:
                    rest = self.end(target, State.JOINED, Reason.SOMEBODY_JOINED)
                    spared += [one.user_id for one in rest]
                case Following.DECLINED:
                    self.end(target, State.DECLINED, Reason.ALL_DECLINED)
                case Following.CLIMB:
                    climbing.append(target)
        data = {**self.users([user_id]), "note": note, "request_id": own[0].request_id}
        data["spared"] = self.users(spared)["users"]
        self.tell(own[0], kind, reason.value, actor, data)
        if climbing:
            await self.climb(climbing)

    async def flush(self) -> None:
        """Write everything, pages last. The work is done after this."""
        tx, now = self.tx, self.now
        targets = [self.targets[id] for id in self._changed if id in self.targets]
        people = [self.people[id] for id in self._changed if id in self.people]
        await _split(tx, targets, self._stored, store.insert_targets, store.update_targets)
        await _split(tx, people, self._stored, store.insert_people, store.update_people)
        if any(t.due_at is not None for t in targets):
            tx.notify("tocsin_wake", "responders")
        await feed.append(tx, self._entries)
        await paging.stop_asking(tx, self._stops, now)
        if not self._asks:
            return
        paged = await paging.page(tx, list(self._asks.values()), now)
        for ask in paged.unreachable:
            await self._not_reached(ask.incident_id, ask.user_id)

    async def _not_reached(self, incident_id: str, user_id: str) -> None:
        """Nobody was told, so nobody can answer: the policy goes on at once."""
        self._changed.clear()
        for one in self.pending(incident_id):
            if one.user_id != user_id:
                continue
            reason = Reason.NO_CONTACT_METHOD
            self.people[one.id] = rules.answered(one, State.DECLINED, reason, self.now, None)
            target = self.targets[one.target_id]
            if rules.following(target, self.of(target)) is Following.CLIMB:
                target = structs.replace(target, due_at=self.now)
            elif rules.following(target, self.of(target)) is Following.DECLINED:
                target = rules.ended(target, State.DECLINED, reason, self.now)
            self.targets[target.id] = target
            await store.update_targets(self.tx, [target])
            await store.update_people(self.tx, [self.people[one.id]])
        self.tx.notify("tocsin_wake", "responders")


async def _split(tx: Tx, rows: Sequence[Any], stored: set[str], insert: Any, update: Any) -> None:
    new = [row for row in rows if row.id not in stored]
    old = [row for row in rows if row.id in stored]
    if new:
        await insert(tx, new)
    if old:
        await update(tx, old)


def named(target: Target) -> dict[str, Any]:
    """A target as the timeline names it."""
    return {
        "kind": target.kind.value,
        "id": target.target_id,
        "name": target.label,
        "level": target.progress.level,
        "state": target.state.value,
    }


async def stand_down(tx: Tx, incidents: Sequence[Incident], now: datetime) -> None:
    """These incidents are over: whoever has not answered is not asked any more. One query when
    nobody is, whatever the number of incidents."""
    if not await store.targets(tx, [incident.id for incident in incidents], pending=True):
        return
    crew = Crew(tx, now)
    await crew.load(incidents)
    for incident in incidents:
        await _stand_down(crew, incident)
    await crew.flush()


async def _stand_down(crew: Crew, incident: Incident) -> None:
    own = [t for t in crew.targets.values() if t.incident_id == incident.id]
    if not own:
        return
    waiting: list[str] = []
    for target in own:
        waiting += [one.user_id for one in crew.end(target, State.CANCELLED, Reason.OVER)]
    data = {"targets": [named(t) for t in own], **crew.users(list(dict.fromkeys(waiting)))}
    crew.tell(own[0], Kind.RESPONDER_CANCEL, Reason.OVER.value, ENGINE, data)
