"""The delivery pump against real PostgreSQL: leases, fences, lanes, pauses and crashes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tests.support.paging_house import BOX, PagingHouse, Sent, asks, settle, stand_up
from tocsin.accounts.model import SYSTEM
from tocsin.channels.model import Message, Receipt
from tocsin.channels.webhook import WebhookChannel
from tocsin.core import crash_points
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import parse_allow_list
from tocsin.engine import pump_deliveries
from tocsin.engine.auditor import FindingKind, audit
from tocsin.engine.pump_deliveries import DeliveryPump
from tocsin.paging import actions as paging
from tocsin.paging.model import Claim, Finished, Outcome


class Gate:
    """A channel whose sends wait until the gate is opened."""

    label = "Gate"
    address_label = address_hint = "Any"
    needs_secret = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = asyncio.Event()
        self.waiting = 0
        self.messages: list[Message] = []

    def missing(self) -> str | None:
        return None

    def check_address(self, address: str) -> str | None:
        return None

    async def send(self, message: Message, address: str, secret: str | None) -> Receipt:
        self.waiting += 1
        await self.open.wait()
        self.messages.append(message)
        return Sent(detail="ok")


async def until(check: Callable[[], bool]) -> None:
    """Wait for a condition of this process."""
    while not check():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.005)


async def one_page(house: PagingHouse) -> str:
    await house.person("alice", "mail")
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    return incident


async def claim(house: PagingHouse, node: str, lease_seconds: float = 15) -> list[Claim]:
    async with house.database.transaction() as tx:
        claimed = await paging.claim_due(
            tx, house.now, node=node, lease_seconds=lease_seconds, free={"mail": 32, "push": 32}
        )
    return claimed.claims


async def record(house: PagingHouse, claim: Claim, outcome: Outcome, node: str = "n") -> bool:
    finished = Finished(
        claim=claim, node=node, outcome=outcome, detail="said so", finished_at=house.now
    )
    async with house.database.transaction() as tx:
        return await paging.record_receipt(tx, finished, house.now)


async def test_two_pumps_share_the_work_and_nothing_is_sent_twice(database: Database) -> None:
    house = await stand_up(database)
    for number in range(20):
        await house.person(f"p{number}", "mail")
    (incident,) = await house.incidents()
    async with database.transaction() as tx:
        wanted = [ask for number in range(20) for ask in asks(f"p{number}", [incident])]
        await paging.page(tx, wanted, house.now)
    other = house.new_pump("node-2")
    await asyncio.gather(*(pump.run_due() for pump in (house.pump, other) * 3))
    await settle(house.pump)
    assert sorted(m.person for m in house.mail.sent) == sorted(f"P{n}" for n in range(20))
    assert {row for row in await house.ledger("state, attempts")} == {("sent", 1)}


async def test_a_claim_is_exclusive_while_its_lease_holds(database: Database) -> None:
    house = await stand_up(database)
    await one_page(house)
    assert len(await claim(house, "a")) == 1
    assert await claim(house, "b") == []


async def test_a_stale_receipt_is_kept_as_an_attempt_and_changes_nothing(
    database: Database,
) -> None:
    house = await stand_up(database)
    await one_page(house)
    (first,) = await claim(house, "a")
    house.clock.advance(timedelta(seconds=16))
    async with database.transaction() as tx:
        assert await paging.take_back(tx, house.now) == 1
    (second,) = await claim(house, "b")
    assert (first.fence, second.fence) == (1, 2)
    assert not await record(house, first, Outcome.DEAD, "a")
    assert await house.ledger("state, leased_by, fence") == [("sending", "b", 2)]
    assert await record(house, second, Outcome.SENT, "b")
    assert not await record(house, second, Outcome.RETRY, "b")
    assert await house.ledger("state, attempts") == [("sent", 2)]
    async with database.transaction() as tx:
        _, attempts = await paging.delivery(tx, SYSTEM, first.id)
    assert [(a.number, a.outcome, a.node) for a in attempts] == [(1, "dead", "a"), (2, "sent", "b")]


async def test_a_late_sent_saves_the_second_message(database: Database) -> None:
    house = await stand_up(database)
    await one_page(house)
    (first,) = await claim(house, "a")
    house.clock.advance(timedelta(seconds=16))
    async with database.transaction() as tx:
        await paging.take_back(tx, house.now)
    assert await record(house, first, Outcome.SENT, "a")
    await house.pass_time(seconds=30)
    assert house.mail.tried == []
    assert await house.ledger("state") == [("sent",)]


async def test_a_retry_of_what_was_acknowledged_meanwhile_is_cancelled(
    database: Database,
) -> None:
    house = await stand_up(database)
    incident = await one_page(house)
    (held,) = await claim(house, "a")
    await house.stop(incident)
    assert await record(house, held, Outcome.RETRY)
    assert await house.ledger("state") == [("cancelled",)]


async def test_a_bundle_being_added_to_is_left_for_the_next_pass(database: Database) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail")
    incidents = await house.incidents(6)
    await house.page("alice", incidents[:5])
    await settle(house.pump)
    house.clock.advance(timedelta(seconds=59.5))
    async with database.transaction() as tx:
        await paging.page(tx, asks("alice", incidents[5:]), house.now)
        house.clock.advance(timedelta(seconds=1))
        assert await claim(house, "a") == []
    (held,) = await claim(house, "a")
    assert held.kind == "bundle"
    # Who pages after that finds the bundle closed, whatever its own clock says.
    (late,) = await house.incidents()
    house.clock = type(house.clock)(house.now - timedelta(seconds=2))
    await house.page("alice", [late])
    assert await house.value("select count(distinct bundle_id) from pages") == 2


async def test_a_node_that_was_paused_does_not_send(database: Database) -> None:
    house = await stand_up(database)
    await one_page(house)
    crash_points.handle(
        lambda name: (
            house.clock.advance(timedelta(seconds=8)) if name == pump_deliveries.CLAIMED else None
        )
    )
    try:
        await house.pump.run_due()
    finally:
        crash_points.handle(None)
    assert house.mail.tried == []
    assert await house.ledger("state, attempts") == [("queued", 1)]
    await settle(house.pump)
    assert len(house.mail.sent) == 1


async def test_what_waited_is_looked_at_again_before_the_send(database: Database) -> None:
    house = await stand_up(database)
    incident = await one_page(house)
    sends, taken = await house.pump._claim()
    assert taken == 1
    house.clock.advance(timedelta(seconds=1))
    await house.stop(incident)
    ended = await house.pump._send(sends[0])
    assert ended.outcome == Outcome.UNWANTED
    async with database.transaction() as tx:
        await paging.record_receipt(tx, ended, house.now)
    assert house.mail.tried == []
    assert await house.ledger("state") == [("cancelled",)]


@pytest.mark.parametrize("name", [p for p in crash_points.POINTS if p.startswith("deliveries.")])
async def test_a_crash_at_any_point_loses_nothing(database: Database, name: str) -> None:
    house = await stand_up(database)
    await house.person("alice", "mail", "push")
    (incident,) = await house.incidents()
    await house.page("alice", [incident])

    def die(reached: str) -> None:
        if reached == name:
            raise crash_points.Crash(name)

    crash_points.handle(die)
    try:
        with pytest.raises(crash_points.Crash):
            await settle(house.pump)
    finally:
        crash_points.handle(None)
    await house.pass_time(house.new_pump("node-2"), seconds=60)
    assert 1 <= len(house.mail.sent) <= 2
    assert len({m.delivery_id for m in house.mail.sent}) == 1
    assert await house.ledger("state") == [("sent",)]
    assert await house.told(incident) == [("mail", "sent", "notification_rule")]


async def test_a_slow_channel_holds_up_neither_others_nor_its_own_free_places(
    database: Database,
) -> None:
    house = await stand_up(database)
    gate = Gate("mail")
    house.channels["mail"] = gate
    freed: list[bool] = []
    pump = house.new_pump("n", lanes={"mail": 2}, on_free=lambda: freed.append(True))
    for number in range(4):
        await house.person(f"p{number}", "mail")
    await house.person("quick", "push")
    (incident,) = await house.incidents()
    async with database.transaction() as tx:
        people = ["p0", "p1", "p2", "p3", "quick"]
        await paging.page(tx, [a for p in people for a in asks(p, [incident])], house.now)
    assert await pump.claim_and_start() == 3
    await until(lambda: gate.waiting == 2 and pump.in_flight == 2)
    assert len(house.push.sent) == 1
    assert await pump.claim_and_start() == 0
    gate.open.set()
    await until(lambda: pump.in_flight == 0)
    assert freed
    assert await pump.claim_and_start() == 2
    await pump.drain(5)
    assert len(gate.messages) == 4
    assert {state for (state,) in await house.ledger("state")} == {"sent"}
    assert await pump.claim_and_start() == 0


async def test_a_send_without_an_answer_ends_within_the_lease(database: Database) -> None:
    house = await stand_up(database)
    gate = Gate("mail")
    house.channels["mail"] = gate
    pump = house.new_pump("n", lease_seconds=0.2)
    await one_page(house)
    await pump.run_due()
    assert await house.ledger("state, detail") == [("queued", "no answer within 0.1 s")]


async def test_what_drain_does_not_see_the_end_of_is_left_to_its_lease(
    database: Database,
) -> None:
    house = await stand_up(database)
    gate = Gate("mail")
    house.channels["mail"] = gate
    pump = house.new_pump("n")
    await one_page(house)
    await pump.claim_and_start()
    await until(lambda: gate.waiting == 1)
    await pump.drain(0.01)
    assert await house.ledger("state") == [("sending",)]
    house.channels["mail"] = house.mail.channel
    await house.pass_time(house.new_pump("m"), seconds=17)
    assert len(house.mail.sent) == 1


async def test_a_channel_that_raises_is_tried_again(database: Database) -> None:
    house = await stand_up(database)
    await one_page(house)

    def fail(message: Message, address: str) -> Receipt:
        raise RuntimeError("a defect")

    house.mail.channel.answers = fail
    await house.pump.run_due()
    assert await house.ledger("state, detail") == [("queued", "RuntimeError: a defect")]


async def test_an_address_that_does_not_open_gives_way_to_the_next(database: Database) -> None:
    house = await stand_up(database)
    mail, _push = await house.person("alice", "mail", "push")
    async with database.transaction() as tx:
        await tx.execute(
            "update contact_methods set address_sealed = 'x' where id = %(id)s", {"id": mail.id}
        )
    (incident,) = await house.incidents()
    await house.page("alice", [incident])
    await settle(house.pump)
    assert (len(house.mail.tried), len(house.push.sent)) == (0, 1)


async def test_the_auditor_finds_what_is_late_and_nothing_else(database: Database) -> None:
    house = await stand_up(database)
    await one_page(house)

    async def findings() -> dict[FindingKind, int]:
        async with database.transaction() as tx:
            return {f.kind: f.count for f in await audit(tx, house.now)}

    house.clock.advance(timedelta(seconds=30))
    assert await findings() == {}
    house.clock.advance(timedelta(seconds=1))
    assert await findings() == {FindingKind.DELIVERIES: 1}
    await claim(house, "a")
    assert await findings() == {}
    house.clock.advance(timedelta(seconds=31))
    assert await findings() == {FindingKind.LEASES: 1}
    async with database.transaction() as tx:
        await tx.execute(
            "insert into inbox (seq, slice, service_id, due_at, quarantined)"
            " values (1, 0, 'PSHOP', %(at)s, true), (2, 0, 'PSHOP', %(at)s, false)",
            {"at": house.now - timedelta(minutes=1)},
        )
        await tx.execute(
            "insert into stages (name, finished_at, node) values ('escalate', %(at)s, 'a')",
            {"at": house.now - timedelta(minutes=1)},
        )
        found = await audit(tx, house.now)
    assert {f.kind: f.is_stuck for f in found} == {
        FindingKind.LEASES: True,
        FindingKind.INBOX: True,
        FindingKind.QUARANTINED: False,
        FindingKind.STAGES: True,
    }
    assert all(f.text() for f in found)


@asynccontextmanager
async def receiver(bodies: list[dict[str, object]]) -> AsyncIterator[str]:
    """A real HTTP server on loopback that takes JSON posts; the first is told to come again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        status = b"503 Busy" if len(bodies) == 1 else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def test_a_real_provider_on_loopback_busy_and_then_well(database: Database) -> None:
    house = await stand_up(database)
    outbound = Outbound(parse_allow_list("127.0.0.0/8"))
    hook = WebhookChannel(outbound)
    house.channels["webhook"] = hook
    await house.person("alice")
    bodies: list[dict[str, object]] = []
    async with receiver(bodies) as url:
        async with database.transaction() as tx:
            await paging.add_contact_method(
                tx,
                SYSTEM,
                paging.ContactMethodDraft(
                    user_id="alice",
                    channel="webhook",
                    label="hook",
                    address=url,
                    secret="s" * 32,
                ),
                house.now,
                channels=house.channels,
                secret_box=BOX,
            )
        (incident,) = await house.incidents()
        await house.page("alice", [incident])
        # A pump on the real clock, which starts where the house's time stands.
        clock = LogicalClock()
        clock.anchor(house.now)
        pump = DeliveryPump(
            database,
            clock,
            channels=house.channels,
            links=lambda i, u: (f"https://t/a/{i}", f"https://t/i/{i}"),
            secret_box=BOX,
            node="real",
        )
        assert await pump.claim_and_start() == 1
        await until(lambda: pump.in_flight == 0)
        await pump.drain(5)
        assert await house.ledger("state, attempts") == [("queued", 1)]
        await house.pass_time(house.new_pump("node-2"), seconds=10)
    await outbound.aclose()
    assert len(bodies) == 2
    assert await house.ledger("state, attempts") == [("sent", 2)]
    assert incident in json.dumps(bodies[1])


