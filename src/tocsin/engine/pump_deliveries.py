"""The delivery pump: due deliveries are leased, sent, and their receipts recorded.

Theory of operation. A pass leases what is due, as far as each channel's lane has room, and commits;
from there on no transaction is open while a provider is spoken to. Each send is a task of its own,
so a slow provider delays nobody. Receipts of sends that end together are written together.

Invariants:
- nothing is sent without a lease, nor after two fifths of the lease on a clock that also counts
  while the machine sleeps: a process that was paused sends nothing another node has sent;
- a send never lasts longer than what is left of the lease;
- what waited for more than half a second is looked at again: no page after an acknowledgement;
- a receipt counts only under the fence it was leased with.

A crash leaves a lease behind, which any node takes back when it has run out: a person may be told
twice, never not at all. The message's delivery id stays the same, so a provider may drop a repeat.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from tocsin import metrics
from tocsin.channels.model import Channel, Dead, Message, Receipt, Retry, Sent
from tocsin.core import crash_points, logs, planted_defects
from tocsin.core import database as db
from tocsin.core.clock import Clock
from tocsin.core.crypto import SealBroken, SecretBox
from tocsin.core.database import Database, Tx
from tocsin.engine import delivery_lines
from tocsin.engine.receipts import Receipts, end, storable
from tocsin.paging import actions as paging
from tocsin.paging.compose import (
    MAX_LINES,
    Links,
    Told,
    ToldHandoff,
    ToldUpdate,
    compose,
    compose_handoff,
    compose_update,
)
from tocsin.paging.model import Claim, DeliveryKind, Finished, Outcome

log = logs.get(__name__)

LANE_PLACES = 32
# Status updates go beside the lanes, so that a thousand of them keep no page waiting.
UPDATE_PLACES = 4
# A page whose node died between claim and send waits this long and a housekeeping round: with the
# restart of a database in between that must stay under fifteen seconds.
LEASE_SECONDS = 12.0
# Parts of the lease: a send starts within the first and lasts no longer than the second.
START_WITHIN = 0.4
SEND_WITHIN = 0.5
LOOK_AGAIN_SECONDS = 0.5
HOUSEKEEPING_SECONDS = 1.0
MOST_RECEIPTS = 500
MAX_DETAIL = 300
MAX_PROVIDER_ID = 500

UNCOMMITTED_CLAIM = crash_points.point("deliveries.claim_uncommitted")
CLAIMED = crash_points.point("deliveries.claimed")
BEFORE_SEND = crash_points.point("deliveries.before_send")
AFTER_SEND = crash_points.point("deliveries.after_send")
UNCOMMITTED_RECEIPT = crash_points.point("deliveries.receipt_uncommitted")
RECORDED = crash_points.point("deliveries.receipt_recorded")
TAKEN_BACK = crash_points.point("deliveries.taken_back")
FOLDED = crash_points.point("deliveries.folded")

# (incident id, user id) -> (acknowledge URL, incident URL)
LinkMaker = Callable[[str, str], tuple[str, str]]


class _Send(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with what it tells of, ready to go. `leased_at` is on the steady clock."""

    claim: Claim
    told: Sequence[Told]
    update: ToldUpdate | ToldHandoff | None
    claimed_at: datetime
    leased_at: float


