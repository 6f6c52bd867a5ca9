"""Plays the made-up company's last days through the real product, on a clock that is moved by hand.

Everything is made by the actions that people, machines and the engine use, so what the demo shows
is what the product does.
"""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Actor, Member, NewUser, Role, User
from tocsin.app import Program
from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import End, NewBusinessService, NodeKind, Pair
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.cli.demo_company import (
    BUSINESS,
    CHANGES,
    NEEDS,
    PEOPLE,
    SERVICES,
    STORIES,
    TAGS,
    TEAMS,
    Changed,
    Step,
    Story,
)
from tocsin.core.clock import ManualClock
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.events import actions as events
from tocsin.events.model import Accepted, Change, Destination, Format, Link
from tocsin.incidents import actions as incidents
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, ScheduleDraft
from tocsin.tags import actions as tags
from tocsin.tags.model import Naming, TagKind

DAY = 86_400
NEXT_EVENT = "select min(due_at) from inbox where not quarantined"
FIND_INCIDENT = """
select incident_id from alerts where dedup_key = %(key)s order by created_at desc, id desc limit 1
"""
LEAST_STEP = timedelta(milliseconds=100)

Act = Callable[[], Coroutine[Any, Any, None]]


class History:
    """The company being made. Call `play` once, on an empty database."""

    def __init__(self, program: Program, clock: ManualClock, until: datetime) -> None:
        self.program = program
        self.clock = clock
        self.until = until
        self.people: dict[str, User] = {}
        self.destinations: dict[str, Destination] = {}

    async def play(self, password: str) -> User:
        """Make the company and live its days up to `until`; the owner."""
        owner = await self._people(password)
        teams = await self._teams()
        await self._services(await self._policies(teams))
        await self._dependencies()
        await self._tags(teams)
        plan: list[tuple[datetime, Act]] = [
            (self.until - timedelta(minutes=one.ago), self._changes(one)) for one in CHANGES
        ]
        for story in STORIES:
            began = self.until - timedelta(minutes=story.ago)
            plan.append((began, self._says(story, "trigger")))
            for step in story.steps:
                plan.append((began + timedelta(minutes=step.after), self._step(story, step)))
        for at, act in sorted(plan, key=lambda item: item[0]):
            await self._advance(at)
            await act()
            await self.program.engine.run_until_idle()
        await self._advance(self.until)
        return owner

    async def _people(self, password: str) -> User:
        now = self.clock.now()
        async with self.program.database.transaction() as tx:
            for employee in PEOPLE:
                new = NewUser(
                    name=employee.name,
                    email=employee.email,
                    role=employee.role,
                    time_zone=employee.zone,
                    job_title=employee.title,
                )
                if employee.role is Role.OWNER:
                    new = msgspec.structs.replace(new, password=password)
                    user = await accounts.first_run(tx, new, now)
                else:
                    user = await accounts.create_user(tx, SYSTEM, new, now)
                self.people[employee.name] = user
                await paging.add_contact_method(
                    tx,
                    SYSTEM,
                    ContactMethodDraft(
                        user_id=user.id,
                        channel="simulated",
                        label="Phone",
                        address=f"{employee.name}'s phone",
                    ),
                    now,
                    channels=self.program.channels,
                    secret_box=self.program.secret_box,
                )
            await accounts.change_instance(tx, SYSTEM, now, public_name="Harbourline")
            await accounts.complete_setup(tx, SYSTEM, now)
        return self.people[PEOPLE[0].name]

    async def _teams(self) -> dict[str, str]:
        now = self.clock.now()
        teams = {}
        async with self.program.database.transaction() as tx:
            for name, members in TEAMS.items():
                team = await accounts.create_team(tx, SYSTEM, now, name=name)
                teams[name] = team.id
                for member in members:
                    user = self.people[member]
                    role = "observer" if user.role == Role.OBSERVER else "responder"
                    await accounts.set_member(
                        tx, SYSTEM, Member(team_id=team.id, user_id=user.id, role=role), now
                    )
        return teams

    async def _policies(self, teams: dict[str, str]) -> dict[str, str]:
        """One schedule and one policy for each team; the policies' ids."""
        now = self.clock.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        policies = {}
        async with self.program.database.transaction() as tx:
            for name, members in TEAMS.items():
                carriers = [m for m in members if self.people[m].role != Role.OBSERVER]
                layer = LayerDraft(
                    name="Primary",
                    rotation_virtual_start=midnight + timedelta(hours=9),
                    rotation_turn_length_seconds=DAY if name == "Payments" else 7 * DAY,
                    members=tuple(self.people[member].id for member in carriers),
                )
                schedule = await schedules.create(
                    tx,
                    SYSTEM,
                    ScheduleDraft(
                        name=f"{name} on call",
                        time_zone=self.people[carriers[0]].time_zone,
                        team_id=teams[name],
                        layers=(layer,),
                    ),
                    now,
                )
                policy = await escalations.create_policy(
                    tx, SYSTEM, self._policy(name, teams[name], schedule.id, carriers), now
                )
                policies[name] = policy.id
        return policies

    def _policy(self, name: str, team_id: str, schedule_id: str, people: list[str]) -> PolicyInput:
        def users(*names: str) -> tuple[Target, ...]:
            return tuple(Target(kind=TargetKind.USER, id=self.people[n].id) for n in names)

        return PolicyInput(
            name=name,
            team_id=team_id,
            loops=2,
            levels=(
                LevelInput(
                    delay_minutes=5, targets=(Target(kind=TargetKind.SCHEDULE, id=schedule_id),)
                ),
                LevelInput(delay_minutes=10, targets=users(*people)),
                LevelInput(delay_minutes=15, targets=users(PEOPLE[0].name)),
            ),
        )

    async def _services(self, policies: dict[str, str]) -> None:
        now = self.clock.now()
        async with self.program.database.transaction() as tx:
            for name, (team, what) in SERVICES.items():
                service = await catalog.create_service(
                    tx,
                    SYSTEM,
                    NewService(
                        name=name,
                        description=what,
                        escalation_policy_id=policies[team],
                        urgency_rule="severity_based",
                        acknowledgement_timeout=4 * 3600,
                        auto_resolve_timeout=None,
                    ),
                    now,
                )
                integration, _ = await catalog.add_integration(
                    tx,
                    SYSTEM,
                    self.program.secret_box,
                    NewIntegration(service_id=service.id, name="Prometheus"),
                    now,
                )
                self.destinations[name] = Destination(
                    service_id=service.id,
                    integration_id=integration.id,
                    slice=service.slice,
                    format=Format.PAGERDUTY_V2,
                )

    async def _dependencies(self) -> None:
        """The business services, and what depends on what."""
        now = self.clock.now()
        ends = {
            name: End(NodeKind.SERVICE.value, to.service_id)
            for name, to in self.destinations.items()
        }
        async with self.program.database.transaction() as tx:
            for name, (what, contact) in BUSINESS.items():
                new = NewBusinessService(name=name, description=what, point_of_contact=contact)
                made = await catalog.create_business_service(tx, SYSTEM, new, now)
                ends[name] = End(NodeKind.BUSINESS.value, made.id)
            pairs = [
                Pair(dependent=ends[name], supporting=ends[other])
                for name, others in NEEDS.items()
                for other in others
            ]
            await catalog.associate(tx, SYSTEM, pairs, now)

    async def _tags(self, teams: dict[str, str]) -> None:
        now = self.clock.now()
        async with self.program.database.transaction() as tx:
            for label, carriers in TAGS.items():
                for name in carriers:
                    kind = TagKind.TEAM if name in teams else TagKind.USER
                    id = teams[name] if name in teams else self.people[name].id
                    given = [Naming(label=label)]
                    await tags.change_tags(tx, SYSTEM, kind, id, add=given, now=now)

    def _changes(self, one: Changed) -> Act:
        async def act() -> None:
            to = self.destinations[one.service]
            change = Change(
                summary=one.summary,
                source=one.source,
                links=(Link(href=one.link, text="What was changed"),),
            )
            async with self.program.database.transaction() as tx:
                await events.record_change(
                    tx, to.service_id, to.integration_id, change, self.clock.now()
                )

        return act

    def _says(self, story: Story, action: str) -> Act:
        async def act() -> None:
            body = {
                "routing_key": "",
                "event_action": action,
                "dedup_key": story.summary,
                "payload": {
                    "summary": story.summary,
                    "severity": story.severity,
                    "source": story.source,
                    "component": story.component,
                    "custom_details": story.details,
                },
            }
            accepted = Accepted(
                destination=self.destinations[story.service],
                dedup_key=None,
                body=msgspec.json.encode(body),
            )
            async with self.program.database.transaction() as tx:
                await events.accept(tx, [accepted], self.clock.now())

        return act

    def _step(self, story: Story, step: Step) -> Act:
        if step.verb == "repeat":
            return self._says(story, "trigger")
        if step.verb == "clear":
            return self._says(story, "resolve")

        async def act() -> None:
            async with self.program.database.transaction() as tx:
                incident_id = await tx.value(FIND_INCIDENT, {"key": story.summary})
                await self._person_acts(tx, incident_id, step)

        return act

    async def _person_acts(self, tx: Tx, incident_id: str, step: Step) -> None:
        now = self.clock.now()
        actor = await self._owner_of(tx, incident_id)
        if step.verb == "acknowledge":
            await incidents.acknowledge(tx, actor, [incident_id], now)
        elif step.verb == "resolve":
            await incidents.resolve(tx, actor, [incident_id], now, note=step.word or None)
        elif step.verb == "snooze":
            await incidents.snooze(tx, actor, [incident_id], int(step.word) * 60, now)
        elif step.verb == "note":
            await incidents.add_note(tx, actor, incident_id, step.word, now)
        elif step.verb == "reassign":
            to = incidents.Reassignment(user_ids=(self.people[step.word].id,))
            await incidents.reassign(tx, actor, [incident_id], to, now)

    async def _owner_of(self, tx: Tx, incident_id: str) -> Actor:
        """The person it is with now, as they act in the browser."""
        (held, *_) = await incidents.assignments(tx, incident_id)
        user = (await accounts.users_by_ids(tx, [held.user_id]))[held.user_id]
        teams = {m.team_id: m.role for m in (await accounts.memberships(tx, [user.id]))[user.id]}
        return Actor(kind="person", id=user.id, label=user.name, role=Role(user.role), teams=teams)

    async def _advance(self, until: datetime) -> None:
        """Move time, stopping wherever the engine has something to do."""
        while True:
            await self.program.engine.run_until_idle()
            due = await self._next_due()
            if due is None or due > until:
                break
            self.clock.move_to(min(until, max(due, self.clock.now() + LEAST_STEP)))
            if self.clock.now() >= until:
                break
        self.clock.move_to(max(until, self.clock.now()))
        await self.program.engine.run_until_idle()

    async def _next_due(self) -> datetime | None:
        async with self.program.database.transaction() as tx:
            found = [
                await incidents.next_due(tx),
                await self.program.pump.next_due(tx),
                await tx.value(NEXT_EVENT),
            ]
        return min((at for at in found if at is not None), default=None)
