"""`tocsin doctor`: look at everything that has to be right for a page to arrive, and say how to
mend what is not. Exit code 1 when something is bad. What it concludes is decided in doctor_rules.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Role, User
from tocsin.cli import doctor_rules as rules
from tocsin.cli.database import CommandProblem, Hand, run_with_database
from tocsin.cli.doctor_rules import Check, Verdict
from tocsin.cli.living import living_nodes
from tocsin.cli.options import load, settings_options
from tocsin.core import migrate, tls
from tocsin.core.clock import LogicalClock
from tocsin.core.config import Settings
from tocsin.core.crypto import KEY_FILE, CryptoError, SecretBox, load_master_key
from tocsin.core.database import Tx
from tocsin.engine import auditor, nodes
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Policy, TargetKind
from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod
from tocsin.queries import backlog
from tocsin.queries.sealed import sealed_values
from tocsin.schedules import actions as schedules
from tocsin.schedules.coverage import coverage_of
from tocsin.schedules.model import Shift

LOOK_AHEAD = timedelta(days=14)
PAGE = 100
MOST_POLICIES = 1000
MOST_LISTED = 10
SHOWN_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum", "data_checksums")

SELECT_SETTINGS = "select name, setting from pg_settings where name = any(%(names)s)"
SELECT_VERSION = "select setting from pg_settings where name = 'server_version_num'"
SELECT_TIME = "select at from logical_time"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options()
def doctor(as_json: bool, **flags: Any) -> None:
    """Check the installation and say what to mend. Exit code 1 when something is bad."""
    settings = load(flags)
    checks = _about_this_machine(settings)
    try:
        checks += run_with_database(settings, lambda hand: examine(hand, settings), any_schema=True)
    except CommandProblem as problem:
        checks.append(rules.bad("database", str(problem), "start it, or mend what it says"))
    worst = _worst(checks)
    if as_json:
        found = msgspec.json.encode({"verdict": worst, "checks": checks})
        click.echo(msgspec.json.format(found).decode())
    else:
        _show(checks)
    sys.exit(1 if worst is Verdict.BAD else 0)


def _worst(checks: Sequence[Check]) -> Verdict:
    order = (Verdict.OK, Verdict.WARN, Verdict.BAD)
    return max((check.verdict for check in checks), key=order.index, default=Verdict.OK)


def _show(checks: Sequence[Check]) -> None:
    console = Console(highlight=False)
    marks = {
        Verdict.OK: "[green]ok  [/]",
        Verdict.WARN: "[yellow]warn[/]",
        Verdict.BAD: "[red]BAD [/]",
    }
    for check in checks:
        console.print(f"{marks[check.verdict]}  [bold]{check.name}[/]: ", end="")
        console.print(check.finding, markup=False, soft_wrap=True)
        if check.fix:
            console.print(f"      → {check.fix}", markup=False, soft_wrap=True)


def _about_this_machine(settings: Settings) -> list[Check]:
    key = settings.data_dir / KEY_FILE
    checks = [
        rules.public_url(settings.public_url is not None, settings.host, settings.base_url),
        rules.dead_man(settings.dead_man_url is not None),
        rules.master_key(
            settings.master_key is not None,
            key.stat().st_mode & 0o777 if key.exists() else None,
        ),
    ]
    if settings.tls:
        checks.append(_https(settings, LogicalClock().now()))
    place = _existing(settings.data_dir)
    usage = shutil.disk_usage(place)
    what = "the data directory" if settings.database_url else "the data directory and database"
    checks.append(rules.disk(what, usage.free, usage.total))
    return checks


def _https(settings: Settings, now: datetime) -> Check:
    given = settings.tls_certificate is not None
    public = urlsplit(settings.public_url or "")
    # A given certificate may be for other names than a public URL that is not https.
    host = None if given and public.scheme != "https" else public.hostname
    try:
        facts, problem = tls.read_facts(settings), None
    except (tls.TlsError, CryptoError) as error:
        facts, problem = None, str(error)
    return rules.https(facts, problem, now=now, host=host, given=given)


def _existing(path: Path) -> Path:
    """The directory itself, or the nearest one above it that is there."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


async def examine(hand: Hand, settings: Settings) -> list[Check]:
    """Every check that needs the database; only the first few when the schema is not ours."""
    database = hand.database
    async with database.transaction() as tx:
        version = int(await tx.value(SELECT_VERSION))
        values = await tx.tuples(SELECT_SETTINGS, {"names": list(SHOWN_SETTINGS)})
    checks = [rules.server_version(version), rules.server_settings(dict(values))]
    try:
        missing = [f"{m.number:04}_{m.name}" for m in await migrate.status(database)]
        checks.append(rules.schema(missing, None))
    except migrate.SchemaError as error:
        return [*checks, rules.schema((), str(error))]
    if missing:
        return checks
    checks += await _running(hand)
    await nodes.join_time(database, hand.clock)
    now = hand.clock.now()
    async with database.transaction() as tx:
        checks += await _people(tx, settings, now)
        checks += await _waiting(tx, now)
        checks.append(await _sealed(tx, settings))
    return checks


