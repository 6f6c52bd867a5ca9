"""Ask people to join an incident, call that off, and take their answers.

Who may respond to the incident may ask and call off. The answer is the asked person's own: being
asked is what allows it, whatever that person's roles are.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from tocsin.accounts import access
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Actor, User
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Ladder
from tocsin.incidents import lifecycle
from tocsin.incidents.actions import opening
from tocsin.incidents.actions.crew import Crew, named
from tocsin.incidents.model import Incident
from tocsin.incidents.responders import (
    MAX_ANSWER_NOTE,
    MAX_MESSAGE,
    MAX_REQUESTS,
    MAX_TARGETS,
    Answer,
    Asked,
    AskKind,
    Reason,
    Request,
    State,
    Target,
    Wanted,
    ended,
)
from tocsin.incidents.store import incidents as incident_store
from tocsin.incidents.store import responders as store
from tocsin.timeline.model import Kind

TARGETS = "responder_request_targets"


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask and with what words. Without a message the incident's title says what for.
    `requester_id` is the person who asks, when an account key speaks for them."""

    targets: tuple[Wanted, ...]
    message: str = ""
    requester_id: str | None = None


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who was asked for some incidents: requests, their targets, and the people."""

    requests: tuple[Request, ...] = ()
    targets: tuple[Target, ...] = ()
    people: tuple[Asked, ...] = ()

    def targets_of(self, request_id: str) -> list[Target]:
        """The targets of one request."""
        return [one for one in self.targets if one.request_id == request_id]

    def people_of(self, target_id: str) -> list[Asked]:
        """Who was asked for one target."""
        return [one for one in self.people if one.target_id == target_id]


async def ask_responders(
    tx: Tx, actor: Actor, incident_id: str, new: NewRequest, now: datetime
) -> Request:
    """Ask people and policies to join: each person is paged with high urgency, and a policy asks
    level by level until somebody joins. Asking a person again reminds them.

    Raises Refused("already_resolved", "too_many_requests").
    """
    message = new.message.strip()
    if len(message) > MAX_MESSAGE:
        raise Invalid("message", f"use at most {MAX_MESSAGE} characters")
    if not 1 <= len(new.targets) <= MAX_TARGETS or len(set(new.targets)) != len(new.targets):
        raise Invalid(TARGETS, f"name 1 to {MAX_TARGETS} people or policies, each once")
    incident = await _opened(tx, actor, incident_id, now)
    if await store.count_requests(tx, incident_id) >= MAX_REQUESTS:
        raise Refused(
            "too_many_requests", f"an incident has at most {MAX_REQUESTS} responder requests"
        )
    requester = await _requester(tx, actor, new.requester_id)
    users = await _people(tx, [one.id for one in new.targets if one.kind is AskKind.USER])
    policies = await _policies(tx, [one.id for one in new.targets if one.kind is AskKind.POLICY])
    request = Request(
        id=ids.new("Q", now),
        incident_id=incident_id,
        requester_id=None if requester is None else requester.id,
        requester_label=actor.label if requester is None else requester.name,
        message=message or f"Please help with “{incident.title}”"[:MAX_MESSAGE],
        at=now,
    )
    await store.insert_request(tx, request)
    crew = Crew(tx, now)
    await crew.load([incident])
    crew.names |= {user.id: user.name for user in users.values()}
    made = [_target(request, one, users, policies) for one in new.targets]
    climbing = []
    for target in made:
        crew.put(target)
        if target.kind is AskKind.POLICY:
            climbing.append(target)
        elif target.target_id in crew.joined(incident_id):
            crew.put(ended(target, State.JOINED, Reason.ALREADY_JOINED, now))
        else:
            crew.ask(target, [target.target_id])
    if climbing:
        await crew.climb(climbing, tell=False)
    asked = {p.user_id: None for p in crew.people.values() if p.request_id == request.id}
    data = {
        "request_id": request.id,
        "message": request.message,
        "requester": {"id": request.requester_id, "name": request.requester_label},
        "targets": [named(crew.targets[target.id]) for target in made],
        **crew.users(list(asked)),
    }
    crew.tell(made[0], Kind.RESPONDER_REQUEST, Reason.ASKED.value, actor, data)
    await crew.flush()
    return request


async def cancel_requests(
    tx: Tx, actor: Actor, incident_id: str, targets: Sequence[Wanted] | None, now: datetime
) -> list[Target]:
    """Call off what nobody answered yet, for these targets or for all (None); what was called off.

    Targets that do not wait for an answer are left as they are. Nothing is sent for it any more.
    """
    work = await opening.load(tx, actor, [incident_id], now)
    crew = Crew(tx, now)
    await crew.load([work.drafts[incident_id].incident])
    wanted = None if targets is None else {(one.kind, one.id) for one in targets}
    chosen = [
        target
        for target in crew.targets.values()
        if wanted is None or (target.kind, target.target_id) in wanted
    ]
    waiting: dict[str, None] = {}
    for target in chosen:
        for one in crew.end(target, State.CANCELLED, Reason.CANCELLED):
            waiting[one.user_id] = None
    if chosen:
        after = [crew.targets[target.id] for target in chosen]
        data = {"targets": [named(target) for target in after], **crew.users(list(waiting))}
        crew.tell(chosen[0], Kind.RESPONDER_CANCEL, Reason.CANCELLED.value, actor, data)
    await crew.flush()
    return [crew.targets[target.id] for target in chosen]


async def answer_request(
    tx: Tx,
    actor: Actor,
    incident_id: str,
    answer: Answer,
    now: datetime,
    *,
    note: str | None = None,
) -> None:
    """Join an incident one was asked for, or decline. Raises Forbidden unless the actor is a
    person, Refused("not_asked") when nothing waits for their answer."""
    user_id = _own(actor)
    if note is not None and len(note) > MAX_ANSWER_NOTE:
        raise Invalid("note", f"use at most {MAX_ANSWER_NOTE} characters")
    crew = await _crew_of(tx, incident_id, now)
    if not any(one.user_id == user_id for one in crew.pending(incident_id)):
        raise Refused("not_asked", "nothing waits for your answer here: it was answered or ended")
    joins = answer is Answer.JOIN
    await crew.answer(
        incident_id,
        user_id,
        State.JOINED if joins else State.DECLINED,
        Reason.JOINED if joins else Reason.DECLINED,
        actor=actor,
        note=note or None,
    )
    await crew.flush()


async def acknowledging_joins(
    tx: Tx, actor: Actor, incidents: Sequence[Incident], now: datetime
) -> None:
    """Who acknowledges an incident they were asked for has joined it. The caller holds the rows."""
    user_id = actor.user_id
    if user_id is None or not await store.targets(tx, [i.id for i in incidents], pending=True):
        return
    crew = Crew(tx, now)
    await crew.load(incidents)
    for incident in incidents:
        reason = Reason.JOINED_BY_ACKNOWLEDGING
        await crew.answer(incident.id, user_id, State.JOINED, reason, actor=actor)
    await crew.flush()


async def responders(tx: Tx, incident_ids: Sequence[str]) -> Roster:
    """Everybody who was asked for these incidents, in three queries. No access check."""
    wanted = list(incident_ids)
    found = tuple(await store.requests(tx, wanted)) if wanted else ()
    if not found:
        return Roster()
    return Roster(
        requests=found,
        targets=tuple(await store.targets(tx, wanted)),
        people=tuple(await store.people(tx, wanted)),
    )


async def asks_of(tx: Tx, incident_id: str, user_id: str) -> list[Asked]:
    """What a person is asked there and has not answered, newest first. No access check."""
    return await store.pending_of(tx, incident_id, user_id)


async def due_requests(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Incidents with a policy that is due to ask its next people."""
    return await store.due(tx, now, limit)


