"""REST keys: made, shown once, used, revoked.

A user's key acts as that person with their role of the moment. An account key has a role of its
own and no person. The token has 20 characters because PagerDuty's clients expect that; only its
digest and last four characters are kept.
"""

import string
from datetime import datetime

import msgspec

from tocsin.accounts import audit, store, validation
from tocsin.accounts.access import Permission, is_self, require, require_self_or
from tocsin.accounts.actions.people import guard_owner, locked_user
from tocsin.accounts.lifetimes import touch_due
from tocsin.accounts.model import Actor, ApiKey, NewKey, Role
from tocsin.core import crypto, ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

TOKEN_LENGTH = 20
TOKEN_ALPHABET = string.digits + string.ascii_letters + "_+-"
ACCOUNT_ROLES = (Role.ADMIN, Role.MANAGER, Role.RESPONDER, Role.OBSERVER)


class _KeyActor(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    user_id: str | None
    role: str
    hint: str
    read_only: bool
    last_used_at: datetime | None
    user_name: str | None
    teams: dict[str, str]


async def create_key(tx: Tx, actor: Actor, new: NewKey, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; the second value is its token, which is never shown again."""
    if new.user_id is None:
        require(actor, Permission.MANAGE_KEYS)
        role = _account_role(new.role)
    else:
        require_self_or(actor, new.user_id, Permission.MANAGE_KEYS)
        user = await locked_user(tx, new.user_id)
        if not is_self(actor, user.id):
            guard_owner(actor, user.role)
        if new.role is not None:
            raise Invalid("role", "a user's key has that person's role: leave it out")
        role = None
    token = crypto.new_token(TOKEN_LENGTH, TOKEN_ALPHABET)
    key = ApiKey(
        id=ids.new("P", now),
        name=validation.line("name", new.name),
        user_id=new.user_id,
        role=role,
        hint=token[-4:],
        read_only=new.read_only,
        created_by=None if actor.on_behalf else actor.user_id,
        created_at=now,
        last_used_at=None,
        revoked_at=None,
    )
    values = {**msgspec.structs.asdict(key), "digest": crypto.hash_key(token)}
    await tx.execute(store.INSERT_KEY, values)
    await _record(tx, actor, now, "create", key)
    return key, token


async def actor_for_key(
    tx: Tx, token: str, now: datetime, *, address: str | None = None
) -> Actor | None:
    """Who a REST token stands for, or None. Writes "last used" at most once a minute."""
    if len(token) != TOKEN_LENGTH or not set(token) <= _CHARACTERS:
        return None
    row = await tx.one(_KeyActor, store.SELECT_KEY_ACTOR, {"digest": crypto.hash_key(token)})
    if row is None:
        return None
    if touch_due(row.last_used_at, now):
        await tx.execute(store.TOUCH_KEY, {"id": row.id, "now": now})
    return Actor(
        kind="key",
        id=row.user_id,
        label=row.user_name or f"{row.name} (key …{row.hint})",
        role=Role(row.role),
        teams=row.teams,
        address=address,
        read_only=row.read_only,
    )


async def list_keys(
    tx: Tx,
    actor: Actor,
    *,
    user_id: str | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> Page[ApiKey]:
    """Keys in use, oldest first: one person's, or with MANAGE_KEYS everyone's."""
    if user_id is None:
        require(actor, Permission.MANAGE_KEYS)
    else:
        require_self_or(actor, user_id, Permission.MANAGE_KEYS, looking=True)
    (after_id,) = read_cursor(cursor, 1)
    rows = await tx.all(
        ApiKey,
        store.SELECT_KEYS,
        {"user_id": user_id, "after_id": after_id, "limit": checked_limit(limit) + 1},
    )
    return page_of(rows, limit, lambda key: (key.id,))


async def revoke_key(tx: Tx, actor: Actor, key_id: str, now: datetime) -> None:
    """End a key at once."""
    key = await tx.one(ApiKey, store.SELECT_KEY_FOR_UPDATE, {"id": key_id})
    if key is None:
        raise NotFound("key", key_id)
    if key.user_id is None:
        require(actor, Permission.MANAGE_KEYS)
    else:
        require_self_or(actor, key.user_id, Permission.MANAGE_KEYS)
    await tx.execute(store.REVOKE_KEY, {"id": key_id, "now": now})
    await _record(tx, actor, now, "delete", key)


def _account_role(role: str | None) -> str:
    if role is None:
        return Role.ADMIN
    if role not in ACCOUNT_ROLES:
        raise Invalid("role", f"must be one of {', '.join(ACCOUNT_ROLES)}")
    return role


async def _record(tx: Tx, actor: Actor, now: datetime, action: str, key: ApiKey) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="key",
        subject_id=key.id,
        subject_label=f"{key.name} (…{key.hint})",
        before=key if action == "delete" else None,
        after=key if action == "create" else None,
    )


_CHARACTERS = frozenset(TOKEN_ALPHABET)
