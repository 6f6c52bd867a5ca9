"""The hash chain over the audit record: each link covers the row and everything before it.

Changing, removing or reordering a sealed row changes its link and breaks every later one. What a
chain alone cannot show is that its newest end was cut off: keep a :class:`Head` somewhere else and
compare.
"""

import hashlib

import msgspec

from tocsin.accounts.model import AuditRecord

START = bytes(32)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest link: its number (1 is the first; 0 when nothing is sealed) and its hash."""

    chain: int
    hash: bytes


def link(previous: bytes, record: AuditRecord) -> bytes:
    """SHA-256 over the previous link's 32 bytes and the row as JSON with sorted keys."""
    return hashlib.sha256(previous + msgspec.json.encode(record, order="sorted")).digest()