async def advance_requests(
    tx: Tx, now: datetime, limit: int, only: Sequence[str] | None = None
) -> int:
    """Let policies that nobody joined through ask their next level; how many incidents were worked
    on. Called by the engine; `only` restricts to these incidents."""
    claimed = await store.claim(tx, now, limit, only)
    if not claimed:
        return 0
    held = await incident_store.lock(tx, claimed)
    crew = Crew(tx, now)
    await crew.load(list(held.values()))
    due = [t for t in crew.targets.values() if t.due_at is not None and t.due_at <= now]
    await crew.climb(due)
    await crew.flush()
    return len(claimed)


async def push_back_requests(tx: Tx, incident_id: str, error: str, now: datetime) -> None:
    """Note why an incident's due requests failed, and try again later (5 s, doubling to 5 min)."""
    await incident_store.lock(tx, [incident_id])
    await store.push_back(tx, incident_id, error, now)


async def _opened(tx: Tx, actor: Actor, incident_id: str, now: datetime) -> Incident:
    work = await opening.load(tx, actor, [incident_id], now)
    incident = work.drafts[incident_id].incident
    if not incident.is_open:
        refusal = lifecycle.ALREADY_RESOLVED
        raise Refused(refusal.reason, f"#{incident.number}: {refusal.message}")
    return incident


