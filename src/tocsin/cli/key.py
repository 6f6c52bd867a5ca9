"""`tocsin key`: REST keys from the command line: create (shown once), list, revoke."""

from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, ApiKey, NewKey
from tocsin.cli.database import CommandProblem, Hand, run_with_database
from tocsin.cli.options import DATABASE, load, settings_options

ACCOUNT_ROLES = ("admin", "user", "limited_user", "observer")
LIST_PAGE = 100


@click.group()
def key() -> None:
    """REST keys: create, list, revoke."""


@key.command()
@click.option("--name", required=True, help="What the key is for, such as 'terraform'.")
@click.option("--user", "email", help="E-mail address of the person the key acts as.")
@click.option(
    "--role",
    type=click.Choice(ACCOUNT_ROLES),
    help="Instead of --user: an account key with a role of its own.",
)
@click.option("--read-only", is_flag=True, help="The key may read and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options(DATABASE)
def create(
    name: str, email: str | None, role: str | None, read_only: bool, as_json: bool, **flags: Any
) -> None:
    """Make a key and print it. It is shown this once; only its digest is kept."""
    if (email is None) == (role is None):
        raise click.UsageError("give either --user or --role")

    async def work(hand: Hand) -> tuple[ApiKey, str]:
        now = hand.clock.now()
        async with hand.database.transaction() as tx:
            user_id = None
            if email is not None:
                user = await accounts.user_by_email(tx, email)
                if user is None:
                    raise CommandProblem(f"nobody has the e-mail address {email}")
                user_id = user.id
            new = NewKey(name=name, user_id=user_id, role=role, read_only=read_only)
            return await accounts.create_key(tx, SYSTEM, new, now)

    made, token = run_with_database(load(flags), work)
    if as_json:
        click.echo(_json({"id": made.id, "name": made.name, "key": token, **_facts(made)}))
        return
    # The key alone goes to standard output, so that a script can take it as it is.
    click.echo(token)
    click.echo(
        f"Key {made.id} ({made.name}) is made. Keep it now: it is not shown again.\n"
        f"Use it as `Authorization: Token token={token[:4]}…`, revoke it with"
        f" `tocsin key revoke {made.id}`.",
        err=True,
    )


@key.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options(DATABASE)
def list_(as_json: bool, **flags: Any) -> None:
    """List the keys in use, oldest first."""

    async def work(hand: Hand) -> tuple[list[ApiKey], dict[str, str]]:
        keys: list[ApiKey] = []
        cursor: str | None = None
        async with hand.database.transaction() as tx:
            while True:
                page = await accounts.list_keys(tx, SYSTEM, cursor=cursor, limit=LIST_PAGE)
                keys.extend(page.items)
                cursor = page.next
                if cursor is None:
                    break
            owners = await accounts.users_by_ids(tx, [k.user_id for k in keys if k.user_id])
        return keys, {id: user.email for id, user in owners.items()}

    keys, emails = run_with_database(load(flags), work)
    if as_json:
        rows = [{"id": k.id, "name": k.name, **_facts(k), "user": _owner(k, emails)} for k in keys]
        click.echo(_json({"keys": rows}))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Id", "Name", "Ends in", "Acts as", "Rights", "Last used"):
        table.add_column(heading, overflow="fold")
    for each in keys:
        table.add_row(
            each.id,
            each.name,
            f"…{each.hint}",
            _owner(each, emails) or f"account ({each.role})",
            "read only" if each.read_only else "full",
            each.last_used_at.strftime("%Y-%m-%d %H:%M UTC") if each.last_used_at else "never",
        )
    Console().print(table if keys else "There are no keys.")


@key.command()
@click.argument("key_id")
@settings_options(DATABASE)
def revoke(key_id: str, **flags: Any) -> None:
    """End a key at once. KEY_ID is the id that `tocsin key list` shows."""

    async def work(hand: Hand) -> None:
        async with hand.database.transaction() as tx:
            await accounts.revoke_key(tx, SYSTEM, key_id, hand.clock.now())

    run_with_database(load(flags), work)
    click.echo(f"Key {key_id} is revoked.", err=True)


def _owner(each: ApiKey, emails: dict[str, str]) -> str | None:
    return emails.get(each.user_id) if each.user_id else None


def _facts(each: ApiKey) -> dict[str, Any]:
    return {
        "hint": each.hint,
        "role": each.role,
        "user_id": each.user_id,
        "read_only": each.read_only,
        "created_at": each.created_at,
        "last_used_at": each.last_used_at,
    }


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
