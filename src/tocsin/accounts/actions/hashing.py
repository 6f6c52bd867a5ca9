"""Hashing passwords off the event loop.

Argon2 takes tens of milliseconds on purpose. It runs in a thread, two at a time, so that a burst
of sign-ins slows sign-ins down and nothing else.
"""

import asyncio
import string

from tocsin.accounts.passwords import MAX_LENGTH, clean
from tocsin.core import crypto

AT_ONCE = 2
_gates: dict[int, asyncio.Semaphore] = {}
_decoys: list[str] = []


async def hashed(password: str) -> str:
    """The Argon2 hash of a password that was checked before."""
    async with _gate():
        return await asyncio.to_thread(crypto.hash_password, password)


async def proven(kept: str | None, password: str) -> bool:
    """Whether the password is the one hashed. The same work is done when there is none to prove."""
    typed = clean(password[: 2 * MAX_LENGTH])
    async with _gate():
        against = await asyncio.to_thread(_decoy) if kept is None else kept
        right = await asyncio.to_thread(crypto.verify_password, against, typed)
    return right and kept is not None


def _gate() -> asyncio.Semaphore:
    # A semaphore belongs to its event loop; tests and the command line open several in turn.
    loop = id(asyncio.get_running_loop())
    if loop not in _gates:
        _gates.clear()
        _gates[loop] = asyncio.Semaphore(AT_ONCE)
    return _gates[loop]


def _decoy() -> str:
    """A hash that nobody's password has, made with today's cost."""
    if not _decoys:
        _decoys.append(crypto.hash_password(crypto.new_token(32, string.ascii_letters)))
    return _decoys[0]
