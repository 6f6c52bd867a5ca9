"""What a person's own page shows besides their profile: how their last tests ended."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core.database import Tx

SELECT_LAST_TESTS = """
select distinct on (d.contact_method_id) d.id, d.contact_method_id, d.state, d.detail,
    d.created_at, d.started_at, d.finished_at, d.attempts
from deliveries d
where d.user_id = %(user_id)s and d.kind = 'test' and d.created_at >= %(since)s
    and d.contact_method_id = any(%(method_ids)s)
order by d.contact_method_id, d.created_at desc, d.id desc
"""


class LastTest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest test message to one contact method."""

    id: str
    contact_method_id: str
    state: str
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int

    @property
    def under_way(self) -> bool:
        """Whether the outcome is still to come."""
        return self.state in ("queued", "sending")


async def last_tests(
    tx: Tx, user_id: str, method_ids: Sequence[str], since: datetime
) -> dict[str, LastTest]:
    """The newest test of each contact method since then."""
    asked = {"user_id": user_id, "method_ids": list(method_ids), "since": since}
    found = await tx.all(LastTest, SELECT_LAST_TESTS, asked)
    return {test.contact_method_id: test for test in found}
