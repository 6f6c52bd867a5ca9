"""The watch over Tocsin itself: trouble that stays becomes an event at Tocsin's own door.

Every ten seconds, on one node at a time, what is wrong is gathered, the rule in self_rules decides,
and triggers and resolves go into the inbox like those of any machine, in the transaction that
remembers that they were sent. From there they take the road of every event. What no inbox can tell,
that all of this has stopped, is for the dead man's switch.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tocsin.accounts import actions as accounts
from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database, Tx
from tocsin.engine import self_service, self_store, troubles
from tocsin.engine.auditor import FindingKind, audit
from tocsin.engine.self_rules import Decision, Watched, decide
from tocsin.engine.troubles import Trouble
from tocsin.schedules import actions as schedules

log = logs.get(__name__)

PASS_SECONDS = 10.0
# Who is on call is asked less often: it costs the rendering of every schedule in use.
PEOPLE_SECONDS = 60.0
SETTING = "self_watch"
SEEN_WITHIN = timedelta(seconds=35)

Space = Callable[[], tuple[int, int]]
"""Free and total bytes of the disk that the database is on."""


def space_of(directory: Path) -> Space:
    """The disk under a directory, or where the directory will be once it is made."""

    def measure() -> tuple[int, int]:
        there = next(
            place
            for place in (directory.absolute(), *directory.absolute().parents)
            if place.exists()
        )
        usage = shutil.disk_usage(there)
        return usage.free, usage.total

    return measure


class SelfWatch:
    """An engine stage. `space` is None where the database is not on this machine; `channels` are
    the names of those that are set up."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        node: str,
        base_url: str,
        secret_box: SecretBox,
        channels: Sequence[str],
        space: Space | None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.node = node
        self.base_url = base_url
        self.secret_box = secret_box
        self.channels = tuple(channels)
        self.space = space
        self._last: float | None = None
        self._mute: tuple[float, Trouble | None] | None = None

    async def run(self) -> int:
        """One pass, unless the last is too fresh; how many events were sent."""
        steady = self.clock.steady()
        if self._last is not None and steady - self._last < PASS_SECONDS:
            return 0
        self._last = steady
        async with self.database.transaction() as tx:
            if not await self_store.lock(tx):
                return 0
            now = self.clock.now()
            before = await remembered(tx)
            decision = decide(before, await self._seen(tx, now), now, node=self.node)
            sent = 0
            if decision.raised or decision.cleared:
                decision, sent = await self._tell(tx, decision, now)
            if decision.watched != before:
                await accounts.write_value(tx, SETTING, decision.watched)
        return sent

    async def _seen(self, tx: Tx, now: datetime) -> list[Trouble]:
        found = [troubles.of_finding(finding) for finding in await audit(tx, now)]
        maybe: list[Trouble | None] = [
            troubles.of_channel(record, now) for record in await self_store.channel_records(tx, now)
        ]
        drift = getattr(self.clock, "drift_seconds", 0.0)
        maybe.append(troubles.of_clock(drift, self.node))
        if self.space is not None:
            free, total = self.space()
            maybe.append(troubles.of_disk(free, total, self.node))
        maybe.append(await self._mute_people(tx, now))
        return found + [trouble for trouble in maybe if trouble is not None]

    async def _mute_people(self, tx: Tx, now: datetime) -> Trouble | None:
        steady = self.clock.steady()
        if self._mute is not None and steady - self._mute[0] < PEOPLE_SECONDS:
            return self._mute[1]
        users, schedule_ids = await self_store.targets(tx)
        on_call = await schedules.on_call(tx, schedule_ids, now) if schedule_ids else {}
        users += [one.user_id for people in on_call.values() for one in people]
        trouble = troubles.of_mute(await self_store.mute(tx, users, self.channels))
        self._mute = (steady, trouble)
        return trouble

    async def _tell(self, tx: Tx, decision: Decision, now: datetime) -> tuple[Decision, int]:
        """Send what was decided. Without a door nothing counts as told."""
        door = await self_service.ready(tx, self.secret_box, now)
        if door is None:
            untold = {trouble.key for trouble in decision.raised}
            watched = {
                key: msgspec.structs.replace(one, raised_at=None) if key in untold else one
                for key, one in decision.watched.items()
            }
            return msgspec.structs.replace(decision, watched=watched), 0
        for trouble in decision.raised:
            log.error("trouble in Tocsin itself", key=trouble.key, summary=trouble.summary)
            await self_service.say(tx, door, self._trigger(trouble), now)
        for key in decision.cleared:
            log.info("trouble is over", key=key)
            body = {"event_action": "resolve", "dedup_key": dedup_key(key)}
            await self_service.say(tx, door, body, now)
        return decision, len(decision.raised) + len(decision.cleared)

    def _trigger(self, trouble: Trouble) -> dict[str, Any]:
        return {
            "event_action": "trigger",
            "dedup_key": dedup_key(trouble.key),
            "client": "Tocsin",
            "client_url": self.base_url + troubles.HEALTH,
            "links": [{"href": self.base_url + trouble.href, "text": "Where to look"}],
            "payload": {
                "summary": trouble.summary[:1024],
                "source": self.node,
                "severity": "critical",
                "component": "tocsin",
                "class": trouble.key.partition(":")[0].partition("@")[0],
                "custom_details": {"what to do": trouble.advice},
            },
        }


def dedup_key(key: str) -> str:
    """The dedup key of a trouble's events."""
    return f"tocsin/{key}"[:255]


async def remembered(tx: Tx) -> dict[str, Watched]:
    """The troubles that some node saw lately, by key."""
    return await accounts.read_value(tx, SETTING, dict[str, Watched]) or {}


async def seen_lately(tx: Tx, now: datetime) -> list[Trouble]:
    """What a node saw within its last passes, beside what the auditor finds at any time."""
    found = {finding.value for finding in FindingKind}
    return [
        one.trouble
        for key, one in sorted((await remembered(tx)).items())
        if key not in found and now - one.seen_at < SEEN_WITHIN
    ]
