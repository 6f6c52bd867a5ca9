"""Logs: one JSON object a line on standard error, or readable lines on a terminal.

Never logged: passwords, keys, addresses of people, message bodies. Integration keys in a path are
masked by the web server's own access log, which is off; requests are logged by route.
"""

import logging
import sys
from typing import Any

import structlog


def configure(*, as_json: bool, level: str = "info") -> None:
    """Set up structlog and route the standard library's loggers through it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The fancy form writes local variables, and those may be passwords.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # It tells each try of each pool, twice a second; the engine and the start say it themselves.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def get(name: str) -> Any:
    """A logger named after its module."""
    return structlog.get_logger(name)
