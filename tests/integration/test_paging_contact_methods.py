"""Contact methods and notification rules: who may change them, and what stays sealed."""

import pytest

from tests.support.paging_house import BOX, PagingHouse, stand_up
from tocsin.accounts.model import SYSTEM, Actor, Role
from tocsin.core.database import Database
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.paging import actions as paging
from tocsin.paging.actions import ContactMethodDraft, RuleDraft
from tocsin.paging.model import ContactMethod

ALICE = Actor(kind="person", id="alice", label="Alice", role=Role.RESPONDER)
BOB = Actor(kind="person", id="bob", label="Bob", role=Role.MANAGER)
ADMIN = Actor(kind="person", id="root", label="Root", role=Role.ADMIN)


async def add(
    house: PagingHouse, actor: Actor, channel: str = "mail", address: str = "alice@example.org"
) -> ContactMethod:
    draft = ContactMethodDraft(user_id="alice", channel=channel, label=" Work ", address=address)
    async with house.database.transaction() as tx:
        return await paging.add_contact_method(
            tx, actor, draft, house.now, channels=house.channels, secret_box=BOX
        )


async def test_the_first_method_brings_its_rules_and_is_sealed(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    method = await add(house, ALICE)
    second = await add(house, ADMIN, "push", "alice-phone")
    assert (method.label, method.address_hint) == ("Work", "a…@example.org")
    async with database.transaction() as tx:
        rules = await paging.notification_rules(tx, ALICE, "alice")
        sealed = await tx.value(
            "select address_sealed from contact_methods where id = %(id)s", {"id": method.id}
        )
        trail = await tx.tuples(
            "select actor_label, action, subject_id, after::text from audit order by seq"
        )
    assert sorted((r.urgency, r.delay_seconds, r.contact_method_id) for r in rules) == [
        ("high", 0, method.id),
        ("low", 0, method.id),
    ]
    assert b"alice@example.org" not in sealed
    assert [row[:3] for row in trail] == [
        ("Alice", "create", method.id),
        ("Root", "create", second.id),
    ]
    assert "alice@example.org" not in str(trail)


async def test_only_the_person_or_who_manages_people_may(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    method = await add(house, ALICE)
    (rule, _) = await _rules(database)
    with pytest.raises(Forbidden):
        await add(house, BOB)
    async with database.transaction() as tx:
        with pytest.raises(Forbidden):
            await paging.remove_contact_method(tx, BOB, method.id, house.now)
        with pytest.raises(Forbidden):
            await paging.send_test(tx, BOB, method.id, house.now)
        with pytest.raises(Forbidden):
            await paging.remove_rule(tx, BOB, rule, house.now)
        with pytest.raises(Forbidden):
            await paging.change_contact_method(
                tx, BOB, method.id, house.now, channels=house.channels, secret_box=BOX
            )


async def test_bad_input_names_the_field(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    for channel, address, field in (
        ("pigeon", "x", "channel"),
        ("mail", "  ", "address"),
        ("mail", "x" * 5000, "address"),
    ):
        with pytest.raises(Invalid) as caught:
            await add(house, ALICE, channel, address)
        assert caught.value.field == field


async def test_a_new_address_is_alive_again(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    method = await add(house, ALICE)
    async with database.transaction() as tx:
        await tx.execute("update contact_methods set dead_since = created_at, dead_reason = 'x'")
        changed = await paging.change_contact_method(
            tx,
            ALICE,
            method.id,
            house.now,
            channels=house.channels,
            secret_box=BOX,
            address="a2@example.net",
        )
    assert (changed.dead_since, changed.address_hint) == (None, "a…@example.net")
    assert changed.label == "Work"


async def test_rules_are_kept_apart_and_belong_to_the_person(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    (others,) = await house.person("bob", "mail")
    method = await add(house, ALICE)

    def draft(**fields: object) -> RuleDraft:
        values = {
            "user_id": "alice",
            "contact_method_id": method.id,
            "urgency": "high",
            "delay_seconds": 60,
            **fields,
        }
        return RuleDraft(**values)  # type: ignore[arg-type]

    async with database.transaction() as tx:
        rule = await paging.add_rule(tx, ALICE, draft(), house.now)
        with pytest.raises(Refused, match="already"):
            await paging.add_rule(tx, ALICE, draft(), house.now)
        with pytest.raises(Invalid, match="own"):
            await paging.add_rule(tx, ALICE, draft(contact_method_id=others.id), house.now)
        with pytest.raises(Invalid, match="delay_seconds"):
            await paging.add_rule(tx, ALICE, draft(delay_seconds=-1), house.now)
        changed = await paging.change_rule(tx, ALICE, rule.id, draft(delay_seconds=90), house.now)
        assert (changed.id, changed.delay_seconds) == (rule.id, 90)
        await paging.remove_contact_method(tx, ALICE, method.id, house.now)
        assert await paging.notification_rules(tx, ALICE, "alice") == []
        with pytest.raises(NotFound):
            await paging.contact_method(tx, method.id)


async def test_tests_are_limited(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    method = await add(house, ALICE)
    async with database.transaction() as tx:
        for _ in range(5):
            await paging.send_test(tx, ALICE, method.id, house.now)
        with pytest.raises(Refused, match="ten minutes"):
            await paging.send_test(tx, ALICE, method.id, house.now)


async def _rules(database: Database) -> list[str]:
    async with database.transaction() as tx:
        return [rule.id for rule in await paging.notification_rules(tx, SYSTEM, "alice")]
