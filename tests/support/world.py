"""A whole Tocsin in a test: the real program on real PostgreSQL, over real HTTP, with time that
moves only when told to and phones that remember what they were shown.

    await world.person("ann")
    await world.service("checkout", [["ann"], ["bob"]], minutes=5)
    await world.trigger("checkout", "db-down")
    world["ann"].expects_page("db-down")
    await world.advance(minutes=5)
    world["bob"].expects_page("db-down")
    await world["bob"].acknowledges("db-down")

Rule: a message that nobody expected fails the test when the world ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import uvicorn

from tests.support.settings import settings_for
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Actor, NewUser, Role, User
from tocsin.app import Program
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewIntegration, NewService, Service
from tocsin.channels.model import Message, Receipt
from tocsin.channels.simulated import SimulatedChannel
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Strategy, Target, TargetKind
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import Incident
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft, RuleDraft
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, ScheduleDraft
from tocsin.webhooks import actions as webhooks

PASSWORD = "correct horse battery"
OPEN_INCIDENT = """
select id from incidents where title = %(title)s order by created_at desc, id desc limit 1
"""
NEXT_INBOX = "select min(due_at) from inbox where not quarantined"


class Phone(SimulatedChannel):
    """What one way of reaching people was given, by address."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting: dict[str, list[Message]] = {}
        self.outcome: Callable[[Message, str], Receipt] | None = None
        self.answers = self._take

    def _take(self, message: Message, address: str) -> Receipt:
        from tocsin.channels.model import Sent

        receipt: Receipt = Sent(detail="shown", provider_id=message.delivery_id)
        if self.outcome is not None:
            receipt = self.outcome(message, address)
        if isinstance(receipt, Sent):
            self.waiting.setdefault(address, []).append(message)
        return receipt


class Person:
    """Somebody who can be paged."""

    def __init__(self, world: "World", user: User) -> None:
        self.world = world
        self.user = user
        self.links: dict[str, str] = {}

    @property
    def actor(self) -> Actor:
        return Actor(
            kind="person", id=self.user.id, label=self.user.name, role=Role(self.user.role)
        )

    def shown(self, channel: str = "phone") -> list[Message]:
        """The messages that wait to be looked at."""
        return self.world.channels[channel].waiting.get(self.user.name, [])

    def expects_page(self, *titles: str, channel: str = "phone") -> Message:
        """The oldest waiting message must be about exactly these; it is then looked at."""
        waiting = self.shown(channel)
        assert waiting, f"{self.user.name}'s {channel} was not told of {titles}"
        message = waiting.pop(0)
        got = tuple(line.title for line in message.incidents)
        assert sorted(got) == sorted(titles), f"{self.user.name} was told of {got}, not {titles}"
        if message.acknowledge_url:
            for title in titles:
                self.links[title] = message.acknowledge_url
        return message

    def expects_nothing(self) -> None:
        """No channel has anything for this person."""
        for name in self.world.channels:
            assert self.shown(name) == [], f"{self.user.name}'s {name} was told of something"

    async def acknowledges(self, title: str) -> httpx.Response:
        """Tap the link of the page about `title`, and the button behind it."""
        path = urlsplit(self.links[title]).path
        page = await self.world.http.get(path)
        assert page.status_code == 200, page.text
        response = await self.world.http.post(f"{path}/acknowledge", follow_redirects=True)
        assert response.status_code == 200, response.text
        await self.world.settle()
        return response

    async def acts(self, act: Callable[..., Any], title: str, *values: Any, **named: Any) -> Any:
        """Act on an incident as this person: `await ann.acts(incidents.snooze, "x", 60)`."""
        incident_id = (await self.world.incident(title)).id
        async with self.world.database.transaction() as tx:
            now = self.world.clock.now()
            result = await act(tx, self.actor, [incident_id], *values, now, **named)
        await self.world.settle()
        return result


