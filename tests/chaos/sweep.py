"""The crash-point sweep: one run for every named place, in which the process dies right there and
is started again; everything must hold afterwards.

Time that a run cannot wait for is moved in the database: ladders and timers are made due, so that
their places are reached within seconds.
"""

import asyncio
import importlib
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.chaos import checker, evidence, report
from tests.chaos.arena import Arena, arena
from tests.chaos.checker import Rules
from tests.chaos.client import Mix
from tests.chaos.listener import Listener
from tocsin.core import crash_points
from tocsin.engine.pump_deliveries import LEASE_SECONDS

LANES = 3
RATE = 30.0
DEATH_SECONDS = 25.0
SETTLE_SECONDS = LEASE_SECONDS + 10.0
MIX = Mix(new=0.15, resolve=0.05, acknowledge=0.1)
RULES = Rules(faults=True, ladder_moved=True)
# How often a place is passed before the process dies there: amid work, not at its start.
TIMES = {"ingest": 20, "intake": 20, "deliveries": 8, "react": 8, "webhooks": 8}
ONCE = {"deliveries.taken_back", "deliveries.folded"}

MAKE_LADDERS_DUE = """
update escalation_runs set due_at = (select at from logical_time)
where state = 'running' and level = 1 and incident_id in (
    select incident_id from escalation_runs where state = 'running' and level = 1
    order by incident_id limit 3)
"""
MAKE_TIMERS_DUE = """
update incident_timers set due_at = (select at from logical_time)
where (incident_id, kind) in (select incident_id, kind from incident_timers
    where kind = 'acknowledgement_timeout' order by due_at limit 3)
"""
# A moment of maintenance of one service after the other.
MAINTAIN = """
insert into maintenance_windows (id, description, service_ids, starts_at, ends_at, created_at)
select 'PCHAOS' || (select count(*) from maintenance_windows), 'chaos', array[s.id], t.at,
    t.at + interval '2 seconds', t.at
from logical_time t, (
    select id from services order by id
    limit 1 offset (select mod(count(*), 10) from maintenance_windows)) s
"""


def points() -> list[str]:
    """Every place the program names: all its modules are loaded with it."""
    importlib.import_module("tocsin.app")
    return sorted(crash_points.POINTS)


async def sweep(seed: int, only: list[str], keep: Path | None) -> bool:
    """Every point once; whether everything held at each."""
    wanted = [name for name in points() if not only or name in only]
    report.say(f"crash-point sweep: {len(wanted)} points, seed {seed}")
    began = time.monotonic()
    lanes = asyncio.Semaphore(LANES)

    async def one(name: str) -> bool:
        async with lanes:
            try:
                return await _die_at(name, seed, keep / name if keep else None)
            except (RuntimeError, TimeoutError, psycopg.Error) as error:
                report.say(f"  {'BROKEN':<8}{name}: {error}")
                return False

    good = await asyncio.gather(*map(one, wanted))
    report.say(f"  {time.monotonic() - began:.0f} s")
    report.say(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return all(good)


async def _die_at(name: str, seed: int, keep: Path | None) -> bool:
    times = 1 if name in ONCE else TIMES.get(name.partition(".")[0], 1)
    began = time.monotonic()
    roles = {"one": "all"}
    async with arena(seed=seed, rate=RATE, roles=roles, size=10, mix=MIX, keep=keep) as stage:
        (node,) = stage.nodes
        listener = Listener()
        await listener.start(stage)
        node.start(TOCSIN_CRASH_AT=f"{name}:{times}")
        over = asyncio.Event()
        load = asyncio.create_task(stage.client.send_for(DEATH_SECONDS, over))
        hurry = asyncio.create_task(_hurry(stage))
        died = await _death(stage)
        if not died:
            await node.kill()
        down = time.time()
        node.start()
        await stage.ready()
        stage.fault("died", name, down)
        await asyncio.sleep(1.5)
        over.set()
        hurry.cancel()
        await load
        left = await stage.settle(SETTLE_SECONDS)
        found = await evidence.take(stage)
        checks = checker.check(found, RULES)
        checks += await listener.check(stage)
        await listener.stop()
        if left is not None:
            checks.append(checker.Check("everything due was done in the end", (left,)))
        if not died:
            why = f"never within {DEATH_SECONDS:.0f} s"
            checks.append(checker.Check("the point is reached", (why,)))
        broken = report.verdict(checks, f"at {name}")
        verdict = "ok" if not broken else "FAILED"
        report.say(
            f"  {verdict:<8}{name:<34}{len(stage.ledger.accepted):>5} events"
            f"{len(found.sends):>5} deliveries{time.monotonic() - began:>6.1f} s"
        )
        if broken:
            report.say(stage.last_lines())
    return not broken


async def _death(stage: Arena) -> bool:
    """Wait until the process has died at its point."""
    deadline = time.monotonic() + DEATH_SECONDS
    (node,) = stage.nodes
    while time.monotonic() < deadline:
        if node.died_at_point:
            return True
        if not node.running:
            raise RuntimeError(f"the server ended by itself:\n{stage.last_lines()}")
        await asyncio.sleep(0.05)
    return False


async def _hurry(stage: Arena) -> None:
    """Make a few ladders and timers due every other second, and maintain a service."""
    while True:
        await asyncio.sleep(2.0)
        with suppress(psycopg.Error):
            await stage.query(MAKE_LADDERS_DUE)
            await stage.query(MAKE_TIMERS_DUE)
            await stage.query(MAINTAIN)
