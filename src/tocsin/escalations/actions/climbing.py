"""Ask ladders for their next move, many at a time, and keep the runs.

The caller is the incidents area and holds the rows of all incidents it asks for. Who is on call is
asked once for all schedules of a batch; round-robin turns are locked in id order, used in the order
of the questions, and written in one statement.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from tocsin.core.database import Tx
from tocsin.escalations import ladder as rules
from tocsin.escalations import store
from tocsin.escalations.model import (
    Climb,
    Decision,
    Ladder,
    Move,
    Person,
    Run,
    Rung,
    Scene,
    Strategy,
    TargetKind,
)
from tocsin.schedules import actions as schedules


async def ladders(tx: Tx, policy_ids: Iterable[str], *, live: bool = False) -> dict[str, Ladder]:
    """Today's policies as ladders, to be kept by incidents that open now.

    With `live`, deleted policies are left out; a service's own policy is never one.
    """
    found = await store.policies(tx, sorted(set(policy_ids)), deleted=not live)
    return {
        policy.id: Ladder(
            policy_id=policy.id,
            policy_name=policy.name,
            loops=policy.loops,
            levels=policy.levels,
        )
        for policy in found.values()
    }


async def people(tx: Tx, user_ids: Iterable[str]) -> dict[str, Person]:
    """Users who exist, with their name and whether they have a contact method."""
    return await store.people(tx, set(user_ids))


async def climb(
    tx: Tx, climbs: Sequence[Climb], now: datetime
) -> tuple[list[Decision | None], dict[str, Person]]:
    """The next move of each, in order, and the people the moves speak of.

    A MOVE_TO that finds nobody is None. Turns that were used are saved.
    """
    if not climbs:
        return [], {}
    asked = {id(climb.ladder): climb.ladder for climb in climbs}
    extra = {user for climb in climbs for user in climb.assignees}
    turns = await store.turns(tx, _round_robin(asked.values()), lock=True)
    before = dict(turns)
    # `turns` moves on between decisions: two incidents of one batch take two turns.
    scene = await _scene(tx, asked.values(), extra, turns, now)
    decisions: list[Decision | None] = []
    known: dict[tuple[object, ...], Decision | None] = {}
    for climb in climbs:
        key = (
            id(climb.ladder),
            climb.move,
            climb.progress,
            climb.level,
            climb.assignees,
            climb.climbs,
        )
        if key in known:
            decisions.append(known[key])
            continue
        decision = _decide(climb, scene, now)
        if decision is None or decision.turn is None:
            # Same question, same answer: a storm on one policy is decided once.
            known[key] = decision
        elif decision.turn in turns:
            turns[decision.turn] += 1
        decisions.append(decision)
    await store.save_turns(tx, {id: n for id, n in turns.items() if n != before[id]})
    return decisions, dict(scene.people)


async def preview(tx: Tx, incident_id: str, now: datetime) -> tuple[Rung, ...]:
    """The rungs still to come for an incident, soonest first, if nobody answers before.

    Empty when its ladder is not running. Who is on call is asked for each instant of a rung.
    """
    run = (await store.runs(tx, [incident_id])).get(incident_id)
    if run is None or run.due_at is None:
        return ()
    turns = await store.turns(tx, _round_robin([run.ladder]), lock=False)
    schedule_ids = _schedules([run.ladder])
    on_call: dict[datetime, dict[str, tuple[str, ...]]] = {}
    users: set[str] = set()
    # The instants of the rungs depend on who is on call at them, so this settles in a few rounds:
    # each round asks for the instants that the one before it did not know yet.
    scene = await _scene(tx, [run.ladder], (), turns, now)
    rungs: tuple[Rung, ...] = ()
    for _ in range(rules.MAX_PREVIEW + 1):
        missing: dict[datetime, None] = {}
        rungs = rules.preview(
            run.ladder, run.progress, max(run.due_at, now), scene, _lookup(on_call, missing)
        )
        if not missing:
            break
        for at in missing:
            on_call[at] = await _on_call(tx, schedule_ids, at)
            users.update(user for found in on_call[at].values() for user in found)
        scene = await _scene(tx, [run.ladder], users, turns, now)
    return rungs


def _lookup(
    known: dict[datetime, dict[str, tuple[str, ...]]], missing: dict[datetime, None]
) -> Callable[[str, datetime], tuple[str, ...]]:
    def on_call_at(schedule_id: str, at: datetime) -> tuple[str, ...]:
        if at not in known:
            missing[at] = None
            return ()
        return known[at].get(schedule_id, ())

    return on_call_at


async def runs(tx: Tx, incident_ids: Sequence[str]) -> dict[str, Run]:
    """The runs of these incidents, by incident id."""
    return await store.runs(tx, incident_ids) if incident_ids else {}


async def write_runs(
    tx: Tx,
    *,
    new: Sequence[Run],
    changed: Sequence[Run],
    new_ladders: frozenset[str],
    now: datetime,
) -> None:
    """Store runs; `new_ladders` names the incidents among `changed` with another ladder."""
    if new:
        await store.insert_runs(tx, new)
    if changed:
        await store.update_runs(tx, changed, new_ladders, now)


async def hurry(tx: Tx, incident_ids: Sequence[str], now: datetime) -> None:
    """Make running ladders due at once: their last page could reach nobody."""
    if incident_ids:
        await tx.execute(store.HURRY_RUNS, {"ids": list(incident_ids), "now": now})


async def push_back(tx: Tx, incident_id: str, error: str, now: datetime) -> None:
    """Note why a due run failed, and try it again later: 5 s, doubling to 5 min."""
    await tx.execute(store.PUSH_BACK, {"id": incident_id, "error": error, "now": now})


def _decide(climb: Climb, scene: Scene, now: datetime) -> Decision | None:
    if climb.move is Move.BEGIN:
        return rules.begin(climb.ladder, climb.progress, scene, now, climbs=climb.climbs)
    if climb.move is Move.ADVANCE:
        return rules.advance(climb.ladder, climb.progress, scene, now)
    if climb.move is Move.MOVE_TO:
        return rules.move_to(
            climb.ladder, climb.progress, climb.level, scene, now, climbs=climb.climbs
        )
    return rules.resume(
        climb.ladder,
        climb.progress,
        scene,
        now,
        assignees=climb.assignees,
        climbs=climb.climbs,
    )


async def _scene(
    tx: Tx, asked: Iterable[Ladder], users: Iterable[str], turns: dict[str, int], now: datetime
) -> Scene:
    asked = list(asked)
    on_call = await _on_call(tx, _schedules(asked), now)
    catch_all_id = await catch_all(tx)
    wanted = set(users)
    wanted.update(user for found in on_call.values() for user in found)
    wanted.update(
        target.id
        for ladder in asked
        for level in ladder.levels
        for target in level.targets
        if target.kind is TargetKind.USER
    )
    if catch_all_id is not None:
        wanted.add(catch_all_id)
    return Scene(
        on_call=on_call, people=await store.people(tx, wanted), catch_all=catch_all_id, turns=turns
    )


async def catch_all(tx: Tx) -> str | None:
    """Who is paged when nobody else is: the person chosen, else the longest-standing owner; of
    these, one who has a contact method if there is any."""
    found: str | None = await tx.value(store.SELECT_CATCH_ALL)
    return found


async def _on_call(tx: Tx, schedule_ids: list[str], at: datetime) -> dict[str, tuple[str, ...]]:
    if not schedule_ids:
        return {}
    found = await schedules.on_call(tx, schedule_ids, at)
    return {id: tuple(one.user_id for one in people) for id, people in found.items()}


def _schedules(asked: Iterable[Ladder]) -> list[str]:
    return sorted(
        {
            target.id
            for ladder in asked
            for level in ladder.levels
            for target in level.targets
            if target.kind is TargetKind.SCHEDULE
        }
    )


def _round_robin(asked: Iterable[Ladder]) -> list[str]:
    return sorted(
        {
            level.id
            for ladder in asked
            for level in ladder.levels
            if level.strategy is Strategy.ROUND_ROBIN
        }
    )
