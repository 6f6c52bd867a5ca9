"""Who changed what: one row in the same transaction as each change, then sealed into a chain.

The rule this module owns: a change and its audit row commit together or not at all. Sealing
happens a moment later in the engine, so two people who change things never wait for one another.
The tables refuse UPDATE and DELETE by trigger; whoever gets around that (a superuser) is found by
:func:`verify`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import store
from tocsin.accounts.access import Permission, require
from tocsin.accounts.chain import START, Head, link
from tocsin.accounts.model import Actor, AuditRecord
from tocsin.core.database import Tx, json
from tocsin.core.errors import Invalid
from tocsin.core.pages import Page, checked_limit, page_of, read_cursor

SEAL_LOCK = 0x7C5EA1
SEAL_BATCH = 1000
VERIFY_BATCH = 1000
MAX_LABEL = 255

_METHODS = {"person": "browser", "key": "api_token"}


async def record(
    tx: Tx,
    actor: Actor,
    now: datetime,
    *,
    action: str,
    subject_type: str,
    subject_id: str,
    subject_label: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Write one audit row. `before` and `after` are structs or mappings, without secrets.

    `action` is create, update, delete or another verb. When both states are given only the fields
    that differ are kept.
    """
    old, new = _fields(before), _fields(after)
    if old is not None and new is not None:
        same = {name for name in old.keys() & new.keys() if old[name] == new[name]}
        old = {name: value for name, value in old.items() if name not in same}
        new = {name: value for name, value in new.items() if name not in same}
    await tx.execute(
        store.INSERT_AUDIT,
        {
            "at": now,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "actor_label": actor.label[:MAX_LABEL],
            "method": _METHODS.get(actor.kind, "other"),
            "address": actor.address,
            "action": action,
            "subject_type": subject_type,
            "subject_id": subject_id,
            "subject_label": subject_label[:MAX_LABEL],
            "before": None if old is None else json(old),
            "after": None if new is None else json(new),
        },
    )


async def seal(tx: Tx) -> int:
    """Chain up to 1,000 waiting rows; how many. Another node that is sealing makes it 0."""
    if not await tx.value(store.TRY_SEAL_LOCK, {"key": SEAL_LOCK}):
        return 0
    taken = await tx.tuples(store.TAKE_PENDING, {"limit": SEAL_BATCH})
    if not taken:
        return 0
    records = await tx.all(AuditRecord, store.SELECT_AUDIT_BY_SEQS, {"seqs": [r[0] for r in taken]})
    newest = await head(tx)
    previous, links = newest.hash, []
    for chain, row in enumerate(records, newest.chain + 1):
        previous = link(previous, row)
        links.append((chain, row.seq, previous))
    await tx.copy("audit_chain", ("chain", "audit_seq", "hash"), links)
    return len(links)


async def head(tx: Tx) -> Head:
    """The newest link; kept outside the database it also proves that no end was cut off."""
    newest = await tx.one(Head, store.SELECT_HEAD)
    return newest or Head(chain=0, hash=START)


async def sealed(tx: Tx, after: int, upto: int, subject_types: Sequence[str]) -> list[AuditRecord]:
    """The rows about these kinds of things whose links are numbered above `after` up to `upto`, at
    most 1,000 further on, in the order of the chain.

    Links are numbered without gaps by one sealer at a time, so whoever follows their numbers up to
    the head misses no row, whenever its transaction was committed.
    """
    if upto - after > SEAL_BATCH:
        raise ValueError(f"at most {SEAL_BATCH} links at a time")
    asked = {"after": after, "upto": upto, "subject_types": list(subject_types)}
    return await tx.all(AuditRecord, store.SELECT_SEALED, {**asked, "limit": SEAL_BATCH})


async def verify(tx: Tx, anchor: Head | None = None) -> int | None:
    """The number of the first audit row that is not what was sealed, or None when all is well.

    0 means that rows at the end were cut off: the chain no longer reaches `anchor`, a head noted
    earlier. Rows that still wait for their seal are not covered yet.
    """
    previous, chain = START, 0
    while True:
        links = await tx.tuples(store.SELECT_LINKS, {"after": chain, "limit": VERIFY_BATCH})
        if not links:
            break
        records = await tx.all(
            AuditRecord, store.SELECT_AUDIT_BY_SEQS, {"seqs": [seq for _, seq, _ in links]}
        )
        by_seq = {row.seq: row for row in records}
        for number, seq, kept in links:
            chain += 1
            row = by_seq.get(seq)
            previous = START if row is None else link(previous, row)
            if number != chain or row is None or previous != kept:
                return int(seq)
            if anchor is not None and number == anchor.chain and kept != anchor.hash:
                return int(seq)
    if anchor is not None and anchor.chain > chain:
        return 0
    loose = await tx.value(store.SELECT_UNCHAINED)
    return None if loose is None else int(loose)


async def page(
    tx: Tx,
    actor: Actor,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    subject_type: str | None = None,
    subject_id: str | None = None,
    actor_id: str | None = None,
    action: str | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> Page[AuditRecord]:
    """The record, newest first. `since` is inclusive, `until` exclusive."""
    require(actor, Permission.VIEW_AUDIT)
    (before,) = read_cursor(cursor, 1)
    if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise Invalid("cursor", "is not one this server gave out")
    rows = await tx.all(
        AuditRecord,
        store.SELECT_AUDIT,
        {
            "before_seq": None if before is None else int(before),
            "since": since,
            "until": until,
            "subject_type": subject_type,
            "subject_id": subject_id,
            "actor_id": actor_id,
            "action": action,
            "limit": checked_limit(limit) + 1,
        },
    )
    return page_of(rows, limit, lambda row: (str(row.seq),))


def _fields(state: Any) -> dict[str, Any] | None:
    if state is None:
        return None
    # As JSON would carry it, so that what is compared here is what is stored.
    plain = msgspec.to_builtins(dict(state) if isinstance(state, Mapping) else state)
    return dict(plain)
