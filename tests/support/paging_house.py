"""People with contact methods, incidents to page them for, and a pump on simulated channels."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.accounts.model import SYSTEM
from tocsin.channels.model import Channel, Dead, Message, Receipt, Retry, Sent
from tocsin.channels.simulated import SimulatedChannel
from tocsin.core import ids
from tocsin.core.clock import ManualClock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database
from tocsin.engine.pump_deliveries import DeliveryPump
from tocsin.paging import actions as paging
from tocsin.paging.model import Ask, ContactMethod, Paged

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BOX = SecretBox(b"k" * 32)

INSERT_USER = """
insert into users (id, name, email, role, time_zone, created_at)
values (%(id)s, %(name)s, %(email)s, 'limited_user', 'UTC', %(now)s)
"""
INSERT_POLICY = """
insert into escalation_policies (id, name, created_at) values ('PPOLICY', 'Policy', %(now)s)
"""
INSERT_SERVICE = """
insert into services (id, name, escalation_policy_id, slice, created_at)
values ('PSHOP', 'Shop', 'PPOLICY', 0, %(now)s)
"""
INSERT_INCIDENTS = """
insert into incidents (id, service_id, escalation_policy_id, title, status, urgency, created_at,
    changed_at)
select id, 'PSHOP', 'PPOLICY', 'Trouble ' || id, 'triggered', 'high', %(now)s, %(now)s
from unnest(%(ids)s::text[]) as new (id)
"""


class Script:
    """A channel whose answers are scripted: each message takes the next, and yes after the last.

    `down` answers Retry to everything until it is taken back.
    """

    def __init__(self, name: str, *answers: Receipt) -> None:
        self.answers = deque(answers)
        self.down = False
        self.channel = SimulatedChannel(name, self._answer)

    def _answer(self, message: Message, address: str) -> Receipt:
        if self.down:
            return Retry(detail="503 try later")
        return self.answers.popleft() if self.answers else Sent(detail="ok")

    @property
    def sent(self) -> list[Message]:
        """The messages that got through, in order."""
        return [h.message for h in self.channel.handed if isinstance(h.receipt, Sent)]

    @property
    def tried(self) -> list[Message]:
        """Every message handed over, in order."""
        return [h.message for h in self.channel.handed]


class PagingHouse:
    """One organisation with the channels `mail` and `push`. Its clock moves only when told to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(START)
        self.mail = Script("mail")
        self.push = Script("push")
        self.channels: dict[str, Channel] = {
            "mail": self.mail.channel,
            "push": self.push.channel,
        }
        self.pump = self.new_pump("node-1")

    @property
    def now(self) -> datetime:
        """The house's time."""
        return self.clock.now()

    def new_pump(
        self,
        node: str,
        channels: Mapping[str, Channel] | None = None,
        **settings: Any,
    ) -> DeliveryPump:
        """Another node's pump on the same database."""
        return DeliveryPump(
            self.database,
            self.clock,
            channels=self.channels if channels is None else channels,
            links=lambda incident, user: (
                f"https://t/a/{incident}/{user}",
                f"https://t/i/{incident}",
            ),
            secret_box=BOX,
            node=node,
            incidents_url="https://t/incidents",
            **settings,
        )

    async def person(self, id: str, *channels: str) -> list[ContactMethod]:
        """A person with a contact method on each of these channels, in this order."""
        async with self.database.transaction() as tx:
            await tx.execute(
                INSERT_USER,
                {"id": id, "name": id.title(), "email": f"{id}@example.org", "now": self.now},
            )
        return [await self.method(id, channel) for channel in channels]

    async def method(self, user_id: str, channel: str) -> ContactMethod:
        """One more contact method."""
        async with self.database.transaction() as tx:
            return await paging.add_contact_method(
                tx,
                SYSTEM,
                paging.ContactMethodDraft(
                    user_id=user_id,
                    channel=channel,
                    label=channel,
                    address=f"{user_id}@{channel}.example.org",
                ),
                self.now,
                channels=self.channels,
                secret_box=BOX,
            )

    async def rule(self, method: ContactMethod, delay_seconds: int) -> None:
        """A high-urgency rule."""
        async with self.database.transaction() as tx:
            await paging.add_rule(
                tx,
                SYSTEM,
                paging.RuleDraft(
                    user_id=method.user_id,
                    contact_method_id=method.id,
                    urgency="high",
                    delay_seconds=delay_seconds,
                ),
                self.now,
            )

    async def incidents(self, count: int = 1) -> list[str]:
        """New triggered incidents of the shop."""
        fresh = [ids.new("Q", self.now) for _ in range(count)]
        async with self.database.transaction() as tx:
            await tx.execute(INSERT_INCIDENTS, {"ids": fresh, "now": self.now})
        return fresh

    async def page(self, user_id: str, incidents: Sequence[str], step: int = 1) -> Paged:
        """Page a person for these incidents, in one transaction."""
        async with self.database.transaction() as tx:
            return await paging.page(tx, asks(user_id, incidents, step), self.now)

    async def stop(self, *incidents: str) -> int:
        """Somebody acknowledged them."""
        async with self.database.transaction() as tx:
            return await paging.stop(tx, incidents, "acknowledged", self.now)

    async def pass_time(self, pump: DeliveryPump | None = None, **by: float) -> None:
        """Let time go by; whenever something is due it happens."""
        pump = pump or self.pump
        end = self.now + timedelta(**by)
        await settle(pump)
        while self.now < end:
            async with self.database.transaction() as tx:
                due = await pump.next_due(tx)
            # A lease is lapsed strictly after its end, and house is kept once a second.
            soon = self.now + timedelta(seconds=1)
            self.clock.move_to(end if due is None else min(end, max(due, soon)))
            await settle(pump)

    async def ledger(self, columns: str = "kind, channel, state") -> list[tuple[Any, ...]]:
        """The deliveries, in the order they were made."""
        async with self.database.transaction() as tx:
            return await tx.tuples(f"select {columns} from deliveries order by id")  # type: ignore[arg-type]

    async def value(self, statement: Any, **params: Any) -> Any:
        """The first column of the first row."""
        async with self.database.transaction() as tx:
            return await tx.value(statement, params)

    async def told(self, incident_id: str) -> list[tuple[str, str, str]]:
        """What the timeline says of reaching people: (channel, outcome, reason)."""
        async with self.database.transaction() as tx:
            return await tx.tuples(
                "select data->>'channel', data->>'outcome', reason from log_entries"
                " where incident_id = %(id)s and kind = 'notify' order by seq",
                {"id": incident_id},
            )


def asks(user_id: str, incidents: Sequence[str], step: int = 1) -> list[Ask]:
    """One ask for each incident."""
    return [
        Ask(
            incident_id=incident,
            service_id="PSHOP",
            user_id=user_id,
            step=step,
            urgency="high",
            reason="opened",
            number=number,
            title="Trouble",
        )
        for number, incident in enumerate(incidents)
    ]


async def settle(pump: DeliveryPump, most: int = 100) -> int:
    """Run the pump until it finds nothing more to do now."""
    done = 0
    for _ in range(most):
        found = await pump.run_due()
        if not found:
            return done
        done += found
    raise AssertionError("the pump found work without end")


async def stand_up(database: Database) -> PagingHouse:
    """A house with a shop and nobody in it."""
    ids.seed(1)
    house = PagingHouse(database)
    async with database.transaction() as tx:
        await tx.execute(INSERT_POLICY, {"now": START})
        await tx.execute(INSERT_SERVICE, {"now": START})
    return house


__all__ = [
    "BOX",
    "START",
    "Dead",
    "PagingHouse",
    "Retry",
    "Script",
    "Sent",
    "asks",
    "settle",
    "stand_up",
]
