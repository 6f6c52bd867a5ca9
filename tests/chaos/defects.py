"""Check the checker: each planted defect must be caught by the run made to expose it, and the same
run without a defect must find nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.chaos import checker, evidence, report
from tests.chaos.arena import Arena, arena
from tests.chaos.checker import Check, Rules
from tests.chaos.client import Connection, Mix
from tests.chaos.nemesis import Nemesis
from tests.chaos.providers import Handed, Mode
from tocsin.core import planted_defects
from tocsin.engine.pump_deliveries import LEASE_SECONDS, SEND_WITHIN

LANES = 3
MIX = Mix(new=0.06, resolve=0.02, acknowledge=0.02)

Act = Callable[[Arena, Nemesis], Awaitable[list[Check]]]


@dataclass(frozen=True)
class Scenario:
    """One short run and the defects it is to expose."""

    name: str
    act: Act
    defects: tuple[str, ...]
    faults: bool = True
    rate: float = 60.0
    roles: dict[str, str] = field(default_factory=lambda: {"one": "all", "two": "engine"})
    settle_seconds: float = 10.0
    # Extra variables for the first start of node one.
    first_start: dict[str, str] = field(default_factory=dict)
    ladder_moved: bool = False
    spoil_schema: tuple[str, ...] = ()
    mix: Mix = MIX


async def database_dies(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """The database is killed under load, and stopped for a while."""
    for hard in (True, False, True):
        await asyncio.sleep(1.5)
        await nemesis.stop_database(hard=hard, down=0.4)
    await asyncio.sleep(1.5)
    return []


async def providers_refuse(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """Both providers answer 500 for a while."""
    await asyncio.sleep(1.0)
    await asyncio.gather(
        nemesis.misbehave(stage.ntfy, Mode.ERROR, 3.0),
        nemesis.misbehave(stage.webhook, Mode.ERROR, 9.0),
    )
    return []


async def answers_are_lost(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """A provider takes every message and never answers."""
    await asyncio.sleep(1.0)
    stage.ntfy.drop_every_answer = True
    await nemesis.misbehave(stage.ntfy, Mode.DROP, 8.0)
    return []


async def provider_is_slow(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """A provider takes its time, which is no fault: each message once."""
    stage.ntfy.mode = Mode.SLOW
    await asyncio.sleep(8.0)
    return []


async def clock_jumps(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """The wall clock is set back by an hour."""
    await asyncio.sleep(3.0)
    began = time.time()
    stage.jump_wall_clock(-3600.0)
    await asyncio.sleep(8.0)
    stage.fault("jumps back an hour", "wall clock", began)
    return []


async def process_dies_after_commit(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """The process dies right after the commit of a batch of events."""
    (node,) = stage.nodes
    began = time.time()
    while not node.died_at_point and time.time() - began < 15.0:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.05)
    stage.fault("died", "one", began)
    node.start()
    await asyncio.sleep(3.0)
    return []


async def nothing_happens(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """Two nodes share the work and nobody disturbs them."""
    await asyncio.sleep(6.0)
    return []


async def holder_is_late(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """A node is stopped while it sends, until another has the delivery, and then wakes up."""
    held: dict[str, list[asyncio.Future[None]]] = {}
    first: asyncio.Future[Handed] = asyncio.get_running_loop().create_future()
    second: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hold(handed: Handed) -> "asyncio.Future[None] | None":
        id = handed.delivery_id or ""
        if not held and not first.done():
            held[id] = []
            first.set_result(handed)
        if id not in held or len(held[id]) >= 2:
            return None
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        held[id].append(waiting)
        if len(held[id]) == 2:
            second.set_result(None)
        return waiting

    stage.webhook.hold = hold
    handed = await asyncio.wait_for(first, 20.0)
    holder = "select n.name from deliveries d join nodes n on n.id = d.leased_by where d.id = %s"
    ((name,),) = await stage.query(holder, [handed.delivery_id])
    began = time.time()
    node = next(node for node in stage.nodes if node.name == name)
    pause = asyncio.create_task(nemesis.pause_until(node, second))
    await asyncio.wait_for(asyncio.shield(second), LEASE_SECONDS + 10.0)
    await pause
    # Nearly as long as a send may last: what the first holder says meanwhile must not matter.
    until = time.monotonic() + LEASE_SECONDS * SEND_WITHIN - 0.5
    state = "select state, leased_until is not null from deliveries where id = %s"
    meddled = []
    while time.monotonic() < until:
        (row,) = await stage.query(state, [handed.delivery_id])
        if row != ("sending", True):
            meddled.append(f"delivery {handed.delivery_id} is {row[0]} while another node sends it")
        await asyncio.sleep(0.1)
    for waiting in held[handed.delivery_id or ""]:
        waiting.set_result(None)
    stage.fault("held back", "webhook", began)
    await asyncio.sleep(1.0)
    return [Check("a holder that lost its lease changes nothing", tuple(meddled[:1]))]


async def engine_is_stuck(stage: Arena, nemesis: Nemesis) -> list[Check]:
    """A ladder cannot move, because somebody holds its incident: the server must say so."""
    await asyncio.sleep(3.0)
    async with await psycopg.AsyncConnection.connect(stage.dsn) as holder:
        rows = await holder.execute(
            "select i.id from incidents i join escalation_runs r on r.incident_id = i.id"
            " where r.state = 'running' and i.status = 'triggered' limit 1 for update of i"
        )
        (incident,) = await rows.fetchone() or ("",)
        await stage.query(
            "update escalation_runs set due_at = (select at from logical_time) - interval '40 s'"
            " where incident_id = %s and state = 'running'",
            [incident],
        )
        connection = Connection(stage.port)
        noticed = False
        for _ in range(20):
            if await connection.get("/readyz") == 503 and b"escalations_overdue" in connection.body:
                noticed = True
                break
            await asyncio.sleep(0.5)
        connection.close()
        await holder.rollback()
    why = () if noticed else ("/readyz said all is well with a ladder overdue",)
    return [Check("what is overdue is noticed", why)]


SCENARIOS = (
    Scenario(
        "the database dies",
        database_dies,
        ("answer_before_commit", "asynchronous_commit", "swallowed_exception"),
        rate=200.0,
    ),
    Scenario("providers refuse", providers_refuse, ("sent_before_sending", "any_answer_is_sent")),
    Scenario("answers are lost", answers_are_lost, ("unlimited_retry",)),
    Scenario("a provider is slow", provider_is_slow, ("no_lease",), faults=False),
    Scenario("the wall clock jumps", clock_jumps, ("wall_clock",)),
    Scenario(
        "dead right after a commit",
        process_dies_after_commit,
        ("publish_after_commit",),
        roles={"one": "all"},
        first_start={"TOCSIN_CRASH_AT": "intake.committed:5"},
        # Every event opens an incident, and the first of a person are sent alone.
        mix=Mix(new=1.0),
        # What the dead process had leased is taken up when its lease has run out.
        settle_seconds=LEASE_SECONDS + 8.0,
    ),
    Scenario(
        "two nodes race",
        nothing_happens,
        ("no_unique_index",),
        faults=False,
        rate=200.0,
        spoil_schema=(
            "drop index alerts_open_key",
            "alter table event_outcomes drop constraint event_outcomes_pkey",
        ),
    ),
    Scenario("the holder is late", holder_is_late, ("no_fence",), rate=15.0),
    Scenario(
        "the engine is stuck",
        engine_is_stuck,
        ("auditor_off",),
        roles={"one": "all"},
        ladder_moved=True,
    ),
)


async def all_caught(seed: int, only: list[str], keep: Path | None) -> bool:
    """Every defect in its scenario, and every scenario without one; whether each came out right."""
    missing = set(planted_defects.NAMES) - {d for s in SCENARIOS for d in s.defects}
    assert not missing, f"no scenario exposes {missing}"
    wanted: list[tuple[Scenario, str | None]] = []
    for scenario in sorted(SCENARIOS, key=lambda one: one.name != "the holder is late"):
        names = [name for name in scenario.defects if not only or name in only]
        if names:
            wanted += [(scenario, None), *((scenario, name) for name in names)]
    caught = sum(defect is not None for _, defect in wanted)
    report.say(f"planted defects: {caught}, seed {seed}")
    began = time.monotonic()
    lanes = asyncio.Semaphore(LANES)

    async def one(scenario: Scenario, defect: str | None) -> bool:
        async with lanes:
            try:
                return await _expose(scenario, defect, seed, keep)
            except (RuntimeError, TimeoutError, psycopg.Error) as error:
                report.say(f"  {'BROKEN':<12}{defect or 'no defect':<24}{scenario.name}: {error!r}")
                return False

    good = await asyncio.gather(*(one(*pair) for pair in wanted))
    report.say(f"  {time.monotonic() - began:.0f} s")
    report.say(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return all(good)


async def _expose(scenario: Scenario, defect: str | None, seed: int, keep: Path | None) -> bool:
    environment = {}
    if defect is not None:
        environment = {"TOCSIN_PLANTED_DEFECT": defect, "TOCSIN_TEST_PLANTED": "1"}
    folder = keep / (defect or f"control {scenario.name}") if keep else None
    async with arena(
        seed=seed,
        rate=scenario.rate,
        roles=scenario.roles,
        size=20,
        mix=scenario.mix,
        environment=environment,
        keep=folder,
    ) as stage:
        if defect is not None:
            for statement in scenario.spoil_schema:
                await stage.query(statement)
        stage.nodes[0].start(**scenario.first_start)
        for node in stage.nodes[1:]:
            node.start()
        over = asyncio.Event()
        await stage.ready()
        load = asyncio.create_task(stage.client.send_for(60.0, over))
        checks = await scenario.act(stage, Nemesis(stage, seed))
        over.set()
        await load
        left = await stage.settle(scenario.settle_seconds)
        found = await evidence.take(stage)
        rules = Rules(faults=scenario.faults, ladder_moved=scenario.ladder_moved)
        checks += checker.check(found, rules)
        if left is not None:
            checks.append(Check("everything due was done in the end", (left,)))
        broken = checker.failed(checks)
        if defect is None:
            report.verdict(checks, f"without a defect, {scenario.name}")
            report.say(f"  {'FAILED' if broken else 'ok':<12}{'no defect':<24}{scenario.name}")
            return not broken
        report.say(f"  {'caught' if broken else 'NOT CAUGHT':<12}{defect:<24}{scenario.name}")
        for one in broken[:3]:
            report.say(f"{'':<14}{one.name} ({len(one.violations)}): {one.violations[0]}")
        return bool(broken)
