"""One seed, one run: a day or two of an installation's life in a second or two."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.simulation.checks import violations
from tests.simulation.house import Chance, House, make_house
from tocsin.core.crash_points import Crash
from tocsin.core.database import Retry

START = datetime(2026, 3, 28, 18, 0, tzinfo=UTC)
STAGES = (
    "intake",
    "timers",
    "maintenance",
    "pauses",
    "hours",
    "escalate",
    "responders",
    "deliveries",
    "seal",
)
STEPS = 45


class Result(msgspec.Struct, kw_only=True):
    """What came of a seed."""

    seed: int
    events: int = 0
    messages: int = 0
    crashes: int = 0
    held: int = 0
    violations: list[str] = []


async def run_seed(seed: int, dsn: str, data_dir: Path) -> Result:
    """Live through the seed's days, heal everything, and check."""
    asyncio.get_running_loop().set_exception_handler(_only_crashes_are_quiet)
    async with make_house(seed, dsn, data_dir, START) as house:
        faultless = seed % 5 == 0
        for _ in range(STEPS):
            house.chance = Chance() if faultless else _weather(house)
            await _step(house, faultless=faultless)
        house.chance = Chance()
        # Long enough for every lease to run out and every retry to be over.
        await _quiet_time(house, timedelta(hours=2))
        return Result(
            seed=seed,
            events=house.accepted,
            messages=len(house.handed),
            crashes=len(house.crashes),
            held=await house.held(),
            violations=await violations(house, faultless=faultless),
        )


def _only_crashes_are_quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A task that died of a simulated crash has nobody left to tell."""
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)


def _weather(house: House) -> Chance:
    draw = house.random
    return Chance(
        crash=draw.choice([0.0, 0.0, 0.02, 0.1]),
        retry=draw.choice([0.0, 0.0, 0.3, 1.0]),
        dead=draw.choice([0.0, 0.0, 0.0, 0.1]),
        lost_answer=draw.choice([0.0, 0.0, 0.2]),
    )


async def _step(house: House, *, faultless: bool) -> None:
    draw = house.random
    for _ in range(draw.choice([0, 0, 1, 1, 2, 5])):
        action = draw.choice(["trigger"] * 6 + ["resolve"] * 3 + ["acknowledge"])
        await house.event(action, draw.choice(house.keys), f"key-{draw.randrange(8)}")
    for _ in range(draw.choice([0, 0, 1, 2])):
        try:
            await house.person_acts()
        except Retry:
            continue
    if draw.random() < 0.15:
        await house.maintain()
    if draw.random() < 0.3:
        try:
            await house.help_wanted()
        except Retry:
            # Nothing was changed: the person would press again.
            return
    kind = draw.random()
    if kind < 0.35:
        await house.one_pass(STAGES)
        house.move_to(house.now + timedelta(seconds=draw.choice([0.2, 1, 5])))
    elif kind < 0.9 or faultless:
        await _quiet_time(house, timedelta(minutes=draw.choice([1, 3, 10])))
    else:
        # The engine stands still, longer than a lease and sometimes longer than a step is fresh.
        house.move_to(house.now + timedelta(minutes=draw.choice([1, 5, 25])))


async def _quiet_time(house: House, span: timedelta) -> None:
    """Let the engine work for this long, stopping wherever something is due."""
    until = house.now + span
    while True:
        await house.settle(STAGES)
        due = await house.next_due()
        if due is None or due > until:
            break
        house.move_to(max(due, house.now + timedelta(seconds=1)))
    house.move_to(until)
    await house.settle(STAGES)
