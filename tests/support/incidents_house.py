"""A small organisation in a fresh database, for tests of incidents and escalations: people with a
phone each, a service with one integration, a policy; and questions about what became of incidents.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.accounts.model import SYSTEM, Actor, Role
from tocsin.core import ids
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database, Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import (
    LevelInput,
    Policy,
    PolicyInput,
    Strategy,
    Target,
    TargetKind,
)
from tocsin.events.model import Arrived, Event, Outcome
from tocsin.incidents import actions as incidents

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

INSERT_USER = """
    insert into users (id, name, email, role, time_zone, created_at)
    values (%(id)s, %(name)s, %(email)s, %(role)s, 'UTC', %(now)s)
"""
INSERT_METHOD = """
    insert into contact_methods (id, user_id, channel, label, address_sealed, address_hint,
        created_at)
    values (%(id)s, %(user_id)s, 'simulated', 'phone', '\\x00', 'phone', %(now)s)
"""
INSERT_RULE = """
    insert into notification_rules (id, user_id, contact_method_id, urgency, delay_seconds)
    values (%(id)s, %(user_id)s, %(method_id)s, %(urgency)s, 0)
"""
INSERT_SERVICE = """
    insert into services (id, name, escalation_policy_id, urgency_rule, acknowledgement_timeout,
        auto_resolve_timeout, slice, created_at)
    values (%(id)s, %(name)s, %(policy_id)s, %(urgency_rule)s, %(acknowledgement_timeout)s,
        %(auto_resolve_timeout)s, 0, %(now)s)
"""
INSERT_INTEGRATION = """
    insert into integrations (id, service_id, name, kind, key_digest, key_sealed, created_at)
    values (%(id)s, %(service_id)s, %(name)s, 'events_api_v2', %(digest)s, '\\x00', %(now)s)
"""


def user(id: str) -> Target:
    """A user as a policy's target."""
    return Target(kind=TargetKind.USER, id=id)


def schedule(id: str) -> Target:
    """A schedule as a policy's target."""
    return Target(kind=TargetKind.SCHEDULE, id=id)


def level(*targets: Target, minutes: int = 5, in_turn: bool = False) -> LevelInput:
    """A level of a policy."""
    strategy = Strategy.ROUND_ROBIN if in_turn else Strategy.EVERYONE
    return LevelInput(delay_minutes=minutes, targets=targets, strategy=strategy)


def actor(id: str, role: Role = Role.RESPONDER, **fields: Any) -> Actor:
    """A signed-in person."""
    return Actor(kind="person", id=id, label=id.title(), role=role, **fields)


def trigger(key: str, **fields: Any) -> Event:
    """A trigger event."""
    fields.setdefault("summary", f"{key} is broken")
    return Event(action="trigger", dedup_key=key, **fields)


