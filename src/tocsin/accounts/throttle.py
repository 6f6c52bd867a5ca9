"""How long to wait after failed sign-ins: a few tries are free, then the wait doubles.

Counted twice: for the account (as typed, whether it exists or not) and for the client's address.
A quiet hour forgets everything. The wait never exceeds a quarter of an hour, because an attacker
must not be able to keep the person on call out for the night; whoever is already signed in, and
one-tap links, are not affected at all.
"""

import ipaddress
from datetime import datetime, timedelta

import msgspec


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """`free` failures cost nothing; the next waits `first`, doubling up to `longest`."""

    free: int
    first: timedelta
    longest: timedelta


ACCOUNT = Limit(free=5, first=timedelta(seconds=15), longest=timedelta(minutes=15))
# Many people may share one address behind a company's gateway.
ADDRESS = Limit(free=30, first=timedelta(seconds=15), longest=timedelta(minutes=15))
FORGET_AFTER = timedelta(hours=1)


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one account or address."""

    failures: int
    last_at: datetime | None
    locked_until: datetime | None


def wait(state: Failures, now: datetime) -> int:
    """Whole seconds until the next try is allowed; 0 when it is allowed now."""
    if state.locked_until is None or state.locked_until <= now:
        return 0
    return max(1, -int((now - state.locked_until) // timedelta(seconds=1)))


def after_failure(state: Failures, limit: Limit, now: datetime) -> Failures:
    """The state after one more failure."""
    count = 0 if _forgotten(state, now) else state.failures
    count += 1
    locked_until = None
    if count >= limit.free:
        doublings = min(count - limit.free, 30)
        locked_until = now + min(limit.longest, limit.first * 2**doublings)
    return Failures(failures=count, last_at=now, locked_until=locked_until)


def after_success(state: Failures) -> Failures:
    """One counted try turned out right: take it back, without forgiving the others."""
    return Failures(failures=max(0, state.failures - 1), last_at=state.last_at, locked_until=None)


def network(address: str) -> str:
    """What one client holds: an IPv4 address, or the /64 that an IPv6 host may choose from."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _forgotten(state: Failures, now: datetime) -> bool:
    return state.last_at is None or now - state.last_at >= FORGET_AFTER
