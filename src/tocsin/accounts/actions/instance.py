"""What the installation knows of itself: a few named values in one table.

The settings people see are the fields of `Instance`. Other areas of the product that must keep a
small value across restarts use :func:`read_value` and :func:`write_value` with a name of their own.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.accounts import audit, store, validation
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Actor, Instance, User
from tocsin.core.database import Tx, json
from tocsin.core.errors import Invalid

T = TypeVar("T")
MAX_PUBLIC_NAME = 60


async def instance(tx: Tx) -> Instance:
    """The installation's settings; what was never set has its default."""
    names = list(Instance.__struct_fields__)
    rows = await tx.rows(store.SELECT_INSTANCE, {"names": names})
    kept = {row["name"]: row["value"] for row in rows if row["value"] is not None}
    return msgspec.convert(kept, Instance)


async def change_instance(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    public_name: str | UnsetType = UNSET,
    catch_all_user_id: str | UnsetType | None = UNSET,
) -> Instance:
    """Change the installation's name, or who is paged when nobody else is."""
    require(actor, Permission.MANAGE_INSTANCE)
    old = await instance(tx)
    new = old
    if public_name is not UNSET:
        name = validation.line("public_name", public_name, MAX_PUBLIC_NAME)
        new = msgspec.structs.replace(new, public_name=name)
    if catch_all_user_id is not UNSET:
        await _check_catch_all(tx, catch_all_user_id)
        new = msgspec.structs.replace(new, catch_all_user_id=catch_all_user_id)
    await _save(tx, actor, now, old, new)
    return new


async def complete_setup(tx: Tx, actor: Actor, now: datetime) -> Instance:
    """Note that the first-run steps are done; the first time counts."""
    require(actor, Permission.MANAGE_INSTANCE)
    old = await instance(tx)
    if old.setup_completed_at is not None:
        return old
    new = msgspec.structs.replace(old, setup_completed_at=now)
    await _save(tx, actor, now, old, new)
    return new


async def read_value(tx: Tx, name: str, kind: type[T]) -> T | None:
    """A value kept under `name`, as a `kind`; None when there is none."""
    rows = await tx.rows(store.SELECT_INSTANCE, {"names": [name]})
    if not rows or rows[0]["value"] is None:
        return None
    return msgspec.convert(rows[0]["value"], kind)


async def write_value(tx: Tx, name: str, value: Any) -> None:
    """Keep a value under `name`. For the product's own bookkeeping: not audited, not checked."""
    await tx.execute(
        store.UPSERT_INSTANCE, {"name": name, "value": json(msgspec.to_builtins(value))}
    )


async def _check_catch_all(tx: Tx, user_id: str | None) -> None:
    if user_id is None:
        return
    user = await tx.one(User, store.SELECT_USER_FOR_UPDATE, {"id": user_id})
    if user is None:
        raise Invalid("catch_all_user_id", f"there is no active person {user_id}")


async def _save(tx: Tx, actor: Actor, now: datetime, old: Instance, new: Instance) -> None:
    if new == old:
        return
    before, after = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    for name, value in after.items():
        if value != before[name]:
            await write_value(tx, name, value)
    tx.notify("tocsin_changed", "config")
    await audit.record(
        tx,
        actor,
        now,
        action="update",
        subject_type="instance",
        subject_id="instance",
        subject_label=new.public_name,
        before=old,
        after=new,
    )
