"""`tocsin send-test`: send a test message to a person's contact methods and show what came of it.

The message takes the road of every page: queued in the ledger, sent by the running engine.
"""

from typing import Any

import click
import msgspec

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM
from tocsin.cli.database import CommandProblem, Hand, run_with_database
from tocsin.cli.living import living_nodes
from tocsin.cli.options import DATABASE, load, settings_options
from tocsin.core.errors import Refused
from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod, Delivery, DeliveryState

LOOK_SECONDS = 0.2
UNDER_WAY = (DeliveryState.QUEUED, DeliveryState.SENDING)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the test of one contact method. `state` is the ledger's, or "refused"."""

    method: str
    channel: str
    address: str
    state: str
    detail: str | None
    attempts: int = 0
    delivery_id: str | None = None


@click.command("send-test")
@click.option("--user", "email", required=True, help="E-mail address of the person.")
@click.option("--channel", help="Only this channel: email, ntfy, slack or webhook.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the outcome.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options(DATABASE)
def send_test(email: str, channel: str | None, wait: float, as_json: bool, **flags: Any) -> None:
    """Send a test message to a person and show the outcome. Exit code 1 unless all were sent."""

    async def work(hand: Hand) -> list[Outcome]:
        return await test_person(hand, email, channel, wait)

    outcomes = run_with_database(load(flags), work)
    if as_json:
        text = msgspec.json.encode({"outcomes": outcomes})
        click.echo(msgspec.json.format(text).decode())
    else:
        for outcome in outcomes:
            tail = f": {outcome.detail}" if outcome.detail else ""
            click.echo(
                f"{outcome.state:9} {outcome.method} ({outcome.channel}, {outcome.address}){tail}"
            )
    if any(outcome.state != DeliveryState.SENT for outcome in outcomes):
        raise SystemExit(1)


async def test_person(hand: Hand, email: str, channel: str | None, wait: float) -> list[Outcome]:
    """Test each of a person's contact methods. Raises CommandProblem when nobody would send."""
    methods = await _methods(hand, email, channel)
    if not (await living_nodes(hand.database, hand.clock)).engines:
        raise CommandProblem(
            "no engine runs on this database, so nothing would be sent: start the server"
            " (`tocsin serve`) and try again"
        )
    outcomes: dict[str, Outcome] = {}
    queued: dict[str, str] = {}
    for method in methods:
        try:
            async with hand.database.transaction() as tx:
                queued[method.id] = await paging.send_test(tx, SYSTEM, method.id, hand.clock.now())
        except Refused as refused:
            outcomes[method.id] = _outcome(method, "refused", refused.message)
    end = hand.clock.steady() + wait
    while True:
        for method in methods:
            if method.id in queued:
                outcomes[method.id] = await _look(hand, method, queued[method.id])
        waiting = any(outcome.state in UNDER_WAY for outcome in outcomes.values())
        if not waiting or hand.clock.steady() >= end:
            return [outcomes[method.id] for method in methods]
        await hand.clock.sleep(LOOK_SECONDS)


async def _methods(hand: Hand, email: str, channel: str | None) -> list[ContactMethod]:
    async with hand.database.transaction() as tx:
        user = await accounts.user_by_email(tx, email)
        if user is None:
            raise CommandProblem(f"nobody has the e-mail address {email}")
        methods = await paging.contact_methods(tx, SYSTEM, user.id)
    wanted = [method for method in methods if channel in (None, method.channel)]
    if not wanted:
        what = "contact method" if channel is None else f"contact method for {channel}"
        raise CommandProblem(f"{user.name} has no {what}: add one on the profile page")
    return wanted


async def _look(hand: Hand, method: ContactMethod, delivery_id: str) -> Outcome:
    async with hand.database.transaction() as tx:
        delivery, attempts = await paging.delivery(tx, SYSTEM, delivery_id)
    detail = delivery.detail or (attempts[-1].detail if attempts else None)
    return _outcome(method, delivery.state, detail, delivery)


def _outcome(
    method: ContactMethod, state: str, detail: str | None, delivery: Delivery | None = None
) -> Outcome:
    return Outcome(
        method=method.label,
        channel=method.channel,
        address=method.address_hint,
        state=str(state),
        detail=detail,
        attempts=delivery.attempts if delivery else 0,
        delivery_id=delivery.id if delivery else None,
    )
