"""Just enough of PostgreSQL's protocol (version 3) to ask a server whether it serves a database.

The rule owned here: a server is ready when it lets the application's role into the application's
database, not when a file says so. Needed because the supervisor runs before any pool exists and
must not depend on programs (`psql`, `pg_isready`) that some installations do not ship. Text
protocol over a Unix socket, no results read, every wait bounded.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from types import TracebackType

PROTOCOL_3 = 196608
MAX_MESSAGE_BYTES = 1 << 20


class WireError(RuntimeError):
    """The server answered with an error.

    `code` is its SQLSTATE; after a `fatal` one the server has closed the connection.
    """

    def __init__(self, code: str, message: str, *, fatal: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.fatal = fatal


class Wire:
    """One authenticated connection. Raises WireError, or OSError when there is no server."""

    def __init__(self, path: Path, *, user: str, database: str, seconds: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(str(path))
            pairs = ("user", user, "database", database)
            body = b"".join(text.encode() + b"\0" for text in pairs) + b"\0"
            self._socket.sendall(struct.pack("!II", len(body) + 8, PROTOCOL_3) + body)
            self._until_ready()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._socket.sendall(b"X" + struct.pack("!I", 4))
        except OSError:
            # The server went first; there is nothing left to say goodbye to.
            pass
        finally:
            self._socket.close()

    def run(self, statement: str) -> None:
        """Run one statement and wait for its end."""
        body = statement.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        self._until_ready()

    def _until_ready(self) -> None:
        failure: WireError | None = None
        while True:
            kind, body = self._message()
            if kind == b"E":
                failure = _error(body)
                if failure.fatal:
                    raise failure
            elif kind == b"R" and struct.unpack("!I", body[:4])[0] != 0:
                raise WireError("28000", "the server asks for a password on its private socket")
            elif kind == b"Z":
                if failure is not None:
                    raise failure
                return

    def _message(self) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!cI", self._exactly(5))
        if not 4 <= length <= MAX_MESSAGE_BYTES:
            raise OSError("what answers on the socket is not a PostgreSQL server")
        return kind, self._exactly(length - 4)

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = self._socket.recv(count - len(got))
            if not part:
                raise ConnectionResetError("the server closed the connection")
            got += part
        return got


def _error(body: bytes) -> WireError:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return WireError(
        fields.get(b"C", ""),
        fields.get(b"M", "the server gave no reason"),
        fatal=fields.get(b"V") in ("FATAL", "PANIC"),
    )
