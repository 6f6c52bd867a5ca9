"""The running process: the database server when it is ours, HTTP, the program, and an orderly end.

On a stop new work is refused first, what is in hand is finished, and the database goes last.
"""

import asyncio
import contextlib
import errno
import gc
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any

import uvicorn

from tocsin.app import Program
from tocsin.cli import beside, https
from tocsin.cli.web_processes import WebProcesses
from tocsin.core import logs
from tocsin.core.clock import LogicalClock
from tocsin.core.config import Settings
from tocsin.core.database import Database, DatabaseError
from tocsin.core.embedded_postgres import EmbeddedPostgres
from tocsin.core.migrate import migrate
from tocsin.engine import nodes
from tocsin.ingest import direct
from tocsin.web.operations import Told

log = logs.get(__name__)

Ask = Callable[[str], Awaitable[Told]]

WATCH_SECONDS = 0.5
STOP_SECONDS = 15.0

DOOR_CONNECTIONS = 2
COLLECT_AFTER = 20_000


class StartError(Exception):
    """The program cannot start as it is set up; the message says what to change."""


def configure_logs(settings: Settings) -> bool:
    """Set up the logs as the settings say; whether they are JSON."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    logs.configure(as_json=as_json, level=settings.log_level)
    return as_json


@contextlib.contextmanager
def database_server(settings: Settings) -> Iterator[str]:
    """The database's DSN: the one that was set, or our own server for as long as we live.

    Our own server is started again when it dies. Its DSN is left in DATA_DIR/database.url (0600),
    so that commands run beside the server can reach the same database.
    """
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedPostgres(settings.data_dir, bin_dir=settings.postgres_bin_dir)
    dsn = server.start()
    beside.leave_dsn(settings.data_dir, dsn)
    done = threading.Event()
    watcher = threading.Thread(target=_keep_running, args=(server, done), daemon=True)
    watcher.start()
    try:
        yield dsn
    finally:
        done.set()
        watcher.join()
        beside.forget_dsn(settings.data_dir)
        server.stop()


def _keep_running(server: EmbeddedPostgres, done: threading.Event) -> None:
    while not done.wait(WATCH_SECONDS):
        if server.running:
            continue
        log.error("the embedded database ended; starting it again", log=str(server.log_file))
        try:
            server.start()
        except Exception:
            log.exception("the embedded database does not start; trying again")


async def serve(
    settings: Settings, dsn: str, stopping: asyncio.Event, say: Callable[[str], None] = log.info
) -> None:
    """Run until `stopping` is set; returns when everything in hand is finished.

    `say` is given what a person who started it wants to read, once it is ready.
    """
    async with contextlib.AsyncExitStack() as stack:
        # A port that is taken is told before anything is changed in the database.
        own, *others = [stack.enter_context(listener) for listener in _bind(settings)]
        try:
            door = https.open_door(settings)
        except https.HttpsError as error:
            raise StartError(str(error)) from error
        program = await _program(stack, settings, dsn)
        others_run: list[Coroutine[Any, Any, None]] = []
        if others:
            processes = WebProcesses(settings, dsn, others, answer=program.answer)
            others_run.append(processes.run(stopping))
        if door is not None:
            stack.enter_context(door.listener)
            others_run.append(door.serve(_http(program), stopping, say))
        await _run(program, own, stopping, say, others_run)


async def serve_beside(
    settings: Settings, stopping: asyncio.Event, listener: socket.socket, ask: Ask
) -> None:
    """The same in one more web process of a server: the main process has bound `listener`, brought
    the schema up to date, and answers what is asked about the server itself."""
    assert settings.database_url is not None
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(listener)
        program = await _program(stack, settings, settings.database_url, ask)
        await _run(program, listener, stopping, log.debug, [])


async def _program(
    stack: contextlib.AsyncExitStack, settings: Settings, dsn: str, ask: Ask | None = None
) -> Program:
    clock = LogicalClock()
    share = max(3, (settings.database_connections - DOOR_CONNECTIONS) // 2)
    # Three pools: a busy engine never keeps an alert or a person waiting for a connection.
    pools = (
        Database(dsn, name="tocsin engine", size=share),
        Database(dsn, name="tocsin web", size=share),
        # Clients of the front door send again; they give up waiting after five seconds or ten.
        Database(dsn, name="tocsin front door", size=DOOR_CONNECTIONS, wait_seconds=3.0),
    )
    engine, web, door = [await stack.enter_async_context(pool) for pool in pools]
    if ran := await migrate(engine, clock.now()):
        log.info("the schema is up to date", migrations=ran)
    await nodes.join_time(engine, clock)
    program = Program(
        settings,
        clock=clock,
        database=engine,
        web_database=web,
        door_database=door,
        elsewhere=ask,
    )
    await program.prepare()
    _settle_memory()
    return program


def _settle_memory() -> None:
    """Keep the collector of cycles away from what stays for good, and let it come less often: a
    batch of events makes thousands of objects that are gone without its help a moment later."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


async def _run(
    program: Program,
    listener: socket.socket,
    stopping: asyncio.Event,
    say: Callable[[str], None],
    others: Sequence[Coroutine[Any, Any, None]],
) -> None:
    server = uvicorn.Server(_http(program))
    listener.listen(4096)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(_serve_http(server, [listener]), name="http"),
        asyncio.create_task(program.run(stopping), name="program"),
        *(asyncio.create_task(other, name="beside") for other in others),
    ]
    try:
        say(await program.greeting())
    except DatabaseError as error:
        # It serves all the same, and says more when the database is back.
        log.warning("the database went away at the start", error=str(error))
    waiter: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, waiter], return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    program.begin_stop()
    server.should_exit = True
    await asyncio.wait(tasks, timeout=STOP_SECONDS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, waiter, return_exceptions=True)
    await program.close()
    for task in done:
        if task is not waiter and not task.cancelled():
            task.result()


def _http(program: Program) -> uvicorn.Config:
    settings = program.settings
    return uvicorn.Config(
        program.asgi,
        http="auto" if settings.role == "engine" else direct.protocol(program.door),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
    )


async def _serve_http(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    # serve() would install signal handlers of its own around this.
    await server._serve(sockets)


def _bind(settings: Settings) -> list[socket.socket]:
    """A listening socket for each web process, all on the one port."""
    number = settings.web_processes if settings.role != "engine" else 1
    first = _bound(settings, settings.port, shared=False)
    if number == 1:
        return [first]
    # The first proved that nobody else has the port: sockets that share would not notice.
    port = first.getsockname()[1]
    first.close()
    return [_bound(settings, port, shared=True) for _ in range(number)]


def _bound(settings: Settings, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((settings.host, port))
    except OSError as error:
        listener.close()
        raise StartError(
            f"port {port} on {settings.host} cannot be used ({error.strerror}):"
            f" {_other_door(error)}"
        ) from error
    listener.setblocking(False)
    return listener


def _other_door(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "give an address of this machine with --host; 0.0.0.0 is all of them"
    if error.errno == errno.EACCES:
        return "choose one from 1024 up with --port, and let a proxy take the lower one"
    return "stop what uses it, or choose another with --port"
