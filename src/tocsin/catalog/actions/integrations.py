"""Integrations: add, rename, rotate, remove, and the look-up of a key at the front door.

A key is kept twice: as a digest to find it by, and sealed so that whoever may manage the service
can read it again when they configure a tool. The sealed form is bound to the integration's id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import Permission, allowed, require
from tocsin.accounts.model import Actor
from tocsin.accounts.validation import line
from tocsin.catalog import store
from tocsin.catalog.actions.catalog import get_service, services_by_ids
from tocsin.catalog.model import Integration, IntegrationTarget, NewIntegration
from tocsin.catalog.validation import MAX_NAME, is_key, kind
from tocsin.core import crypto, ids
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound, Refused
from tocsin.timeline import feed

KEY_LENGTH = 32
KEY_ALPHABET = "0123456789abcdef"
MOST_PER_SERVICE = 100
MOST_READ = 2500


async def add_integration(
    tx: Tx, actor: Actor, box: SecretBox, new: NewIntegration, now: datetime
) -> tuple[Integration, str]:
    """Open a door into a service; the second value is its key."""
    await _require(tx, actor, new.service_id)
    # The lock makes the count below true until the commit.
    if await tx.value(store.LOCK_SERVICE, {"id": new.service_id}) is None:
        raise NotFound("service", new.service_id)
    count = await tx.value(store.COUNT_INTEGRATIONS_OF, {"service_id": new.service_id})
    if count >= MOST_PER_SERVICE:
        raise Refused(
            "too_many", f"a service has at most {MOST_PER_SERVICE} integrations: remove one first"
        )
    integration = Integration(
        id=ids.new("P", now),
        service_id=new.service_id,
        name=line("name", new.name, MAX_NAME),
        kind=str(kind("kind", new.kind)),
        created_at=now,
    )
    key, kept = _fresh_key(box, integration.id)
    await tx.execute(store.INSERT_INTEGRATION, {**msgspec.structs.asdict(integration), **kept})
    await _changed(tx, actor, now, action="create", integration=integration, after=integration)
    return integration, key


async def rename_integration(
    tx: Tx, actor: Actor, integration_id: str, name: str, now: datetime
) -> Integration:
    """Give an integration another name."""
    old = await _locked(tx, actor, integration_id)
    new = msgspec.structs.replace(old, name=line("name", name, MAX_NAME))
    if new != old:
        await tx.execute(store.UPDATE_INTEGRATION, msgspec.structs.asdict(new))
        await _changed(tx, actor, now, action="update", integration=new, before=old, after=new)
    return new


async def rotate_key(
    tx: Tx, actor: Actor, box: SecretBox, integration_id: str, now: datetime
) -> str:
    """Replace the key; the old one stops working with the commit."""
    integration = await _locked(tx, actor, integration_id)
    key, kept = _fresh_key(box, integration.id)
    await tx.execute(store.UPDATE_KEY, {"id": integration.id, **kept})
    await _changed(tx, actor, now, action="rotate_key", integration=integration)
    return key


async def remove_integration(tx: Tx, actor: Actor, integration_id: str, now: datetime) -> None:
    """Close a door; its key stops working with the commit."""
    integration = await _locked(tx, actor, integration_id)
    await tx.execute(store.DELETE_INTEGRATION, {"id": integration_id, "now": now})
    await _changed(tx, actor, now, action="delete", integration=integration, before=integration)


async def reveal_key(tx: Tx, actor: Actor, box: SecretBox, integration_id: str) -> str:
    """The key in clear, for whoever may manage the service."""
    integration = await tx.one(Integration, store.SELECT_INTEGRATION, {"id": integration_id})
    if integration is None:
        raise NotFound("integration", integration_id)
    await _require(tx, actor, integration.service_id)
    sealed = await tx.value(store.SELECT_SEALED_KEY, {"id": integration_id})
    return box.decrypt(bytes(sealed), _context(integration_id))


async def keys_of(
    tx: Tx, actor: Actor, box: SecretBox, integrations: Sequence[Integration]
) -> dict[str, str]:
    """The keys in clear, by integration, of those services that the actor may manage."""
    services = await services_by_ids(tx, [integration.service_id for integration in integrations])
    wanted = [
        integration.id
        for integration in integrations
        if integration.service_id in services
        and allowed(actor, Permission.MANAGE_SERVICES, services[integration.service_id].team_id)
    ]
    if not wanted:
        return {}
    rows = await tx.tuples(store.SELECT_SEALED_KEYS, {"ids": wanted})
    return {id: box.decrypt(bytes(sealed), _context(id)) for id, sealed in rows}


async def get_integration(tx: Tx, actor: Actor, integration_id: str) -> Integration:
    """One integration of a service that the actor may see."""
    integration = await tx.one(Integration, store.SELECT_INTEGRATION, {"id": integration_id})
    if integration is None:
        raise NotFound("integration", integration_id)
    await get_service(tx, actor, integration.service_id)
    return integration


async def integrations_of(tx: Tx, service_ids: Sequence[str]) -> dict[str, list[Integration]]:
    """The integrations of each service (at most 25 services at once), oldest first."""
    asked = {"service_ids": list(service_ids), "limit": MOST_READ}
    found: dict[str, list[Integration]] = {service_id: [] for service_id in service_ids}
    for integration in await tx.all(Integration, store.SELECT_INTEGRATIONS_OF, asked):
        found[integration.service_id].append(integration)
    return found


async def integrations_by_ids(tx: Tx, integration_ids: Sequence[str]) -> dict[str, Integration]:
    """Integrations by id, removed ones too; unknown ids are left out."""
    asked = {"ids": list(integration_ids)}
    found = await tx.all(Integration, store.SELECT_INTEGRATIONS_BY_IDS, asked)
    return {integration.id: integration for integration in found}


async def target_for_key(tx: Tx, key: str) -> IntegrationTarget | None:
    """Where a key leads, or None when it leads nowhere. For the front door: asks for no actor.

    A change of any key or service is announced on `tocsin_changed` as "services", so a node that
    remembers answers can forget them.
    """
    if not is_key(key):
        return None
    asked = {"digest": crypto.hash_key(key)}
    return await tx.one(IntegrationTarget, store.SELECT_TARGET, asked)


async def _locked(tx: Tx, actor: Actor, integration_id: str) -> Integration:
    integration = await tx.one(Integration, store.LOCK_INTEGRATION, {"id": integration_id})
    if integration is None:
        raise NotFound("integration", integration_id)
    await _require(tx, actor, integration.service_id)
    return integration


async def _require(tx: Tx, actor: Actor, service_id: str) -> None:
    service = (await services_by_ids(tx, [service_id])).get(service_id)
    if service is None or service.deleted_at is not None:
        raise NotFound("service", service_id)
    require(actor, Permission.MANAGE_SERVICES, service.team_id)


def _fresh_key(box: SecretBox, integration_id: str) -> tuple[str, dict[str, Any]]:
    key = crypto.new_token(KEY_LENGTH, KEY_ALPHABET)
    sealed = box.encrypt(key, _context(integration_id))
    return key, {"digest": crypto.hash_key(key), "sealed": sealed}


def _context(integration_id: str) -> str:
    return f"integrations/{integration_id}/key"


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    integration: Integration,
    before: Integration | None = None,
    after: Integration | None = None,
) -> None:
    feed.changed(tx, "services")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="integration",
        subject_id=integration.id,
        subject_label=integration.name,
        before=before,
        after=after,
    )
