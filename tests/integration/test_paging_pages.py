"""Pages against real PostgreSQL: who is told, by what, in which order, and who is not."""

from datetime import timedelta

from tests.support.paging_house import Dead, Retry, stand_up
from tocsin.accounts.model import SYSTEM
from tocsin.core.database import Database
from tocsin.paging import actions as paging
from tocsin.paging.compose import WHY


async def test_a_page_is_told_at_once_with_a_link_that_acknowledges(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    (incident,) = await house.incidents()
    paged = await house.page("alice", [incident])
    assert (paged.opened, paged.unreachable) == (1, ())
    await house.pass_time(seconds=0)
    (message,) = house.mail.sent
    assert message.kind == "page"
    assert message.person == "Alice"
    assert message.reason == WHY["opened"]
    assert message.acknowledge_url == f"https://t/a/{incident}/alice"
    assert [line.title for line in message.incidents] == [f"Trouble {incident}"]
    assert message.incidents[0].service == "Shop"
    assert house.mail.channel.handed[0].address == "alice@mail.example.org"
    assert await house.told(incident) == [("mail", "sent", "notification_rule")]
    async with database.transaction() as tx:
        (method,) = await paging.contact_methods(tx, SYSTEM, "alice")
    assert method.proven_at == house.now


async def test_the_same_ask_twice_is_one_page_and_one_message(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    (incident,) = await house.incidents()
    await house.page("alice", [incident, incident])
    again = await house.page("alice", [incident])
    assert again.opened == 0
    await house.pass_time(seconds=5)
    assert len(house.mail.sent) == 1
    await house.page("alice", [incident], step=2)
    await house.pass_time(seconds=5)
    assert len(house.mail.sent) == 2


async def test_rules_with_delays_are_kept_to(database: Database) -> None:
    house = await stand_up(database)
    _mail, push = await house.person("alice", "mail", "push")
    await house.rule(push, 120)
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(seconds=119)
    assert (len(house.mail.sent), len(house.push.sent)) == (1, 0)
    await house.pass_time(seconds=1)
    assert (len(house.mail.sent), len(house.push.sent)) == (1, 1)


async def test_nothing_is_sent_after_the_stop(database: Database) -> None:
    house = await stand_up(database)
    _mail, push = await house.person("alice", "mail", "push")
    await house.rule(push, 120)
    first, second = await house.incidents(2)
    await house.page("alice", [first, second])
    await house.pass_time(seconds=10)
    assert await house.stop(first) == 1
    assert await house.stop(first) == 0
    await house.pass_time(minutes=5)
    assert [m.incidents[0].incident_id for m in house.push.sent] == [second]
    states = await house.ledger("channel, state, detail")
    assert ("push", "cancelled", "acknowledged") in states


async def test_a_storm_is_three_messages_and_a_bundle(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    incidents = await house.incidents(200)
    await house.page("alice", incidents[:2])
    await house.page("alice", incidents[2:100])
    await house.pass_time(seconds=20)
    await house.page("alice", incidents[100:])
    assert [m.kind for m in house.mail.sent] == ["page"] * 3
    await house.stop(*incidents[3:50])
    await house.pass_time(seconds=39)
    assert len(house.mail.sent) == 3
    await house.pass_time(seconds=1)
    assert [m.kind for m in house.mail.sent] == ["page"] * 3 + ["bundle"]
    bundle = house.mail.sent[-1]
    assert len(bundle.incidents) + bundle.more == 150
    assert [line.incident_id for line in bundle.incidents] == incidents[50:60]
    assert bundle.acknowledge_url is None
    assert bundle.incident_url == "https://t/incidents"
    # Few rows carry all of it, and each incident's timeline knows of its message all the same.
    assert len(await house.ledger()) == 4
    assert await house.told(incidents[150]) == [("mail", "sent", "bundle")]
    assert await house.told(incidents[10]) == []


async def test_a_bundle_of_one_left_is_told_as_a_page(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    incidents = await house.incidents(5)
    await house.page("alice", incidents)
    await house.stop(incidents[3])
    await house.pass_time(seconds=60)
    last = house.mail.sent[-1]
    assert last.kind == "page"
    assert last.acknowledge_url == f"https://t/a/{incidents[4]}/alice"


async def test_a_bundle_of_nothing_left_is_not_sent(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    incidents = await house.incidents(5)
    await house.page("alice", incidents)
    await house.stop(*incidents)
    await house.pass_time(minutes=5)
    assert house.mail.tried == []
    assert {state for (state,) in await house.ledger("state")} == {"cancelled"}


async def test_the_window_after_the_storm_starts_afresh(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    incidents = await house.incidents(10)
    await house.page("alice", incidents[:5])
    await house.pass_time(seconds=61)
    assert [m.kind for m in house.mail.sent] == ["page"] * 3 + ["bundle"]
    await house.page("alice", incidents[5:6])
    await house.pass_time(seconds=1)
    assert [m.kind for m in house.mail.sent][4:] == ["page"]


async def test_a_dead_method_gives_way_to_the_next_at_once(database: Database) -> None:
    house = await stand_up(database)
    mail, _push = await house.person("alice", "mail", "push")
    house.mail.answers.append(Dead(detail="550 no such mailbox"))
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(seconds=0)
    assert len(house.push.sent) == 1
    assert await house.told(incident) == [
        ("mail", "failed", "dead"),
        ("push", "sent", "next_method"),
    ]
    async with database.transaction() as tx:
        method = await paging.contact_method(tx, mail.id)
    assert method.dead_since == house.now
    assert method.dead_reason == "550 no such mailbox"
    # Once it has been dead for a while it is left out, with a word in the ledger, and push is used
    # in its place.
    await house.pass_time(minutes=6)
    (later,) = await house.incidents()
    await house.page("alice", [later])
    await house.pass_time(seconds=1)
    assert len(house.mail.tried) == 1
    assert [m.incidents[0].incident_id for m in house.push.sent] == [incident, later]
    assert ("mail", "cancelled", "method_dead") in await house.ledger("channel, state, reason")


async def test_a_dead_method_brings_a_later_rule_forward(database: Database) -> None:
    house = await stand_up(database)
    _mail, push = await house.person("alice", "mail", "push")
    await house.rule(push, 600)
    house.mail.answers.append(Dead(detail="gone"))
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(seconds=0)
    assert len(house.push.sent) == 1
    assert len(await house.ledger()) == 2


async def test_if_all_are_dead_all_are_tried(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail", "push")
    house.mail.answers.append(Dead(detail="gone"))
    house.push.answers.append(Dead(detail="gone"))
    first, second = await house.incidents(2)
    await house.page("alice", [first])
    await house.pass_time(minutes=10)
    assert [m.incidents[0].incident_id for m in house.mail.tried + house.push.tried] == [first] * 2
    await house.page("alice", [second])
    await house.pass_time(seconds=0)
    assert len(house.mail.sent) == len(house.push.sent) == 1
    async with database.transaction() as tx:
        methods = await paging.contact_methods(tx, SYSTEM, "alice")
    assert [method.dead_since for method in methods] == [None, None]


async def test_a_person_without_any_method_is_reported(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice")
    (incident,) = await house.incidents()
    paged = await house.page("alice", [incident])
    assert [ask.incident_id for ask in paged.unreachable] == [incident]
    assert await house.told(incident) == [(None, "failed", "no_contact_method")]


async def test_a_provider_that_is_down_is_tried_until_it_is_back(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    house.mail.down = True
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(minutes=5)
    assert house.mail.sent == []
    # 0, 5, 20, 50, 110, 170, 230 and 290 seconds.
    assert len(house.mail.tried) == 8
    assert {m.delivery_id for m in house.mail.tried} == {house.mail.tried[0].delivery_id}
    house.mail.down = False
    await house.pass_time(minutes=1)
    assert len(house.mail.sent) == 1
    assert await house.told(incident) == [("mail", "sent", "notification_rule")]


async def test_the_third_failure_starts_the_next_method_too(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail", "push")
    house.mail.down = True
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(seconds=19)
    assert house.push.sent == []
    await house.pass_time(seconds=1)
    assert len(house.push.sent) == 1
    await house.pass_time(minutes=5)
    assert len(house.push.sent) == 1


async def test_a_provider_that_never_comes_back_ends_in_failed(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    house.mail.down = True
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(minutes=45)
    assert await house.told(incident) == [("mail", "failed", "gave_up")]
    assert await house.ledger("state, reason") == [("failed", "gave_up")]


async def test_retry_after_is_honoured_and_another_method_does_not_wait(
    database: Database,
) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail", "push")
    house.mail.answers.append(Retry(detail="429", after_seconds=90))
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await house.pass_time(seconds=89)
    assert len(house.mail.tried) == 1
    assert len(house.push.sent) == 1
    await house.pass_time(seconds=1)
    assert len(house.mail.sent) == 1


async def test_what_waits_for_a_removed_method_goes_to_the_next(database: Database) -> None:
    house = await stand_up(database)
    mail, _push = await house.person("alice", "mail", "push")
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    async with database.transaction() as tx:
        await paging.remove_contact_method(tx, SYSTEM, mail.id, house.now)
    await house.pass_time(seconds=0)
    assert house.mail.tried == []
    assert len(house.push.sent) == 1
    assert ("mail", "failed", "method_removed") in await house.ledger("channel, state, reason")


async def test_a_channel_that_no_node_has_gives_way_too(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail", "push")
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    pump = house.new_pump("poor", {"push": house.push.channel})
    await house.pass_time(pump, seconds=9)
    assert house.push.sent == []
    await house.pass_time(pump, seconds=3)
    assert len(house.push.sent) == 1
    assert ("mail", "failed", "channel_missing") in await house.ledger("channel, state, reason")


async def test_after_an_outage_one_summary_of_what_is_still_open(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    await house.person("bob", "push")
    incidents = await house.incidents(8)
    await house.page("alice", incidents[:3])
    house.clock.advance(timedelta(minutes=3))
    await house.page("alice", incidents[3:6])
    await house.page("bob", incidents[6:7])
    await house.stop(incidents[0], incidents[4])
    house.clock.advance(timedelta(minutes=30))
    await house.page("bob", incidents[7:])
    await house.pass_time(seconds=2)
    (summary,) = house.mail.sent
    assert summary.kind == "summary"
    told = {line.incident_id for line in summary.incidents}
    assert told == {incidents[1], incidents[2], incidents[3], incidents[5]}
    assert [m.kind for m in house.push.sent] == ["page", "summary"]
    assert house.push.sent[1].acknowledge_url == f"https://t/a/{incidents[6]}/bob"
    assert await house.told(incidents[1]) == [("mail", "sent", "summary_after_outage")]
    await house.pass_time(minutes=20)
    assert (len(house.mail.sent), len(house.push.sent)) == (1, 2)


async def test_one_method_takes_thirty_messages_a_minute_and_loses_none(
    database: Database,
) -> None:
    house = await stand_up(database)
    (mail,) = await house.person("alice", "mail")
    for delay in range(1, 15):
        await house.rule(mail, delay)
    incidents = await house.incidents(3)
    await house.page("alice", incidents)
    await house.pass_time(seconds=30)
    assert len(house.mail.sent) == 30
    await house.pass_time(minutes=2)
    assert len(house.mail.sent) == 45


async def test_a_test_message_is_sent_and_its_outcome_can_be_read(database: Database) -> None:
    house = await stand_up(database)
    (mail,) = await house.person("alice", "mail")
    async with database.transaction() as tx:
        id = await paging.send_test(tx, SYSTEM, mail.id, house.now)
    await house.pass_time(seconds=0)
    assert [m.kind for m in house.mail.sent] == ["test"]
    async with database.transaction() as tx:
        delivery, attempts = await paging.delivery(tx, SYSTEM, id)
    assert delivery.state == "sent"
    assert [(a.number, a.outcome) for a in attempts] == [(1, "sent")]