class House:
    """One organisation. Its clock moves only when told to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(START)
        self.seq = 0

    @property
    def now(self) -> datetime:
        """The house's time."""
        return self.clock.now()

    async def person(self, id: str, *, role: str = "limited_user", phone: bool = True) -> str:
        """A user whose id is its lower-case name; with a phone it is reachable."""
        async with self.database.transaction() as tx:
            await tx.execute(
                INSERT_USER,
                {
                    "id": id,
                    "name": id.title(),
                    "email": f"{id}@example.com",
                    "role": role,
                    "now": self.now,
                },
            )
            if phone:
                method_id = f"phone-{id}"
                await tx.execute(INSERT_METHOD, {"id": method_id, "user_id": id, "now": self.now})
                for urgency in ("high", "low"):
                    await tx.execute(
                        INSERT_RULE,
                        {
                            "id": f"rule-{id}-{urgency}",
                            "user_id": id,
                            "method_id": method_id,
                            "urgency": urgency,
                        },
                    )
        return id

    async def policy(self, *levels: LevelInput, loops: int = 0, name: str = "Policy") -> Policy:
        """An escalation policy."""
        async with self.database.transaction() as tx:
            wanted = PolicyInput(name=name, levels=levels, loops=loops)
            return await escalations.create_policy(tx, SYSTEM, wanted, self.now)

    async def service(self, policy: Policy, id: str = "shop", **fields: Any) -> str:
        """A service with one integration, whose id is "<service>-key"."""
        values = {
            "urgency_rule": "high",
            "acknowledgement_timeout": 1800,
            "auto_resolve_timeout": None,
            **fields,
        }
        async with self.database.transaction() as tx:
            await tx.execute(
                INSERT_SERVICE,
                {"id": id, "name": id, "policy_id": policy.id, "now": self.now, **values},
            )
            await tx.execute(
                INSERT_INTEGRATION,
                {
                    "id": f"{id}-key",
                    "service_id": id,
                    "name": f"{id} monitor",
                    "digest": id.encode(),
                    "now": self.now,
                },
            )
        return id

    def arrived(self, events: Sequence[Event], service: str = "shop") -> Arrived:
        """Events as the intake hands them over."""
        self.seq += 1
        return Arrived(
            seq=self.seq,
            service_id=service,
            integration_id=f"{service}-key",
            received_at=self.now,
            events=tuple(events),
        )

    async def say(self, *events: Event, service: str = "shop") -> list[Outcome]:
        """The service's monitor says these events, in one batch."""
        async with self.database.transaction() as tx:
            return await incidents.record_events(tx, [self.arrived(events, service)], self.now)

    async def opened(self, key: str = "db", **fields: Any) -> str:
        """Trigger a new alert; the id of its incident."""
        (outcome,) = await self.say(trigger(key, **fields))
        assert outcome.reason == "opened"
        assert outcome.incident_id is not None
        return outcome.incident_id

    async def pass_time(self, **by: float) -> None:
        """Move time from one due thing to the next, and let each happen."""
        end = self.now + timedelta(**by)
        while self.now < end:
            async with self.database.transaction() as tx:
                due = await incidents.next_due(tx)
            self.clock.move_to(end if due is None else min(end, max(self.now, due)))
            async with self.database.transaction() as tx:
                await incidents.run_timers(tx, self.now, 100)
            async with self.database.transaction() as tx:
                await incidents.advance_escalations(tx, self.now, 100)
            async with self.database.transaction() as tx:
                left = await incidents.next_due(tx)
            assert left is None or left > self.now, "what was due is still due"

    async def row(self, statement: Any, **params: Any) -> dict[str, Any]:
        """The one row of a query."""
        async with self.database.transaction() as tx:
            (found,) = await tx.rows(statement, params)
        return found

    async def rows(self, statement: Any, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        async with self.database.transaction() as tx:
            return await tx.tuples(statement, params)

    async def incident(self, id: str) -> dict[str, Any]:
        """The incident's row."""
        return await self.row("select * from incidents where id = %(id)s", id=id)

    async def run(self, id: str) -> dict[str, Any]:
        """Its ladder's row."""
        return await self.row("select * from escalation_runs where incident_id = %(id)s", id=id)

    async def paged(self, id: str) -> list[tuple[str, int, str]]:
        """Everyone ever paged for it: (user, step, state), in order."""
        return await self.rows(
            "select user_id, step, state from pages where incident_id = %(id)s"
            " order by step, user_id",
            id=id,
        )

    async def assignees(self, id: str) -> list[str]:
        """Whom it is with."""
        found = await self.rows(
            "select user_id from assignments where incident_id = %(id)s order by user_id", id=id
        )
        return [row[0] for row in found]

    async def story(self, id: str) -> list[tuple[str, str]]:
        """Its timeline as (kind, reason), without what paging tells."""
        return await self.rows(
            "select kind, reason from log_entries"
            " where incident_id = %(id)s and kind <> 'notify' order by seq",
            id=id,
        )

    async def timers(self, id: str) -> list[str]:
        """What it waits for."""
        found = await self.rows(
            "select kind from incident_timers where incident_id = %(id)s order by kind", id=id
        )
        return [row[0] for row in found]


async def stand_up(database: Database, *, loops: int = 0, **service: Any) -> House:
    """A house with the owner Olga, and Alice, then Bob, on the ladder of the service "shop"."""
    ids.seed(1)
    house = House(database)
    await house.person("olga", role="owner")
    await house.person("alice")
    await house.person("bob")
    policy = await house.policy(level(user("alice")), level(user("bob")), loops=loops)
    await house.service(policy, **service)
    return house


__all__ = [
    "START",
    "House",
    "Tx",
    "actor",
    "level",
    "schedule",
    "stand_up",
    "trigger",
    "user",
]
