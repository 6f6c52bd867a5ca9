"""Counting sign-in tries so that guessing in parallel gains nothing.

A try is counted as a failure *before* the password is looked at and taken back when it was right.
A thousand guesses sent at once therefore find the account locked after the first few.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from tocsin.accounts import store, throttle
from tocsin.accounts.throttle import Failures, Limit
from tocsin.core.database import Tx


class Subject(NamedTuple):
    """What is counted, under a digest: what people type into this field may be a secret."""

    key: str
    limit: Limit


def subjects(*, email: str, address: str | None) -> tuple[Subject, ...]:
    """The account first, then the client's address when it is known."""
    counted = [Subject(_key("account", email.strip().casefold()), throttle.ACCOUNT)]
    if address:
        counted.append(Subject(_key("address", throttle.network(address)), throttle.ADDRESS))
    return tuple(counted)


async def reserve(tx: Tx, counted: tuple[Subject, ...], now: datetime) -> int:
    """Count one try. Seconds to wait when one of the subjects is locked (then nothing is counted),
    else 0. Commit before looking at the password."""
    states = await _locked(tx, counted, now)
    wait = max((throttle.wait(state, now) for state in states.values()), default=0)
    if wait:
        return wait
    for subject in counted:
        state = states.get(subject.key, Failures(failures=0, last_at=None, locked_until=None))
        await _write(tx, subject.key, throttle.after_failure(state, subject.limit, now))
    return 0


async def forgive(tx: Tx, counted: tuple[Subject, ...]) -> None:
    """The reserved try was right: forget the account's failures, take back the address's one."""
    account, *addresses = counted
    await tx.execute(store.DELETE_THROTTLE, {"subject": account.key})
    for subject in addresses:
        rows = await tx.tuples(store.SELECT_THROTTLES, {"subjects": [subject.key]})
        for key, failures, last_at, until in rows:
            state = Failures(failures=failures, last_at=last_at, locked_until=until)
            await _write(tx, key, throttle.after_success(state))


async def _locked(tx: Tx, counted: tuple[Subject, ...], now: datetime) -> dict[str, Failures]:
    keys = [subject.key for subject in counted]
    await tx.execute(store.INSERT_THROTTLES, {"subjects": keys, "now": now})
    rows = await tx.tuples(store.SELECT_THROTTLES, {"subjects": keys})
    return {
        key: Failures(failures=failures, last_at=last_at, locked_until=until)
        for key, failures, last_at, until in rows
    }


async def _write(tx: Tx, key: str, state: Failures) -> None:
    await tx.execute(
        store.UPDATE_THROTTLE,
        {
            "subject": key,
            "failures": state.failures,
            "last_at": state.last_at,
            "locked_until": state.locked_until,
        },
    )


def _key(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
