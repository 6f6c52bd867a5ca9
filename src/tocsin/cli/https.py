"""https next to http: its port, its certificate kept fresh, and what is said of both at a start.

The rule: the pager starts. What goes wrong with https that nobody asked for (its port is taken, its
certificate cannot be made) is said, and http goes on alone; what somebody set and is wrong stops
the start, because they are there to read it.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from tocsin.core import logs, tls
from tocsin.core.clock import Clock, LogicalClock
from tocsin.core.config import TLS_PORT_DISTANCE, Settings
from tocsin.core.crypto import MasterKeyError
from tocsin.core.tls import Shown, TlsError

log = logs.get(__name__)

LOOK_SECONDS = 5.0
MOST_WAITING = 4096
LAST_PORT = 65535


class HttpsError(Exception):
    """https cannot be served as it was set up; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """A port that is bound, and what it shows itself with."""

    listener: socket.socket
    shown: Shown
    clock: Clock
    host: str
    local: bool

    @property
    def url(self) -> str:
        """Where https is answered, by a name that the certificate is for."""
        host = "localhost" if self.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else self.host
        name = f"[{host}]" if ":" in host else host
        return f"https://{name}:{self.listener.getsockname()[1]}"

    @property
    def greeting(self) -> str:
        """One line for who started it."""
        trust = "; programs trust it with `tocsin tls ca`" if self.local else ""
        return f"https is answered at {self.url}{trust}"

    async def serve(
        self, config: uvicorn.Config, stopping: asyncio.Event, say: Callable[[str], None]
    ) -> None:
        """Answer until `stopping` is set; `config` is this port's own and not that of http."""
        config.load()
        config.ssl = self.shown.context
        server = uvicorn.Server(config)
        self.listener.listen(MOST_WAITING)
        # serve() would install signal handlers of its own around this.
        serving = asyncio.create_task(server._serve([self.listener]))
        keeping = asyncio.create_task(self.keep(stopping))
        stop = asyncio.create_task(stopping.wait())
        say(self.greeting)
        await asyncio.wait([serving, stop], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        try:
            await serving
        except Exception:
            # The engine and http go on.
            log.exception("https has ended")
        await stop
        await keeping

    async def keep(self, stopping: asyncio.Event) -> None:
        """Renew the certificate and take up changed files, until `stopping` is set."""
        told = ""
        while not stopping.is_set():
            try:
                changed = self.shown.refresh(self.clock.now())
                if changed and self.shown.facts is not None:
                    log.info("https shows a new certificate", until=self.shown.facts.ends_at)
                told = ""
            except TlsError as error:
                # Said once and not every five seconds; what was shown before is shown on.
                if str(error) != told:
                    told = str(error)
                    log.error("the certificate of https is not as it should be", error=told)
            wait = asyncio.create_task(stopping.wait())
            await asyncio.wait([wait], timeout=LOOK_SECONDS)
            wait.cancel()


def open_door(settings: Settings) -> Door | None:
    """Bind the port and load the certificate; None when there is no https, which is then said.

    Raises HttpsError when something that was set does not work.
    """
    if not settings.tls:
        return None
    # Clients judge a certificate by the time of day, which is not the pager's own time.
    clock = LogicalClock()
    try:
        shown = Shown(tls.source_of(settings))
        shown.refresh(clock.now())
    except (TlsError, MasterKeyError) as error:
        if settings.tls_certificate is not None:
            raise HttpsError(f"TOCSIN_TLS_CERTIFICATE: {error}") from error
        _refuse_if_asked_for(settings, str(error))
        return None
    try:
        listener = _bind(settings)
    except HttpsError as error:
        _refuse_if_asked_for(settings, str(error))
        return None
    return Door(
        listener=listener,
        shown=shown,
        clock=clock,
        host=settings.tls_listen_host,
        local=settings.tls_certificate is None,
    )


def _refuse_if_asked_for(settings: Settings, reason: str) -> None:
    """Go on with http alone, unless somebody asked for this port."""
    if settings.tls_port is not None or settings.tls_host is not None:
        raise HttpsError(reason)
    log.warning("https is not served, http is", reason=reason)


def port_of(settings: Settings) -> int:
    """The port of https. Raises HttpsError when there is none so high."""
    if settings.tls_port is not None:
        return settings.tls_port
    if settings.port == 0:
        return 0
    port = settings.port + TLS_PORT_DISTANCE
    if port > LAST_PORT:
        raise HttpsError(f"there is no port {port}: choose one with --tls-port")
    return port


def _bind(settings: Settings) -> socket.socket:
    host, port = settings.tls_listen_host, port_of(settings)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        denied = error.errno == errno.EACCES
        fix = "choose one from 1024 up" if denied else "stop what uses it, or choose another"
        raise HttpsError(
            f"port {port} on {host} cannot be used for https ({error.strerror}): {fix} with"
            " --tls-port, or leave https to a proxy with --tls false"
        ) from error
    listener.setblocking(False)
    return listener
