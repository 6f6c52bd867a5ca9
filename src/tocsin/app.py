"""The program: builds every part once and hands each what it needs.

The only module that knows all parts. Nothing looks anything up at run time and nothing makes its
own: a test builds the same program with another clock and other channels.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from tocsin import __version__
from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.model import NewUser
from tocsin.channels import registry
from tocsin.channels.email import SmtpSettings
from tocsin.channels.model import Channel
from tocsin.channels.registry import ChannelSettings
from tocsin.core import crash_points, crypto, logs
from tocsin.core.clock import Clock
from tocsin.core.config import Settings
from tocsin.core.crypto import SecretBox, Signer
from tocsin.core.database import Database
from tocsin.core.errors import Invalid, Refused
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import parse_allow_list
from tocsin.engine import handoffs, hours, intake, maintenance, pauses, responders
from tocsin.engine.dead_man import DeadMan
from tocsin.engine.isolate import DueStage, DueWork
from tocsin.engine.loop import Engine, Stage
from tocsin.engine.nodes import Beat
from tocsin.engine.pump_deliveries import DeliveryPump
from tocsin.engine.pump_webhooks import WebhookPump
from tocsin.engine.react import React
from tocsin.engine.self_watch import PASS_SECONDS, SelfWatch, space_of
from tocsin.engine.upkeep import Upkeep
from tocsin.engine.watch import Watch
from tocsin.incidents import actions as incidents
from tocsin.ingest.routes import FrontDoor, IngestDeps
from tocsin.replies import one_tap, responder_tap
from tocsin.replies.links import Links
from tocsin.rest import everything
from tocsin.rest.app import Api, Everything
from tocsin.rest.deps import RestDeps
from tocsin.web import all_pages, operations
from tocsin.web import routes as web_routes
from tocsin.web.deps import ChannelKind, WebDeps
from tocsin.web.glance import Glance
from tocsin.web.live import LiveHub
from tocsin.web.operations import Told
from tocsin.web.render import render

log = logs.get(__name__)

# The intake works two slices at a time: while PostgreSQL works on one, Python works on the other.
INTAKE_WORKERS = 2
SEAL_UNCOMMITTED = crash_points.point("seal.uncommitted")
SEAL_COMMITTED = crash_points.point("seal.committed")
DUE_POLL_SECONDS = 0.25
ESCALATE = DueWork(
    name="escalate",
    run=incidents.advance_escalations,
    due=incidents.due_escalations,
    push_back=incidents.push_back,
)
TIMERS = DueWork(
    name="timers",
    run=incidents.run_timers,
    due=incidents.due_timers,
    push_back=incidents.push_back,
)


class Program:
    """One node of Tocsin, with all its parts. `extra_channels` replace or add to the built ones."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        database: Database,
        web_database: Database,
        door_database: Database,
        extra_channels: Sequence[Channel] = (),
        elsewhere: Callable[[str], Awaitable[Told]] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.database = database
        self.stopping = False
        master = crypto.load_master_key(settings.data_dir, settings.master_key)
        self.secret_box = SecretBox(master)
        self.links = Links(Signer(master, "one-tap"), settings.base_url, clock)
        self.outbound = Outbound(parse_allow_list(settings.outbound_allow))
        self.channels = registry.build(_channel_settings(settings), self.outbound, extra_channels)
        self.node_name = settings.node_name or socket.gethostname()
        self.beat = Beat(
            database, clock, name=self.node_name, role=settings.role, version=__version__
        )
        self.pump = DeliveryPump(
            database,
            clock,
            channels=self.channels,
            links=self.links.for_page,
            secret_box=self.secret_box,
            node=self.beat.id,
            incidents_url=settings.base_url + "/app/incidents",
            on_free=lambda: self.engine.wake("deliveries"),
        )
        # Connections of their own: a page never waits behind a webhook.
        self.webhook_outbound = Outbound(parse_allow_list(settings.outbound_allow))
        self.webhook_pump = WebhookPump(
            database,
            clock,
            outbound=self.webhook_outbound,
            secret_box=self.secret_box,
            node=self.beat.id,
            on_free=lambda: self.engine.wake("webhooks"),
        )
        self.engine = Engine(database, clock, self._stages_of_role())
        self.live = LiveHub(web_database, clock)
        self.door = FrontDoor(
            IngestDeps(
                database=door_database,
                clock=clock,
                events_per_minute=settings.events_per_minute,
                is_stopping=lambda: self.stopping,
            )
        )
        self.web_deps = self._web_deps(web_database)
        self.watched = operations.OperationsDeps(
            database=web_database,
            clock=clock,
            engine=self.engine if settings.role != "web" else None,
            began=clock.steady(),
            elsewhere=elsewhere,
        )
        self.api = self._api()
        self.asgi = self._application()

    def _stages_of_role(self) -> list[Stage]:
        """A node that only serves keeps the time and says that it lives, and works at nothing."""
        stages = self._stages()
        if self.settings.role != "web":
            return stages
        return [stage for stage in stages if stage.name == "beat"]

    def _due(self, work: DueWork, poll_seconds: float = DUE_POLL_SECONDS) -> Stage:
        stage = DueStage(self.database, self.clock, work)
        return Stage(name=work.name, run=stage.run, poll_seconds=poll_seconds)

    def _stages(self) -> list[Stage]:
        database, clock = self.database, self.clock
        self.upkeep = Upkeep(database, clock)
        self.watch = Watch(database, clock, self.beat.id, lambda: self.engine.finished_at)
        self.self_watch = SelfWatch(
            database,
            clock,
            node=self.node_name,
            base_url=self.settings.base_url,
            secret_box=self.secret_box,
            channels=[c.name for c in self.channels.values() if c.missing() is None],
            space=None if self.settings.database_url else space_of(self.settings.data_dir),
        )
        react = React(database, clock, base_url=self.settings.base_url)
        dead_man = DeadMan(self.outbound, self.settings.dead_man_url, self.watch)
        return [
            Stage(
                name="intake",
                run=self._intake,
                poll_seconds=0.5,
                workers=INTAKE_WORKERS,
                rest_seconds=0.01,
                plenty=100,
            ),
            self._due(TIMERS),
            self._due(maintenance.WORK),
            self._due(pauses.WORK),
            self._due(hours.WORK, 1.0),
            self._due(ESCALATE),
            self._due(responders.WORK),
            Stage(
                name="deliveries",
                run=self.pump.claim_and_start,
                inline=self.pump.run_due,
                poll_seconds=DUE_POLL_SECONDS,
            ),
            self._due(handoffs.WORK, 5.0),
            Stage(name="seal", run=self._seal, poll_seconds=1.0),
            Stage(name="react", run=react.run, poll_seconds=0.5, rest_seconds=0.02, plenty=500),
            Stage(
                name="webhooks",
                run=self.webhook_pump.claim_and_start,
                inline=self.webhook_pump.run_due,
                poll_seconds=1.0,
            ),
            Stage(name="beat", run=self.beat.run, poll_seconds=1.0),
            Stage(name="watch", run=self.watch.run, poll_seconds=5.0),
            Stage(name="self_watch", run=self.self_watch.run, poll_seconds=PASS_SECONDS),
            Stage(name="dead_man", run=dead_man.run, poll_seconds=60.0),
            Stage(name="upkeep", run=self.upkeep.run, poll_seconds=300.0),
        ]

    async def _intake(self) -> int:
        return await intake.run_due(self.database, self.clock, record=incidents.record_events)

    async def _seal(self) -> int:
        async with self.database.transaction() as tx:
            sealed = await audit.seal(tx)
            if sealed:
                crash_points.reach(SEAL_UNCOMMITTED)
        if sealed:
            crash_points.reach(SEAL_COMMITTED)
        return sealed

    def _web_deps(self, database: Database) -> WebDeps:
        kinds = [
            ChannelKind(
                name=channel.name,
                label=channel.label,
                address_label=channel.address_label,
                address_hint=channel.address_hint,
                configured=channel.missing() is None,
                missing=channel.missing(),
                check_address=channel.check_address,
                needs_secret=channel.needs_secret,
            )
            for channel in self.channels.values()
        ]
        return WebDeps(
            database=database,
            clock=self.clock,
            base_url=self.settings.base_url,
            secret_box=self.secret_box,
            channels=kinds,
            live=self.live,
            glance=Glance(database, self.clock),
            links=self.links.for_page,
            version=__version__,
        )

    def routes(self) -> list[BaseRoute]:
        """Everything that this node answers."""
        deps = self.web_deps
        watched = operations.routes(self.watched)
        if self.settings.role == "engine":
            # A node that only works answers its probes and nothing else.
            return watched
        replies = one_tap.OneTapDeps(
            database=deps.database, clock=self.clock, links=self.links, render=render
        )
        pages = web_routes.build(deps, all_pages.PAGES)
        tap = one_tap.OneTap(replies)
        taps = [*one_tap.routes(tap), *responder_tap.routes(tap)]
        faces = [*self.door.routes(), *watched, *taps, *pages]
        taken = [route.path for route in faces if isinstance(route, Route | Mount)]
        return [*faces, Everything(self.api, taken)]

    def _api(self) -> Api:
        deps = RestDeps(
            database=self.web_deps.database,
            clock=self.clock,
            base_url=self.settings.base_url,
            base_url_given=self.settings.public_url is not None,
            secret_box=self.secret_box,
            channels=self.channels,
            version=__version__,
        )
        return Api(deps, everything.RESOURCES, everything.OPERATIONS)

    def _application(self) -> ASGIApp:
        made = Starlette(routes=self.routes(), exception_handlers={404: web_routes.not_found})
        app = web_routes.with_headers(made, secure=self.web_deps.secure)
        return app if self.settings.role == "engine" else self.door.in_front_of(app)

    async def prepare(self) -> None:
        """What is done once before the first request: the owner, when settings name one."""
        settings = self.settings
        if settings.admin_email or settings.admin_password:
            await self._first_owner(settings.admin_email, settings.admin_password)
        await self.beat.run()
        if settings.role != "web":
            await self.watch.begin()

    async def _first_owner(self, email: str | None, password: str | None) -> None:
        """The settings count only while there is nobody: later they are not even looked at."""
        async with self.database.transaction() as tx:
            if not await accounts.needs_first_run(tx):
                return
        if not (email and password):
            given, missing = ("EMAIL", "PASSWORD") if email else ("PASSWORD", "EMAIL")
            raise Refused(
                "first_owner",
                f"TOCSIN_ADMIN_{given} alone makes no account: set TOCSIN_ADMIN_{missing} as well,"
                " or neither and make the first account in the browser",
            )
        new = NewUser(name=email.partition("@")[0] or "Owner", email=email, password=password)
        try:
            async with self.database.transaction() as tx:
                if await accounts.needs_first_run(tx):
                    await accounts.first_run(tx, new, self.clock.now())
        except Invalid as error:
            raise Invalid(f"TOCSIN_ADMIN_{error.field.upper()}", error.message) from error
        except Refused:
            # Another node made the owner first.
            pass

    async def run(self, stopping: asyncio.Event) -> None:
        """Everything that runs by itself on this node, until `stopping` is set."""
        parts = [self._forget_keys(stopping), self.engine.run(stopping)]
        if self.settings.role != "engine":
            parts.append(self.live.run(stopping))
        await asyncio.gather(*parts)

    async def _forget_keys(self, stopping: asyncio.Event) -> None:
        """Keys and services that changed are asked for again by the front door."""
        topics = self.live.subscribe()
        stop = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            heard = asyncio.create_task(topics.get())
            await asyncio.wait([heard, stop], return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                # A storm brings hundreds of topics at once: they are looked at together.
                seen = {heard.result(), *(topics.get_nowait() for _ in range(topics.qsize()))}
                if not seen.isdisjoint(("config", "services", "everything")):
                    self.door.forget()
            heard.cancel()
        stop.cancel()

    async def answer(self, path: str) -> Told:
        """What this process says to /metrics or /readyz, asked through another of its server."""
        return await operations.answer(self.watched, path)

    def begin_stop(self) -> None:
        """Refuse new events; they are sent again to another node or a later start."""
        self.stopping = True

    async def close(self) -> None:
        """Finish what is in hand and let go of everything."""
        await self.door.close()
        await asyncio.gather(self.pump.drain(5.0), self.webhook_pump.drain(5.0))
        await self.outbound.aclose()
        await self.webhook_outbound.aclose()
        await self.beat.leave()

    async def greeting(self) -> str:
        """What a person who started this wants to read, in one sentence."""
        settings = self.settings
        if settings.role == "engine":
            return f"Tocsin's engine is ready: {settings.listen_url}/readyz says how it is"
        async with self.database.transaction() as tx:
            first = await accounts.needs_first_run(tx)
        page = f"{settings.base_url}/app"
        if first:
            return f"Tocsin is ready: open {page} to make the first account and set it up"
        return f"Tocsin is ready: sign in at {page}"


def _channel_settings(settings: Settings) -> ChannelSettings:
    public_host = urlsplit(settings.base_url).hostname or "localhost"
    return ChannelSettings(
        smtp=SmtpSettings(
            host=settings.smtp_host,
            port=settings.smtp_port,
            user=settings.smtp_user,
            password=settings.smtp_password,
            tls=settings.smtp_tls,
            sender=settings.smtp_from,
            public_host=public_host,
        ),
        ntfy_url=settings.ntfy_url,
        ntfy_token=settings.ntfy_token,
        simulated=settings.simulated_channel,
    )