@pytest.mark.parametrize("said", ["a\x00b", "half a character: \udc9f"])
async def test_whatever_a_provider_says_its_yes_is_kept(database: Database, said: str) -> None:
    house = await stand_up(database)
    house.mail.answers.append(Sent(detail=said, provider_id=said))
    await one_page(house)
    await house.person("bob", "push")
    (incident,) = await house.incidents()
    await house.page("bob", [incident])
    await house.pass_time(minutes=2)
    assert await house.ledger("user_id, state, attempts") == [
        ("alice", "sent", 1),
        ("bob", "sent", 1),
    ]
    assert len(house.mail.tried) == len(house.push.tried) == 1


async def test_a_message_that_cannot_be_written_holds_up_no_other(database: Database) -> None:
    house = await stand_up(database)
    poison = await one_page(house)
    await house.person("bob", "push")
    (incident,) = await house.incidents()
    await house.page("bob", [incident])
    links = house.pump.links

    def broken(incident: str, user: str) -> tuple[str, str]:
        if incident == poison:
            raise ValueError("no link can be made")
        return links(incident, user)

    house.pump.links = broken
    await settle(house.pump)
    assert await house.ledger("user_id, state, attempts") == [
        ("alice", "queued", 1),
        ("bob", "sent", 1),
    ]
    assert "could not be written" in await house.value("select detail from delivery_attempts")