async def _crew_of(tx: Tx, incident_id: str, now: datetime) -> Crew:
    held = await incident_store.lock(tx, [incident_id])
    if incident_id not in held:
        raise NotFound("incident", incident_id)
    crew = Crew(tx, now)
    await crew.load(list(held.values()))
    return crew


def _own(actor: Actor) -> str:
    """Whose answer it is. A key of the account cannot answer for the person it names."""
    is_reply = actor.kind == "reply" and actor.id is not None
    user_id = actor.user_id
    if user_id is None or not (is_reply or access.is_self(actor, user_id)):
        raise Forbidden("only the person who was asked can answer")
    if actor.read_only:
        raise Forbidden("this key is read-only: make a key with full access to answer")
    return user_id


async def _requester(tx: Tx, actor: Actor, requester_id: str | None) -> User | None:
    wanted = requester_id or actor.user_id
    if wanted is None:
        return None
    if wanted != actor.user_id and not (actor.kind == "key" and (actor.on_behalf or not actor.id)):
        raise Invalid("requester_id", "must be the person whose key this is, or be left out")
    user = (await accounts.users_by_ids(tx, [wanted])).get(wanted)
    if user is None or user.deleted_at is not None:
        raise Invalid("requester_id", f"there is no user {wanted}")
    return user


async def _people(tx: Tx, user_ids: Sequence[str]) -> dict[str, User]:
    if not user_ids:
        return {}
    users = await accounts.users_by_ids(tx, user_ids)
    reached = await escalations.people(tx, user_ids)
    for user_id in user_ids:
        if user_id not in reached or user_id not in users:
            raise Invalid(TARGETS, f"there is no user {user_id}")
        name = users[user_id].name
        if users[user_id].role in accounts.STAKEHOLDERS:
            raise Invalid(
                TARGETS,
                f"{name} is a stakeholder, who is told of incidents and does not respond to them:"
                " let them follow the incident instead",
            )
        if not reached[user_id].reachable:
            raise Invalid(
                TARGETS,
                f"{name} has no contact method and could not be paged: choose somebody else, or"
                " add one first",
            )
    return users


async def _policies(tx: Tx, policy_ids: Sequence[str]) -> dict[str, Ladder]:
    found = await escalations.ladders(tx, policy_ids, live=True) if policy_ids else {}
    for policy_id in policy_ids:
        if policy_id not in found:
            raise Invalid(TARGETS, f"there is no escalation policy {policy_id}")
    return found


def _target(
    request: Request, wanted: Wanted, users: dict[str, User], policies: dict[str, Ladder]
) -> Target:
    target = Target(
        id=ids.new("Q", request.at),
        request_id=request.id,
        incident_id=request.incident_id,
        kind=wanted.kind,
        target_id=wanted.id,
        label="",
        state=State.PENDING,
        reason=Reason.ASKED.value,
        changed_at=request.at,
    )
    if wanted.kind is AskKind.USER:
        return structs.replace(target, label=users[wanted.id].name)
    ladder = policies[wanted.id]
    return structs.replace(target, label=ladder.policy_name, ladder=ladder)
