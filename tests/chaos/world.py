"""The organisation under load: services, each with a person of its own and a deputy behind.

Made through the product's own actions, on the database the servers use. A person is reached by
ntfy at once and by webhook a few seconds later, so that each page has two steps that fall due; the
deputy is asked after a minute.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.support.settings import MASTER_KEY
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.channels import registry
from tocsin.channels.email import SmtpSettings
from tocsin.core import crypto, migrate
from tocsin.core.clock import LogicalClock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database, Tx
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import parse_allow_list
from tocsin.engine import nodes
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft, RuleDraft

LEVEL_SECONDS = 60
WEBHOOK_DELAY_SECONDS = 6


@dataclass(frozen=True)
class Service:
    """One service, as the client and the checker need it."""

    index: int
    id: str
    key: str
    user_id: str
    deputy_id: str


@dataclass(frozen=True)
class Person:
    """One person and how they are reached: contact method ids by channel."""

    index: int
    id: str
    methods: dict[str, str]


@dataclass(frozen=True)
class World:
    """Everything the run is about."""

    services: tuple[Service, ...]
    people: tuple[Person, ...]
    # (channel, address part) to contact method id: how a provider's log is read.
    method_of: dict[tuple[str, str], str]


def topic(index: int) -> str:
    """The ntfy topic, and the last part of the webhook's path, of a person."""
    return f"person-{index}"


async def build(dsn: str, data_dir: str, webhook_url: str, size: int) -> World:
    """Bring the schema up to date and make `size` services."""
    clock = LogicalClock()
    outbound = Outbound(parse_allow_list("127.0.0.0/8"))
    smtp = SmtpSettings(
        host=None, port=25, user=None, password=None, tls="none", sender=None, public_host="x"
    )
    channels = registry.build(
        registry.ChannelSettings(smtp=smtp, ntfy_url="http://127.0.0.1:1", ntfy_token=None),
        outbound,
    )
    box = SecretBox(crypto.load_master_key(Path(data_dir), MASTER_KEY))
    async with Database(dsn, size=2) as database:
        await migrate.migrate(database, clock.now())
        await nodes.join_time(database, clock)
        now = clock.now()
        async with database.transaction() as tx:
            owner = NewUser(name="Owner", email="owner@example.com", password="correct horse")
            await accounts.first_run(tx, owner, now)
            people = []
            for index in range(size):
                new = NewUser(
                    name=f"Person {index}", email=f"p{index}@example.com", role=Role.RESPONDER
                )
                user = await accounts.create_user(tx, SYSTEM, new, now)
                methods = {}
                for channel, address, secret in (
                    ("ntfy", topic(index), None),
                    ("webhook", f"{webhook_url}/{topic(index)}", "a shared secret"),
                ):
                    draft = ContactMethodDraft(
                        user_id=user.id,
                        channel=channel,
                        label=channel,
                        address=address,
                        secret=secret,
                    )
                    method = await paging.add_contact_method(
                        tx, SYSTEM, draft, now, channels=channels, secret_box=box
                    )
                    methods[channel] = method.id
                await _webhook_later(tx, user.id, methods["webhook"], now)
                people.append(Person(index=index, id=user.id, methods=methods))
            services = [
                await _service(tx, box, people[index], people[(index + 1) % size], now)
                for index in range(size)
            ]
    await outbound.aclose()
    return World(
        services=tuple(services),
        people=tuple(people),
        method_of={
            (channel, topic(person.index)): id
            for person in people
            for channel, id in person.methods.items()
        },
    )


async def _webhook_later(tx: Tx, user_id: str, method_id: str, now: datetime) -> None:
    rules = await paging.notification_rules(tx, SYSTEM, user_id)
    for rule in rules:
        if rule.contact_method_id == method_id:
            await paging.remove_rule(tx, SYSTEM, rule.id, now)
    draft = RuleDraft(
        user_id=user_id,
        contact_method_id=method_id,
        urgency="high",
        delay_seconds=WEBHOOK_DELAY_SECONDS,
    )
    await paging.add_rule(tx, SYSTEM, draft, now)


async def _service(
    tx: Tx, box: SecretBox, person: Person, deputy: Person, now: datetime
) -> Service:
    levels = tuple(
        LevelInput(delay_minutes=1, targets=(Target(kind=TargetKind.USER, id=one.id),))
        for one in (person, deputy)
    )
    name = f"service {person.index}"
    policy = await escalations.create_policy(
        tx, SYSTEM, PolicyInput(name=f"{name} policy", levels=levels), now
    )
    service = await catalog.create_service(
        tx, SYSTEM, NewService(name=name, escalation_policy_id=policy.id), now
    )
    _, key = await catalog.add_integration(
        tx, SYSTEM, box, NewIntegration(service_id=service.id, name="events"), now
    )
    return Service(
        index=person.index,
        id=service.id,
        key=key,
        user_id=person.id,
        deputy_id=deputy.id,
    )
