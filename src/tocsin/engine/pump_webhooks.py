"""The webhook pump: due deliveries are leased, posted, and their answers recorded.

Theory of operation. As for messages to people: a pass leases what is due, as far as each
subscription has places free, and commits; from there on no transaction is open while others are
spoken to. Each send is a task of its own, so a slow subscriber delays nobody, and what ends
together is written together. These sends have their own connections: pages never wait for them.

Invariants:
- nothing is sent without a lease, nor after two fifths of it on a clock that also counts while the
  machine sleeps, and a send lasts no longer than five seconds;
- an answer counts only under the fence it was leased with;
- every attempt of a delivery carries the same id, the same body, and a signature by each secret.

A crash leaves a lease behind, which any node takes back when it has run out: the other side may be
told twice, never not at all, and knows the repeat by its id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from tocsin import metrics
from tocsin.core import crash_points, logs
from tocsin.core.clock import Clock
from tocsin.core.crypto import SealBroken, SecretBox, hmac_sha256
from tocsin.core.database import Database
from tocsin.core.http import Answer, Outbound, Refused, Unreachable
from tocsin.engine.receipts import Receipts, end, storable
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import MAX_HEADERS, Claim, Finished, Outcome
from tocsin.webhooks.places import secret_context
from tocsin.webhooks.retry import outcome_of

log = logs.get(__name__)

PLACES = 4
MOST_AT_ONCE = 200
ANSWER_SECONDS = 5.0
LEASE_SECONDS = 20.0
START_WITHIN = 0.4
HOUSEKEEPING_SECONDS = 1.0
MOST_RECEIPTS = 200
USER_AGENT = "Tocsin-Webhook/3"
MAX_WORDS = 200

UNCOMMITTED_CLAIM = crash_points.point("webhooks.claim_uncommitted")
CLAIMED = crash_points.point("webhooks.claimed")
BEFORE_SEND = crash_points.point("webhooks.before_send")
AFTER_SEND = crash_points.point("webhooks.after_send")
UNCOMMITTED_RECEIPT = crash_points.point("webhooks.receipt_uncommitted")
RECORDED = crash_points.point("webhooks.receipt_recorded")


class _Send(msgspec.Struct, frozen=True, kw_only=True):
    """A claim and when it was leased, on the steady clock."""

    claim: Claim
    leased_at: float


class WebhookPump:
    """Posts what is due. The engine's loop calls :meth:`claim_and_start`; a simulation calls
    :meth:`run_due`, which also waits for the sends, one after the other."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        outbound: Outbound,
        secret_box: SecretBox,
        node: str,
        on_free: Callable[[], None] | None = None,
        places: int = PLACES,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`places` is how many sends at a time a subscription gets on this node; `on_free` is
        called when a send ends, to wake the loop for what waits behind it."""
        self.database = database
        self.clock = clock
        self.outbound = outbound
        self.secret_box = secret_box
        self.node = node
        self.on_free = on_free
        self.places = places
        self.answer_seconds = answer_seconds
        self._busy: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._receipts = Receipts[Finished](
            clock,
            self._record,
            name="webhook receipts",
            id_of=lambda finished: finished.claim.id,
            most=MOST_RECEIPTS,
        )
        self._kept_house_at: float | None = None
        self._stopped = False

    async def claim_and_start(self) -> int:
        """Start what is due and fits, without waiting for it; how much was done."""
        if self._stopped:
            return 0
        done = await self._keep_house()
        sends = await self._claim()
        for send in sends:
            self._busy[send.claim.subscription_id] += 1
            task = asyncio.create_task(self._deliver(send), name=f"webhook {send.claim.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return done + len(sends)

    async def run_due(self) -> int:
        """One pass with every send awaited in turn; how much was done. For simulations."""
        await self._receipts.write()
        done = await self._keep_house()
        sends = await self._claim()
        for send in sends:
            self._receipts.add(await self._send(send))
        await self._receipts.write()
        return done + len(sends)

    async def drain(self, timeout: float) -> None:
        """Start nothing more, give what is under way `timeout` seconds, write the receipts. What
        does not end in time is sent again once its lease has run out."""
        self._stopped = True
        await end(self._tasks, timeout)
        await self._receipts.close(timeout)

    async def _keep_house(self) -> int:
        steady = self.clock.steady()
        last = self._kept_house_at
        if last is not None and steady - last < HOUSEKEEPING_SECONDS:
            return 0
        now = self.clock.now()
        async with self.database.transaction() as tx:
            done = await webhooks.take_back(tx, now)
        async with self.database.transaction() as tx:
            done += await webhooks.cancel_unwanted(tx, now)
        self._kept_house_at = steady
        return done

    async def _claim(self) -> list[_Send]:
        room = MOST_AT_ONCE - self._busy.total()
        if room <= 0:
            return []
        # Read before the row is leased, so that a part of the lease is never longer than it is.
        leased_at = self.clock.steady()
        async with self.database.transaction() as tx:
            claims = await webhooks.claim(
                tx,
                self.clock.now(),
                node=self.node,
                lease_seconds=LEASE_SECONDS,
                places=self.places,
                limit=room,
                busy=+self._busy,
            )
            if claims:
                crash_points.reach(UNCOMMITTED_CLAIM)
        if claims:
            crash_points.reach(CLAIMED)
        return [_Send(claim=claim, leased_at=leased_at) for claim in claims]

    async def _deliver(self, send: _Send) -> None:
        try:
            self._receipts.add(await self._send(send))
        finally:
            self._busy[send.claim.subscription_id] -= 1
            if self.on_free is not None and not self._stopped:
                self.on_free()
        self._receipts.begin()

    async def _send(self, send: _Send) -> Finished:
        claim = send.claim
        if self.clock.steady() - send.leased_at > LEASE_SECONDS * START_WITHIN:
            return _ended(claim, Outcome.LAPSED, "too late to send safely under the lease")
        try:
            url, headers = self._addressed(claim)
        except SealBroken as error:
            log.error("subscription cannot be opened", delivery=claim.id, error=str(error))
            return _ended(claim, Outcome.REFUSED, "its address does not open with this key")
        crash_points.reach(BEFORE_SEND)
        finished = await self._post(claim, url, headers)
        crash_points.reach(AFTER_SEND)
        return finished

    def _addressed(self, claim: Claim) -> tuple[str, dict[str, str]]:
        """Where it goes and its headers. Raises SealBroken."""
        opened = webhooks.open_sealed(
            self.secret_box, claim.subscription_id, claim.url_sealed, claim.headers_sealed
        )
        secrets = [
            self.secret_box.decrypt(sealed, secret_context(id))
            for id, sealed in claim.secrets.items()
        ]
        headers = {header.name: header.value for header in opened.headers[:MAX_HEADERS]}
        return opened.url, {
            **headers,
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "x-pagerduty-signature": signature(secrets, claim.body.encode()),
            "x-webhook-id": claim.id,
            "x-webhook-subscription": claim.subscription_id,
        }

    async def _post(self, claim: Claim, url: str, headers: dict[str, str]) -> Finished:
        try:
            answer = await self.outbound.request(
                "POST",
                url,
                headers=headers,
                content=claim.body.encode(),
                timeout=self.answer_seconds,
            )
        except Refused as error:
            return _ended(claim, Outcome.REFUSED, error.reason)
        except Unreachable as error:
            return _ended(claim, Outcome.RETRY, error.reason)
        except Exception as error:
            log.exception("webhook could not be sent", delivery=claim.id)
            return _ended(claim, Outcome.RETRY, f"{type(error).__name__}")
        words = answer.text(MAX_WORDS)
        return Finished(
            claim=claim,
            outcome=outcome_of(answer.status),
            detail=storable(f"answered {answer.status}" + (f": {words}" if words else "")),
            status=answer.status,
            retry_after_seconds=_asked_to_wait(answer),
        )

    async def _record(self, batch: Sequence[Finished]) -> None:
        async with self.database.transaction() as tx:
            await webhooks.record(tx, batch, self.clock.now())
            crash_points.reach(UNCOMMITTED_RECEIPT)
        crash_points.reach(RECORDED)
        for finished in batch:
            metrics.WEBHOOKS.labels(str(finished.outcome)).inc()


def signature(secrets: Sequence[str], body: bytes) -> str:
    """The header that proves who sent it: one signature for each secret, newest first."""
    return ",".join(f"v1={hmac_sha256(secret.encode(), body)}" for secret in secrets)


def _ended(claim: Claim, outcome: Outcome, detail: str) -> Finished:
    return Finished(claim=claim, outcome=outcome, detail=storable(detail))


def _asked_to_wait(answer: Answer) -> float | None:
    """Retry-After in seconds; its other form, a date, is as good as none."""
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
