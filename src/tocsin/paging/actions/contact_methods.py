"""A person's contact methods: add, change, remove, test. Addresses and secrets stay sealed.

The first method brings default rules with it, so that nobody has a method and no rule.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tocsin.accounts import audit
from tocsin.accounts.access import (
    Permission,
    allowed,
    is_self,
    require_self_or,
    require_self_or_looking,
)
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.paging import delivery_store, store, throttle
from tocsin.paging.drafts import DeliveryDraft, insert_params
from tocsin.paging.hints import address_hint
from tocsin.paging.model import (
    MAX_CONTACT_METHODS,
    Attempt,
    ContactMethod,
    Delivery,
    DeliveryKind,
    DeliveryReason,
    Urgency,
)
from tocsin.timeline import feed

MAX_LABEL = 100
MAX_ADDRESS = 2048
MAX_SECRET = 256
MAX_PEOPLE = 200
MAX_ATTEMPTS_LISTED = 500
DEFAULT_URGENCIES: tuple[Urgency, ...] = ("high", "low")


class AddressRules(Protocol):
    """What a contact method has to know of its channel; every channel does."""

    @property
    def label(self) -> str:
        """The channel's name for people."""
        ...

    @property
    def needs_secret(self) -> bool:
        """Whether an address alone is not enough."""
        ...

    @property
    def check_address(self) -> Callable[[str], str | None]:
        """Says what is wrong with an address, or None."""
        ...


class ContactMethodDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A contact method to be. `secret` is what the channel needs besides the address: a token to
    publish with, a key to sign with."""

    user_id: str
    channel: str
    label: str
    address: str
    secret: str | None = None


def address_context(contact_method_id: str) -> str:
    """The place that a sealed address belongs to."""
    return f"contact_methods/address/{contact_method_id}"


def secret_context(contact_method_id: str) -> str:
    """The place that a sealed secret belongs to."""
    return f"contact_methods/secret/{contact_method_id}"


async def contact_methods(tx: Tx, actor: Actor, user_id: str) -> list[ContactMethod]:
    """A person's contact methods, oldest first. Addresses are masked, so whoever sees people sees
    these."""
    require_self_or_looking(actor, user_id)
    return await tx.all(ContactMethod, store.SELECT_METHODS, {"user_ids": [user_id]})


async def contact_methods_of(
    tx: Tx, actor: Actor, user_ids: Sequence[str]
) -> dict[str, list[ContactMethod]]:
    """The contact methods of up to 200 people, for lists and for the doctor."""
    for user_id in user_ids:
        require_self_or_looking(actor, user_id)
    if len(user_ids) > MAX_PEOPLE:
        raise Invalid("user_ids", f"at most {MAX_PEOPLE} people at a time")
    found: dict[str, list[ContactMethod]] = {user_id: [] for user_id in user_ids}
    for method in await tx.all(ContactMethod, store.SELECT_METHODS, {"user_ids": list(user_ids)}):
        found[method.user_id].append(method)
    return found


async def addresses(
    tx: Tx, actor: Actor, secret_box: SecretBox, methods: Sequence[ContactMethod]
) -> dict[str, str]:
    """The addresses in clear, by contact method: the actor's own, and everybody's for whoever
    manages people. The others are left out; their masked form is on the method."""
    everyone = allowed(actor, Permission.MANAGE_USERS)
    wanted = [m.id for m in methods if everyone or is_self(actor, m.user_id)]
    if not wanted:
        return {}
    rows = await tx.tuples(store.SELECT_ADDRESSES, {"ids": wanted})
    return {id: secret_box.decrypt(bytes(sealed), address_context(id)) for id, sealed in rows}


async def add_contact_method(
    tx: Tx,
    actor: Actor,
    draft: ContactMethodDraft,
    now: datetime,
    *,
    channels: Mapping[str, AddressRules],
    secret_box: SecretBox,
) -> ContactMethod:
    """Add a way to reach a person; the first one gets a rule for each urgency, at once.

    Raises Invalid, Forbidden, NotFound, and Refused("too_many") beyond twenty.
    """
    require_self_or(actor, draft.user_id, Permission.MANAGE_USERS)
    if await tx.value(store.LOCK_PERSON, {"user_id": draft.user_id}) is None:
        raise NotFound("user", draft.user_id)
    existing = await tx.all(ContactMethod, store.SELECT_METHODS, {"user_ids": [draft.user_id]})
    if len(existing) >= MAX_CONTACT_METHODS:
        raise Refused("too_many", f"a person has at most {MAX_CONTACT_METHODS} contact methods")
    label = _label(draft.label)
    channel = _channel(draft.channel, channels)
    address = _address(channel, draft.address)
    if channel.needs_secret and not draft.secret:
        raise Invalid("secret", f"{channel.label} needs one")
    id = ids.new("P", now)
    await tx.execute(
        store.INSERT_METHOD,
        {
            "id": id,
            "user_id": draft.user_id,
            "channel": draft.channel,
            "label": label,
            "address_sealed": secret_box.encrypt(address, address_context(id)),
            "secret_sealed": _sealed_secret(draft.secret, id, secret_box),
            "address_hint": address_hint(address),
            "now": now,
        },
    )
    if not existing:
        for urgency in DEFAULT_URGENCIES:
            await tx.execute(
                store.INSERT_RULE,
                {
                    "id": ids.new("P", now),
                    "user_id": draft.user_id,
                    "contact_method_id": id,
                    "urgency": urgency,
                    "delay_seconds": 0,
                },
            )
    method = await contact_method(tx, id)
    await _audit(tx, actor, now, "create", before=None, after=method)
    return method


async def contact_method(tx: Tx, id: str) -> ContactMethod:
    """One contact method, without a check of access. Raises NotFound."""
    found = await tx.one(ContactMethod, store.SELECT_METHOD, {"id": id})
    if found is None:
        raise NotFound("contact method", id)
    return found


async def change_contact_method(
    tx: Tx,
    actor: Actor,
    id: str,
    now: datetime,
    *,
    channels: Mapping[str, AddressRules],
    secret_box: SecretBox,
    label: str | None = None,
    address: str | None = None,
    secret: str | None = None,
) -> ContactMethod:
    """Change what is given and keep the rest. A new address is alive until it proves dead."""
    before = await _locked(tx, actor, id)
    if label is not None:
        await tx.execute(store.UPDATE_METHOD_LABEL, {"id": id, "label": _label(label)})
    if address is not None:
        checked = _address(_channel(before.channel, channels), address)
        await tx.execute(
            store.UPDATE_METHOD_ADDRESS,
            {
                "id": id,
                "address_sealed": secret_box.encrypt(checked, address_context(id)),
                "address_hint": address_hint(checked),
            },
        )
    if secret is not None:
        await tx.execute(
            store.UPDATE_METHOD_SECRET,
            {"id": id, "secret_sealed": _sealed_secret(secret, id, secret_box)},
        )
    after = await contact_method(tx, id)
    await _audit(tx, actor, now, "update", before=before, after=after)
    return after


async def remove_contact_method(tx: Tx, actor: Actor, id: str, now: datetime) -> None:
    """Remove a method and its rules. What is queued for it goes to the person's next method."""
    before = await _locked(tx, actor, id)
    await tx.execute(store.DELETE_RULES_OF_METHOD, {"contact_method_id": id})
    await tx.execute(store.DELETE_METHOD, {"id": id, "now": now})
    await _audit(tx, actor, now, "delete", before=before, after=None)


