"""Passwords: giving one to somebody else, and changing one's own. Either ends every session."""

from datetime import datetime

from tocsin.accounts import audit, store
from tocsin.accounts.access import Permission, is_self, require
from tocsin.accounts.actions import tries
from tocsin.accounts.actions.hashing import hashed, proven
from tocsin.accounts.actions.people import guard_owner, locked_user
from tocsin.accounts.model import Actor, User
from tocsin.accounts.passwords import check
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Invalid, NotFound, Refused


async def set_password(tx: Tx, actor: Actor, user_id: str, password: str, now: datetime) -> None:
    """Give someone a password (for oneself use :func:`change_password`). Ends their sessions."""
    require(actor, Permission.MANAGE_USERS)
    if is_self(actor, user_id):
        raise Refused("own_password", "to change your own password, prove the current one")
    user = await locked_user(tx, user_id)
    guard_owner(actor, user.role)
    good = check("password", password, email=user.email, name=user.name)
    await _store(tx, actor, user, await hashed(good), now)


async def change_password(
    database: Database, actor: Actor, *, current: str, new: str, now: datetime
) -> None:
    """Change one's own password, proving the current one. Ends every session, this one too.

    Opens its own transactions: a wrong guess is counted although nothing else is changed. Raises
    Invalid for a wrong current or a weak new password, Refused("locked") after too many guesses.
    """
    user_id = actor.user_id
    if actor.kind != "person" or user_id is None:
        raise Refused("not_a_person", "only someone who is signed in can change their password")
    async with database.transaction() as tx:
        rows = await tx.all(User, store.SELECT_USERS_BY_IDS, {"ids": [user_id]})
        kept = await tx.value(store.SELECT_PASSWORD_BY_ID, {"id": user_id})
        if not rows or rows[0].deleted_at is not None:
            raise NotFound("user", user_id)
        subjects = tries.subjects(email=rows[0].email, address=None)
        wait = await tries.reserve(tx, subjects, now)
    if wait:
        raise Refused("locked", f"too many wrong passwords: try again in {wait} seconds")
    good = check("new_password", new, email=rows[0].email, name=rows[0].name)
    if not await proven(kept, current):
        raise Invalid("current_password", "is not right")
    fresh = await hashed(good)
    async with database.transaction() as tx:
        await tries.forgive(tx, subjects)
        await _store(tx, actor, await locked_user(tx, user_id), fresh, now)


async def has_password(tx: Tx, user_id: str) -> bool:
    """Whether someone can sign in with a password at all."""
    return await tx.value(store.SELECT_PASSWORD_BY_ID, {"id": user_id}) is not None


async def _store(tx: Tx, actor: Actor, user: User, fresh: str, now: datetime) -> None:
    await tx.execute(store.UPDATE_PASSWORD, {"id": user.id, "hash": fresh})
    await tx.execute(store.DELETE_SESSIONS, {"user_id": user.id})
    await audit.record(
        tx,
        actor,
        now,
        action="change_password",
        subject_type="user",
        subject_id=user.id,
        subject_label=user.name,
    )
