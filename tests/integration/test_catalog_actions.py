"""Services and integrations on a real database."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tocsin.accounts import audit
from tocsin.accounts.model import SYSTEM, Actor, Role
from tocsin.catalog import actions
from tocsin.catalog.model import NewIntegration, NewService, Service, ServiceChange
from tocsin.core.crypto import SealBroken, SecretBox
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BOX = SecretBox(b"k" * 32)


def person(role: Role, **teams: str) -> Actor:
    return Actor(kind="person", id="PADA", label="Ada", role=role, teams=teams)


async def ground(tx: Tx) -> None:
    """Two teams, each with an escalation policy, and one policy that is nobody's."""
    for statement in (
        "insert into teams (id, name, created_at)"
        " values ('PCORE', 'Core', %(now)s), ('PWEB', 'Web', %(now)s)",
        "insert into escalation_policies (id, name, team_id, created_at) values"
        " ('PEPC', 'Core', 'PCORE', %(now)s), ('PEPW', 'Web', 'PWEB', %(now)s),"
        " ('PEPN', 'Nobody', null, %(now)s), ('PEPG', 'Gone', 'PWEB', %(now)s)",
        "update escalation_policies set deleted_at = %(now)s where id = 'PEPG'",
    ):
        await tx.execute(statement, {"now": NOW})  # type: ignore[arg-type]


async def make(tx: Tx, name: str = "Checkout", policy: str = "PEPC") -> Service:
    new = NewService(name=name, escalation_policy_id=policy)
    return await actions.create_service(tx, SYSTEM, new, NOW)


