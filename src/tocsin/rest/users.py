"""People: list, find, create, change, deactivate; and who the key belongs to."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Member, NewUser, User, UserChange
from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod, NotificationRule
from tocsin.rest import operations
from tocsin.rest.call import Call, Paging
from tocsin.rest.errors import PlainError
from tocsin.rest.render import whole
from tocsin.rest.resource import Field, Operation, Param, Ref, Reference, Resource, Slice

AT_ONCE = 200
TAG = "Users"


class Extra(msgspec.Struct):
    """What belongs to people and is kept elsewhere."""

    teams: dict[str, list[Member]]
    methods: dict[str, list[ContactMethod]]
    rules: dict[str, list[NotificationRule]]


async def _prepare(call: Call, users: Sequence[User]) -> Extra:
    ids = list({user.id: None for user in users})
    methods: dict[str, list[ContactMethod]] = {}
    for start in range(0, len(ids), AT_ONCE):
        part = ids[start : start + AT_ONCE]
        methods |= await paging.contact_methods_of(call.tx, call.actor, part)
    return Extra(
        teams=await accounts.memberships(call.tx, ids),
        methods=methods,
        rules=await paging.notification_rules_of(call.tx, call.actor, ids),
    )


async def _load(call: Call, ids: Sequence[str]) -> dict[str, User]:
    return await accounts.users_by_ids(call.tx, ids)


async def _list(call: Call, wanted: Paging) -> Slice:
    query, team_ids = call.text("query"), call.many("team_ids")
    found = await accounts.list_users(
        call.tx,
        call.actor,
        query=query,
        team_ids=team_ids,
        offset=wanted.offset,
        limit=wanted.limit,
    )
    total = None
    if wanted.total:
        total = await accounts.count_users(call.tx, call.actor, query=query, team_ids=team_ids)
    return Slice(items=found.items, more=found.next is not None, total=total)


async def _get(call: Call, id: str) -> User:
    return await accounts.get_user(call.tx, call.actor, id)


async def _create(call: Call, given: dict[str, Any]) -> User:
    values = {name: value for name, value in given.items() if value is not None}
    values.pop("color", None)
    return await accounts.create_user(call.tx, call.actor, NewUser(**values), call.now)


async def _update(call: Call, id: str, given: dict[str, Any]) -> User:
    # Null means "not given" where a person must have a value.
    optional = ("job_title", "description")
    values = {n: v for n, v in given.items() if v is not None or n in optional}
    return await accounts.update_user(call.tx, call.actor, id, UserChange(**values), call.now)


async def _delete(call: Call, id: str) -> None:
    await accounts.deactivate_user(call.tx, call.actor, id, call.now)


def _text(name: str, write: Any = str | None, *, required: bool = False) -> Field:
    return Field(
        name=name,
        type=str | None if write == str | None else str,
        read=lambda user, extra: getattr(user, name),
        write=write,
        required=required,
    )


USER = Resource(
    kind="user",
    plural="users",
    path="/users",
    tag=TAG,
    summary=lambda user: user.name,
    page=lambda user: f"/app/people/{user.id}",
    load=_load,
    prepare=_prepare,
    params=(Param(name="query"), Param(name="team_ids", many=True)),
    fields=(
        _text("name", str, required=True),
        _text("email", str, required=True),
        _text("time_zone"),
        _text("color"),
        _text("role"),
        Field(name="avatar_url", type=str | None, read=lambda user, extra: None),
        _text("description"),
        Field(name="invitation_sent", type=bool, read=lambda user, extra: False),
        _text("job_title"),
        Field(
            name="teams",
            type=list[Reference],
            include="teams",
            read=lambda user, extra: [Ref("team", m.team_id) for m in extra.teams[user.id]],
        ),
        Field(
            name="contact_methods",
            type=list[Reference],
            include="contact_methods",
            read=lambda user, extra: [
                Ref("contact_method", m.id, m) for m in extra.methods[user.id]
            ],
        ),
        Field(
            name="notification_rules",
            type=list[Reference],
            include="notification_rules",
            read=lambda user, extra: [
                Ref("notification_rule", r.id, r) for r in extra.rules[user.id]
            ],
        ),
        Field(name="coordinated_incidents", type=list[Reference], read=lambda user, extra: []),
    ),
    list=_list,
    get=_get,
    create=_create,
    update=_update,
    delete=_delete,
    create_needs_from=True,
)


async def me(call: Call) -> object:
    """The person whose key this is."""
    id = call.actor.id
    if id is None:
        raise PlainError(
            400, "The request cannot be made with an account-level access token: use a user's key"
        )
    return {"user": whole(USER, await accounts.get_user(call.tx, call.actor, id))}


OPERATIONS = (
    *operations.of(USER),
    Operation(
        method="GET",
        path="/users/me",
        id="getCurrentUser",
        summary="Get the person whose key this is",
        tag=TAG,
        handle=me,
        params=(Param(name="include", many=True),),
        gives={"user": "user"},
    ),
)