async def _running(hand: Hand) -> list[Check]:
    """Clocks and living nodes. A server that is stopped has no time of its own to compare."""
    alive = await living_nodes(hand.database, hand.clock)
    async with hand.database.transaction() as tx:
        stored: datetime | None = await tx.value(SELECT_TIME)
        wall = await tx.server_time()
    machine = (LogicalClock().now() - wall).total_seconds()
    logical = (stored - wall).total_seconds() if stored is not None and alive.nodes else None
    return [rules.clocks(machine, logical), rules.nodes(alive.engines, alive.webs)]


async def _people(tx: Tx, settings: Settings, now: datetime) -> list[Check]:
    users = await _everyone(tx)
    methods = await _methods(tx, users)
    missing = {} if settings.smtp_host else {"email": "set TOCSIN_SMTP_HOST to your mail server"}
    people = [
        rules.Person(
            id=user.id,
            name=user.name,
            methods=len(methods[user.id]),
            working=sum(_works(method, missing) for method in methods[user.id]),
        )
        for user in users
    ]
    reachable = frozenset(person.id for person in people if person.working)
    used = Counter(method.channel for own in methods.values() for method in own)
    found = await escalations.list_policies(tx, SYSTEM, limit=MOST_POLICIES)
    shifts, names = await _shifts(tx, found, now)
    facts = [
        rules.PolicyFacts(name=policy.name, people=_people_of(policy, shifts)) for policy in found
    ]
    holes = [
        rules.ScheduleFacts(
            name=names.get(id, id),
            gaps=tuple((g.start, g.end) for g in coverage_of(own, now, now + LOOK_AHEAD).gaps),
        )
        for id, own in shifts.items()
    ]
    last = await _catch_all(tx, users)
    return [
        *rules.channels(used, missing, settings.simulated_channel),
        rules.people(people, frozenset(id for fact in facts for id in fact.people)),
        rules.policies(facts, reachable),
        rules.schedules(holes),
        rules.catch_all(last.name if last else None, last is not None and last.id in reachable),
    ]


def _works(method: ContactMethod, missing: dict[str, str]) -> bool:
    return method.dead_since is None and method.channel not in missing


async def _everyone(tx: Tx) -> list[User]:
    users: list[User] = []
    cursor: str | None = None
    while True:
        page = await accounts.list_users(tx, SYSTEM, cursor=cursor, limit=PAGE)
        users.extend(page.items)
        cursor = page.next
        if cursor is None:
            return users


async def _methods(tx: Tx, users: Sequence[User]) -> dict[str, list[ContactMethod]]:
    found: dict[str, list[ContactMethod]] = {}
    for start in range(0, len(users), PAGE):
        piece = [user.id for user in users[start : start + PAGE]]
        found.update(await paging.contact_methods_of(tx, SYSTEM, piece))
    return found


async def _shifts(
    tx: Tx, policies: Sequence[Policy], now: datetime
) -> tuple[dict[str, tuple[Shift, ...]], dict[str, str]]:
    """The coming shifts of every schedule that a policy uses, and the schedules' names."""
    used = {
        target.id
        for policy in policies
        for level in policy.levels
        for target in level.targets
        if target.kind is TargetKind.SCHEDULE
    }
    shifts = await schedules.final_shifts(tx, sorted(used), now, now + LOOK_AHEAD)
    names = {id: (await schedules.get(tx, SYSTEM, id, now=now)).name for id in shifts}
    return shifts, names


def _people_of(policy: Policy, shifts: dict[str, tuple[Shift, ...]]) -> tuple[str, ...]:
    people: dict[str, None] = {}
    for level in policy.levels:
        for target in level.targets:
            if target.kind is TargetKind.USER:
                people[target.id] = None
            else:
                people.update(dict.fromkeys(shift.user_id for shift in shifts.get(target.id, ())))
    return tuple(people)


async def _catch_all(tx: Tx, users: Sequence[User]) -> User | None:
    """The person the ladder falls back on: the chosen one, else the longest-standing owner."""
    chosen = (await accounts.instance(tx)).catch_all_user_id
    for user in users:
        if user.id == chosen:
            return user
    owners = [user for user in users if user.role == Role.OWNER]
    return min(owners, key=lambda user: (user.created_at, user.id), default=None)


async def _waiting(tx: Tx, now: datetime) -> list[Check]:
    aside = [
        f"#{row.seq} of {row.service} ({row.error})"
        for row in await backlog.quarantined(tx, MOST_LISTED)
    ]
    late = [finding.text() for finding in await auditor.audit(tx, now) if finding.is_stuck]
    return [rules.quarantined(aside), rules.overdue(late)]


async def _sealed(tx: Tx, settings: Settings) -> Check:
    box: SecretBox | None = None
    # Without this look, loading would make a new key, which opens nothing.
    if settings.master_key is not None or (settings.data_dir / KEY_FILE).exists():
        try:
            box = SecretBox(load_master_key(settings.data_dir, settings.master_key))
        except CryptoError as error:
            return rules.bad("sealed values", str(error), "put the right master key in place")
    total, broken = await unopened(tx, box)
    return rules.sealed(total, broken)


async def unopened(tx: Tx, box: SecretBox | None) -> tuple[int, list[str]]:
    """How many sealed values there are, and what those are that the key does not open."""
    total = 0
    broken = []
    async for one in sealed_values(tx):
        total += 1
        try:
            if box is None:
                raise CryptoError("there is no key")
            box.decrypt_bytes(one.value, one.context)
        except CryptoError:
            broken.append(one.label)
    return total, broken
