"""Which parser reads which format, and which format a body is in."""

from collections.abc import Callable
from typing import Any

from tocsin.events import alertmanager, pagerduty_v1, pagerduty_v2
from tocsin.events.model import Event, Format, Message, Rejected
from tocsin.events.rejections import NOT_AN_OBJECT, unrecognised
from tocsin.events.text import decode, repair

_PARSERS: dict[Format, Callable[[bytes, str | None], tuple[Event, ...] | Rejected]] = {
    Format.PAGERDUTY_V2: pagerduty_v2.parse,
    Format.PAGERDUTY_V1: pagerduty_v1.parse,
    Format.ALERTMANAGER: alertmanager.parse,
}
_OBJECT_READERS: dict[Format, Callable[..., Message | Rejected]] = {
    Format.PAGERDUTY_V2: pagerduty_v2.read_object,
    Format.PAGERDUTY_V1: pagerduty_v1.read_object,
    Format.ALERTMANAGER: alertmanager.read_object,
}


def events_of(format: str, body: bytes, dedup_key: str | None) -> tuple[Event, ...] | Rejected:
    """What a stored body says, in order. Never raises for any bytes."""
    try:
        parser = _PARSERS[Format(format)]
    except ValueError:
        return unrecognised(f"unknown format {format!r}")
    return parser(body, dedup_key)


def read_any(body: bytes) -> tuple[Format, Message | Rejected]:
    """Read a body whose format shows in its fields, and whose key came another way."""
    try:
        wire = decode(repair(body))
    except ValueError:
        return Format.PAGERDUTY_V2, unrecognised()
    if not isinstance(wire, dict):
        return Format.PAGERDUTY_V2, NOT_AN_OBJECT
    format = format_of(wire)
    return format, _OBJECT_READERS[format](wire, needs_key=False)


def format_of(wire: dict[str, Any]) -> Format:
    """The format a decoded body is in; Events API v2 when nothing speaks for another."""
    if "event_action" in wire:
        return Format.PAGERDUTY_V2
    if isinstance(wire.get("alerts"), list):
        return Format.ALERTMANAGER
    if "event_type" in wire or "service_key" in wire:
        return Format.PAGERDUTY_V1
    return Format.PAGERDUTY_V2
