"""The ladder: who is paged next, when, and why. Pure.

Rules: a level whose targets reach nobody is skipped at once, and each skip is told. A level that
paged somebody waits its delay; so does the last one, before the ladder loops or is exhausted. When
a whole pass over all levels finds nobody, the catch-all person is paged: never silence. Low
urgency pages one level and stops. An exhausted incident stays triggered.

Invariant: every `advance` raises (loop, level) or ends the run, and both are bounded, so a ladder
always ends.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import structs

from tocsin.escalations.model import (
    Decision,
    Ladder,
    Level,
    Progress,
    Reason,
    Rung,
    RunState,
    Scene,
    Skip,
    SkipReason,
    Strategy,
    Target,
    TargetKind,
)

OnCallAt = Callable[[str, datetime], tuple[str, ...]]
MAX_PREVIEW = 20


def begin(
    ladder: Ladder, progress: Progress, scene: Scene, now: datetime, *, climbs: bool = True
) -> Decision:
    """The first rung. `climbs` is False for low urgency; of `progress` only the step counts on."""
    fresh = Progress(0, 0, progress.step)
    return _settle(_climb(ladder, fresh, 1, scene, now, cause=Reason.OPENED), climbs)


def advance(ladder: Ladder, progress: Progress, scene: Scene, now: datetime) -> Decision:
    """The wait is over and nobody answered."""
    return _climb(ladder, progress, progress.level + 1, scene, now, cause=Reason.NO_ANSWER)


def move_to(
    ladder: Ladder,
    progress: Progress,
    level: int | None,
    scene: Scene,
    now: datetime,
    *,
    climbs: bool = True,
) -> Decision | None:
    """A person escalates, to `level` or to the next. None when there is nobody to escalate to."""
    wanted = progress.level + 1 if level is None else level
    if level is not None and not 1 <= level <= len(ladder.levels):
        return None
    decision = _climb(ladder, progress, wanted, scene, now, cause=Reason.MOVED)
    if decision.reason not in (Reason.MOVED, Reason.REPEATED):
        return None
    return _settle(decision, climbs)


def resume(
    ladder: Ladder,
    progress: Progress,
    scene: Scene,
    now: datetime,
    *,
    assignees: tuple[str, ...] = (),
    climbs: bool = True,
) -> Decision:
    """The incident is triggered again: page the level it was on, and those it is still with.

    On a round-robin level an assignee who is one of its people keeps the incident, and no turn is
    used. Where the level and the assignees reach nobody, the ladder climbs on from there.
    """
    position = min(max(1, progress.level), len(ladder.levels))
    level = ladder.levels[position - 1]
    still = tuple(user for user in assignees if _problem(user, scene) is None)
    keeps = level.strategy is Strategy.ROUND_ROBIN and any(
        user in _everyone(level, scene) for user in still
    )
    users, skips, turn = ((), (), None) if keeps else _people(level, position, scene)
    together = tuple(dict.fromkeys((*users, *still)))
    if together:
        decision = Decision(
            state=RunState.RUNNING,
            reason=Reason.RETURNED,
            progress=Progress(position, progress.loop, progress.step + 1),
            user_ids=together,
            due_at=now + timedelta(seconds=level.delay_seconds),
            skips=skips,
            turn=turn,
        )
    else:
        decision = _climb(ladder, progress, position, scene, now, cause=Reason.RETURNED)
        if not decision.user_ids:
            decision = _catch_all(ladder, progress, decision.skips, scene, now)
    return _settle(decision, climbs)


def preview(
    ladder: Ladder,
    progress: Progress,
    due_at: datetime | None,
    scene: Scene,
    on_call_at: OnCallAt,
) -> tuple[Rung, ...]:
    """The rungs still to come if nobody answers, soonest first; at most MAX_PREVIEW.

    `due_at` is the run's; None (stopped or exhausted) previews nothing. `on_call_at` says who will
    be on call for a schedule at an instant. The last rung may be the end of the ladder, with no
    users. Round-robin turns are previewed as they stand now.
    """
    rungs: list[Rung] = []
    at = due_at
    turns = dict(scene.turns)
    while at is not None and len(rungs) < MAX_PREVIEW:
        then = Scene(
            on_call={
                target.id: on_call_at(target.id, at)
                for level in ladder.levels
                for target in level.targets
                if target.kind is TargetKind.SCHEDULE
            },
            people=scene.people,
            catch_all=scene.catch_all,
            turns=turns,
        )
        decision = advance(ladder, progress, then, at)
        progress = decision.progress
        if decision.turn is not None:
            turns[decision.turn] = turns.get(decision.turn, 0) + 1
        rungs.append(
            Rung(
                level=progress.level,
                loop=progress.loop,
                at=at,
                user_ids=decision.user_ids,
                skips=decision.skips,
                reason=decision.reason,
            )
        )
        at = decision.due_at
    return tuple(rungs)


def next_level(ladder: Ladder, progress: Progress) -> int | None:
    """The level a person's "escalate now" would try first; None at the very top."""
    if progress.level < len(ladder.levels):
        return progress.level + 1
    return 1 if progress.loop < ladder.loops else None


