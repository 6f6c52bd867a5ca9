"""Who is on call now and who is next, for policies and schedules, read once for a whole page.

The answer comes from the resolver that answers the pager, so what is shown is what would happen.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import User
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Policy, TargetKind
from tocsin.queries import policies as policy_queries
from tocsin.queries.policies import ScheduleName
from tocsin.schedules import actions as schedules
from tocsin.schedules.coverage import coverage_of
from tocsin.schedules.model import Gap, Shift

AHEAD = timedelta(days=14)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One person on one level. `until` is None for a direct target and beyond the look-ahead; whom
    nothing reaches is passed over by the ladder."""

    user: User
    reachable: bool
    schedule: ScheduleName | None = None
    shift: Shift | None = None
    until: datetime | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One level now: who is paged, and which of its schedules have nobody."""

    number: int
    delay_minutes: int
    in_turn: bool
    places: tuple[Place, ...]
    empty: tuple[ScheduleName, ...]
    until: datetime | None


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """The next change of person; `user` is None when nobody follows."""

    at: datetime
    user: User | None


class Rota:
    """The next two weeks of some schedules."""

    def __init__(
        self,
        *,
        now: datetime,
        names: dict[str, ScheduleName],
        shifts: dict[str, tuple[Shift, ...]],
        users: dict[str, User],
        reachable: frozenset[str],
    ) -> None:
        self.now = now
        self.horizon = now + AHEAD
        self.names = names
        self.shifts = shifts
        self.users = users
        self.reachable = reachable

    def current(self, schedule_id: str) -> Shift | None:
        """The shift under way, cut off at the horizon."""
        for shift in self.shifts.get(schedule_id, ()):
            if shift.start <= self.now < shift.end:
                return shift
        return None

    def ends(self, schedule_id: str) -> datetime | None:
        """When the person on call changes, or None when not within the look-ahead.

        One person may be on call by a layer and then by an override: that is no hand-off.
        """
        following = self.following(schedule_id)
        return following.at if following else None

    def following(self, schedule_id: str) -> Following | None:
        """The next hand-off, or None when there is none within the look-ahead."""
        current = self.current(schedule_id)
        user_id = current.user_id if current else None
        cursor = self.now
        for shift in self.shifts.get(schedule_id, ()):
            if shift.end <= self.now:
                continue
            if user_id is not None and shift.start > cursor:
                return Following(at=cursor, user=None)
            if shift.user_id != user_id:
                return Following(at=max(shift.start, cursor), user=self.users.get(shift.user_id))
            cursor = shift.end
        if user_id is not None and cursor < self.horizon:
            return Following(at=cursor, user=None)
        return None

    def turn(self) -> datetime | None:
        """When who is on call changes next, on whatever schedule, or None within the look-ahead."""
        return min((at for id in self.names if (at := self.ends(id)) is not None), default=None)

    def gaps(self, schedule_id: str) -> tuple[Gap, ...]:
        """When nobody is on call within the look-ahead."""
        shifts = self.shifts.get(schedule_id, ())
        return coverage_of(shifts, self.now, self.horizon).gaps

    def person(self, schedule_id: str) -> User | None:
        """Who is on call now."""
        current = self.current(schedule_id)
        return self.users.get(current.user_id) if current else None

    def reached(self, schedule_id: str) -> bool:
        """Whether whoever is on call now has a contact method."""
        person = self.person(schedule_id)
        return person is not None and person.id in self.reachable

    def steps(self, policy: Policy) -> list[Step]:
        """The levels of a policy with the people they would page now."""
        return [self._step(policy, number) for number in range(1, len(policy.levels) + 1)]

    def _step(self, policy: Policy, number: int) -> Step:
        level = policy.levels[number - 1]
        places: list[Place] = []
        empty: list[ScheduleName] = []
        for target in level.targets:
            if target.kind is TargetKind.USER:
                user = self.users.get(target.id)
                if user is not None and user.deleted_at is None:
                    places.append(Place(user=user, reachable=user.id in self.reachable))
                continue
            name = self.names.get(target.id)
            user, shift = self.person(target.id), self.current(target.id)
            if user is not None and user.deleted_at is None:
                until = self.ends(target.id)
                places.append(
                    Place(
                        user=user,
                        reachable=user.id in self.reachable,
                        schedule=name,
                        shift=shift,
                        until=until,
                    )
                )
            elif name is not None:
                empty.append(name)
        ends = [at for target in level.targets if (at := self.ends(target.id)) is not None]
        return Step(
            number=number,
            delay_minutes=level.delay_seconds // 60,
            in_turn=level.strategy == "round_robin",
            places=tuple(places),
            empty=tuple(empty),
            until=min(ends, default=None),
        )


async def read(
    tx: Tx, now: datetime, *, policies: Sequence[Policy] = (), schedule_ids: Iterable[str] = ()
) -> Rota:
    """The rota of these schedules and of all that the policies point at."""
    targets = [t for policy in policies for level in policy.levels for t in level.targets]
    wanted = {t.id for t in targets if t.kind is TargetKind.SCHEDULE} | set(schedule_ids)
    ids = sorted(wanted)
    names = await policy_queries.schedule_names(tx, ids)
    shifts = await schedules.final_shifts(tx, ids, now, now + AHEAD) if ids else {}
    people = {t.id for t in targets if t.kind is TargetKind.USER}
    people |= {shift.user_id for found in shifts.values() for shift in found}
    users = await accounts.users_by_ids(tx, sorted(people))
    known = await escalations.people(tx, sorted(people))
    reachable = frozenset(id for id, person in known.items() if person.reachable)
    return Rota(now=now, names=names, shifts=shifts, users=users, reachable=reachable)
