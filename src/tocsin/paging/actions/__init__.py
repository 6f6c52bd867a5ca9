"""The door of paging. Upper areas and the engine call these and nothing else of this area."""

from tocsin.paging.actions.claims import (
    claim_due,
    claim_strays,
    next_due,
    still_wanted,
    take_back,
)
from tocsin.paging.actions.overdue import fold_overdue
from tocsin.paging.actions.pages import page, pages_of_incident, stop
from tocsin.paging.actions.receipts import record_receipt, record_receipts

__all__ = [
    "claim_due",
    "claim_strays",
    "fold_overdue",
    "next_due",
    "page",
    "pages_of_incident",
    "record_receipt",
    "record_receipts",
    "still_wanted",
    "stop",
    "take_back",
]
