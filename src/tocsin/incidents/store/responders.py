"""The SQL of responder requests, their targets and the people asked.

Whoever writes any of it holds the incident's row FOR UPDATE. Only this area uses this module.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.core.database import Tx
from tocsin.escalations.model import Ladder, Progress
from tocsin.incidents.responders import Asked, AskKind, Request, State, Target

INSERT_REQUEST = """
    insert into responder_requests (id, incident_id, requester_id, requester_label, message, at)
    values (%(id)s, %(incident_id)s, %(requester_id)s, %(requester_label)s, %(message)s, %(at)s)
"""
SELECT_REQUESTS = """
    select id, incident_id, requester_id, requester_label, message, at from responder_requests
    where incident_id = any(%(ids)s) order by at, id
"""
COUNT_REQUESTS = "select count(*) from responder_requests where incident_id = %(id)s"
SELECT_TARGETS = """
    select id, request_id, incident_id, kind, target_id, label, state, reason, changed_at,
        ladder::text, level, loop, step, due_at, attempts, error
    from responder_targets where incident_id = any(%(ids)s) order by id
"""
SELECT_PENDING = """
    select id, request_id, incident_id, kind, target_id, label, state, reason, changed_at,
        ladder::text, level, loop, step, due_at, attempts, error
    from responder_targets where incident_id = any(%(ids)s) and state = 'pending' order by id
"""
UPDATE_TARGETS = """
    update responder_targets t
    set state = x.state, reason = x.reason, changed_at = x.changed, level = x.level, loop = x.loop,
        step = x.step, due_at = x.due, attempts = x.attempts, error = x.error
    from unnest(%(ids)s::text[], %(states)s::text[], %(reasons)s::text[],
            %(changed)s::timestamptz[], %(levels)s::int[], %(loops)s::int[], %(steps)s::int[],
            %(due)s::timestamptz[], %(attempts)s::int[], %(errors)s::text[])
        as x (id, state, reason, changed, level, loop, step, due, attempts, error)
    where t.id = x.id
"""
SELECT_PEOPLE = """
    select id, target_id, request_id, incident_id, user_id, step, level, state, reason, note,
        asked_at, changed_at
    from responders where incident_id = any(%(ids)s) order by id
"""
SELECT_PENDING_OF = """
    select id, target_id, request_id, incident_id, user_id, step, level, state, reason, note,
        asked_at, changed_at
    from responders where user_id = %(user_id)s and incident_id = %(incident_id)s
        and state = 'pending'
    order by id desc
"""
UPDATE_PEOPLE = """
    update responders r
    set state = x.state, reason = x.reason, note = x.note, changed_at = x.changed
    from unnest(%(ids)s::text[], %(states)s::text[], %(reasons)s::text[], %(notes)s::text[],
        %(changed)s::timestamptz[]) as x (id, state, reason, note, changed)
    where r.id = x.id
"""
DUE = """
    select distinct incident_id from (
        select incident_id from responder_targets
        where due_at <= %(now)s order by due_at limit %(limit)s
    ) as due
"""
CLAIM = """
    select i.id from incidents i
    where i.id in (
        select t.incident_id from responder_targets t
        where t.due_at <= %(now)s
            and (%(only)s::text[] is null or t.incident_id = any(%(only)s))
        order by t.due_at limit %(limit)s)
    order by i.id
    for update skip locked
