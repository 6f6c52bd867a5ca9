"""The door of suppression: maintenance windows, what they hold back, and when that ends."""

from tocsin.suppression.actions.holding import (
    claim,
    done,
    due,
    hold,
    next_due,
    push_back,
    verdicts,
    wait,
)
from tocsin.suppression.actions.windows import (
    Listed,
    by_ids,
    count,
    create,
    get,
    open_windows,
    page,
    remove,
    update,
)

__all__ = [
    "Listed",
    "by_ids",
    "claim",
    "count",
    "create",
    "done",
    "due",
    "get",
    "hold",
    "next_due",
    "open_windows",
    "page",
    "push_back",
    "remove",
    "update",
    "verdicts",
    "wait",
]
