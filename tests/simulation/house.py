"""Two nodes on one real database, in one thread, with time that only the simulation moves.

Everything random comes from one seed: what machines send, what people do, where a node dies, how a
provider answers, how far the nodes' clocks are apart. The same seed gives the same run.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.support.settings import settings_for
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Actor, NewUser, Role
from tocsin.app import Program
from tocsin.catalog import actions as catalog
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput
from tocsin.catalog.model import Hours, IntegrationTarget, NewIntegration, NewService
from tocsin.channels.model import Dead, Message, Receipt, Retry, Sent
from tocsin.channels.simulated import SimulatedChannel
from tocsin.core import crash_points, ids
from tocsin.core.clock import ManualClock
from tocsin.core.crash_points import Crash
from tocsin.core.database import Database, Tx, Unavailable
from tocsin.core.errors import Problem
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Strategy, Target, TargetKind
from tocsin.events.model import Accepted, Destination
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest
from tocsin.incidents.model import Urgency
from tocsin.incidents.responders import Answer, AskKind, Wanted
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow, WindowChange

CHANNELS = ("phone", "mail")
COUNT_HELD = "select count(*) from event_outcomes where reason = 'suppressed_by_maintenance'"
NEXT_INBOX = "select min(due_at) from inbox where not quarantined"


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """One message that reached a provider, at true time."""

    at: datetime
    channel: str
    address: str
    delivery_id: str
    incident_ids: tuple[str, ...]
    confirmed: bool
    # By itself it asks for a responder; with others it may.
    asks: bool = False


class Chance(msgspec.Struct, kw_only=True):
    """How often things go wrong, from 0 to 1."""

    crash: float = 0.0
    retry: float = 0.0
    dead: float = 0.0
    lost_answer: float = 0.0


class Provider(SimulatedChannel):
    """Answers as the seed says, and keeps what it was handed."""

    def __init__(self, name: str, house: "House") -> None:
        super().__init__(name)
        self.house = house
        self.answers = self._answer

    def _answer(self, message: Message, address: str) -> Receipt:
        house, draw = self.house, self.house.random.random
        chance = house.chance
        roll = draw()
        confirmed = True
        receipt: Receipt = Sent(detail="ok", provider_id=message.delivery_id)
        if roll < chance.dead:
            return Dead(detail="gone")
        if roll < chance.dead + chance.retry:
            return Retry(detail="HTTP 503")
        if roll < chance.dead + chance.retry + chance.lost_answer:
            # It took the message and the answer was lost: a repeat will follow.
            receipt, confirmed = Retry(detail="the answer was lost"), False
        house.handed.append(
            Handed(
                at=house.now,
                channel=self.name,
                address=address,
                delivery_id=message.delivery_id,
                incident_ids=tuple(line.incident_id for line in message.incidents),
                confirmed=confirmed,
                asks=message.asked_by is not None or len(message.incidents) > 1,
            )
        )
        return receipt


GROUPINGS: list[dict[str, Any]] = [
    {"type": "time", "timeout": 600},
    {"type": "time", "timeout": 0},
    {"type": "content_based", "aggregate": "all", "fields": ["source"]},
    {"type": "content_based", "aggregate": "any", "fields": ["source", "severity"]},
    {"type": "intelligent"},
]


class Node:
    """One process: a program and a clock a little off the others'."""

    def __init__(self, house: "House", name: str, offset: timedelta) -> None:
        self.name = name
        self.offset = offset
        self.clock = ManualClock(house.now + offset)
        self.program = Program(
            settings_for(house.data_dir, node_name=name),
            clock=self.clock,
            database=house.database,
            web_database=house.database,
            door_database=house.database,
            extra_channels=[Provider(channel, house) for channel in CHANNELS],
        )


