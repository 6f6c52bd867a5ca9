"""The nemesis: breaks one thing after another, by a seed, and writes down what it did.

Processes are broken one at a time, as a machine room does; providers misbehave beside that. It
never takes away every engine for longer than a restart needs, because then nobody could be paged in
time and nothing would be learnt.
"""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from tests.chaos.arena import Arena, Node
from tests.chaos.providers import Mode, Provider
from tocsin.engine.pump_deliveries import LEASE_SECONDS

Act = Callable[[], Awaitable[None]]


class Nemesis:
    """See the module. `long_pauses` is how many pauses beyond the lease there may be."""

    def __init__(self, arena: Arena, seed: int, *, pace: float = 1.0, long_pauses: int = 1) -> None:
        self.arena = arena
        self.random = random.Random(f"nemesis {seed}")
        self.pace = pace
        self.long_pauses = long_pauses
        self.long_pause: asyncio.Task[None] | None = None
        self.paused: Node | None = None
        self._misbehaving: list[asyncio.Task[None]] = []

    async def rage(self, seconds: float) -> None:
        """Commit faults for so long, then mend everything."""
        end = time.monotonic() + seconds
        count = self.long_pauses
        pauses = sorted(end - seconds * (index + 0.9) / count for index in range(count))
        while time.monotonic() < end:
            if pauses and time.monotonic() >= pauses[0] and self.paused is None:
                pauses.pop(0)
                self._begin_long_pause()
            acts: list[tuple[int, Act]] = [
                (5, self._provider),
                (3, self._database),
                (1, self._wall_clock),
            ]
            if self.paused is None:
                acts += [(4, self._kill), (3, self._pause)]
            (act,) = self.random.choices(
                [act for _, act in acts], weights=[weight for weight, _ in acts]
            )
            await act()
            await asyncio.sleep(self.random.uniform(0.4, 2.0) * self.pace)
        if self.long_pause is not None:
            await self.long_pause
        await asyncio.gather(*self._misbehaving)
        self.arena.jump_wall_clock(0.0)

    async def kill(self, node: Node, down: float) -> None:
        """kill -9, and a start after `down` seconds."""
        began = time.time()
        await node.kill()
        await asyncio.sleep(down)
        node.start()
        self.arena.fault("kill -9", node.name, began)

    async def pause(self, node: Node, seconds: float) -> None:
        """SIGSTOP for so long."""
        began = time.time()
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        node.signal(signal.SIGCONT)
        self.arena.fault(f"SIGSTOP {seconds:.1f} s", node.name, began)

    async def pause_until(self, node: Node, until: "asyncio.Future[None]") -> None:
        """SIGSTOP until something happens."""
        began = time.time()
        node.signal(signal.SIGSTOP)
        await asyncio.wait([until], timeout=LEASE_SECONDS * 2)
        node.signal(signal.SIGCONT)
        self.arena.fault(f"SIGSTOP {time.time() - began:.1f} s", node.name, began)

    async def stop_database(self, *, hard: bool, down: float) -> None:
        """Kill PostgreSQL, or stop it without a checkpoint, and start it again."""
        began = time.time()
        postgres = self.arena.postgres
        if hard:
            await asyncio.to_thread(postgres.kill)
        else:
            await asyncio.to_thread(lambda: postgres.stop(immediate=True))
        await asyncio.sleep(down)
        await asyncio.to_thread(postgres.start)
        self.arena.fault("SIGKILL" if hard else "immediate stop", "PostgreSQL", began)

    async def misbehave(self, provider: Provider, mode: Mode, seconds: float) -> None:
        """Let a provider behave like this for so long."""
        began = time.time()
        provider.mode = mode
        await asyncio.sleep(seconds)
        provider.mode = Mode.OK
        self.arena.fault(mode.value, provider.name, began)

    async def _kill(self) -> None:
        await self.kill(self.random.choice(self.arena.nodes), self.random.uniform(0.0, 0.6))
        await self.arena.recovered()

    async def _pause(self) -> None:
        await self.pause(self.random.choice(self.arena.nodes), self.random.uniform(1.0, 4.0))

    async def _database(self) -> None:
        hard = self.random.random() < 0.5
        await self.stop_database(hard=hard, down=self.random.uniform(0.0, 0.8))
        if self.paused is None:
            await self.arena.recovered()

    async def _wall_clock(self) -> None:
        began = time.time()
        jump = self.random.choice([-86400.0, -3600.0, -300.0, 300.0, 3600.0, 86400.0])
        self.arena.jump_wall_clock(jump)
        self.arena.fault(f"jumps {jump:+.0f} s", "wall clock", began)

    async def _provider(self) -> None:
        quiet = [p for p in (self.arena.ntfy, self.arena.webhook) if p.mode is Mode.OK]
        if not quiet:
            await asyncio.sleep(0.5)
            return
        provider = self.random.choice(quiet)
        modes = [Mode.ERROR, Mode.THROTTLE, Mode.SLOW, Mode.DROP]
        if provider is self.arena.ntfy:
            # ntfy names what it took, so a lie can be seen; of a webhook 200 is all there is.
            modes.append(Mode.LIE)
        mode = self.random.choice(modes)
        seconds = self.random.uniform(0.5, 3.0)
        self._misbehaving.append(asyncio.create_task(self.misbehave(provider, mode, seconds)))

    def _begin_long_pause(self) -> None:
        engines = [node for node in self.arena.nodes if node.role == "engine"]
        if not engines:
            return
        node = self.paused = self.random.choice(engines)

        async def pause() -> None:
            await self.pause(node, LEASE_SECONDS + 1.0)
            self.paused = None

        self.long_pause = asyncio.create_task(pause())
