"""People, reaching them, teams, settings and audit, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Role


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", zone="Europe/Berlin")
        await made.person("bob")
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    """The owner."""
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


@pytest.fixture
async def bob(world: World) -> AsyncIterator[Visitor]:
    """A responder."""
    async with world.database.transaction() as tx:
        await accounts.set_password(
            tx, SYSTEM, world["bob"].user.id, "a horse of another battery", world.clock.now()
        )
    visitor = Visitor(world.http)
    await visitor.sign_in("bob@example.com", "a horse of another battery")
    yield visitor
    await visitor.close()


def home(world: World, name: str) -> str:
    return f"/app/people/{world[name].user.id}"


async def test_the_list_says_who_cannot_be_reached(world: World, ann: Visitor) -> None:
    await world.person("cleo", channels=())
    said = words(await ann.get("/app/people"))
    assert "nothing reaches them" in said
    assert said.count("not proven") == 2
    found = words(await ann.get("/app/people?q=CLE"))
    assert "cleo" in found
    assert "bob@example.com" not in found


async def test_a_new_person_signs_in_with_the_password_they_were_told(
    world: World, ann: Visitor
) -> None:
    new = {"name": "Cleo", "email": "cleo@example.com", "time_zone": "Asia/Tokyo"}
    weak = words(
        await ann.post(
            "/app/people/new", {**new, "role": "limited_user", "password": "short"}, status=422
        )
    )
    assert "must have at least 10 characters" in weak
    await ann.post(
        "/app/people/new",
        {**new, "role": "limited_user", "password": "seven green bottles"},
    )
    cleo = Visitor(world.http)
    await cleo.sign_in("cleo@example.com", "seven green bottles")
    said = words(await cleo.get("/app/oncall"))
    assert "Nothing can reach you." in said
    await cleo.close()


async def test_a_test_message_is_proof(world: World, ann: Visitor) -> None:
    page = await ann.get(home(world, "ann"))
    assert "never proven" in words(page)
    method = re.search(r"/contact-methods/(P\w+)/test", page)
    assert method is not None
    said = words(await ann.post(f"{home(world, 'ann')}/contact-methods/{method[1]}/test"))
    assert "on its way" in said
    await world.settle()
    world["ann"].shown().clear()
    said = words(await ann.get(home(world, "ann")))
    assert "a message got through" in said
    assert "handed over after less than 0.1 s" in said


async def test_a_wrong_address_is_named_beside_its_field(world: World, ann: Visitor) -> None:
    path = f"{home(world, 'ann')}/contact-methods"
    page = await ann.post(path, {"channel": "email", "address": "nobody"}, status=422)
    assert 'id="f-address-e"' in page
    assert 'value="nobody"' in page
    said = words(await ann.post(f"{path}/check", {"channel": "email", "address": "nobody"}))
    assert said
    assert "looks right" not in said
    fine = await ann.post(f"{path}/check", {"channel": "email", "address": "ann@example.com"})
    assert "looks right" in words(fine)


async def test_rules_count_in_minutes_and_refuse_a_repeat(world: World, ann: Visitor) -> None:
    page = await ann.get(home(world, "ann"))
    method = re.search(r'<option value="(P\w+)"', page.split('name="contact_method_id"')[1])
    assert method is not None
    rule = {"urgency": "high", "delay_minutes": "5", "contact_method_id": method[1]}
    said = words(await ann.post(f"{home(world, 'ann')}/rules", rule))
    assert "after 5 min: phone" in said
    again = words(await ann.post(f"{home(world, 'ann')}/rules", rule, status=409))
    assert "there is already such a rule" in again
    wrong = await ann.post(
        f"{home(world, 'ann')}/rules", {**rule, "delay_minutes": "soon"}, status=422
    )
    assert "must be a whole number" in words(wrong)


async def test_a_token_is_shown_once(world: World, ann: Visitor) -> None:
    path = home(world, "ann")
    page = await ann.post(f"{path}/keys", {"key_name": "terraform"})
    token = re.search(r"<code>([\w+-]{20})</code>", page)
    assert token is not None
    later = await ann.get(path)
    assert token[1] not in later
    assert "terraform" in words(later)
    revoke = re.search(rf'action="({path}/keys/\w+/revoke)"', later)
    assert revoke is not None
    assert "No key." in words(await ann.post(revoke[1]))


async def test_others_are_seen_and_not_changed(world: World, bob: Visitor) -> None:
    page = await bob.get(home(world, "ann"))
    assert "Save the profile" not in page
    assert "Deactivate" not in page
    await bob.get(home(world, "bob"))
    await bob.post(home(world, "ann"), {"name": "Eve", "email": "e@example.com"}, status=403)
    await bob.post(f"{home(world, 'ann')}/keys", {"key_name": "x"}, status=403)
    await bob.get("/app/audit", status=403)
    assert "Save the installation" not in await bob.get("/app/settings")


async def test_deactivating_names_what_still_needs_somebody(world: World, ann: Visitor) -> None:
    await world.service("checkout", [["bob"]])
    await ann.get(home(world, "bob"))
    said = words(await ann.post(f"{home(world, 'bob')}/deactivate", status=409))
    assert "target of the escalation policy checkout policy" in said


async def test_a_team_gains_and_loses_people(world: World, ann: Visitor) -> None:
    await ann.get("/app/teams")
    page = await ann.post("/app/teams", {"name": "Payments"})
    team = re.search(r'action="(/app/teams/P\w+)/members"', page)
    assert team is not None
    bob_id = world["bob"].user.id
    said = words(await ann.post(f"{team[1]}/members", {"user_id": bob_id, "role": "responder"}))
    assert "1 member" in said
    said = words(await ann.post(f"{team[1]}/members/remove", {"user_id": bob_id}))
    assert "Nobody is in it yet." in said
    await ann.post("/app/teams", {"name": "PAYMENTS"}, status=422)


async def test_the_record_shows_the_difference_and_checks_its_chain(
    world: World, ann: Visitor
) -> None:
    await ann.get(home(world, "bob"))
    await ann.post(
        home(world, "bob"),
        {"name": "Robert", "email": "bob@example.com", "time_zone": "Etc/UTC"},
    )
    page = await ann.get("/app/audit?subject=user")
    assert "ann changed person Robert" in words(page)
    assert '<del class="del">bob</del>' in page
    assert '<ins class="ins">Robert</ins>' in page
    assert "The chain holds." in words(await ann.post("/app/audit/verify"))
    none = await ann.get("/app/audit?subject=team")
    assert "No change fits" in words(none)


async def test_settings_tell_what_is_missing(world: World, ann: Visitor) -> None:
    said = words(await ann.get("/app/settings"))
    assert "TOCSIN_SMTP_HOST" in said
    bob_id = world["bob"].user.id
    said = words(
        await ann.post(
            "/app/settings/instance", {"public_name": "Northquay", "catch_all_user_id": ""}
        )
    )
    assert "No catch-all person." in said
    page = await ann.post(
        "/app/settings/instance", {"public_name": "Northquay", "catch_all_user_id": bob_id}
    )
    assert "No catch-all person." not in words(page)


async def test_an_account_key_belongs_to_nobody(ann: Visitor) -> None:
    await ann.get("/app/settings")
    page = await ann.post(
        "/app/settings/keys", {"key_name": "ci", "role": Role.OBSERVER, "read_only": "1"}
    )
    assert "read only" in words(page)
    assert re.search(r"<code>[\w+-]{20}</code>", page)


async def test_the_parts_are_shown_to_whoever_is_signed_in(bob: Visitor) -> None:
    assert "Names and figures on this page are examples." in await bob.get("/app/components")


async def test_a_method_that_is_added_is_tested_and_tests_have_a_limit(
    world: World, ann: Visitor
) -> None:
    path = f"{home(world, 'ann')}/contact-methods"
    await ann.get(home(world, "ann"))
    form = {"channel": "mail", "label": "Work mail", "address": "ann"}
    page = await ann.post(path, form)
    assert "Work mail is added, and a test is on its way." in words(page)
    tests = re.findall(r"/contact-methods/(P\w+)/test", page)
    for _ in range(4):
        await ann.post(f"{path}/{tests[-1]}/test")
    said = words(await ann.post(f"{path}/{tests[-1]}/test", status=409))
    assert "at most 5 tests in ten minutes" in said
    await world.settle()
    world.channels["mail"].waiting.clear()
