"""The people, policies and services of a measurement, made by the product's own actions, and the
events their machines send."""

from collections.abc import Sequence

import msgspec

from bench import wire
from bench.server import Home
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.channels.model import Channel
from tocsin.channels.simulated import SimulatedChannel
from tocsin.channels.webhook import WebhookChannel
from tocsin.core import crypto
from tocsin.core.clock import LogicalClock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database, Tx
from tocsin.core.http import Outbound
from tocsin.engine import nodes
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Strategy, Target, TargetKind
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft


class Door(msgspec.Struct, frozen=True):
    """A service that is there, and the key its machines use."""

    service_id: str
    integration_id: str
    key: str


class House:
    """Makes people and services in the database of a running server."""

    def __init__(
        self, home: Home, channel: str = "simulated", address: str = "phone", word: str = "bench"
    ) -> None:
        self.home = home
        self.channel = channel
        self.address = address
        self.secret = "bench signing secret" if channel == "webhook" else None
        self.word = word
        self._made = 0

    async def services(self, number: int, people: int) -> list[Door]:
        """`number` services; each has a policy of its own that asks its `people` in turn."""
        clock = LogicalClock()
        outbound = Outbound()
        box = SecretBox(crypto.load_master_key(self.home.path, None))
        channels: list[Channel] = [SimulatedChannel(), WebhookChannel(outbound)]
        self._channels = {channel.name: channel for channel in channels}
        async with Database(self.home.dsn, size=2) as database:
            await nodes.join_time(database, clock)
            async with database.transaction() as tx:
                doors = [await self._service(tx, box, clock, people) for _ in range(number)]
        await outbound.aclose()
        return doors

    async def _service(self, tx: Tx, box: SecretBox, clock: LogicalClock, people: int) -> Door:
        now = clock.now()
        self._made += 1
        name = f"{self.word} {self._made}"
        users = [await self._person(tx, box, clock, f"{name} person {n}") for n in range(people)]
        level = LevelInput(
            delay_minutes=30,
            strategy=Strategy.ROUND_ROBIN if people > 1 else Strategy.EVERYONE,
            targets=tuple(Target(kind=TargetKind.USER, id=user) for user in users),
        )
        policy = await escalations.create_policy(
            tx, SYSTEM, PolicyInput(name=name, loops=0, levels=(level,)), now
        )
        new = NewService(name=name, escalation_policy_id=policy.id, urgency_rule="severity_based")
        service = await catalog.create_service(tx, SYSTEM, new, now)
        integration, key = await catalog.add_integration(
            tx, SYSTEM, box, NewIntegration(service_id=service.id, name="events"), now
        )
        return Door(service.id, integration.id, key)

    async def _person(self, tx: Tx, box: SecretBox, clock: LogicalClock, name: str) -> str:
        now = clock.now()
        email = name.replace(" ", ".") + "@example.com"
        new = NewUser(name=name, email=email, role=Role.RESPONDER, time_zone="Etc/UTC")
        if await accounts.needs_first_run(tx):
            new = msgspec.structs.replace(new, password="correct horse battery")
            user = await accounts.first_run(tx, new, now)
        else:
            user = await accounts.create_user(tx, SYSTEM, new, now)
        draft = ContactMethodDraft(
            user_id=user.id,
            channel=self.channel,
            label="phone",
            address=self.address,
            secret=self.secret,
        )
        await paging.add_contact_method(
            tx, SYSTEM, draft, now, channels=self._channels, secret_box=box
        )
        return user.id


def trigger(door: Door, dedup_key: str, severity: str = "critical") -> bytes:
    """One alert as Alertmanager's PagerDuty receiver would send it; its summary is its key."""
    body = {
        "routing_key": door.key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {
            "summary": dedup_key,
            "source": "db7.example.com",
            "severity": severity,
            "component": "postgresql",
            "custom_details": {
                "firing": "Labels:\n - alertname = DiskFull\n - instance = db7.example.com:9100\n"
                " - mountpoint = /var/lib/postgresql\nAnnotations:\n - summary = Disk 97 % full\n",
                "num_firing": "1",
                "num_resolved": "0",
            },
        },
        "client": "Alertmanager",
        "client_url": "http://alertmanager.example.com",
    }
    return wire.post("/v2/enqueue", msgspec.json.encode(body))


def triggers(doors: Sequence[Door], number: int, word: str, keys: int | None = None) -> list[bytes]:
    """`number` events spread over the services; `keys` of them differ (all, unless given)."""
    keys = keys or number
    return [trigger(doors[n % keys % len(doors)], f"{word}-{n % keys}") for n in range(number)]