class World:
    """See the module."""

    def __init__(self, program: Program, clock: ManualClock, http: httpx.AsyncClient) -> None:
        self.program = program
        self.clock = clock
        self.http = http
        self.database = program.database
        self.people: dict[str, Person] = {}
        self.services: dict[str, Service] = {}
        self.keys: dict[str, str] = {}

    @property
    def channels(self) -> dict[str, Phone]:
        return {n: c for n, c in self.program.channels.items() if isinstance(c, Phone)}

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    # Setting the scene

    async def person(
        self,
        name: str,
        *,
        role: Role = Role.RESPONDER,
        zone: str = "Etc/UTC",
        rules: Sequence[tuple[str, str, int]] = (),
        channels: Sequence[str] = ("phone",),
    ) -> Person:
        """Somebody with contact methods. `rules` are (channel, urgency, minutes); none means each
        channel at once for both urgencies."""
        now = self.clock.now()
        async with self.database.transaction() as tx:
            new = NewUser(name=name, email=f"{name}@example.com", role=role, time_zone=zone)
            first = await accounts.needs_first_run(tx)
            if first:
                new = msgspec.structs.replace(new, password=PASSWORD)
                user = await accounts.first_run(tx, new, now)
            else:
                user = await accounts.create_user(tx, SYSTEM, new, now)
            methods = {}
            for channel in channels:
                draft = ContactMethodDraft(
                    user_id=user.id, channel=channel, label=channel, address=name
                )
                method = await paging.add_contact_method(
                    tx,
                    SYSTEM,
                    draft,
                    now,
                    channels=self.program.channels,
                    secret_box=self.program.secret_box,
                )
                methods[channel] = method.id
            if rules:
                for rule in await paging.notification_rules(tx, SYSTEM, user.id):
                    await paging.remove_rule(tx, SYSTEM, rule.id, now)
                for channel, urgency, minutes in rules:
                    await paging.add_rule(
                        tx,
                        SYSTEM,
                        RuleDraft(
                            user_id=user.id,
                            contact_method_id=methods[channel],
                            urgency=urgency,  # type: ignore[arg-type]
                            delay_seconds=minutes * 60,
                        ),
                        now,
                    )
        self.people[name] = Person(self, user)
        return self.people[name]

    async def schedule(self, name: str, zone: str, layers: Sequence[LayerDraft]) -> str:
        """A schedule; its id."""
        async with self.database.transaction() as tx:
            made = await schedules.create(
                tx,
                SYSTEM,
                ScheduleDraft(name=name, time_zone=zone, layers=tuple(layers)),
                self.clock.now(),
            )
        return made.id

    async def service(
        self,
        name: str,
        levels: Sequence[Sequence[str]],
        *,
        minutes: int = 5,
        loops: int = 0,
        strategy: str = "assign_to_everyone",
        **fields: Any,
    ) -> Service:
        """A service with a policy of its own. A target is a person's name or a schedule's id."""
        now = self.clock.now()
        async with self.database.transaction() as tx:
            policy = await escalations.create_policy(
                tx,
                SYSTEM,
                PolicyInput(
                    name=f"{name} policy",
                    loops=loops,
                    levels=tuple(
                        LevelInput(
                            delay_minutes=minutes,
                            strategy=Strategy(strategy),
                            targets=tuple(self._target(target) for target in level),
                        )
                        for level in levels
                    ),
                ),
                now,
            )
            service = await catalog.create_service(
                tx, SYSTEM, NewService(name=name, escalation_policy_id=policy.id, **fields), now
            )
            _, key = await catalog.add_integration(
                tx,
                SYSTEM,
                self.program.secret_box,
                NewIntegration(service_id=service.id, name="events"),
                now,
            )
        self.services[name] = service
        self.keys[name] = key
        self.program.door.forget()
        return service

    def _target(self, name: str) -> Target:
        if name in self.people:
            return Target(kind=TargetKind.USER, id=self.people[name].user.id)
        return Target(kind=TargetKind.SCHEDULE, id=name)

    # What machines say

    async def event(self, service: str, action: str, key: str, **payload: Any) -> httpx.Response:
        """Post one Events v2 event and let the engine work."""
        body: dict[str, Any] = {
            "routing_key": self.keys[service],
            "event_action": action,
            "dedup_key": key,
        }
        if action == "trigger":
            body["payload"] = {
                "summary": key,
                "source": "monitor",
                "severity": "critical",
                **payload,
            }
        response = await self.http.post("/v2/enqueue", json=body)
        assert response.status_code == 202, response.text
        await self.settle()
        return response

    async def trigger(self, service: str, key: str, **payload: Any) -> None:
        await self.event(service, "trigger", key, **payload)

    async def resolve(self, service: str, key: str) -> None:
        await self.event(service, "resolve", key)

    # Time

    async def settle(self) -> None:
        """Let the engine do all that is due now."""
        await self.program.engine.run_until_idle()

    async def advance(self, delta: timedelta | None = None, **parts: float) -> None:
        """Move time forward, stopping wherever something is due."""
        until = self.clock.now() + (delta or timedelta(**parts))
        while True:
            await self.settle()
            due = await self.next_due()
            if due is None or due > until:
                break
            # What is due but not done (a lease of another, a pushed-back row) must not stop time.
            self.clock.move_to(max(due, self.clock.now() + timedelta(milliseconds=100)))
        self.clock.move_to(max(until, self.clock.now()))
        await self.settle()

    async def next_due(self) -> datetime | None:
        """When the engine next has something to do."""
        async with self.database.transaction() as tx:
            found = [
                await incidents.next_due(tx),
                await self.program.pump.next_due(tx),
                await webhooks.next_due(tx),
                await tx.value(NEXT_INBOX),
            ]
        return min((at for at in found if at is not None), default=None)

    # Looking

    async def incident(self, title: str) -> Incident:
        """The newest incident with this title."""
        async with self.database.transaction() as tx:
            incident_id = await tx.value(OPEN_INCIDENT, {"title": title})
            assert incident_id is not None, f"there is no incident {title!r}"
            return await incidents.get(tx, SYSTEM, incident_id)

    async def status(self, title: str) -> str:
        return str((await self.incident(title)).status)

    async def reasons(self, title: str) -> list[tuple[str, str]]:
        """The timeline as (kind, reason), oldest first."""
        incident_id = (await self.incident(title)).id
        async with self.database.transaction() as tx:
            rows = await tx.tuples(
                "select kind, reason from log_entries where incident_id = %(id)s order by seq",
                {"id": incident_id},
            )
        return [(kind, reason) for kind, reason in rows]

    def ends(self) -> None:
        """Nobody was told anything that the test did not expect."""
        for person in self.people.values():
            person.expects_nothing()


@asynccontextmanager
async def make_world(
    dsn: str,
    data_dir: Path,
    start: datetime,
    channels: Sequence[str] = ("phone", "mail"),
    *,
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[World]:
    """A world on a fresh database, with an HTTP server on a loopback port (a free one, if 0).

    `channels` are simulated and stand beside the real ones; `settings` are the program's.
    """
    clock = ManualClock(start)
    async with Database(dsn, size=4) as database:
        program = Program(
            settings_for(data_dir, **settings),
            clock=clock,
            database=database,
            web_database=database,
            door_database=database,
            extra_channels=[Phone(name) for name in channels],
        )
        async with (
            serving(program.asgi, port) as base_url,
            httpx.AsyncClient(base_url=base_url) as http,
        ):
            world = World(program, clock, http)
            yield world
            await program.outbound.aclose()
            await program.webhook_outbound.aclose()


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    """A real HTTP server on a loopback port, a free one if 0; its base URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, lifespan="off", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
