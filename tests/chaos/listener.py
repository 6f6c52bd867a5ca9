"""A program that is told of everything by a webhook while the server dies, and what it must find:
everything that happened arrived, each incident's events in their order, repeats under one id."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.checker import Check
from tests.support.settings import MASTER_KEY
from tocsin.accounts.model import SYSTEM
from tocsin.core import crypto
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import NewSubscription

TYPES = ("incident.triggered", "incident.escalated", "incident.acknowledged", "incident.resolved")
WAITING = "select count(*) from webhook_deliveries where finished_at is null"
UNREAD = """
select count(*) from log_entries l, timeline_readers r
where l.seq > r.log_seq and l.kind in ('trigger', 'acknowledge', 'resolve')
"""
UNTOLD = """
select l.id from log_entries l
where (l.kind in ('acknowledge', 'resolve', 'escalate', 'repeat_escalation_path')
        or (l.kind = 'trigger' and l.reason <> 'repeated_alert'))
    and not exists (select from webhook_events e join webhook_deliveries d on d.event_id = e.id
        where e.source = 'log ' || l.id and d.state = 'delivered')
limit 5
"""
TOLD_IN_ORDER = """
select d.id, d.resource_id from webhook_deliveries d order by d.resource_id, d.position
"""
SETTLE_SECONDS = 45.0


@dataclass
class Listener:
    """One server on loopback. `arrived` holds the ids of deliveries in the order they came."""

    arrived: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self, stage: Arena) -> None:
        """Listen, and subscribe to everything."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        box = SecretBox(crypto.load_master_key(Path(stage.folder), MASTER_KEY))
        new = NewSubscription(url=f"http://127.0.0.1:{port}/told", events=TYPES)
        async with Database(stage.dsn, size=1) as database, database.transaction() as tx:
            # Time there is not asked for: what happens from the first moment on is told.
            now = await tx.server_time() - timedelta(hours=1)
            await webhooks.create(tx, SYSTEM, box, new, now)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                headers = {name: value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                json.loads(body)
                id = headers["x-webhook-id"].upper()
                self.arrived.append(id)
                if self.bodies.setdefault(id, body) != body:
                    self.changed.append(id)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()

    async def check(self, stage: Arena) -> list[Check]:
        """What must hold once everything has been sent."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        waiting = unread = -1
        while loop.time() < deadline:
            ((waiting,),) = await stage.query(WAITING)
            ((unread,),) = await stage.query(UNREAD)
            if not waiting and not unread:
                break
            await asyncio.sleep(0.3)
        untold = [str(id) for (id,) in await stage.query(UNTOLD)]
        return [
            Check(
                "every webhook is sent in the end",
                (f"{waiting} waiting, {unread} unread",) if waiting or unread else (),
            ),
            Check("whatever happened is told by webhook", tuple(untold)),
            Check("webhooks of one incident arrive in order", tuple(await self._disordered(stage))),
            Check("a repeat is word for word the same", tuple(self.changed[:5])),
        ]

    async def _disordered(self, stage: Arena) -> list[str]:
        """Incidents whose events did not arrive first in the order in which they happened."""
        first = {id: place for place, id in reversed(list(enumerate(self.arrived)))}
        last: dict[str, int] = {}
        wrong = []
        for id, incident_id in await stage.query(TOLD_IN_ORDER):
            place = first.get(id)
            if place is None:
                wrong.append(f"{id} never arrived")
            elif place < last.get(incident_id, -1):
                wrong.append(f"{id} of {incident_id}")
            else:
                last[incident_id] = place
        return wrong[:5]
