"""Hand-offs: whoever asked for it is told once before a turn begins or ends, by their own clock."""

from datetime import UTC, datetime, timedelta

from tests.support.world import Person, World
from tocsin.accounts.model import SYSTEM
from tocsin.catalog import actions as catalog
from tocsin.channels.model import Retry
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.handoffs import actions as handoffs
from tocsin.handoffs.actions import RuleDraft
from tocsin.paging import actions as paging
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, OverrideDraft

BERLIN = "Europe/Berlin"
# Clocks in Berlin go from 02:00 to 03:00 on Sunday, 29 March 2026; both hand-offs are at 09:00.
BEFORE = datetime(2026, 3, 23, 8, tzinfo=UTC)
AFTER = datetime(2026, 3, 30, 7, tzinfo=UTC)
ANN_ENDS = "Your turn on call for nights ends Mon 30 Mar 09:00; bob is next (Europe/Berlin)"
BOB_BEGINS = "You are on call for nights from Mon 30 Mar 09:00 until Mon 6 Apr 09:00, after ann"


async def at(world: World, when: datetime) -> None:
    """It is this time, and the engine has done what is due."""
    world.clock.move_to(when)
    await world.settle()


async def asks(world: World, person: Person, direction: str, minutes: int) -> str:
    """The person wants to be told so many minutes before; the rule."""
    async with world.database.transaction() as tx:
        (method,) = await paging.contact_methods(tx, person.actor, person.user.id)
        draft = RuleDraft(
            user_id=person.user.id,
            contact_method_id=method.id,
            direction=direction,
            advance_seconds=minutes * 60,
        )
        rule = await handoffs.add_rule(tx, person.actor, draft, world.clock.now())
    await world.settle()
    return rule.id


async def nights(world: World, *people: Person) -> str:
    """A schedule that is handed over on Mondays at nine; its id."""
    layer = LayerDraft(
        rotation_virtual_start=BEFORE,
        rotation_turn_length_seconds=604_800,
        members=tuple(person.user.id for person in people),
    )
    return await world.schedule("nights", BERLIN, [layer])


def told(person: Person) -> list[str]:
    """What the person's phone shows; it is then looked at."""
    messages, found = person.shown(), []
    while messages:
        message = messages.pop(0)
        assert message.kind == "notice"
        assert message.acknowledge_url is None
        assert message.incidents == ()
        assert message.incident_url is not None
        assert "/app/schedules/" in message.incident_url
        found.append(message.reason)
    return found


async def test_across_the_change_of_clocks(world: World) -> None:
    ann, bob = await world.person("ann", zone=BERLIN), await world.person("bob", zone=BERLIN)
    schedule = await nights(world, ann, bob)
    await world.service("checkout", [[schedule]])
    await at(world, BEFORE + timedelta(hours=1))
    await asks(world, ann, "both", 60)
    await asks(world, bob, "oncall", 90)
    # Ann's turn began an hour ago: that is no news.
    assert told(ann) == []
    await at(world, AFTER - timedelta(minutes=91))
    assert (told(ann), told(bob)) == ([], [])
    await at(world, AFTER - timedelta(minutes=90))
    assert told(bob) == [f"{BOB_BEGINS} (Europe/Berlin)"]
    await at(world, AFTER - timedelta(minutes=60))
    assert told(ann) == [ANN_ENDS]
    # Once: whatever is looked at again, and on the hand-off itself.
    for minutes in (-59, -10, 0, 5, 60):
        await at(world, AFTER + timedelta(minutes=minutes))
    assert (told(ann), told(bob)) == ([], [])
    # A week later it is the other way round, and Bob did not ask for the end of his turn.
    await at(world, AFTER + timedelta(days=7, minutes=-60))
    (text,) = told(ann)
    assert text.startswith("You are on call for nights from Mon 6 Apr 09:00")
    assert told(bob) == []


