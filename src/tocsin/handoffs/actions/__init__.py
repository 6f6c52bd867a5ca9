"""The door of the hand-offs area: a person's rules, and the engine's look at what is due."""

from tocsin.handoffs.actions.looking import due_handoffs, look, push_back
from tocsin.handoffs.actions.rules import (
    RuleDraft,
    add_rule,
    change_rule,
    handoff_rules,
    remove_rule,
)

__all__ = [
    "RuleDraft",
    "add_rule",
    "change_rule",
    "due_handoffs",
    "handoff_rules",
    "look",
    "push_back",
    "remove_rule",
]