async def test_a_service_starts_with_the_contracts_defaults(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        made = await make(tx, " Checkout ")
        kept = await actions.get_service(tx, SYSTEM, made.id)
    assert kept == made
    assert (kept.name, kept.team_id, kept.urgency_rule) == ("Checkout", "PCORE", "high")
    assert (kept.acknowledgement_timeout, kept.auto_resolve_timeout) == (1800, 14400)
    assert kept.enabled
    assert 0 <= kept.slice < 64


async def test_what_is_refused(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        for bad, field in (
            (NewService(name="CHECKOUT", escalation_policy_id="PEPW"), "name"),
            (NewService(name="", escalation_policy_id="PEPW"), "name"),
            (NewService(name="x", escalation_policy_id="PEPX"), "escalation_policy_id"),
            (NewService(name="x", escalation_policy_id="PEPG"), "escalation_policy_id"),
            (
                NewService(name="x", escalation_policy_id="PEPW", auto_resolve_timeout=5),
                "auto_resolve_timeout",
            ),
        ):
            with pytest.raises(Invalid) as refused:
                await actions.create_service(tx, SYSTEM, bad, NOW)
            assert refused.value.field == field
        other = await make(tx, "Search")
        with pytest.raises(Invalid, match="another service"):
            await actions.update_service(tx, SYSTEM, other.id, ServiceChange(name="checkout"), NOW)
        await actions.delete_service(tx, SYSTEM, service.id, NOW)
        assert (await make(tx, "checkout")).id != service.id


async def test_changes_are_partial_and_recorded(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        changed = await actions.update_service(
            tx,
            SYSTEM,
            service.id,
            ServiceChange(auto_resolve_timeout=None, escalation_policy_id="PEPW"),
            NOW,
        )
        assert changed == replace(
            service, auto_resolve_timeout=None, escalation_policy_id="PEPW", team_id="PWEB"
        )
        same = ServiceChange(name="Checkout")
        assert await actions.update_service(tx, SYSTEM, service.id, same, NOW) == changed
        assert await actions.get_service(tx, SYSTEM, service.id) == changed
        rows = (await audit.page(tx, SYSTEM, subject_type="service")).items
    assert [row.action for row in rows] == ["update", "create"]
    assert rows[0].before == {
        "auto_resolve_timeout": 14400,
        "escalation_policy_id": "PEPC",
        "team_id": "PCORE",
    }


async def test_who_may_manage_and_see_what(database: Database) -> None:
    manager = person(Role.RESTRICTED, PCORE="manager")
    async with database.transaction() as tx:
        await ground(tx)
        core, web = await make(tx), await make(tx, "Site", "PEPW")
        with pytest.raises(Forbidden):
            await make_as(tx, manager, "PEPW")
        with pytest.raises(Forbidden):
            await make_as(tx, person(Role.RESPONDER), "PEPC")
        mine = await make_as(tx, manager, "PEPC")
        with pytest.raises(Forbidden):
            await actions.update_service(tx, manager, web.id, ServiceChange(name="x"), NOW)
        with pytest.raises(Forbidden):
            await actions.update_service(
                tx, manager, mine.id, ServiceChange(escalation_policy_id="PEPW"), NOW
            )
        with pytest.raises(Forbidden):
            await actions.delete_service(tx, manager, web.id, NOW)
        with pytest.raises(Forbidden):
            await actions.set_enabled(tx, person(Role.OBSERVER), core.id, False, NOW)
        with pytest.raises(NotFound):
            await actions.get_service(tx, manager, web.id)
        visible = await actions.list_services(tx, manager)
        assert [service.name for service in visible.items] == ["Checkout", "Mine"]
        with pytest.raises(Forbidden):
            await actions.list_services(tx, person(Role.LIMITED_STAKEHOLDER))
        read_only = replace(person(Role.ADMIN), kind="key", read_only=True)
        with pytest.raises(Forbidden, match="read-only"):
            await make_as(tx, read_only, "PEPC")
        assert len((await actions.list_services(tx, read_only)).items) == 3


async def make_as(tx: Tx, actor: Actor, policy: str) -> Service:
    new = NewService(name="Mine", escalation_policy_id=policy)
    return await actions.create_service(tx, actor, new, NOW)


async def test_services_are_listed_in_pages_and_filtered(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        for name, policy in (
            ("delta", "PEPC"),
            ("Alpha", "PEPW"),
            ("charlie", "PEPN"),
            ("bravo_1", "PEPC"),
            ("Echo", "PEPC"),
        ):
            await make(tx, name, policy)
        seen: list[str] = []
        cursor = None
        while True:
            page = await actions.list_services(tx, SYSTEM, cursor=cursor, limit=2)
            seen += [service.name for service in page.items]
            if (cursor := page.next) is None:
                break

        async def found(**filters: object) -> list[str]:
            page = await actions.list_services(tx, SYSTEM, **filters)  # type: ignore[arg-type]
            return [service.name for service in page.items]

        assert seen == ["Alpha", "bravo_1", "charlie", "delta", "Echo"]
        assert await found(query="L") == ["Alpha", "charlie", "delta"]
        assert await found(query="_") == ["bravo_1"]
        assert await found(team_ids=["PCORE"]) == ["bravo_1", "delta", "Echo"]
        assert await found(team_ids=["PCORE"], query="e") == ["delta", "Echo"]
        assert await found(team_ids=[]) == []
        assert await found(policy_id="PEPN") == ["charlie"]


async def open_incident(tx: Tx, service_id: str) -> None:
    statement = """
        insert into incidents (id, service_id, escalation_policy_id, title, status, urgency,
            created_at, changed_at)
        values ('QIN', %(s)s, 'PEPC', 'Disk full', 'acknowledged', 'high', %(now)s, %(now)s)
    """
    await tx.execute(statement, {"s": service_id, "now": NOW})


async def test_a_service_with_open_incidents_is_not_deleted(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name="Prometheus")
        integration, key = await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        await open_incident(tx, service.id)
        with pytest.raises(Refused, match=r"#1 Disk full") as refused:
            await actions.delete_service(tx, SYSTEM, service.id, NOW)
        assert refused.value.reason == "open_incidents"
        assert await actions.target_for_key(tx, key) is not None
        await tx.execute("update incidents set status = 'resolved'")
        await actions.delete_service(tx, SYSTEM, service.id, NOW)
        assert await actions.target_for_key(tx, key) is None
        assert (await actions.services_by_ids(tx, [service.id]))[service.id].deleted_at == NOW
        removed = (await actions.integrations_by_ids(tx, [integration.id]))[integration.id]
        assert removed.deleted_at == NOW
        for gone in (actions.get_service, actions.get_integration):
            with pytest.raises(NotFound):
                await gone(tx, SYSTEM, integration.id)


async def test_a_key_leads_to_its_service(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name=" Prometheus ", kind="alertmanager")
        integration, key = await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        stored = await tx.value("select string_agg(i::text, ' ') from integrations i")
        recorded = await tx.value("select string_agg(a::text, ' ') from audit a")
        assert re.fullmatch(r"[0-9a-f]{32}", key)
        for kept in (stored, recorded):
            assert key not in kept
            assert key.encode().hex() not in kept
        target = await actions.target_for_key(tx, key)
        assert target is not None
        assert (target.integration_id, target.service_id) == (integration.id, service.id)
        assert (target.kind, target.slice, target.enabled) == ("alertmanager", service.slice, True)
        assert await actions.reveal_key(tx, SYSTEM, BOX, integration.id) == key
        for wrong in ("", "0" * 32, key.upper(), key[:-1], key + "0", "\x00" * 32):
            assert await actions.target_for_key(tx, wrong) is None


async def test_a_disabled_service_keeps_accepting(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name="Prometheus")
        _, key = await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        disabled = await actions.set_enabled(tx, SYSTEM, service.id, False, NOW)
        target = await actions.target_for_key(tx, key)
        assert target is not None
        assert not target.enabled
        assert (disabled.disabled_at, disabled.enabled) == (NOW, False)
        again = await actions.set_enabled(tx, SYSTEM, service.id, False, NOW + timedelta(1))
        assert again.disabled_at == NOW
        renamed = await actions.update_service(
            tx, SYSTEM, service.id, ServiceChange(name="Till"), NOW
        )
        assert renamed.disabled_at == NOW
        await actions.set_enabled(tx, SYSTEM, service.id, True, NOW)
        target = await actions.target_for_key(tx, key)
        assert target is not None
        assert target.enabled


async def test_rotating_ends_the_old_key_at_once(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name="Prometheus")
        integration, old = await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        fresh = await actions.rotate_key(tx, SYSTEM, BOX, integration.id, NOW)
        assert fresh != old
        assert await actions.target_for_key(tx, old) is None
        assert await actions.target_for_key(tx, fresh) is not None
        assert await actions.reveal_key(tx, SYSTEM, BOX, integration.id) == fresh
        await actions.remove_integration(tx, SYSTEM, integration.id, NOW)
        assert await actions.target_for_key(tx, fresh) is None
        with pytest.raises(NotFound):
            await actions.rotate_key(tx, SYSTEM, BOX, integration.id, NOW)
        rows = (await audit.page(tx, SYSTEM, subject_type="integration")).items
    assert [row.action for row in rows] == ["delete", "rotate_key", "create"]


async def test_a_sealed_key_opens_only_in_its_place(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        made = [
            await actions.add_integration(
                tx, SYSTEM, BOX, NewIntegration(service_id=service.id, name=f"I{n}"), NOW
            )
            for n in range(2)
        ]
        one, two = (integration for integration, _ in made)
        with pytest.raises(SealBroken):
            await actions.reveal_key(tx, SYSTEM, SecretBox(b"x" * 32), one.id)
        await tx.execute(
            "update integrations set key_sealed = (select key_sealed from integrations"
            " where id = %(one)s) where id = %(two)s",
            {"one": one.id, "two": two.id},
        )
        with pytest.raises(SealBroken):
            await actions.reveal_key(tx, SYSTEM, BOX, two.id)


async def test_who_reads_and_makes_keys(database: Database) -> None:
    responder = person(Role.RESPONDER)
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name="Prometheus")
        with pytest.raises(Forbidden):
            await actions.add_integration(tx, responder, BOX, new, NOW)
        with pytest.raises(NotFound):
            await actions.add_integration(tx, SYSTEM, BOX, replace(new, service_id="PNO"), NOW)
        with pytest.raises(Invalid, match="kind"):
            await actions.add_integration(tx, SYSTEM, BOX, replace(new, kind="pigeon"), NOW)
        integration, _ = await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        with pytest.raises(Forbidden):
            await actions.reveal_key(tx, responder, BOX, integration.id)
        with pytest.raises(Forbidden):
            await actions.rotate_key(tx, responder, BOX, integration.id, NOW)
        assert await actions.get_integration(tx, responder, integration.id) == integration
        renamed = await actions.rename_integration(
            tx, person(Role.OBSERVER, PCORE="manager"), integration.id, "Prom", NOW
        )
        found = await actions.integrations_of(tx, [service.id, "PNONE"])
        assert found == {service.id: [renamed], "PNONE": []}


async def test_a_service_has_a_bounded_number_of_integrations(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        service = await make(tx)
        new = NewIntegration(service_id=service.id, name="I")
        for _ in range(100):
            await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
        with pytest.raises(Refused) as refused:
            await actions.add_integration(tx, SYSTEM, BOX, new, NOW)
    assert refused.value.reason == "too_many"


async def test_the_newest_incident_is_noted(database: Database) -> None:
    async with database.transaction() as tx:
        await ground(tx)
        one, two = await make(tx), await make(tx, "Search")
        await actions.incidents_opened(tx, [one.id, two.id], NOW)
        await actions.incidents_opened(tx, [one.id], NOW - timedelta(hours=1))
        found = await actions.services_by_ids(tx, [one.id, two.id])
    assert [service.last_incident_at for service in found.values()] == [NOW, NOW]