async def test_a_change_of_the_schedule_is_heeded(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    cleo = await world.person("cleo")
    schedule = await nights(world, ann, bob)
    await world.service("checkout", [[schedule]])
    await at(world, AFTER - timedelta(hours=3))
    await asks(world, bob, "oncall", 60)
    await asks(world, cleo, "both", 60)
    async with world.database.transaction() as tx:
        cover = OverrideDraft(
            user_id=cleo.user.id,
            start=AFTER - timedelta(hours=1),
            end=AFTER + timedelta(hours=2),
        )
        now = world.clock.now()
        (outcome,) = await schedules.add_overrides(tx, SYSTEM, schedule, [cover], now)
    await at(world, AFTER - timedelta(hours=2))
    (text,) = told(cleo)
    assert text.startswith(
        "You are on call for nights from Mon 30 Mar 06:00 until Mon 30 Mar 09:00"
    )
    await at(world, AFTER - timedelta(minutes=59))
    assert told(bob) == []
    assert outcome.override is not None
    async with world.database.transaction() as tx:
        await schedules.remove_override(
            tx, SYSTEM, schedule, outcome.override.id, world.clock.now()
        )
    await world.settle()
    # Now it is Bob's turn in less than an hour, and Cleo's is over.
    (text,) = told(bob)
    assert text.startswith("You are on call for nights from Mon 30 Mar 07:00")
    (text,) = told(cleo)
    assert text.startswith("Your turn on call for nights ends Mon 30 Mar 06:01; ann is next")


async def test_only_while_a_policy_in_use_names_the_schedule(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    schedule = await nights(world, ann, bob)
    await at(world, AFTER - timedelta(days=1))
    await asks(world, bob, "oncall", 60)
    target = Target(kind=TargetKind.SCHEDULE, id=schedule)
    level = LevelInput(delay_minutes=5, targets=(target,))
    wanted = PolicyInput(name="spare", levels=(level,))
    async with world.database.transaction() as tx:
        policy = await escalations.create_policy(tx, SYSTEM, wanted, world.clock.now())
    await at(world, AFTER - timedelta(hours=1))
    assert told(bob) == []
    async with world.database.transaction() as tx:
        always = PolicyInput(name="spare", levels=(level,), handoff_notifications="always")
        await escalations.update_policy(tx, SYSTEM, policy.id, always, world.clock.now())
    await at(world, AFTER - timedelta(minutes=55))
    assert len(told(bob)) == 1


async def test_a_service_that_goes_takes_the_notices_along(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    service = await world.service("checkout", [[await nights(world, ann, bob)]])
    await at(world, AFTER - timedelta(days=1))
    await asks(world, bob, "oncall", 60)
    async with world.database.transaction() as tx:
        await catalog.delete_service(tx, SYSTEM, service.id, world.clock.now())
    await at(world, AFTER - timedelta(hours=1))
    assert told(bob) == []


async def test_an_outage_brings_no_flood_and_a_failed_send_is_tried_again(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [[await nights(world, ann, bob)]])
    await at(world, AFTER - timedelta(days=1))
    await asks(world, ann, "both", 60)
    await asks(world, bob, "both", 60)
    # Nobody looks until the hand-off is long over.
    await at(world, AFTER + timedelta(minutes=11))
    assert (told(ann), told(bob)) == ([], [])
    world.channels["phone"].outcome = lambda message, address: Retry(detail="busy")
    await at(world, AFTER + timedelta(days=7, minutes=-60))
    assert (told(ann), told(bob)) == ([], [])
    world.channels["phone"].outcome = None
    await world.advance(minutes=2)
    assert (len(told(ann)), len(told(bob))) == (1, 1)


async def test_what_waited_too_long_to_be_sent_is_left_unsent(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [[await nights(world, ann, bob)]])
    await at(world, AFTER - timedelta(days=1))
    await asks(world, bob, "oncall", 0)
    world.channels["phone"].outcome = lambda message, address: Retry(detail="busy")
    await at(world, AFTER)
    await world.advance(minutes=10)
    world.channels["phone"].outcome = None
    await world.advance(minutes=10)
    assert told(bob) == []
    # Tocsin itself told its owner that nothing got through.
    ann.shown().clear()
    async with world.database.transaction() as tx:
        states = await tx.tuples("select state, detail from deliveries where kind = 'handoff'")
    assert states == [("cancelled", "nothing_open")]


async def test_nobody_is_told_after_the_rule_or_the_method_is_gone(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await world.service("checkout", [[await nights(world, ann, bob)]])
    await at(world, AFTER - timedelta(days=1))
    rule = await asks(world, ann, "offcall", 60)
    await asks(world, bob, "oncall", 60)
    async with world.database.transaction() as tx:
        now = world.clock.now()
        await handoffs.remove_rule(tx, ann.actor, ann.user.id, rule, now)
        (method,) = await paging.contact_methods(tx, SYSTEM, bob.user.id)
        await paging.remove_contact_method(tx, SYSTEM, method.id, now)
    await at(world, AFTER - timedelta(minutes=60))
    assert (told(ann), told(bob)) == ([], [])
