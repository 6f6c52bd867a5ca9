"""The service through which Tocsin reports on itself, made when it is first needed.

It is an ordinary service with an ordinary escalation policy, found by its id and not by its name:
people may rename it, give it another policy, or disable it. When they delete it, that is respected
too, until somebody asks for it again on the health page. As long as its own policy is as it was
made, it follows the catch-all person.
"""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, Policy, PolicyInput, Target, TargetKind
from tocsin.events import actions as events
from tocsin.events.model import Accepted, Destination, Format

SELF = Actor(kind="system", id=None, label="Tocsin", role=Role.OWNER)
SETTING = "self_service"
NAMES = ("Tocsin", "Tocsin itself", "Tocsin (watches itself)")
DESCRIPTION = (
    "Trouble in this installation of Tocsin. Made by Tocsin; rename or re-point it freely."
)
REPEAT_MINUTES = 10
LOOPS = 9


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, by id. `asks` is the person whom the policy named when it was last written."""

    service_id: str
    integration_id: str
    policy_id: str
    asks: str


async def known(tx: Tx) -> Door | None:
    """The door that was made, whatever has become of it."""
    return await accounts.read_value(tx, SETTING, Door)


async def is_open(tx: Tx, door: Door) -> bool:
    """Whether people have left both the service and its integration in place."""
    service = (await catalog.services_by_ids(tx, [door.service_id])).get(door.service_id)
    found = await catalog.integrations_by_ids(tx, [door.integration_id])
    integration = found.get(door.integration_id)
    return (
        service is not None
        and service.deleted_at is None
        and integration is not None
        and integration.deleted_at is None
    )


async def ready(tx: Tx, box: SecretBox, now: datetime) -> Door | None:
    """The door to send through; None when nobody exists yet or people deleted it."""
    asks = await escalations.catch_all(tx)
    door = await known(tx)
    if door is not None:
        return await _follow(tx, door, asks, now) if await is_open(tx, door) else None
    if asks is None:
        return None
    policy_id = await _make_policy(tx, asks, now)
    service_id = await _make_service(tx, policy_id, now)
    integration, _ = await catalog.add_integration(
        tx, SELF, box, NewIntegration(service_id=service_id, name="Tocsin itself"), now
    )
    door = Door(
        service_id=service_id, integration_id=integration.id, policy_id=policy_id, asks=asks
    )
    await accounts.write_value(tx, SETTING, door)
    return door


async def make_again(tx: Tx, actor: Actor, box: SecretBox, now: datetime) -> Door | None:
    """Make a new service after people deleted the old one; else the one there is."""
    require(actor, Permission.MANAGE_INSTANCE)
    door = await ready(tx, box, now)
    if door is not None:
        return door
    await accounts.write_value(tx, SETTING, None)
    door = await ready(tx, box, now)
    if door is not None:
        await audit.record(
            tx,
            actor,
            now,
            action="create",
            subject_type="service",
            subject_id=door.service_id,
            subject_label="Tocsin's watch over itself",
        )
    return door


async def say(tx: Tx, door: Door, body: dict[str, Any], now: datetime) -> None:
    """Put one Events v2 body into the inbox, in the caller's transaction."""
    service = (await catalog.services_by_ids(tx, [door.service_id]))[door.service_id]
    destination = Destination(
        service_id=service.id,
        integration_id=door.integration_id,
        slice=service.slice,
        format=Format.PAGERDUTY_V2,
    )
    row = Accepted(destination=destination, dedup_key=None, body=msgspec.json.encode(body))
    await events.accept(tx, [row], now)


async def _make_policy(tx: Tx, asks: str, now: datetime) -> str:
    for name in NAMES:
        try:
            return (await escalations.create_policy(tx, SELF, _policy(name, asks), now)).id
        except Invalid as error:
            if error.field != "name" or name == NAMES[-1]:
                raise
    raise AssertionError("the last name raises")


async def _make_service(tx: Tx, policy_id: str, now: datetime) -> str:
    for name in NAMES:
        new = NewService(
            name=name,
            description=DESCRIPTION,
            escalation_policy_id=policy_id,
            # It resolves by itself when the trouble is gone, and asks once while it is not.
            acknowledgement_timeout=None,
            auto_resolve_timeout=None,
        )
        try:
            return (await catalog.create_service(tx, SELF, new, now)).id
        except Invalid as error:
            if error.field != "name" or name == NAMES[-1]:
                raise
    raise AssertionError("the last name raises")


def _policy(name: str, asks: str) -> PolicyInput:
    target = Target(kind=TargetKind.USER, id=asks)
    level = LevelInput(delay_minutes=REPEAT_MINUTES, targets=(target,))
    return PolicyInput(name=name, description=DESCRIPTION, levels=(level,), loops=LOOPS)


async def _follow(tx: Tx, door: Door, asks: str | None, now: datetime) -> Door:
    """Ask the new catch-all person, unless people have shaped the policy themselves."""
    if asks is None or asks == door.asks:
        return door
    try:
        policy = await escalations.get_policy(tx, SELF, door.policy_id)
    except NotFound:
        policy = None
    if policy is not None and _as_made(policy, door.asks):
        await escalations.update_policy(tx, SELF, policy.id, _policy(policy.name, asks), now)
    door = msgspec.structs.replace(door, asks=asks)
    await accounts.write_value(tx, SETTING, door)
    return door


def _as_made(policy: Policy, asks: str) -> bool:
    targets = [target.id for level in policy.levels for target in level.targets]
    return targets == [asks] and policy.team_id is None
