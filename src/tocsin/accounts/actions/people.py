"""People: create, change, deactivate, find.

Nobody is erased: a deactivated person keeps their name in the record. Deactivating is refused
while somebody could still be paged through them, and the refusal names what to change first.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from tocsin.accounts import audit, store, validation
from tocsin.accounts.access import (
    Permission,
    is_self,
    require,
    require_self_or,
    require_somewhere,
)
from tocsin.accounts.actions.hashing import hashed
from tocsin.accounts.model import Actor, NewUser, Role, User, UserChange
from tocsin.accounts.passwords import check
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

TAKEN = "is already used by another person"


async def create_user(tx: Tx, actor: Actor, new: NewUser, now: datetime) -> User:
    """Create a person. Invalid names the field that is wrong."""
    require(actor, Permission.MANAGE_USERS)
    guard_owner(actor, new.role)
    return await insert_user(tx, actor, new, now)


async def insert_user(tx: Tx, actor: Actor, new: NewUser, now: datetime) -> User:
    """Create a person without asking who may; for :func:`create_user` and the first start."""
    id = ids.new("P", now)
    user = User(
        id=id,
        name=validation.line("name", new.name),
        email=validation.email("email", new.email),
        role=str(validation.role("role", new.role)),
        time_zone=validation.time_zone("time_zone", new.time_zone),
        job_title=validation.optional_line("job_title", new.job_title),
        description=validation.optional_text("description", new.description),
        color=validation.color_for(id),
        created_at=now,
    )
    password_hash = None
    if new.password is not None:
        good = check("password", new.password, email=user.email, name=user.name)
        password_hash = await hashed(good)
    values = {**msgspec.structs.asdict(user), "password_hash": password_hash}
    if not await tx.execute(store.INSERT_USER, values):
        raise Invalid("email", TAKEN)
    await _record(tx, actor, now, action="create", user=user, after=user)
    return user


async def update_user(
    tx: Tx, actor: Actor, user_id: str, change: UserChange, now: datetime
) -> User:
    """Change a person; everyone may change themselves, but not their role."""
    require_self_or(actor, user_id, Permission.MANAGE_USERS)
    old = await locked_user(tx, user_id)
    if not is_self(actor, user_id):
        guard_owner(actor, old.role)
    given = {
        name: value
        for name in change.__struct_fields__
        if (value := getattr(change, name)) is not UNSET
    }
    new = _checked(msgspec.structs.replace(old, **given))
    if new == old:
        return old
    if new.role != old.role:
        require(actor, Permission.MANAGE_USERS)
        guard_owner(actor, old.role)
        guard_owner(actor, new.role)
        await _keep_an_owner(tx, old)
    if not await tx.execute(store.UPDATE_USER, msgspec.structs.asdict(new)):
        raise Invalid("email", TAKEN)
    await _record(tx, actor, now, action="update", user=new, before=old, after=new)
    return new


async def deactivate_user(tx: Tx, actor: Actor, user_id: str, now: datetime) -> None:
    """End a person's access, or raise Refused("user_in_use") with what still needs them."""
    require(actor, Permission.MANAGE_USERS)
    user = await locked_user(tx, user_id)
    guard_owner(actor, user.role)
    if is_self(actor, user_id):
        raise Refused("own_account", "you cannot deactivate yourself: ask another administrator")
    await _keep_an_owner(tx, user)
    uses = await _uses(tx, user_id, now)
    if uses:
        raise Refused(
            "user_in_use", f"{user.name} is still needed: {'; '.join(uses)}. Change these first."
        )
    await tx.execute(store.DELETE_SESSIONS, {"user_id": user_id})
    await tx.execute(store.REVOKE_KEYS_OF_USER, {"user_id": user_id, "now": now})
    await tx.execute(store.DELETE_MEMBERSHIPS, {"user_id": user_id})
    await tx.execute(store.DEACTIVATE_USER, {"id": user_id, "now": now})
    await _record(tx, actor, now, action="delete", user=user, before=user)


async def get_user(tx: Tx, actor: Actor, user_id: str) -> User:
    """One person who is not deactivated."""
    if not is_self(actor, user_id):
        require_somewhere(actor, Permission.VIEW)
    found = await tx.all(User, store.SELECT_USERS_BY_IDS, {"ids": [user_id]})
    if not found or found[0].deleted_at is not None:
        raise NotFound("user", user_id)
    return found[0]


