"""The door of paging. Upper areas and the engine call these and nothing else of this area."""

from tocsin.paging.actions.claims import (
    claim_due,
    claim_strays,
    next_due,
    still_wanted,
    take_back,
)
from tocsin.paging.actions.contact_methods import (
    AddressRules,
    ContactMethodDraft,
    add_contact_method,
    address_context,
    addresses,
    change_contact_method,
    contact_method,
    contact_methods,
    contact_methods_of,
    delivery,
    remove_contact_method,
    secret_context,
    send_test,
)
from tocsin.paging.actions.notices import NoticeDraft, queue_notices
from tocsin.paging.actions.notification_rules import (
    RuleDraft,
    add_rule,
    change_rule,
    notification_rules,
    notification_rules_of,
    remove_rule,
)
from tocsin.paging.actions.overdue import fold_overdue
from tocsin.paging.actions.pages import page, stop, stop_asking
from tocsin.paging.actions.receipts import record_receipt, record_receipts
from tocsin.paging.actions.status_mail import mail_updates

__all__ = [
    "AddressRules",
    "ContactMethodDraft",
    "NoticeDraft",
    "RuleDraft",
    "add_contact_method",
    "add_rule",
    "address_context",
    "addresses",
    "change_contact_method",
    "change_rule",
    "claim_due",
    "claim_strays",
    "contact_method",
    "contact_methods",
    "contact_methods_of",
    "delivery",
    "fold_overdue",
    "mail_updates",
    "next_due",
    "notification_rules",
    "notification_rules_of",
    "page",
    "queue_notices",
    "record_receipt",
    "record_receipts",
    "remove_contact_method",
    "remove_rule",
    "secret_context",
    "send_test",
    "still_wanted",
    "stop",
    "stop_asking",
    "take_back",
]