"""
PUSH_BACK = """
    update responder_targets
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where incident_id = %(id)s and due_at <= %(now)s
"""

TARGET_COLUMNS = (
    "id",
    "request_id",
    "incident_id",
    "kind",
    "target_id",
    "label",
    "state",
    "reason",
    "changed_at",
    "ladder",
    "level",
    "loop",
    "step",
    "due_at",
)
PEOPLE_COLUMNS = (
    "id",
    "target_id",
    "request_id",
    "incident_id",
    "user_id",
    "step",
    "level",
    "state",
    "reason",
    "note",
    "asked_at",
    "changed_at",
)


async def insert_request(tx: Tx, request: Request) -> None:
    """Append a request."""
    await tx.execute(INSERT_REQUEST, msgspec.structs.asdict(request))


async def requests(tx: Tx, incident_ids: Sequence[str]) -> list[Request]:
    """The requests of these incidents, oldest first."""
    return await tx.all(Request, SELECT_REQUESTS, {"ids": list(incident_ids)})


async def count_requests(tx: Tx, incident_id: str) -> int:
    """How many requests an incident has had."""
    return int(await tx.value(COUNT_REQUESTS, {"id": incident_id}))


async def targets(tx: Tx, incident_ids: Sequence[str], *, pending: bool = False) -> list[Target]:
    """The targets of these incidents, in the order asked; `pending` only those that wait."""
    statement = SELECT_PENDING if pending else SELECT_TARGETS
    return [_target(row) for row in await tx.tuples(statement, {"ids": list(incident_ids)})]


def _target(row: tuple[Any, ...]) -> Target:
    return Target(
        id=row[0],
        request_id=row[1],
        incident_id=row[2],
        kind=AskKind(row[3]),
        target_id=row[4],
        label=row[5],
        state=State(row[6]),
        reason=row[7],
        changed_at=row[8],
        ladder=None if row[9] is None else msgspec.json.decode(row[9], type=Ladder),
        progress=Progress(row[10], row[11], row[12]),
        due_at=row[13],
        attempts=row[14],
        error=row[15],
    )


async def insert_targets(tx: Tx, new: Sequence[Target]) -> None:
    """Append targets."""
    await tx.copy(
        "responder_targets",
        TARGET_COLUMNS,
        (
            (
                one.id,
                one.request_id,
                one.incident_id,
                one.kind.value,
                one.target_id,
                one.label,
                one.state.value,
                one.reason,
                one.changed_at,
                None if one.ladder is None else msgspec.json.encode(one.ladder).decode(),
                one.progress.level,
                one.progress.loop,
                one.progress.step,
                one.due_at,
            )
            for one in new
        ),
    )


async def update_targets(tx: Tx, changed: Sequence[Target]) -> None:
    """Write what may change of these targets."""
    await tx.execute(
        UPDATE_TARGETS,
        {
            "ids": [one.id for one in changed],
            "states": [one.state.value for one in changed],
            "reasons": [one.reason for one in changed],
            "changed": [one.changed_at for one in changed],
            "levels": [one.progress.level for one in changed],
            "loops": [one.progress.loop for one in changed],
            "steps": [one.progress.step for one in changed],
            "due": [one.due_at for one in changed],
            "attempts": [one.attempts for one in changed],
            "errors": [one.error for one in changed],
        },
    )


async def people(tx: Tx, incident_ids: Sequence[str]) -> list[Asked]:
    """Everybody who was asked for these incidents, in the order asked."""
    return [_asked(row) for row in await tx.tuples(SELECT_PEOPLE, {"ids": list(incident_ids)})]


async def pending_of(tx: Tx, incident_id: str, user_id: str) -> list[Asked]:
    """What a person is asked there and has not answered, newest first."""
    values = {"incident_id": incident_id, "user_id": user_id}
    return [_asked(row) for row in await tx.tuples(SELECT_PENDING_OF, values)]


def _asked(row: tuple[Any, ...]) -> Asked:
    return Asked(
        id=row[0],
        target_id=row[1],
        request_id=row[2],
        incident_id=row[3],
        user_id=row[4],
        step=row[5],
        level=row[6],
        state=State(row[7]),
        reason=row[8],
        note=row[9],
        asked_at=row[10],
        changed_at=row[11],
    )


async def insert_people(tx: Tx, new: Sequence[Asked]) -> None:
    """Append people who are asked."""
    await tx.copy("responders", PEOPLE_COLUMNS, map(msgspec.structs.astuple, new))


async def update_people(tx: Tx, changed: Sequence[Asked]) -> None:
    """Write their answers."""
    await tx.execute(
        UPDATE_PEOPLE,
        {
            "ids": [one.id for one in changed],
            "states": [one.state.value for one in changed],
            "reasons": [one.reason for one in changed],
            "notes": [one.note for one in changed],
            "changed": [one.changed_at for one in changed],
        },
    )


async def due(tx: Tx, now: datetime, limit: int) -> list[str]:
    """Incidents with a policy that is due to ask the next people."""
    return [row[0] for row in await tx.tuples(DUE, {"now": now, "limit": limit})]


async def claim(tx: Tx, now: datetime, limit: int, only: Sequence[str] | None) -> list[str]:
    """Those of :func:`due` that nobody holds, locked."""
    values = {"now": now, "limit": limit, "only": None if only is None else list(only)}
    return [row[0] for row in await tx.tuples(CLAIM, values)]


async def push_back(tx: Tx, incident_id: str, error: str, now: datetime) -> None:
    """Note why what is due failed, and try again later."""
    await tx.execute(PUSH_BACK, {"id": incident_id, "error": error, "now": now})
