"""By day an alert pages; at night it waits, and is urgent when the support hours begin."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.world import World, make_world
from tocsin.accounts.model import SYSTEM
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Hours, ServiceChange

# A Sunday evening in Berlin, and the night in which the clock goes forward has just passed.
SUNDAY = datetime(2026, 3, 29, 20, 0, tzinfo=UTC)
OFFICE = Hours(
    time_zone="Europe/Berlin",
    days=[1, 2, 3, 4, 5],
    start="09:00",
    end="17:00",
    urgency_outside="low",
    raise_at=["support_hours_start"],
)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, SUNDAY) as made:
        yield made
        made.ends()


async def test_what_is_still_open_in_the_morning_pages(world: World) -> None:
    await world.person(
        "ann", rules=[("phone", "high", 0), ("mail", "low", 0)], channels=("phone", "mail")
    )
    await world.person("bob")
    await world.service("web", [["ann"], ["bob"]], hours=OFFICE, auto_resolve_timeout=None)
    await world.trigger("web", "slow")
    world["ann"].expects_page("slow", channel="mail")
    # Nine o'clock in Berlin is seven in UTC from this day on.
    await world.advance(hours=10, minutes=59)
    assert (await world.incident("slow")).urgency == "low"
    await world.advance(minutes=1)
    world["ann"].expects_page("slow")
    assert (await world.incident("slow")).urgency == "high"
    assert ("urgency_change", "support_hours_start") in await world.reasons("slow")
    await world.advance(minutes=5)
    world["bob"].expects_page("slow")
    await world["bob"].acknowledges("slow")
    await world.resolve("web", "slow")
    # By day an alert is urgent at once.
    await world.trigger("web", "down")
    world["ann"].expects_page("down")
    await world.resolve("web", "down")


async def test_a_morning_that_nobody_worked_is_not_made_up_for_at_night(world: World) -> None:
    await world.person("ann")
    await world.service("web", [["ann"]], hours=OFFICE, auto_resolve_timeout=None)
    await world.trigger("web", "slow")
    world["ann"].expects_page("slow")
    # The engine stood still from before nine until after five.
    world.clock.move_to(datetime(2026, 3, 30, 18, 0, tzinfo=UTC))
    await world.settle()
    assert (await world.incident("slow")).urgency == "low"
    await world.advance(hours=13)
    world["ann"].expects_page("slow")
    await world.resolve("web", "slow")


async def test_hours_that_change_count_for_what_is_open(world: World) -> None:
    await world.person("ann")
    service = await world.service("web", [["ann"]], urgency_rule="low")
    await world.trigger("web", "slow")
    world["ann"].expects_page("slow")
    early = Hours(
        time_zone="Etc/UTC",
        days=[7],
        start="21:00:00",
        end="22:00:00",
        urgency_outside="low",
        raise_at=["support_hours_start"],
    )
    async with world.database.transaction() as tx:
        change = ServiceChange(urgency_rule="high", hours=early)
        await catalog.update_service(tx, SYSTEM, service.id, change, world.clock.now())
    await world.advance(hours=1)
    world["ann"].expects_page("slow")
    await world.resolve("web", "slow")
