"""The very first start: one owner, made only while there is nobody, however many try at once."""

from datetime import datetime

import msgspec

from tocsin.accounts import store
from tocsin.accounts.actions.instance import change_instance
from tocsin.accounts.actions.people import insert_user
from tocsin.accounts.model import SYSTEM, NewUser, Role, User
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused

SETUP_LOCK = 0x7C5E10


async def needs_first_run(tx: Tx) -> bool:
    """Whether nobody exists yet, not even someone deactivated."""
    return not await tx.value(store.SELECT_ANY_USER)


async def first_run(tx: Tx, new: NewUser, now: datetime) -> User:
    """Create the owner, who is also paged when nobody else is on call.

    Raises Refused("already_set_up") when anybody exists. Whoever comes second waits for the first
    to commit and is refused then.
    """
    if new.password is None:
        raise Invalid("password", "the owner needs a password to sign in with")
    await tx.execute(store.TAKE_SETUP_LOCK, {"key": SETUP_LOCK})
    if not await needs_first_run(tx):
        raise Refused("already_set_up", "this installation already has an owner: sign in instead")
    owner = await insert_user(tx, SYSTEM, msgspec.structs.replace(new, role=Role.OWNER), now)
    await change_instance(tx, SYSTEM, now, catch_all_user_id=owner.id)
    return owner
