"""An override: whoever covers is asked during it, and whose turn it is before and after."""

from datetime import timedelta

from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, OverrideDraft


async def test_an_override_covers_exactly_its_time(world: World) -> None:
    ann = await world.person("ann")
    bob = await world.person("bob")
    now = world.clock.now()
    nights = await world.schedule(
        "always ann",
        "Etc/UTC",
        [
            LayerDraft(
                rotation_virtual_start=now,
                rotation_turn_length_seconds=604_800,
                members=(ann.user.id,),
            )
        ],
    )
    await world.service("checkout", [[nights]], minutes=60, auto_resolve_timeout=None)
    start, end = now + timedelta(hours=1), now + timedelta(hours=3)
    async with world.database.transaction() as tx:
        cover = OverrideDraft(user_id=bob.user.id, start=start, end=end)
        [outcome] = await schedules.add_overrides(tx, SYSTEM, nights, [cover], now)
        assert outcome.error is None

    expected = [("before", -1, ann), ("begun", 0, bob), ("ending", 7199, bob), ("over", 7200, ann)]
    for title, seconds, person in expected:
        await world.advance(start + timedelta(seconds=seconds) - world.clock.now())
        await world.trigger("checkout", title)
        person.expects_page(title)
        await world.resolve("checkout", title)


async def test_the_rung_asks_who_is_on_call_when_it_is_reached(world: World) -> None:
    """The hand-over lies between the two rungs: the second asks the one who is on call by then."""
    ann = await world.person("ann")
    bob = await world.person("bob")
    now = world.clock.now()
    schedule = await world.schedule(
        "always ann",
        "Etc/UTC",
        [
            LayerDraft(
                rotation_virtual_start=now,
                rotation_turn_length_seconds=604_800,
                members=(ann.user.id,),
            )
        ],
    )
    await world.service("checkout", [[schedule], [schedule]], minutes=10, auto_resolve_timeout=None)
    await world.trigger("checkout", "db-down")
    ann.expects_page("db-down")
    async with world.database.transaction() as tx:
        cover = OverrideDraft(
            user_id=bob.user.id, start=now + timedelta(minutes=5), end=now + timedelta(hours=1)
        )
        await schedules.add_overrides(tx, SYSTEM, schedule, [cover], now)
    await world.advance(minutes=10)
    bob.expects_page("db-down")
    ann.expects_nothing()
    await world.resolve("checkout", "db-down")
