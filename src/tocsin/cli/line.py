"""The line between the main process and one of its web processes: JSON messages over a socket pair.

What only one process knows the others ask for here, so that whichever process takes a request,
the answer is the whole server's: counts flow to the main process, and questions about the server
itself (`/metrics`, `/readyz`) are answered by it. The end of the line is the end of the other:
the kernel closes it however a process dies.
"""

import asyncio
import socket

import msgspec

from tocsin.core.config import Settings
from tocsin.web.operations import Told

# The text of all metrics is one message.
MOST_BYTES = 8 * 1024 * 1024


class Start(msgspec.Struct, frozen=True, tag=True):
    """To a new web process: what it is."""

    settings: Settings


class Stop(msgspec.Struct, frozen=True, tag=True):
    """To a web process: finish what is in hand and end."""


class Counted(msgspec.Struct, frozen=True, tag=True):
    """To the main process, once a second: I live, and this is what I counted since I last said.

    Each entry is a counter's name, the values of its labels, and by how much it rose.
    """

    rises: list[tuple[str, list[str], float]]


class Question(msgspec.Struct, frozen=True, tag=True):
    """To the main process: somebody asked me for `path`."""

    number: int
    path: str


class Reply(msgspec.Struct, frozen=True, tag=True):
    """To a web process: what to answer."""

    number: int
    told: Told


Message = Start | Stop | Counted | Question | Reply

_decoder = msgspec.json.Decoder(Message, dec_hook=lambda kind, value: kind(value))
_encoder = msgspec.json.Encoder(enc_hook=str)


class Line:
    """One end. A message is a line of JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Line":
        """The line over one end of a socket pair."""
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=MOST_BYTES)
        return cls(reader, writer)

    def say(self, message: Message) -> None:
        """Send without waiting; nothing happens when the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(_encoder.encode(message) + b"\n")

    async def hear(self) -> Message | None:
        """The next message; None when the other end is gone."""
        try:
            said = await self._reader.readline()
        except (OSError, ValueError):
            return None
        return _decoder.decode(said) if said.endswith(b"\n") else None

    def close(self) -> None:
        """Let go of this end."""
        self._writer.close()
