"""Tags: make, delete, find, and give them to people, teams and escalation policies.

Whoever shapes some team's things may make tags; only who shapes all of them may delete one, because
that takes it from everything. A thing is tagged by whoever manages it.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.access import Permission, require, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.accounts.validation import line
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.core.pages import checked_limit
from tocsin.escalations import actions as escalations
from tocsin.tags import store
from tocsin.tags.model import Naming, Tag, TagKind, TagUse

MAX_LABEL = 191
MOST_TAGS = 10_000
MOST_ON_ONE = 50
MOST_AT_ONCE = 100

_WITH = {
    TagKind.USER: store.SELECT_USERS_WITH,
    TagKind.TEAM: store.SELECT_TEAMS_WITH,
    TagKind.POLICY: store.SELECT_POLICIES_WITH,
}

_COUNT = {
    TagKind.USER: store.COUNT_USERS_WITH,
    TagKind.TEAM: store.COUNT_TEAMS_WITH,
    TagKind.POLICY: store.COUNT_POLICIES_WITH,
}


class _TagOf(msgspec.Struct, frozen=True, kw_only=True):
    entity_id: str
    id: str
    label: str
    created_at: datetime


async def create_tag(tx: Tx, actor: Actor, label: str, now: datetime) -> Tag:
    """Make a tag. Invalid when the label is taken, in whatever case."""
    require_somewhere(actor, Permission.MANAGE_TEAMS)
    tag = await _made(tx, actor, label, now)
    if tag is None:
        raise Invalid("label", "is already the label of another tag")
    return tag


async def delete_tag(tx: Tx, actor: Actor, tag_id: str, now: datetime) -> None:
    """Delete a tag; whatever carried it carries it no more."""
    require(actor, Permission.MANAGE_TEAMS)
    tag = await tx.one(Tag, store.LOCK_TAG, {"id": tag_id})
    if tag is None:
        raise NotFound("tag", tag_id)
    await tx.execute(store.DELETE_TAG, {"id": tag_id})
    await _record(tx, actor, now, action="delete", tag=tag)


async def get_tag(tx: Tx, actor: Actor, tag_id: str) -> Tag:
    """One tag."""
    require_somewhere(actor, Permission.VIEW)
    found = (await tags_by_ids(tx, [tag_id])).get(tag_id)
    if found is None:
        raise NotFound("tag", tag_id)
    return found


async def tags_by_ids(tx: Tx, tag_ids: Sequence[str]) -> dict[str, Tag]:
    """Tags by id; unknown ids are left out."""
    found = await tx.all(Tag, store.SELECT_BY_IDS, {"ids": list(tag_ids)})
    return {tag.id: tag for tag in found}


async def list_tags(
    tx: Tx, actor: Actor, *, query: str | None = None, offset: int = 0, limit: int = 25
) -> tuple[list[Tag], bool]:
    """Tags by label, and whether more follow; `query` is part of a label."""
    require_somewhere(actor, Permission.VIEW)
    asked = {"query": query or None, "offset": offset, "limit": checked_limit(limit) + 1}
    rows = await tx.all(Tag, store.SELECT_TAGS, asked)
    return rows[:limit], len(rows) > limit


async def count_tags(tx: Tx, actor: Actor, *, query: str | None = None) -> int:
    """How many `list_tags` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    return int(await tx.value(store.COUNT_TAGS, {"query": query or None}))


async def uses(tx: Tx, actor: Actor, tag_ids: Sequence[str]) -> dict[str, TagUse]:
    """How many that the actor may see carry each of these tags."""
    require_somewhere(actor, Permission.VIEW)
    asked = {"ids": list(tag_ids), "visible": _visible(actor)}
    return {use.id: use for use in await tx.all(TagUse, store.SELECT_USES, asked)}


async def carriers(
    tx: Tx, actor: Actor, tag_id: str, kind: TagKind, *, offset: int = 0, limit: int = 25
) -> tuple[list[str], bool]:
    """The ids of those of a kind that carry a tag and that the actor may see, by name, and whether
    more follow."""
    await get_tag(tx, actor, tag_id)
    asked = {
        "id": tag_id,
        "visible": _visible(actor),
        "offset": offset,
        "limit": checked_limit(limit) + 1,
    }
    rows = [str(row[0]) for row in await tx.tuples(_WITH[kind], asked)]
    return rows[:limit], len(rows) > limit


async def count_carriers(tx: Tx, actor: Actor, tag_id: str, kind: TagKind) -> int:
    """How many `carriers` would list in all."""
    require_somewhere(actor, Permission.VIEW)
    asked = {"id": tag_id, "visible": _visible(actor)}
    return int(await tx.value(_COUNT[kind], asked))


async def tags_on(tx: Tx, actor: Actor, kind: TagKind, entity_id: str) -> list[Tag]:
    """The tags of one thing that the actor may see, by label; at most `MOST_ON_ONE`."""
    await _seen(tx, actor, kind, entity_id)
    return (await tags_of(tx, kind, [entity_id]))[entity_id]


