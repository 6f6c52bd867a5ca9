"""The schedule hands over at midnight, in the night the clocks change as in any other."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.world import World
from tocsin.schedules.drafts import LayerDraft

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
async def test_midnight_is_midnight_on_both_days_of_the_change(world: World, change: str) -> None:
    changed = datetime.fromisoformat(change).replace(tzinfo=BERLIN)
    await world.person("ann")
    await world.person("bob")
    start = datetime(2026, 3, 1, tzinfo=BERLIN).astimezone(UTC)
    schedule = await world.schedule(
        "daily",
        "Europe/Berlin",
        [
            LayerDraft(
                rotation_virtual_start=start,
                rotation_turn_length_seconds=86_400,
                members=(world["ann"].user.id, world["bob"].user.id),
            )
        ],
    )
    await world.service("checkout", [[schedule]], minutes=720, auto_resolve_timeout=None)
    days = (changed.date() - date(2026, 3, 1)).days
    for offset in (0, 1):
        midnight = (changed + timedelta(days=offset)).astimezone(UTC)
        first = ["ann", "bob"][(days + offset) % 2]
        before = ["ann", "bob"][(days + offset - 1) % 2]
        await world.advance(midnight - timedelta(minutes=1) - world.clock.now())
        await world.trigger("checkout", f"before-{offset}")
        world[before].expects_page(f"before-{offset}")
        await world.resolve("checkout", f"before-{offset}")
        await world.advance(minutes=1)
        await world.trigger("checkout", f"after-{offset}")
        world[first].expects_page(f"after-{offset}")
        await world.resolve("checkout", f"after-{offset}")
