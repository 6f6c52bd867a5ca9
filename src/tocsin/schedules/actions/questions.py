"""Who is on call, for many schedules at once.

These questions have no actor: they are asked by the areas above and by the engine, on the product's
own behalf. A face that shows the answer to a person checks what that person may see.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from tocsin.core.database import Tx
from tocsin.schedules import store
from tocsin.schedules.model import EARLIEST, LATEST, Handoff, OnCall, Schedule, Shift
from tocsin.schedules.shifts import HORIZON, final, next_handoff, shift_at
from tocsin.schedules.shifts import on_call as on_call_at


async def on_call(
    tx: Tx, schedule_ids: Iterable[str], at: datetime
) -> dict[str, tuple[OnCall, ...]]:
    """Who is on call for each of these schedules at one instant; empty when nobody is.

    An id that is unknown or deleted answers empty too: to be paged there is nobody.
    """
    wanted = tuple(schedule_ids)
    schedules = await _around(tx, wanted, at, timedelta())
    answers = {id: on_call_at(schedule, at) for id, schedule in schedules.items()}
    return {id: (found,) if (found := answers.get(id)) else () for id in wanted}


async def shifts_at(tx: Tx, schedule_ids: Iterable[str], at: datetime) -> dict[str, Shift | None]:
    """The whole shift around an instant for each schedule there is, None where nobody is on call.

    Ends further than a year away are cut off there.
    """
    schedules = await _around(tx, schedule_ids, at, HORIZON)
    return {id: shift_at(schedule, at) for id, schedule in schedules.items()}


async def next_handoffs(
    tx: Tx, schedule_ids: Iterable[str], at: datetime
) -> dict[str, Handoff | None]:
    """The next change of person for each schedule there is, None when there is none in a year."""
    schedules = await _around(tx, schedule_ids, at, HORIZON)
    return {id: next_handoff(schedule, at) for id, schedule in schedules.items()}


async def final_shifts(
    tx: Tx, schedule_ids: Iterable[str], since: datetime, until: datetime
) -> dict[str, tuple[Shift, ...]]:
    """The final schedule of each schedule there is in [since, until), cut off at the bounds.

    Raises InvalidRange.
    """
    found = await store.heads(tx, tuple(schedule_ids))
    loaded = await store.load(tx, found.values(), since, until)
    return {id: final(schedule, since, until) for id, schedule in loaded.items()}


async def _around(
    tx: Tx, schedule_ids: Iterable[str], at: datetime, reach: timedelta
) -> dict[str, Schedule]:
    found = await store.heads(tx, tuple(schedule_ids))
    low, high = max(at - reach, EARLIEST), min(at + reach, LATEST)
    # The end of a range is exclusive, and the instant itself must be within.
    return await store.load(tx, found.values(), low, high + timedelta(microseconds=1))