def _climb(
    ladder: Ladder, progress: Progress, first: int, scene: Scene, now: datetime, *, cause: Reason
) -> Decision:
    """Try levels from `first` upwards, looping while loops are left, each level once."""
    position, loop, repeated = first, progress.loop, False
    skips: list[Skip] = []
    for _ in range(len(ladder.levels)):
        if position > len(ladder.levels):
            if loop >= ladder.loops:
                return Decision(
                    state=RunState.EXHAUSTED,
                    reason=Reason.NOBODY_ANSWERED,
                    progress=progress,
                    skips=tuple(skips),
                )
            position, loop, repeated = 1, loop + 1, True
        level = ladder.levels[position - 1]
        users, skipped, turn = _people(level, position, scene)
        skips.extend(skipped)
        if users:
            return Decision(
                state=RunState.RUNNING,
                reason=Reason.REPEATED if repeated else cause,
                progress=Progress(position, loop, progress.step + 1),
                user_ids=users,
                due_at=now + timedelta(seconds=level.delay_seconds),
                skips=tuple(skips),
                repeated=repeated,
                turn=turn,
            )
        position += 1
    at = Progress(progress.level, loop, progress.step)
    decision = _catch_all(ladder, at, tuple(skips), scene, now)
    return structs.replace(decision, repeated=repeated)


def _catch_all(
    ladder: Ladder, progress: Progress, skips: tuple[Skip, ...], scene: Scene, now: datetime
) -> Decision:
    """Every level is empty. The pass counts as done, so the next move loops or ends."""
    if scene.catch_all is None:
        return Decision(
            state=RunState.EXHAUSTED,
            reason=Reason.NOBODY_TO_PAGE,
            progress=progress,
            skips=skips,
        )
    last = ladder.levels[-1]
    return Decision(
        state=RunState.RUNNING,
        reason=Reason.NOBODY_ON_CALL,
        progress=Progress(len(ladder.levels), progress.loop, progress.step + 1),
        user_ids=(scene.catch_all,),
        due_at=now + timedelta(seconds=last.delay_seconds),
        skips=skips,
    )


def _settle(decision: Decision, climbs: bool) -> Decision:
    """Without climbing, the run ends with the page it has just made."""
    if climbs or decision.state is not RunState.RUNNING:
        return decision
    return structs.replace(decision, state=RunState.STOPPED, due_at=None)


def _people(
    level: Level, position: int, scene: Scene
) -> tuple[tuple[str, ...], tuple[Skip, ...], str | None]:
    """Whom the level pages, whom it passes over and why, and the turn it used."""
    targets = level.targets
    in_turn = level.strategy is Strategy.ROUND_ROBIN
    if in_turn and targets:
        first = scene.turns.get(level.id, 0) % len(targets)
        targets = targets[first:] + targets[:first]
    users: dict[str, None] = {}
    skips: list[Skip] = []
    for target in targets:
        found = _users(target, scene)
        if not found:
            skips.append(Skip(position, target, SkipReason.NOBODY_ON_CALL))
        for user in found:
            problem = _problem(user, scene)
            if problem is None:
                users[user] = None
            else:
                skips.append(Skip(position, target, problem, user))
        if in_turn and users:
            break
    return tuple(users), tuple(skips), level.id if in_turn and users else None


def _everyone(level: Level, scene: Scene) -> set[str]:
    return {user for target in level.targets for user in _users(target, scene)}


def _users(target: Target, scene: Scene) -> tuple[str, ...]:
    return (target.id,) if target.kind is TargetKind.USER else scene.on_call.get(target.id, ())


def _problem(user: str, scene: Scene) -> SkipReason | None:
    person = scene.people.get(user)
    if person is None:
        return SkipReason.USER_GONE
    return None if person.reachable else SkipReason.NO_CONTACT_METHOD
