"""Where incidents stand on their ladders, as screens show it: rung by rung, with names.

`briefs` is for a list: it costs four statements whatever the number of rows. `view` is for one
incident: it previews the rungs to come with who will be on call at each of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations import ladder as rules
from tocsin.escalations.model import (
    Ladder,
    Level,
    Reason,
    Run,
    Rung,
    RunState,
    Skip,
    Strategy,
    TargetKind,
)
from tocsin.schedules import actions as schedules
from tocsin.schedules.model import Shift, ShiftReason

MAX_STEPS = 60

SELECT_PEOPLE = "select id, name, time_zone from users where id = any(%(ids)s)"
SELECT_SCHEDULE_NAMES = "select id, name from schedules where id = any(%(ids)s)"
# Each time the ladder or a person paged somebody; the entry says which level it was.
SELECT_STEPS = """
    select at, reason, data from log_entries
    where incident_id = %(incident_id)s
        and kind in ('assign', 'escalate', 'repeat_escalation_path', 'exhaust_escalation_path')
        and data ? 'step'
    order by seq desc limit %(limit)s
"""


class RungState(StrEnum):
    """How a rung is drawn."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"
    STOPPED = "stopped"
    OFF = "off"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on a rung. `schedule` and `until` are set when a schedule put them there."""

    id: str
    name: str
    time_zone: str = "Etc/UTC"
    schedule_id: str | None = None
    schedule: str | None = None
    until: datetime | None = None
    override: bool = False


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A target that the ladder passes over, and why (a SkipReason)."""

    level: int
    name: str
    reason: str


class RungView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ladder. `loops_to` is set on the rung where it begins again; `ends` on the
    line that says that nobody else will be paged."""

    number: int
    state: RungState
    at: datetime | None = None
    people: tuple[Person, ...] = ()
    passed: tuple[Passed, ...] = ()
    reason: str | None = None
    loops_to: int | None = None
    ends: bool = False


class LadderView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole ladder of one incident."""

    policy_id: str
    policy_name: str
    state: str
    reason: str
    level: int
    loop: int
    loops: int
    levels: int
    due_at: datetime | None
    error: str | None
    rungs: tuple[RungView, ...]

    @property
    def next(self) -> RungView | None:
        """The rung that comes next by itself, when one does."""
        return next((rung for rung in self.rungs if rung.state is RungState.NEXT), None)


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """Enough of a ladder for a row of a list. `next_name` is a person, or (`next_is_person` False)
    a schedule whose person changes before `due_at`; None when it cannot be said in one name.
    `next_more` counts those who are paged together with them."""

    levels: int
    level: int
    loop: int
    loops: int
    state: str
    reason: str
    due_at: datetime | None
    next_level: int | None
    next_name: str | None = None
    next_is_person: bool = False
    next_more: int = 0


class _Names(msgspec.Struct, frozen=True):
    id: str
    name: str
    time_zone: str


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    level: int
    loop: int
    user_ids: tuple[str, ...]
    names: Mapping[str, str]
    reason: str


async def people(tx: Tx, ids: Iterable[str]) -> dict[str, Person]:
    """Names and time zones by id, of people who have left too."""
    wanted = sorted(set(ids))
    rows = await tx.all(_Names, SELECT_PEOPLE, {"ids": wanted}) if wanted else []
    return {row.id: Person(id=row.id, name=row.name, time_zone=row.time_zone) for row in rows}


async def schedule_names(tx: Tx, ids: Iterable[str]) -> dict[str, str]:
    """Names of schedules by id, of deleted ones too."""
    wanted = sorted(set(ids))
    rows = await tx.tuples(SELECT_SCHEDULE_NAMES, {"ids": wanted}) if wanted else []
    return {row[0]: row[1] for row in rows}


