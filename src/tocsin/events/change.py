"""Change events, the body of POST /v2/change/enqueue: kept and shown, and nobody is notified."""

from typing import Any

import msgspec

from tocsin.events.attachments import images, links
from tocsin.events.model import Change, Rejected
from tocsin.events.pagerduty_v2 import SUMMARY_LIMIT
from tocsin.events.rejections import NOT_AN_OBJECT, invalid, key_errors, unrecognised
from tocsin.events.text import decode, moment, optional, repair

ORCHESTRATION_KEY = "'routing_key' must be the key of a service integration"


class ChangeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One change body, read."""

    key: str
    change: Change


def read(body: bytes) -> ChangeMessage | Rejected:
    """Read a change event, or say everything that is wrong with it."""
    try:
        wire = decode(repair(body))
    except ValueError:
        return unrecognised()
    if not isinstance(wire, dict):
        return NOT_AN_OBJECT
    key = wire.get("routing_key")
    errors = key_errors(key)
    if not errors and str(key).startswith("R"):
        errors.append(ORCHESTRATION_KEY)
    payload = wire.get("payload")
    if not isinstance(payload, dict):
        errors.append(
            "'payload' is missing or blank" if not payload else "'payload' must be an object"
        )
        return invalid(errors)
    change = Change(
        summary=_summary(payload.get("summary"), errors),
        source=optional(payload.get("source")),
        occurred_at=moment(payload.get("timestamp")),
        details=payload.get("custom_details"),
        links=links(wire.get("links"), errors),
        images=images(wire.get("images"), errors),
    )
    return invalid(errors) if errors else ChangeMessage(key=str(key), change=change)


def _summary(value: Any, errors: list[str]) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        errors.append("'payload.summary' is missing or blank")
        return ""
    if not isinstance(value, str):
        errors.append("'payload.summary' must be a string")
        return ""
    if len(value) > SUMMARY_LIMIT:
        errors.append(
            "Length of 'payload.summary' is incorrect"
            f" (should be at most {SUMMARY_LIMIT} characters)"
        )
    return value.strip()