async def users_by_ids(tx: Tx, user_ids: Sequence[str]) -> dict[str, User]:
    """People by id, deactivated ones too (the record names them); unknown ids are left out."""
    found = await tx.all(User, store.SELECT_USERS_BY_IDS, {"ids": list(user_ids)})
    return {user.id: user for user in found}


async def user_by_email(tx: Tx, email: str) -> User | None:
    """The active person with this address, whatever its case."""
    return await tx.one(User, store.SELECT_USER_BY_EMAIL, {"email": email.strip()})


async def list_users(
    tx: Tx,
    actor: Actor,
    *,
    query: str | None = None,
    team_ids: Sequence[str] | None = None,
    tag_id: str | None = None,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 25,
) -> Page[User]:
    """Active people by name. `query` is part of a name or an e-mail address. Pages are turned by
    `cursor`; clients that count use `offset`."""
    require_somewhere(actor, Permission.VIEW)
    after_name, after_id = read_cursor(cursor, 2)
    rows = await tx.all(
        User,
        store.SELECT_USERS,
        {
            "query": query or None,
            "team_ids": None if team_ids is None else list(team_ids),
            "tag_id": tag_id,
            "after_name": after_name,
            "after_id": after_id,
            "offset": offset,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda user: (user.name.lower(), user.id))


async def count_users(
    tx: Tx, actor: Actor, *, query: str | None = None, team_ids: Sequence[str] | None = None
) -> int:
    """How many people `list_users` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    teams = None if team_ids is None else list(team_ids)
    return int(await tx.value(store.COUNT_USERS, {"query": query or None, "team_ids": teams}))


def acting_for(actor: Actor, user: User) -> Actor:
    """An account key that names a person (the `From` header) acts in that person's name, with the
    key's own rights. Any other actor stays who it is."""
    if actor.kind != "key" or actor.id is not None:
        return actor
    label = f"{user.name} (by {actor.label})"
    return msgspec.structs.replace(actor, id=user.id, label=label, on_behalf=True)


async def locked_user(tx: Tx, user_id: str) -> User:
    """An active person, held until the transaction ends."""
    user = await tx.one(User, store.SELECT_USER_FOR_UPDATE, {"id": user_id})
    if user is None:
        raise NotFound("user", user_id)
    return user


def guard_owner(actor: Actor, role: str) -> None:
    """Only an owner makes, changes or removes an owner."""
    if role == Role.OWNER and actor.role != Role.OWNER:
        raise Forbidden("only an owner can make, change or remove an owner")


async def _keep_an_owner(tx: Tx, user: User) -> None:
    if user.role == Role.OWNER and not await tx.value(store.COUNT_OWNERS_BESIDE, {"id": user.id}):
        raise Refused(
            "last_owner", f"{user.name} is the only owner: make someone else an owner first"
        )


async def _uses(tx: Tx, user_id: str, now: datetime) -> list[str]:
    at = {"id": user_id, "now": now}
    uses = []
    for row in await tx.tuples(store.SELECT_POLICIES_TARGETING, at):
        uses.append(f"target of the escalation policy {row[1]}")
    for row in await tx.tuples(store.SELECT_SCHEDULES_WITH, at):
        uses.append(f"on the schedule {row[1]}")
    for row in await tx.tuples(store.SELECT_OPEN_INCIDENTS_OF, at):
        uses.append(f"owns the open incident #{row[1]} {row[2][:80]}")
    catch_all = await tx.rows(store.SELECT_INSTANCE, {"names": ["catch_all_user_id"]})
    if any(row["value"] == user_id for row in catch_all):
        uses.append("paged when nobody else is on call (catch-all)")
    return uses


def _checked(user: User) -> User:
    return msgspec.structs.replace(
        user,
        name=validation.line("name", user.name),
        email=validation.email("email", user.email),
        role=str(validation.role("role", user.role)),
        time_zone=validation.time_zone("time_zone", user.time_zone),
        job_title=validation.optional_line("job_title", user.job_title),
        description=validation.optional_text("description", user.description),
        color=validation.color("color", user.color),
    )


async def _record(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    user: User,
    before: User | None = None,
    after: User | None = None,
) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="user",
        subject_id=user.id,
        subject_label=user.name,
        before=before,
        after=after,
    )