class House:
    """The whole simulated installation."""

    def __init__(self, seed: int, database: Database, data_dir: Path, start: datetime) -> None:
        self.random = random.Random(seed)
        self.database = database
        self.data_dir = data_dir
        self.now = start
        self.chance = Chance()
        self.handed: list[Handed] = []
        self.crashes: list[str] = []
        self.users: list[str] = []
        self.keys: list[IntegrationTarget] = []
        self.accepted = 0
        self.nodes = [self._node("one"), self._node("two")]
        crash_points.handle(self._maybe_crash)

    def _node(self, name: str) -> Node:
        offset = timedelta(milliseconds=self.random.randrange(-500, 500))
        return Node(self, name, offset)

    def _maybe_crash(self, point: str) -> None:
        if self.random.random() < self.chance.crash:
            self.crashes.append(point)
            raise Crash(point)

    # Time

    def move_to(self, at: datetime) -> None:
        """Move true time, and with it every node's."""
        self.now = max(self.now, at)
        for node in self.nodes:
            node.clock.move_to(max(node.clock.now(), self.now + node.offset))

    async def next_due(self) -> datetime | None:
        async with self.database.transaction() as tx:
            found = [
                await incidents.next_due(tx),
                await self.nodes[0].program.pump.next_due(tx),
                await tx.value(NEXT_INBOX),
            ]
        return min((at for at in found if at is not None), default=None)

    # Work

    async def stage(self, node: Node, name: str) -> int:
        """Run one stage of one node once; the node may die of it and be started anew."""
        stage = next(stage for stage in node.program.engine.stages if stage.name == name)
        try:
            return await (stage.inline or stage.run)()
        except Crash:
            await self._replace(node)
            return 1

    async def _replace(self, node: Node) -> None:
        await node.program.outbound.aclose()
        self.nodes[self.nodes.index(node)] = self._node(node.name)

    async def one_pass(self, names: Sequence[str]) -> int:
        """Every stage named, on both nodes, in an order of the seed's choosing."""
        turns = [(index, name) for index in range(len(self.nodes)) for name in names]
        self.random.shuffle(turns)
        found = 0
        for index, name in turns:
            found += await self.stage(self.nodes[index], name)
        return found

    async def settle(self, names: Sequence[str]) -> None:
        """Work until nothing is found."""
        for _ in range(2000):
            if not await self.one_pass(names):
                return
        raise AssertionError("the engine found work without end")

    # What machines and people do

    async def event(self, action: str, integration: IntegrationTarget, key: str) -> None:
        """Hand one event to the front door's own group commit, as a request would."""
        severity = self.random.choice(["critical", "error", "warning", "info"])
        body: dict[str, object] = {
            "routing_key": "0" * 32,
            "event_action": action,
            "dedup_key": key,
        }
        if action == "trigger":
            body["payload"] = {
                "summary": f"{key} of {self.random.choice(['shop', 'till'])} is broken",
                "source": self.random.choice(["north", "south"]),
                "severity": severity,
            }
        node = self.random.choice(self.nodes)
        try:
            await accept(node, integration, key, msgspec.json.encode(body))
        except (Crash, Unavailable):
            # The process died; whether the event was kept is not known to the sender.
            await self._replace(node)
            return
        self.accepted += 1

    async def person_acts(self) -> None:
        """Somebody does something to an incident; a refusal is fine."""
        draw = self.random
        now = self.nodes[0].clock.now()
        user_id = draw.choice(self.users)
        actor = Actor(kind="person", id=user_id, label="sim", role=Role.RESPONDER)
        async with self.database.transaction() as tx:
            rows = await tx.tuples(
                "select id from incidents where status <> 'resolved' order by id limit 50"
            )
        if not rows:
            return
        picked = [draw.choice(rows)[0]]
        act = draw.choice(
            ["ack", "ack", "ack", "resolve", "snooze", "unack", "reassign", "escalate", "urgency"]
        )
        try:
            async with self.database.transaction() as tx:
                if act == "ack":
                    await incidents.acknowledge(tx, actor, picked, now)
                elif act == "resolve":
                    await incidents.resolve(tx, actor, picked, now)
                elif act == "snooze":
                    await incidents.snooze(tx, actor, picked, draw.randrange(1, 7200), now)
                elif act == "unack":
                    await incidents.unacknowledge(tx, actor, picked, now)
                elif act == "reassign":
                    to = incidents.Reassignment(user_ids=(draw.choice(self.users),))
                    await incidents.reassign(tx, actor, picked, to, now)
                elif act == "escalate":
                    await incidents.escalate(tx, actor, picked, now)
                else:
                    urgency = draw.choice(list(Urgency))
                    await incidents.set_urgency(tx, actor, picked, urgency, now)
        except Problem:
            return

    async def help_wanted(self) -> None:
        """Somebody asks for responders, answers such a request, or calls it off."""
        draw, now = self.random, self.nodes[0].clock.now()
        user_id = draw.choice(self.users)
        actor = Actor(kind="person", id=user_id, label="sim", role=Role.RESPONDER)
        async with self.database.transaction() as tx:
            rows = await tx.tuples(
                "select id, escalation_policy_id from incidents where status <> 'resolved'"
                " order by id limit 50"
            )
            waiting = await tx.tuples(
                "select incident_id, user_id from responders where state = 'pending' order by id"
            )
        act = draw.choice(["ask", "ask", "answer", "answer", "call off"])
        try:
            async with self.database.transaction() as tx:
                if act == "answer" and waiting:
                    incident_id, asked = draw.choice(waiting)
                    person = Actor(kind="reply", id=asked, label="sim", role=Role.RESPONDER)
                    answer = draw.choice(list(Answer))
                    await incidents.answer_request(tx, person, incident_id, answer, now)
                elif act == "call off" and waiting:
                    await incidents.cancel_requests(tx, actor, waiting[0][0], None, now)
                elif rows:
                    incident_id, policy_id = draw.choice(rows)
                    targets = [
                        Wanted(AskKind.USER, draw.choice(self.users)),
                        Wanted(AskKind.POLICY, policy_id),
                    ]
                    new = NewRequest(targets=tuple(draw.sample(targets, draw.choice([1, 2]))))
                    await incidents.ask_responders(tx, actor, incident_id, new, now)
        except Problem:
            return

    async def maintain(self) -> None:
        """Somebody plans, moves or ends the maintenance of some services."""
        draw, now = self.random, self.nodes[0].clock.now()
        services = {key.service_id for key in self.keys}
        async with self.database.transaction() as tx:
            there = await suppression.open_windows(tx, sorted(services), now)
        act = draw.choice(["plan", "move", "end"])
        try:
            async with self.database.transaction() as tx:
                if act == "plan" or not there:
                    start = now + timedelta(minutes=draw.choice([0, 0, 2, 10]))
                    new = NewWindow(
                        service_ids=tuple(draw.sample(sorted(services), draw.choice([1, 2]))),
                        starts_at=start,
                        ends_at=start + timedelta(minutes=draw.choice([1, 5, 20, 60])),
                    )
                    await suppression.create(tx, SYSTEM, new, now)
                elif act == "move":
                    window = draw.choice(there)
                    ends_at = now + timedelta(minutes=draw.choice([1, 5, 20]))
                    change = WindowChange(ends_at=ends_at)
                    await suppression.update(tx, SYSTEM, window.id, change, now)
                else:
                    await suppression.remove(tx, SYSTEM, draw.choice(there).id, now)
        except Problem:
            return

    async def held(self) -> int:
        """How many events maintenance held back."""
        async with self.database.transaction() as tx:
            return int(await tx.value(COUNT_HELD))

    async def furnish(self) -> None:
        """People, policies, services and keys."""
        now, draw = self.now, self.random
        async with self.database.transaction() as tx:
            for index in range(4):
                new = NewUser(name=f"person {index}", email=f"p{index}@example.com")
                if index == 0:
                    new = msgspec.structs.replace(new, password="correct horse battery")
                    user = await accounts.first_run(tx, new, now)
                else:
                    user = await accounts.create_user(tx, SYSTEM, new, now)
                self.users.append(user.id)
                for channel in CHANNELS[: draw.choice([1, 2])]:
                    draft = ContactMethodDraft(
                        user_id=user.id, channel=channel, label=channel, address=user.id
                    )
                    await paging.add_contact_method(
                        tx,
                        SYSTEM,
                        draft,
                        now,
                        channels=self.nodes[0].program.channels,
                        secret_box=self.nodes[0].program.secret_box,
                    )
            for index in range(3):
                await self._service(tx, index, now)
            await self._group(tx, now)

    async def _service(self, tx: Tx, index: int, now: datetime) -> None:
        draw = self.random
        levels = tuple(
            LevelInput(
                delay_minutes=draw.choice([1, 5, 30]),
                strategy=draw.choice([Strategy.EVERYONE, Strategy.ROUND_ROBIN]),
                targets=tuple(
                    Target(kind=TargetKind.USER, id=user)
                    for user in draw.sample(self.users, draw.choice([1, 2]))
                ),
            )
            for _ in range(draw.choice([1, 2, 3]))
        )
        policy = await escalations.create_policy(
            tx,
            SYSTEM,
            PolicyInput(name=f"policy {index}", levels=levels, loops=draw.choice([0, 1, 2])),
            now,
        )
        service = await catalog.create_service(
            tx,
            SYSTEM,
            NewService(
                name=f"service {index}",
                escalation_policy_id=policy.id,
                urgency_rule=draw.choice(["high", "severity_based"]),
                acknowledgement_timeout=draw.choice([None, 600, 1800]),
                auto_resolve_timeout=draw.choice([None, 14400]),
                pause_seconds=draw.choice([None, None, 120, 600]),
                hours=self._hours(),
            ),
            now,
        )
        _, key = await catalog.add_integration(
            tx,
            SYSTEM,
            self.nodes[0].program.secret_box,
            NewIntegration(service_id=service.id, name="events"),
            now,
        )
        target = await catalog.target_for_key(tx, key)
        assert target is not None
        self.keys.append(target)

    def _hours(self) -> Hours | None:
        """Support hours that begin and end within the run, in a night in which the clock moves."""
        draw = self.random
        if draw.random() < 0.6:
            return None
        start, end = draw.sample(range(24), 2)
        return Hours(
            time_zone=draw.choice(["Europe/Berlin", "Etc/UTC", "America/New_York"]),
            days=range(1, 8),
            start=f"{start:02}:30",
            end=f"{end:02}:30",
            urgency_outside=draw.choice(["low", "high"]),
            raise_at=draw.choice([[], ["support_hours_start"], ["support_hours_end"]]),
        )

    async def _group(self, tx: Tx, now: datetime) -> None:
        """Some or all services bring their alerts together in some way."""
        draw = self.random
        services = [key.service_id for key in self.keys]
        chosen = draw.sample(services, draw.choice([0, 1, 1, 3]))
        way = draw.choice(GROUPINGS)
        if way["type"] != "content_based":
            chosen = chosen[:1]
        if chosen:
            wanted = GroupingInput(service_ids=chosen, **way)
            await grouping.create_grouping(tx, SYSTEM, wanted, now)


async def accept(node: Node, target: IntegrationTarget, key: str, body: bytes) -> None:
    """Append one event as the front door does."""
    destination = Destination(
        service_id=target.service_id,
        integration_id=target.integration_id,
        slice=target.slice,
        format="pagerduty_v2",
    )
    await node.program.door.commit.accept(
        Accepted(destination=destination, dedup_key=None, body=body)
    )


@asynccontextmanager
async def make_house(seed: int, dsn: str, data_dir: Path, start: datetime) -> AsyncIterator[House]:
    """A furnished house on a fresh database."""
    ids.seed(seed)
    async with Database(dsn, size=4, name=f"simulation {seed}") as database:
        house = House(seed, database, data_dir, start)
        try:
            await house.furnish()
            yield house
        finally:
            crash_points.handle(None)
            for node in house.nodes:
                await node.program.outbound.aclose()
