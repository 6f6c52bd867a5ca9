"""Twelve classic mistakes, built in on purpose, so that the chaos harness can prove it sees them.

A harness that finds nothing may be blind. So each promise that matters has a defect here that
breaks it, planted by one line at the place concerned, and the harness must catch every one.

Invariant: nothing here is ever true in a server that people rely on. A defect is planted only when
the environment names it in ``TOCSIN_PLANTED_DEFECT`` and also says ``TOCSIN_TEST_PLANTED=1``; both
are read once, when this module is loaded.
"""

import asyncio
import os
from typing import Any, Final, LiteralString, Protocol

NAMES: Final = (
    "answer_before_commit",
    "sent_before_sending",
    "asynchronous_commit",
    "no_fence",
    "no_lease",
    "wall_clock",
    "any_answer_is_sent",
    "publish_after_commit",
    "no_unique_index",
    "unlimited_retry",
    "swallowed_exception",
    "auditor_off",
)

_name = ""
if os.environ.get("TOCSIN_TEST_PLANTED") == "1":
    _name = os.environ.get("TOCSIN_PLANTED_DEFECT", "")
    if _name and _name not in NAMES:
        raise ValueError(f"TOCSIN_PLANTED_DEFECT: there is no defect {_name!r}; {NAMES}")

# The front door answers "accepted" while the commit is still to come.
ANSWER_BEFORE_COMMIT: Final = _name == "answer_before_commit"
# A message is recorded as sent, and only then handed to its provider.
SENT_BEFORE_SENDING: Final = _name == "sent_before_sending"
# A commit returns before it is on disk.
ASYNCHRONOUS_COMMIT: Final = _name == "asynchronous_commit"
# A holder that lost its lease may still write how its send ended.
NO_FENCE: Final = _name == "no_fence"
# What is taken in hand is nobody's: its lease has run out when it begins.
NO_LEASE: Final = _name == "no_lease"
# Time is what the machine's clock says, wherever that jumps.
WALL_CLOCK: Final = _name == "wall_clock"
# Whatever a provider answers counts as a yes.
ANY_ANSWER_IS_SENT: Final = _name == "any_answer_is_sent"
# What is to be sent is written after the transaction that decided it.
PUBLISH_AFTER_COMMIT: Final = _name == "publish_after_commit"
# Uniqueness is a hope: no lock keeps two writers apart (the harness drops the indexes).
NO_UNIQUE_INDEX: Final = _name == "no_unique_index"
# A failed send is tried again at once, for ever.
UNLIMITED_RETRY: Final = _name == "unlimited_retry"
# A commit that failed is taken for one that worked.
SWALLOWED_EXCEPTION: Final = _name == "swallowed_exception"
# Nobody looks for what is overdue.
AUDITOR_OFF: Final = _name == "auditor_off"

_late: set[asyncio.Task[Any]] = set()


class _Transaction(Protocol):
    """As much of a transaction as `write_later` needs."""

    def after_commit(self, call: Any) -> None:
        """See core.database."""

    async def execute(self, statement: LiteralString, params: Any = None) -> int:
        """See core.database."""
        ...


def write_later(tx: _Transaction, statement: LiteralString, params: Any) -> None:
    """Run a statement after the commit of `tx` and outside of it, as PUBLISH_AFTER_COMMIT does."""

    def write() -> None:
        task = asyncio.get_running_loop().create_task(tx.execute(statement, params))
        _late.add(task)
        task.add_done_callback(_late.discard)

    tx.after_commit(write)