async def tags_of(tx: Tx, kind: TagKind, entity_ids: Sequence[str]) -> dict[str, list[Tag]]:
    """The tags of each of these, by label; for showing, no access check."""
    asked = {"kind": kind.value, "entity_ids": list(entity_ids)}
    found: dict[str, list[Tag]] = {id: [] for id in entity_ids}
    for row in await tx.all(_TagOf, store.SELECT_TAGS_OF, asked):
        found[row.entity_id].append(Tag(id=row.id, label=row.label, created_at=row.created_at))
    return found


async def change_tags(
    tx: Tx,
    actor: Actor,
    kind: TagKind,
    entity_id: str,
    *,
    add: Sequence[Naming] = (),
    remove: Sequence[Naming] = (),
    now: datetime,
) -> list[Tag]:
    """Give tags to a thing and take others from it; its tags afterwards. A label that is new makes
    its tag; what is given twice, or taken and not there, is no error."""
    name = await _managed(tx, actor, kind, entity_id)
    if len(add) + len(remove) > MOST_AT_ONCE:
        raise Invalid("add", f"and remove have at most {MOST_AT_ONCE} tags together")
    add, remove = [_clean(one) for one in add], [_clean(one) for one in remove]
    wanted = {
        "ids": sorted({one.id for one in (*add, *remove) if one.id}),
        "labels": sorted({one.label for one in (*add, *remove) if one.label}),
    }
    held = await tx.all(Tag, store.HOLD_TAGS, wanted)
    before = (await tags_of(tx, kind, [entity_id]))[entity_id]
    given = {tag.id for tag in [await _named(tx, actor, one, held, now) for one in add]}
    taken = {tag.id for one in remove if (tag := _found(one, held)) is not None}
    where = {"kind": kind.value, "entity_id": entity_id}
    await tx.execute(store.DELETE_TAGGINGS, {**where, "ids": sorted(taken)})
    await tx.execute(store.INSERT_TAGGINGS, {**where, "ids": sorted(given)})
    after = (await tags_of(tx, kind, [entity_id]))[entity_id]
    if len(after) > MOST_ON_ONE:
        raise Invalid("add", f"would give it {len(after)} tags; at most {MOST_ON_ONE} are allowed")
    if before != after:
        await audit.record(
            tx,
            actor,
            now,
            action="update",
            subject_type=kind.value,
            subject_id=entity_id,
            subject_label=name,
            before={"tags": [tag.label for tag in before]},
            after={"tags": [tag.label for tag in after]},
        )
    return after


def _clean(one: Naming) -> Naming:
    """With an id alone, or with a label that can be kept."""
    return Naming(id=one.id) if one.id else Naming(label=line("label", one.label, MAX_LABEL))


async def _named(tx: Tx, actor: Actor, one: Naming, held: Sequence[Tag], now: datetime) -> Tag:
    found = _found(one, held)
    if found is None and one.label:
        found = await _made(tx, actor, one.label, now)
        if found is None:
            # Named twice in this request, or made by another meanwhile.
            again = {"ids": [], "labels": [one.label]}
            found = await tx.one(Tag, store.HOLD_TAGS, again)
    if found is None:
        raise NotFound("tag", one.id or one.label or "")
    return found


def _found(one: Naming, held: Sequence[Tag]) -> Tag | None:
    for tag in held:
        same = one.label is not None and tag.label.lower() == one.label.lower()
        if tag.id == one.id or same:
            return tag
    return None


async def _made(tx: Tx, actor: Actor, label: str, now: datetime) -> Tag | None:
    tag = Tag(id=ids.new("P", now), label=line("label", label, MAX_LABEL), created_at=now)
    if int(await tx.value(store.COUNT_TAGS, {"query": None})) >= MOST_TAGS:
        raise Invalid("label", f"cannot be added: there are {MOST_TAGS} tags already")
    if not await tx.execute(store.INSERT_TAG, msgspec.structs.asdict(tag)):
        return None
    await _record(tx, actor, now, action="create", tag=tag)
    return tag


async def _seen(tx: Tx, actor: Actor, kind: TagKind, id: str) -> tuple[str, str | None]:
    """The name of a thing that the actor may see, and the team it belongs to."""
    if kind is TagKind.USER:
        return (await accounts.get_user(tx, actor, id)).name, None
    if kind is TagKind.TEAM:
        return (await accounts.get_team(tx, actor, id)).name, id
    policy = await escalations.get_policy(tx, actor, id)
    return policy.name, policy.team_id


async def _managed(tx: Tx, actor: Actor, kind: TagKind, id: str) -> str:
    name, team_id = await _seen(tx, actor, kind, id)
    permission = {
        TagKind.USER: Permission.MANAGE_USERS,
        TagKind.TEAM: Permission.MANAGE_TEAMS,
        TagKind.POLICY: Permission.MANAGE_POLICIES,
    }[kind]
    require(actor, permission, team_id)
    return name


def _visible(actor: Actor) -> list[str] | None:
    visible = visible_teams(actor)
    return None if visible is None else list(visible)


async def _record(tx: Tx, actor: Actor, now: datetime, *, action: str, tag: Tag) -> None:
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="tag",
        subject_id=tag.id,
        subject_label=tag.label,
        before=tag if action == "delete" else None,
        after=tag if action == "create" else None,
    )