class DeliveryPump:
    """Sends what is due on the channels of this node.

    The engine's loop calls :meth:`claim_and_start`; a simulation calls :meth:`run_due`, which
    also waits for the sends, one after the other.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        channels: Mapping[str, Channel],
        links: LinkMaker,
        secret_box: SecretBox,
        node: str,
        lease_seconds: float = LEASE_SECONDS,
        lanes: Mapping[str, int] | None = None,
        incidents_url: str | None = None,
        on_free: Callable[[], None] | None = None,
    ) -> None:
        """`lanes` gives the number of sends at a time for a channel (32 unless named).
        `on_free` is called when a full lane has room again, to wake the loop."""
        self.database = database
        self.clock = clock
        self.channels = channels
        self.links = links
        self.secret_box = secret_box
        self.node = node
        self.lease_seconds = lease_seconds
        self.lanes = {name: (lanes or {}).get(name, LANE_PLACES) for name in channels}
        self.incidents_url = incidents_url
        self.on_free = on_free
        self._busy: Counter[str] = Counter()
        self._busy_updates = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._receipts = Receipts[Finished](
            clock,
            self._record,
            name="delivery receipts",
            id_of=lambda finished: finished.claim.id,
            most=MOST_RECEIPTS,
        )
        self._kept_house_at: float | None = None
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """How many sends are under way."""
        return len(self._tasks)

    async def claim_and_start(self) -> int:
        """Start what is due and fits, without waiting for it; how much was done."""
        if self._stopped:
            return 0
        done = await self._keep_house()
        sends, taken = await self._claim()
        for send in sends:
            self._take_place(send.claim, 1)
            task = asyncio.create_task(self._deliver(send), name=f"delivery {send.claim.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return done + taken

    async def run_due(self) -> int:
        """One pass with every send awaited in turn; how much was done. For simulations."""
        await self._receipts.write()
        done = await self._keep_house()
        sends, taken = await self._claim()
        for send in sends:
            self._receipts.add(await self._send(send))
        await self._receipts.write()
        return done + taken

    async def next_due(self, tx: Tx) -> datetime | None:
        """When there is next something to do for which there is room."""
        return await paging.next_due(tx, [name for name, places in self._free().items() if places])

    async def drain(self, timeout: float) -> None:
        """Start nothing more, give what is under way `timeout` seconds, write the receipts.

        What does not end in time is left to its lease: its outcome is not known.
        """
        self._stopped = True
        await end(self._tasks, timeout)
        await self._receipts.close(timeout)

    def _free(self) -> dict[str, int]:
        return {name: places - self._busy[name] for name, places in self.lanes.items()}

    async def _keep_house(self) -> int:
        """Once a second: take back lost leases, fold what an outage made late, clear strays."""
        steady = self.clock.steady()
        last = self._kept_house_at
        if last is not None and steady - last < HOUSEKEEPING_SECONDS:
            return 0
        now = self.clock.now()
        async with self.database.transaction() as tx:
            done = await paging.take_back(tx, now)
        crash_points.reach(TAKEN_BACK)
        async with self.database.transaction() as tx:
            done += await paging.fold_overdue(tx, now)
        crash_points.reach(FOLDED)
        async with self.database.transaction() as tx:
            done += await paging.claim_strays(
                tx,
                now,
                node=self.node,
                lease_seconds=self.lease_seconds,
                channels=list(self.channels),
            )
        self._kept_house_at = steady
        return done

    async def _claim(self) -> tuple[list[_Send], int]:
        """What is to be sent, and how many due rows were taken in hand for it."""
        free = self._free()
        # Read before the row is leased, so that a part of the lease is never longer than it is.
        leased_at = self.clock.steady()
        now = self.clock.now()
        async with self.database.transaction() as tx:
            claimed = await paging.claim_due(
                tx,
                now,
                node=self.node,
                lease_seconds=self.lease_seconds,
                free=free,
                updates=UPDATE_PLACES - self._busy_updates,
            )
            told = await self._told(tx, claimed.claims)
            updates = await self._updates(tx, claimed.claims)
            crash_points.reach(UNCOMMITTED_CLAIM)
        crash_points.reach(CLAIMED)
        sends = [
            _Send(
                claim=claim,
                told=told.get(claim.id, []),
                update=updates.get(claim.id),
                claimed_at=now,
                leased_at=leased_at,
            )
            for claim in claimed.claims
        ]
        return sends, claimed.taken

    async def _told(self, tx: Tx, claims: Sequence[Claim]) -> dict[str, list[Told]]:
        single = [claim.id for claim in claims if claim.kind == DeliveryKind.PAGE]
        gathered = [claim.id for claim in claims if claim.bundle_id is not None]
        rows: list[Told] = []
        if single:
            rows += await tx.all(Told, delivery_lines.SELECT_OF_PAGES, {"ids": single})
        if gathered:
            rows += await tx.all(
                Told, delivery_lines.SELECT_OF_GATHERED, {"ids": gathered, "most": MAX_LINES}
            )
        told: dict[str, list[Told]] = {}
        for row in rows:
            told.setdefault(row.delivery_id, []).append(row)
        return told

    async def _updates(
        self, tx: Tx, claims: Sequence[Claim]
    ) -> dict[str, ToldUpdate | ToldHandoff]:
        found: dict[str, ToldUpdate | ToldHandoff] = {}
        ids = [claim.id for claim in claims if claim.kind == DeliveryKind.STATUS_UPDATE]
        if ids:
            for row in await tx.all(ToldUpdate, delivery_lines.SELECT_OF_UPDATES, {"ids": ids}):
                found[row.delivery_id] = row
        ids = [claim.id for claim in claims if claim.kind == DeliveryKind.HANDOFF]
        if ids:
            for one in await tx.all(ToldHandoff, delivery_lines.SELECT_OF_HANDOFFS, {"ids": ids}):
                found[one.delivery_id] = one
        return found

    def _message(self, send: _Send) -> Message | None:
        """The message, or None when nothing it would tell of is open any more."""
        claim, told, now = send.claim, send.told, send.claimed_at
        if isinstance(send.update, ToldHandoff):
            base = (self.incidents_url or "").removesuffix("/incidents")
            url = f"{base}/schedules/{send.update.schedule_id}" if base else None
            return compose_handoff(claim, send.update, url, now)
        if send.update is not None:
            _, incident_url = self.links(send.update.incident_id, claim.user_id)
            return compose_update(claim, send.update, incident_url, now)
        if claim.kind == DeliveryKind.TEST:
            links = Links(acknowledge_url=None, incident_url=self.incidents_url)
        elif not told:
            return None
        else:
            acknowledge_url, incident_url = self.links(told[0].incident_id, claim.user_id)
            if told[0].asked_by:
                acknowledge_url += "/responder"
            if told[0].total == 1:
                links = Links(acknowledge_url=acknowledge_url, incident_url=incident_url)
            else:
                links = Links(acknowledge_url=None, incident_url=self.incidents_url or incident_url)
        return compose(claim, told, links, now)

    async def _deliver(self, send: _Send) -> None:
        channel = send.claim.channel
        try:
            self._receipts.add(await self._send(send))
        finally:
            was_full = (
                self._busy_updates >= UPDATE_PLACES
                if send.claim.is_news
                else self._busy[channel] >= self.lanes[channel]
            )
            self._take_place(send.claim, -1)
            if was_full and self.on_free is not None and not self._stopped:
                self.on_free()
        self._receipts.begin()

    def _take_place(self, claim: Claim, places: int) -> None:
        if claim.is_news:
            self._busy_updates += places
        else:
            self._busy[claim.channel] += places

    async def _send(self, send: _Send) -> Finished:
        claim = send.claim
        try:
            message = self._message(send)
        except Exception as error:
            # It is tried again like a send that failed, and holds up none that was claimed with it.
            log.exception("message cannot be written", delivery=claim.id)
            why = f"the message could not be written: {type(error).__name__}"
            return self._ended(claim, Outcome.RETRY, why)
        if message is None:
            return self._ended(claim, Outcome.UNWANTED, "nothing to tell")
        refusal = await self._why_not(send)
        if refusal is not None:
            return self._ended(claim, *refusal)
        try:
            address, secret = self._open(claim)
        except SealBroken as error:
            log.error("address cannot be opened", delivery=claim.id, error=str(error))
            return self._ended(claim, Outcome.DEAD, "the address cannot be opened with this key")
        if planted_defects.SENT_BEFORE_SENDING:
            await self._record([self._ended(claim, Outcome.SENT, "")])
        crash_points.reach(BEFORE_SEND)
        receipt = await self._hand_over(claim, message, address, secret)
        crash_points.reach(AFTER_SEND)
        match receipt:
            case Sent(detail=detail, provider_id=provider_id):
                return self._ended(claim, Outcome.SENT, detail, provider_id=provider_id)
            case Retry(detail=detail, after_seconds=after):
                return self._ended(claim, Outcome.RETRY, detail, retry_after_seconds=after)
            case Dead(detail=detail):
                return self._ended(claim, Outcome.DEAD, detail)

    async def _why_not(self, send: _Send) -> tuple[Outcome, str] | None:
        """Why this must not be sent after all, looked at right before the send."""
        if self._elapsed(send) > LOOK_AGAIN_SECONDS and not self._lapsed(send):
            try:
                async with self.database.transaction() as tx:
                    wanted = await paging.still_wanted(tx, [send.claim])
            except db.DatabaseError as error:
                return Outcome.LAPSED, f"could not look again before sending: {error}"
            if send.claim.id not in wanted:
                return Outcome.UNWANTED, "stopped before it was sent"
        if self._lapsed(send):
            return Outcome.LAPSED, "too late to send safely under the lease"
        return None

    def _elapsed(self, send: _Send) -> float:
        return self.clock.steady() - send.leased_at

    def _lapsed(self, send: _Send) -> bool:
        return self._elapsed(send) > self.lease_seconds * START_WITHIN

    def _open(self, claim: Claim) -> tuple[str, str | None]:
        if claim.kind == DeliveryKind.STATUS_UPDATE and claim.email:
            return claim.email, None
        id = claim.contact_method_id
        if id is None or claim.address_sealed is None:
            raise SealBroken("there is no address")
        address = self.secret_box.decrypt(claim.address_sealed, paging.address_context(id))
        if claim.secret_sealed is None:
            return address, None
        return address, self.secret_box.decrypt(claim.secret_sealed, paging.secret_context(id))

    async def _hand_over(
        self, claim: Claim, message: Message, address: str, secret: str | None
    ) -> Receipt:
        limit = self.lease_seconds * SEND_WITHIN
        try:
            async with asyncio.timeout(limit):
                return await self.channels[claim.channel].send(message, address, secret)
        except TimeoutError:
            return Retry(detail=f"no answer within {limit:g} s")
        except Exception as error:
            log.exception("channel failed", channel=claim.channel, delivery=claim.id)
            return Retry(detail=f"{type(error).__name__}: {error}"[:MAX_DETAIL])

    def _ended(
        self,
        claim: Claim,
        outcome: Outcome,
        detail: str,
        *,
        provider_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> Finished:
        return Finished(
            claim=claim,
            node=self.node,
            outcome=outcome,
            detail=storable(detail),
            finished_at=self.clock.now(),
            provider_id=None if provider_id is None else storable(provider_id)[:MAX_PROVIDER_ID],
            retry_after_seconds=retry_after_seconds,
        )

    async def _record(self, batch: Sequence[Finished]) -> None:
        async with self.database.transaction() as tx:
            await paging.record_receipts(tx, batch, self.clock.now())
            crash_points.reach(UNCOMMITTED_RECEIPT)
        crash_points.reach(RECORDED)
        for finished in batch:
            _count(finished)


def _count(finished: Finished) -> None:
    claim = finished.claim
    metrics.DELIVERIES.labels(claim.channel, str(finished.outcome)).inc()
    if finished.outcome == Outcome.SENT and claim.pages:
        late = (finished.finished_at - claim.first_due_at).total_seconds()
        metrics.PAGE_LATENCY.labels(claim.channel).observe(max(0.0, late))
