"""Status updates in the delivery ledger: each person once, and never in the way of a page."""

from datetime import timedelta

from tests.support.paging_house import (
    Dead,
    PagingHouse,
    Script,
    settle,
    stand_up,
)
from tocsin.channels import email
from tocsin.channels.email import SmtpSettings
from tocsin.core.database import Database
from tocsin.engine.pump_deliveries import UPDATE_PLACES
from tocsin.paging import actions as paging
from tocsin.paging.model import StatusMail

INSERT_UPDATE = """
insert into status_updates (id, incident_id, label, subject, message, html, recipients, at)
values ('QUPDATE', %(incident)s, 'Ann', 'Half of it works', '**Half** of it works',
    '<p><strong>Half</strong> of it works</p>', 1, %(now)s)
"""


async def publish(house: PagingHouse, *people: str, incident: str = "") -> str:
    """An update that these people get."""
    async with house.database.transaction() as tx:
        if not incident:
            (incident,) = await house.incidents()
            await tx.execute(INSERT_UPDATE, {"incident": incident, "now": house.now})
        mails = [StatusMail(update_id="QUPDATE", incident_id=incident, user_id=p) for p in people]
        await paging.mail_updates(tx, mails, house.now)
    return incident


async def with_mail(database: Database, *answers: Dead) -> tuple[PagingHouse, Script]:
    house = await stand_up(database)
    script = Script("email", *answers)
    house.channels["email"] = script.channel
    house.pump = house.new_pump("node-1")
    return house, script


async def test_each_person_gets_it_once_at_the_address_of_the_profile(database: Database) -> None:
    house, script = await with_mail(database)
    await house.person("alice", "mail")
    incident = await publish(house, "alice")
    await publish(house, "alice", incident=incident)
    await settle(house.pump)
    (handed,) = script.channel.handed
    assert handed.address == "alice@example.org"
    message = handed.message
    assert message.kind == "status_update"
    assert message.acknowledge_url is None
    assert message.update is not None
    assert message.update.subject == "Half of it works"
    assert await house.ledger("kind, channel, state, contact_method_id") == [
        ("status_update", "email", "sent", None)
    ]
    # A thousand mails are no story of the incident: the ledger has them.
    assert await house.told(incident) == []


async def test_a_refused_address_ends_it_and_pages_nobody(database: Database) -> None:
    house, script = await with_mail(database, Dead(detail="550 no such user"))
    await house.person("alice", "mail", "push")
    await publish(house, "alice")
    await house.pass_time(hours=1)
    assert script.sent == []
    assert house.mail.tried == house.push.tried == []
    assert await house.ledger("state, reason") == [("failed", "dead")]


async def test_a_page_does_not_wait_behind_a_thousand_mails(database: Database) -> None:
    house, _ = await with_mail(database)
    names = [f"p{number}" for number in range(40)]
    for name in names:
        await house.person(name)
    await house.method("p0", "email")
    incident = await publish(house, *names)
    house.clock.advance(timedelta(seconds=5))
    await house.page("p0", [incident])
    async with database.transaction() as tx:
        claimed = await paging.claim_due(
            tx,
            house.now,
            node="n",
            lease_seconds=15,
            free={"email": 8},
            updates=UPDATE_PLACES,
        )
    kinds = [claim.kind for claim in claimed.claims]
    assert kinds.count("page") == 1
    assert kinds.count("status_update") == UPDATE_PLACES


async def test_a_mail_whose_node_died_keeps_its_name(database: Database) -> None:
    house, script = await with_mail(database)
    await house.person("alice")
    await publish(house, "alice")
    async with database.transaction() as tx:
        claimed = await paging.claim_due(
            tx, house.now, node="lost", lease_seconds=15, free={"email": 8}, updates=1
        )
    await house.pass_time(seconds=20)
    (message,) = script.sent
    assert message.delivery_id == claimed.claims[0].id


async def test_nobody_is_mailed_after_leaving(database: Database) -> None:
    house, script = await with_mail(database)
    await house.person("alice")
    await publish(house, "alice")
    async with database.transaction() as tx:
        await tx.execute("update users set deleted_at = %(now)s", {"now": house.now})
    await settle(house.pump)
    assert script.tried == []
    assert await house.ledger("state") == [("cancelled",)]


async def test_the_mail_says_who_of_what_and_why_in_both_forms(database: Database) -> None:
    house, script = await with_mail(database)
    await house.person("alice")
    await publish(house, "alice")
    await settle(house.pump)
    (message,) = script.sent
    settings = SmtpSettings(
        host="mail.example",
        port=25,
        user=None,
        password=None,
        tls="none",
        sender=None,
        public_host="tocsin.example",
    )
    mail = email.compose(message, "alice@example.org", settings)
    assert mail["Subject"] == "Half of it works"
    assert mail["List-Id"].startswith("Status updates")
    assert mail["X-Priority"] is None
    assert mail["Message-ID"] == f"<{message.delivery_id}@tocsin.example>"
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert plain.startswith("**Half** of it works")
    assert "<p><strong>Half</strong> of it works</p>" in html
    for text in (plain, html):
        assert "Ann, 2026-03-02 09:00 UTC" in text
        assert "because you follow the incident" in text
        assert "Acknowledge" not in text
