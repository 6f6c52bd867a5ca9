"""What the pickers of a form offer: names by id, in order of their names.

Rule: a picker always offers what is chosen already (`keep`), whatever the bound, the reader's teams
or a deletion leave out; else saving a form would silently change what nobody touched.
"""

from collections.abc import Iterable, Sequence

import msgspec

from tocsin.accounts.access import visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx

MOST_CHOICES = 1000

SELECT_SERVICES = """
    select s.id, s.name from services s
    join escalation_policies p on p.id = s.escalation_policy_id
    where (s.deleted_at is null
            and (%(visible)s::text[] is null or p.team_id = any(%(visible)s)))
        or s.id = any(%(keep)s)
    order by s.id <> all(%(keep)s), lower(s.name), s.id limit %(limit)s
"""
SELECT_TEAMS = """
    select id, name from teams
    where (deleted_at is null and (%(visible)s::text[] is null or id = any(%(visible)s)))
        or id = any(%(keep)s)
    order by id <> all(%(keep)s), lower(name), id limit %(limit)s
"""
SELECT_PEOPLE = """
    select id, name from users
    where (deleted_at is null and role <> all(%(without)s)) or id = any(%(keep)s)
    order by id <> all(%(keep)s), lower(name), id limit %(limit)s
"""
SELECT_POLICIES = """
    select id, name from escalation_policies
    where (deleted_at is null and (%(visible)s::text[] is null or team_id = any(%(visible)s)))
        or id = any(%(keep)s)
    order by id <> all(%(keep)s), lower(name), id limit %(limit)s
"""
SELECT_SCHEDULES = """
    select id, name from schedules
    where (deleted_at is null and (%(visible)s::text[] is null or team_id = any(%(visible)s)))
        or id = any(%(keep)s)
    order by id <> all(%(keep)s), lower(name), id limit %(limit)s
"""


class Choice(msgspec.Struct, frozen=True):
    """One entry of a filter or a form."""

    id: str
    name: str


async def services(tx: Tx, actor: Actor, keep: Iterable[str] = ()) -> list[Choice]:
    """Services to filter by or to open an incident on."""
    return await _all(tx, SELECT_SERVICES, keep, visible=_visible(actor))


async def teams(tx: Tx, actor: Actor, keep: Iterable[str] = ()) -> list[Choice]:
    """Teams to filter by or to own something."""
    return await _all(tx, SELECT_TEAMS, keep, visible=_visible(actor))


async def people(tx: Tx, keep: Iterable[str] = (), *, without: Sequence[str] = ()) -> list[Choice]:
    """Active people, except those of the roles `without`."""
    return await _all(tx, SELECT_PEOPLE, keep, without=[str(role) for role in without])


async def policies(tx: Tx, actor: Actor, keep: Iterable[str] = ()) -> list[Choice]:
    """Escalation policies to page by."""
    return await _all(tx, SELECT_POLICIES, keep, visible=_visible(actor))


async def schedules(tx: Tx, actor: Actor, keep: Iterable[str] = ()) -> list[Choice]:
    """Schedules to point at."""
    return await _all(tx, SELECT_SCHEDULES, keep, visible=_visible(actor))


async def _all(tx: Tx, statement: str, keep: Iterable[str], **asked: object) -> list[Choice]:
    kept = sorted({id for id in keep if id})
    rows = await tx.all(Choice, statement, {**asked, "keep": kept, "limit": MOST_CHOICES})
    return sorted(rows, key=lambda choice: (choice.name.lower(), choice.id))


def _visible(actor: Actor) -> list[str] | None:
    found = visible_teams(actor)
    return None if found is None else list(found)
