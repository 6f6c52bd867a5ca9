"""Signing in and staying signed in: server-side sessions behind a random token.

Only the token's digest is stored. A wrong password, an unknown address and an account without a
password get the same answer after the same work, and every try is counted (see `tries`).
"""

import string
from datetime import datetime

import msgspec

from tocsin.accounts import audit, store, throttle
from tocsin.accounts.access import Permission, is_self, require_self_or
from tocsin.accounts.actions import tries
from tocsin.accounts.actions.hashing import hashed, proven
from tocsin.accounts.actions.people import guard_owner, locked_user
from tocsin.accounts.lifetimes import ABSOLUTE, IDLE, alive, touch_due
from tocsin.accounts.model import Actor, Role, Session, SignIn, SignInReason, User
from tocsin.accounts.passwords import clean
from tocsin.core import crypto
from tocsin.core.database import Database, Tx

# 43 characters of 64 carry the 256 bits of 32 random bytes.
TOKEN_LENGTH = 43
TOKEN_ALPHABET = string.ascii_letters + string.digits + "-_"
MAX_USER_AGENT = 255
MAX_ADDRESS = 64
_MAX_EMAIL_TYPED = 320


class _SessionActor(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    name: str
    role: str
    last_seen_at: datetime
    expires_at: datetime
    teams: dict[str, str]


async def sign_in(
    database: Database,
    *,
    email: str,
    password: str,
    address: str,
    user_agent: str,
    now: datetime,
    previous_token: str | None = None,
) -> SignIn:
    """Prove a password and begin a session; never raises for a wrong one.

    Opens its own transactions: the try is counted and committed before the password is looked at,
    and no connection is held while it is. The session of `previous_token` ends, so a token known
    before signing in is worth nothing afterwards.
    """
    typed = _one_line(email.strip(), _MAX_EMAIL_TYPED)
    counted = tries.subjects(email=typed, address=address)
    async with database.transaction() as tx:
        wait = await tries.reserve(tx, counted, now)
        rows = [] if wait else await tx.tuples(store.SELECT_PASSWORD, {"email": typed})
    if wait:
        return SignIn(reason=SignInReason.LOCKED, retry_after=wait)
    user_id, kept = rows[0] if rows else (None, None)
    if not await proven(kept, password) or kept is None:
        return SignIn(reason=SignInReason.WRONG)
    stronger = await hashed(clean(password)) if crypto.needs_rehash(kept) else None
    token = crypto.new_token(TOKEN_LENGTH, TOKEN_ALPHABET)
    async with database.transaction() as tx:
        user = await tx.one(User, store.SELECT_USER_FOR_UPDATE, {"id": user_id})
        # Changed or deactivated while we looked: what was proven no longer counts.
        if user is None or await _password(tx, user.id) != kept:
            return SignIn(reason=SignInReason.WRONG)
        if stronger is not None:
            await tx.execute(store.UPDATE_PASSWORD, {"id": user.id, "hash": stronger})
        await tries.forgive(tx, counted)
        if previous_token:
            await _end(tx, previous_token)
        shown = _one_line(address, MAX_ADDRESS)
        session = {
            "digest": crypto.hash_key(token),
            "user_id": user.id,
            "now": now,
            "expires_at": now + ABSOLUTE,
            "user_agent": _one_line(user_agent, MAX_USER_AGENT),
            "address": shown,
        }
        await tx.execute(store.INSERT_SESSION, session)
        actor = Actor(kind="person", id=user.id, label=user.name, address=shown)
        await _record(tx, actor, now, "sign_in", user)
    return SignIn(reason=SignInReason.SIGNED_IN, token=token, user=user)


async def actor_for_session(
    tx: Tx, token: str, now: datetime, *, address: str | None = None
) -> Actor | None:
    """Who holds this session's token, with role and teams as they are now; None when it is over.

    Writes "last seen" at most once a minute.
    """
    if not _is_token(token):
        return None
    digest = crypto.hash_key(token)
    row = await tx.one(_SessionActor, store.SELECT_SESSION_ACTOR, {"digest": digest})
    if row is None or not alive(last_seen_at=row.last_seen_at, expires_at=row.expires_at, now=now):
        return None
    if touch_due(row.last_seen_at, now):
        await tx.execute(store.TOUCH_SESSION, {"digest": digest, "now": now})
    return Actor(
        kind="person",
        id=row.user_id,
        label=row.name,
        role=Role(row.role),
        teams=row.teams,
        address=address,
    )


async def sign_out(tx: Tx, token: str) -> None:
    """End the session of this token; nothing happens when there is none."""
    if _is_token(token):
        await _end(tx, token)


async def list_sessions(tx: Tx, actor: Actor, user_id: str, now: datetime) -> list[Session]:
    """Someone's living sessions, the one used last first; at most 100."""
    require_self_or(actor, user_id, Permission.MANAGE_USERS, looking=True)
    living = {"user_id": user_id, "now": now, "idle_since": now - IDLE}
    return await tx.all(Session, store.SELECT_SESSIONS, living)


def session_id(token: str) -> str:
    """The `Session.id` of a token, to mark the current one in a list."""
    return crypto.hash_key(token).hex()


async def revoke_session(tx: Tx, actor: Actor, user_id: str, session: str, now: datetime) -> bool:
    """End one session by its id; False when it was already over."""
    user = await _whose(tx, actor, user_id)
    ended = await tx.execute(store.DELETE_SESSION_OF_USER, {"user_id": user_id, "id": session})
    if ended:
        await _record(tx, actor, now, "revoke_session", user)
    return bool(ended)


async def revoke_sessions(tx: Tx, actor: Actor, user_id: str, now: datetime) -> int:
    """End every session of someone; how many there were."""
    user = await _whose(tx, actor, user_id)
    ended = await tx.execute(store.DELETE_SESSIONS, {"user_id": user_id})
    if ended:
        await _record(tx, actor, now, "revoke_sessions", user)
    return ended


async def sweep(tx: Tx, now: datetime, limit: int = 1000) -> int:
    """Remove sessions that are over and failures that are forgotten; how many rows went."""
    gone = await tx.execute(
        store.DELETE_DEAD_SESSIONS, {"now": now, "idle_since": now - IDLE, "limit": limit}
    )
    return gone + await tx.execute(
        store.DELETE_OLD_THROTTLES, {"before": now - throttle.FORGET_AFTER, "limit": limit}
    )


async def _whose(tx: Tx, actor: Actor, user_id: str) -> User:
    require_self_or(actor, user_id, Permission.MANAGE_USERS)
    user = await locked_user(tx, user_id)
    if not is_self(actor, user_id):
        guard_owner(actor, user.role)
    return user


async def _password(tx: Tx, user_id: str) -> str | None:
    kept = await tx.value(store.SELECT_PASSWORD_BY_ID, {"id": user_id})
    return None if kept is None else str(kept)


async def _end(tx: Tx, token: str) -> None:
    await tx.execute(store.DELETE_SESSION, {"digest": crypto.hash_key(token)})


async def _record(tx: Tx, actor: Actor, now: datetime, action: str, user: User) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="user",
        subject_id=user.id,
        subject_label=user.name,
    )


def _is_token(token: str) -> bool:
    return len(token) == TOKEN_LENGTH and token.isascii()


def _one_line(text: str, most: int) -> str:
    return "".join(char for char in text if char.isprintable())[:most]