async def briefs(tx: Tx, incident_ids: Sequence[str], now: datetime) -> dict[str, Brief]:
    """The ladders of the rows of a list."""
    runs = await escalations.runs(tx, list(incident_ids))
    coming: dict[str, tuple[Run, Level]] = {}
    for id, run in runs.items():
        number = rules.next_level(run.ladder, run.progress)
        if run.state is RunState.RUNNING and number is not None:
            coming[id] = (run, run.ladder.levels[number - 1])
    targets = [target for _, level in coming.values() for target in level.targets]
    schedule_ids = {t.id for t in targets if t.kind is TargetKind.SCHEDULE}
    shifts = await schedules.shifts_at(tx, schedule_ids, now) if schedule_ids else {}
    user_ids = {t.id for t in targets if t.kind is TargetKind.USER}
    user_ids |= {shift.user_id for shift in shifts.values() if shift is not None}
    known = await people(tx, user_ids)
    names = await schedule_names(tx, schedule_ids)
    found: dict[str, Brief] = {}
    for id, run in runs.items():
        coming_names: dict[str, bool] = {}
        if id in coming:
            coming_names = _next_names(coming[id][1], run.due_at or now, shifts, known, names)
        found[id] = Brief(
            levels=len(run.ladder.levels),
            level=run.progress.level,
            loop=run.progress.loop,
            loops=run.ladder.loops,
            state=run.state.value,
            reason=run.reason.value,
            due_at=run.due_at,
            next_level=rules.next_level(run.ladder, run.progress) if id in coming else None,
            next_name=next(iter(coming_names), None),
            next_is_person=next(iter(coming_names.values()), False),
            next_more=max(0, len(coming_names) - 1),
        )
    return found


def _next_names(
    level: Level,
    at: datetime,
    shifts: Mapping[str, Shift | None],
    known: Mapping[str, Person],
    names: Mapping[str, str],
) -> dict[str, bool]:
    """Who is paged next by name, and whether that is a person. Only what is sure: where the shift
    ends before, the schedule is named; whose turn it is on a round-robin level is not said."""
    if level.strategy is Strategy.ROUND_ROBIN and len(level.targets) > 1:
        return {}
    said: dict[str, bool] = {}
    for target in level.targets:
        if target.kind is TargetKind.USER:
            if target.id in known:
                said[known[target.id].name] = True
            continue
        shift = shifts.get(target.id)
        if shift is None:
            continue
        if shift.end > at and shift.user_id in known:
            said[known[shift.user_id].name] = True
        elif target.id in names:
            said[names[target.id]] = False
    return said


async def view(tx: Tx, incident_id: str, now: datetime) -> LadderView | None:
    """The ladder of one incident: what was climbed, where it stands, what comes."""
    run = (await escalations.runs(tx, [incident_id])).get(incident_id)
    if run is None:
        return None
    climbed = await _climbed(tx, incident_id)
    coming = await escalations.preview(tx, incident_id, now)
    shown = [rung for rung in coming if rung.loop == run.progress.loop or rung is coming[0]]
    shifts: dict[tuple[str, datetime], Shift | None] = {}
    for rung in shown:
        for level in _levels(run.ladder, rung):
            wanted = [t.id for t in level.targets if t.kind is TargetKind.SCHEDULE]
            if wanted and rung.at is not None:
                at = await schedules.shifts_at(tx, wanted, rung.at)
                shifts.update({(id, rung.at): shift for id, shift in at.items()})
    skipped = [skip for rung in coming for skip in rung.skips]
    ids = {id for step in climbed for id in step.user_ids}
    ids |= {id for rung in coming for id in rung.user_ids}
    ids |= {skip.user_id for skip in skipped if skip.user_id is not None}
    ids |= {
        target.id
        for level in run.ladder.levels
        for target in level.targets
        if target.kind is TargetKind.USER
    }
    known = await people(tx, ids)
    names = await schedule_names(tx, _schedule_ids(run.ladder))
    builder = _Builder(run, known, names, shifts)
    rungs = [*builder.past(climbed), *builder.future(coming)]
    return LadderView(
        policy_id=run.ladder.policy_id,
        policy_name=run.ladder.policy_name,
        state=run.state.value,
        reason=run.reason.value,
        level=run.progress.level,
        loop=run.progress.loop,
        loops=run.ladder.loops,
        levels=len(run.ladder.levels),
        due_at=run.due_at,
        error=run.error,
        rungs=tuple(rungs),
    )


async def _climbed(tx: Tx, incident_id: str) -> list[_Step]:
    """Who was paged at which level, newest first."""
    steps = []
    asked = {"incident_id": incident_id, "limit": MAX_STEPS}
    for at, reason, data in await tx.tuples(SELECT_STEPS, asked):
        users = data.get("users") or []
        steps.append(
            _Step(
                at=at,
                level=int(data.get("level") or 0),
                loop=int(data.get("loop") or 0),
                user_ids=tuple(user["id"] for user in users),
                names={user["id"]: user["name"] for user in users},
                reason=str(data.get("why") or reason),
            )
        )
    return steps


