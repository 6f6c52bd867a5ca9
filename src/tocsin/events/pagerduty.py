"""What both versions of the Events API share: the actions, and the key the front door made."""

from typing import Any, TypeGuard, get_args

import msgspec

from tocsin.events.model import Action, Event, Message, Rejected

ACTIONS: tuple[str, ...] = get_args(Action)


def is_action(value: Any) -> TypeGuard[Action]:
    """Whether a field of the wire names one of the three actions."""
    return isinstance(value, str) and value in ACTIONS


def with_made_key(message: Message | Rejected, made: str | None) -> tuple[Event, ...] | Rejected:
    """The event of an accepted body; `made` is its key when the sender gave none."""
    if isinstance(message, Rejected):
        return message
    if made and not message.events[0].dedup_key:
        return (msgspec.structs.replace(message.events[0], dedup_key=made),)
    return message.events
