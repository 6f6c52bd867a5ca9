"""The everyday run: a calm quarter of a minute, then faults, then the reckoning."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import checker, evidence, report
from tests.chaos.arena import Arena, arena
from tests.chaos.checker import Check, Rules
from tests.chaos.nemesis import Nemesis

ROLES = {"one": "all", "two": "engine"}
SERVICES = 80
CALM_SECONDS = 15.0
SETTLE_SECONDS = 25.0
RULES = Rules(faults=True)


async def everyday(minutes: float, seed: int, rate: float, keep: Path | None = None) -> bool:
    """One run of about `minutes` in all; whether everything held."""
    calm = CALM_SECONDS
    overhead = 12.0
    raging = max(20.0, minutes * 60.0 - calm - overhead)
    pauses = 1 if raging < 300 else int(raging / 150)
    async with arena(seed=seed, rate=rate, roles=ROLES, size=SERVICES, keep=keep) as stage:
        for node in stage.nodes:
            node.start()
        await stage.ready()
        load = asyncio.create_task(stage.client.send_for(calm + raging))
        await asyncio.sleep(calm)
        stage.calm_until = time.time()
        await Nemesis(stage, seed, long_pauses=pauses).rage(raging)
        await load
        left = await stage.settle(SETTLE_SECONDS)
        found = await evidence.take(stage)
        checks = checker.check(found, RULES)
        report.table(found, seed)
        checks.append(_settled(left))
        checks.append(_enough(stage, minutes))
        broken = report.verdict(checks)
        if broken:
            report.say(stage.last_lines())
    report.say(f"{len(checks) - broken} passed, {broken} failed")
    return not broken


def _settled(left: str | None) -> Check:
    return Check("everything due was done in the end", () if left is None else (left,))


def _enough(stage: Arena, minutes: float) -> Check:
    count = len(stage.faults)
    few: Sequence[str] = () if minutes < 1.5 or count >= 25 else (f"only {count} faults",)
    return Check("there were faults enough", tuple(few))