def _levels(ladder: Ladder, rung: Rung) -> list[Level]:
    return [ladder.levels[rung.level - 1]] if 1 <= rung.level <= len(ladder.levels) else []


def _schedule_ids(ladder: Ladder) -> set[str]:
    return {
        target.id
        for level in ladder.levels
        for target in level.targets
        if target.kind is TargetKind.SCHEDULE
    }


class _Builder:
    """Turns a run, its past and its preview into rungs."""

    def __init__(
        self,
        run: Run,
        known: Mapping[str, Person],
        names: Mapping[str, str],
        shifts: Mapping[tuple[str, datetime], Shift | None],
    ) -> None:
        self.run = run
        self.known = known
        self.names = names
        self.shifts = shifts

    def past(self, climbed: Sequence[_Step]) -> list[RungView]:
        """The levels up to where the ladder stands, and when it rests those it never reached."""
        run = self.run
        last: dict[int, _Step] = {}
        for step in climbed:
            if step.loop == run.progress.loop and step.user_ids:
                last.setdefault(step.level, step)
        resting = run.state is RunState.STOPPED
        answered = run.reason in (Reason.ACKNOWLEDGED, Reason.RESOLVED)
        rungs = []
        for number, level in enumerate(run.ladder.levels, 1):
            if number > run.progress.level and not resting:
                break
            found = last.get(number)
            state = RungState.DONE
            if resting and answered and number == run.progress.level:
                state = RungState.STOPPED
            elif number > run.progress.level:
                state = RungState.OFF
            people = self._paged(found) if found else self._named(level)
            rungs.append(
                RungView(
                    number=number,
                    state=state,
                    at=found.at if found else None,
                    people=people,
                    reason=found.reason if found else None,
                )
            )
        return rungs

    def future(self, coming: Sequence[Rung]) -> list[RungView]:
        """The rungs to come, up to where it begins again or ends."""
        rungs: list[RungView] = []
        for rung in coming:
            state = RungState.LATER if rungs else RungState.NEXT
            if not rung.user_ids:
                rungs.append(
                    RungView(
                        number=rung.level,
                        state=state,
                        at=rung.at,
                        passed=self._passed(rung.skips),
                        reason=rung.reason.value,
                        ends=True,
                    )
                )
                break
            repeats = rung.loop > self.run.progress.loop
            rungs.append(
                RungView(
                    number=rung.level,
                    state=state,
                    at=rung.at,
                    people=tuple(self._at(id, rung) for id in rung.user_ids),
                    passed=self._passed(rung.skips),
                    reason=rung.reason.value,
                    loops_to=rung.loop + 1 if repeats else None,
                )
            )
            if repeats:
                break
        return rungs

    def _paged(self, step: _Step) -> tuple[Person, ...]:
        return tuple(
            self.known.get(id) or Person(id=id, name=step.names.get(id, id)) for id in step.user_ids
        )

    def _named(self, level: Level) -> tuple[Person, ...]:
        """The targets of a level that was not reached: people, and schedules by name."""
        named = []
        for target in level.targets:
            if target.kind is TargetKind.USER:
                named.append(self.known.get(target.id) or Person(id=target.id, name="(left)"))
            else:
                name = self.names.get(target.id, "a deleted schedule")
                named.append(Person(id=target.id, name=name, schedule_id=target.id))
        return tuple(named)

    def _at(self, user_id: str, rung: Rung) -> Person:
        person = self.known.get(user_id) or Person(id=user_id, name="(left)")
        for level in _levels(self.run.ladder, rung):
            for target in level.targets:
                shift = None
                if target.kind is TargetKind.SCHEDULE and rung.at is not None:
                    shift = self.shifts.get((target.id, rung.at))
                if shift is not None and shift.user_id == user_id:
                    return msgspec.structs.replace(
                        person,
                        schedule_id=target.id,
                        schedule=self.names.get(target.id),
                        until=shift.end,
                        override=shift.reason is ShiftReason.OVERRIDE,
                    )
        return person

    def _passed(self, skips: Sequence[Skip]) -> tuple[Passed, ...]:
        passed = []
        for skip in skips:
            if skip.target.kind is TargetKind.SCHEDULE:
                name = self.names.get(skip.target.id, "a deleted schedule")
            else:
                person = self.known.get(skip.target.id)
                name = person.name if person else "somebody who has left"
            passed.append(Passed(level=skip.level, name=name, reason=skip.reason.value))
        return tuple(passed)
