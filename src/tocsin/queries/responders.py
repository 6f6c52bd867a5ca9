"""Who is asked to join an incident, as pages show it. Check access to the incident first; the
question to one person is shown to whom it was put, whatever else that person may see."""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

MOST_TARGETS = 200
MOST_PEOPLE = 500

SELECT_TARGETS = """
select t.id, t.request_id, t.kind, t.target_id, t.label, t.state, t.reason, t.changed_at, t.due_at,
    t.level, t.error, jsonb_array_length(t.ladder -> 'levels') as levels,
    q.requester_label as requester, q.message, q.at as asked_at
from responder_targets t join responder_requests q on q.id = t.request_id
where t.incident_id = %(incident_id)s
order by q.at desc, t.id limit %(limit)s
"""
SELECT_PEOPLE = """
select r.target_id, r.user_id, u.name, u.time_zone, r.level, r.state, r.reason, r.note, r.asked_at,
    r.changed_at
from responders r join users u on u.id = r.user_id
where r.incident_id = %(incident_id)s
order by r.id limit %(limit)s
"""
SELECT_QUESTION = """
select r.state, r.reason, r.asked_at, r.changed_at, q.requester_label as requester, q.message,
    i.id as incident_id, i.number, i.title, i.status, i.urgency, i.created_at, i.body,
    i.conference_number, i.conference_url, s.name as service_name
from responders r
join responder_requests q on q.id = r.request_id
join incidents i on i.id = r.incident_id
join services s on s.id = i.service_id
where r.incident_id = %(incident_id)s and r.user_id = %(user_id)s
order by r.state = 'pending' desc, r.id desc limit 1
"""
SELECT_JOINED = """
select distinct u.name from responders r join users u on u.id = r.user_id
where r.incident_id = %(incident_id)s and r.state = 'joined' order by u.name limit %(limit)s
"""


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """One person who was asked, and what they said."""

    target_id: str
    user_id: str
    name: str
    time_zone: str
    level: int
    state: str
    reason: str
    note: str | None
    asked_at: datetime
    changed_at: datetime


class TargetView(msgspec.Struct, frozen=True, kw_only=True):
    """One person or policy that was asked, by whom and with what words. `levels` is None for a
    person; `due_at` is when a policy asks its next level."""

    id: str
    request_id: str
    kind: str
    target_id: str
    label: str
    state: str
    reason: str
    changed_at: datetime
    due_at: datetime | None
    level: int
    error: str | None
    levels: int | None
    requester: str
    message: str
    asked_at: datetime
    people: tuple[PersonView, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What one person is asked, about which incident, and whether it was answered."""

    state: str
    reason: str
    asked_at: datetime
    changed_at: datetime
    requester: str
    message: str
    incident_id: str
    number: int
    title: str
    status: str
    urgency: str
    created_at: datetime
    body: str | None
    conference_number: str | None
    conference_url: str | None
    service_name: str

    @property
    def is_open(self) -> bool:
        """Whether an answer is waited for."""
        return self.state == "pending"


async def targets(tx: Tx, incident_id: str) -> list[TargetView]:
    """Everybody who was asked, the newest request first."""
    found = await tx.all(
        TargetView, SELECT_TARGETS, {"incident_id": incident_id, "limit": MOST_TARGETS}
    )
    if not found:
        return []
    people: dict[str, list[PersonView]] = {}
    values = {"incident_id": incident_id, "limit": MOST_PEOPLE}
    for person in await tx.all(PersonView, SELECT_PEOPLE, values):
        people.setdefault(person.target_id, []).append(person)
    return [
        msgspec.structs.replace(target, people=tuple(people.get(target.id, ()))) for target in found
    ]


async def question(tx: Tx, incident_id: str, user_id: str) -> Question | None:
    """What a person is asked there: what waits for an answer, else the newest."""
    values = {"incident_id": incident_id, "user_id": user_id}
    return await tx.one(Question, SELECT_QUESTION, values)


async def joined(tx: Tx, incident_id: str) -> list[str]:
    """The names of who has joined."""
    rows = await tx.tuples(SELECT_JOINED, {"incident_id": incident_id, "limit": MOST_PEOPLE})
    return [row[0] for row in rows]