async def send_test(tx: Tx, actor: Actor, contact_method_id: str, now: datetime) -> str:
    """Queue a test message; the id of its delivery, whose outcome `delivery` tells.

    Raises Refused("too_many_tests") beyond five in ten minutes.
    """
    method = await contact_method(tx, contact_method_id)
    require_self_or(actor, method.user_id, Permission.MANAGE_USERS)
    recent = await tx.value(
        delivery_store.COUNT_TESTS,
        {
            "user_id": method.user_id,
            "contact_method_id": method.id,
            "since": now - throttle.TEST_SPAN,
            "limit": throttle.TEST_LIMIT + 1,
        },
    )
    if not throttle.may_test(int(recent)):
        raise Refused(
            "too_many_tests",
            f"at most {throttle.TEST_LIMIT} tests in ten minutes: wait a little and try again",
        )
    id = ids.new("Q", now)
    draft = DeliveryDraft(
        id=id,
        kind=DeliveryKind.TEST,
        cause=f"test:{id}",
        user_id=method.user_id,
        contact_method_id=method.id,
        channel=method.channel,
        reason=DeliveryReason.TEST,
        due_at=now,
    )
    await tx.execute(delivery_store.INSERT_DELIVERIES, insert_params([draft], now))
    tx.notify("tocsin_wake", "deliveries")
    feed.changed(tx, "deliveries")
    return id


async def delivery(tx: Tx, actor: Actor, id: str) -> tuple[Delivery, list[Attempt]]:
    """One delivery with its attempts. Raises NotFound."""
    found = await tx.one(Delivery, delivery_store.SELECT_DELIVERY, {"id": id})
    if found is None:
        raise NotFound("delivery", id)
    require_self_or(actor, found.user_id, Permission.VIEW)
    attempts = await tx.all(
        Attempt, delivery_store.SELECT_ATTEMPTS, {"ids": [id], "limit": MAX_ATTEMPTS_LISTED}
    )
    return found, attempts


async def _locked(tx: Tx, actor: Actor, id: str) -> ContactMethod:
    found = await tx.one(ContactMethod, store.LOCK_METHOD, {"id": id})
    if found is None:
        raise NotFound("contact method", id)
    require_self_or(actor, found.user_id, Permission.MANAGE_USERS)
    return found


def _label(label: str) -> str:
    label = label.strip()
    if not 1 <= len(label) <= MAX_LABEL:
        raise Invalid("label", f"must have 1 to {MAX_LABEL} characters")
    return label


def _channel(name: str, channels: Mapping[str, AddressRules]) -> AddressRules:
    channel = channels.get(name)
    if channel is None:
        raise Invalid("channel", f"must be one of {', '.join(sorted(channels))}")
    return channel


def _address(channel: AddressRules, address: str) -> str:
    address = address.strip()
    if not 1 <= len(address) <= MAX_ADDRESS:
        raise Invalid("address", f"must have 1 to {MAX_ADDRESS} characters")
    wrong = channel.check_address(address)
    if wrong is not None:
        raise Invalid("address", wrong)
    return address


def _sealed_secret(secret: str | None, id: str, secret_box: SecretBox) -> bytes | None:
    if not secret:
        return None
    if len(secret) > MAX_SECRET:
        raise Invalid("secret", f"must have at most {MAX_SECRET} characters")
    return secret_box.encrypt(secret, secret_context(id))


async def _audit(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    *,
    before: ContactMethod | None,
    after: ContactMethod | None,
) -> None:
    subject = after or before
    assert subject is not None
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="contact_method",
        subject_id=subject.id,
        subject_label=subject.label,
        before=before,
        after=after,
    )
    feed.changed(tx, "config")
