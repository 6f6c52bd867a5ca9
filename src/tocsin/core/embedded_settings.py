"""The settings the embedded PostgreSQL is started with.

The rule owned here: what protects committed data or guards access is fixed and given on the
command line, where neither the configuration file nor ALTER SYSTEM can weaken it; the rest is sized
for a small machine and may be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tocsin.core.embedded_binaries import EmbeddedPostgresError

SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "data_sync_retry": "off",
}
DEFAULTS = {
    "max_connections": "60",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "max_wal_senders": "3",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_startup_progress_interval": "5s",
}
RESERVED = frozenset(SAFE) | {
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "ignore_checksum_failure",
    "unix_socket_directories",
    "unix_socket_group",
    "zero_damaged_pages",
}
HINTS = (
    ("No space left on device", "Free some disk space and start again."),
    ("could not map anonymous shared memory", "Free some memory or lower shared_buffers."),
    ("Permission denied", "Check who owns the data directory, or choose another --data-dir."),
    ("unrecognized configuration parameter", "Remove that setting of the embedded database."),
    ("invalid value for parameter", "Correct that setting of the embedded database."),
    ("could not look up effective user ID", "Give the user Tocsin runs as an /etc/passwd entry."),
)


def server_settings(chosen: Mapping[str, str]) -> dict[str, str]:
    """All settings of a start. Raises EmbeddedPostgresError for one that may not be chosen."""
    for name in chosen:
        if not re.fullmatch(r"[a-z_][a-z0-9_.]{0,62}", name):
            raise EmbeddedPostgresError(f"{name!r} is not the name of a PostgreSQL setting.")
        if name in RESERVED:
            raise EmbeddedPostgresError(
                f"The setting {name} of the embedded database is fixed, because it guards your "
                "data. Use TOCSIN_DATABASE_URL with a server of your own to choose it."
            )
    return {**DEFAULTS, **chosen, **SAFE}


def hint_for(log: str) -> str:
    """What mends the fault a failed start left in the log; empty when it is not a known one."""
    return next((fix for needle, fix in HINTS if needle in log), "")
