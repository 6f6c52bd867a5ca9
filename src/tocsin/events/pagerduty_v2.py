"""Events API v2: the body of POST /v2/enqueue.

`read` has two ways through that agree (a property test says so): a typed decode for the bodies that
are right at once, and a look at each field for those that are odd or wrong, which knows the words
of every refusal. Acknowledge and resolve need their key alone, so their payload is never a reason
to refuse.

Severity is one of four words in any case, because clients fill it from templates; anything else is
refused, as the contract has it.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec

from tocsin.events.attachments import images, links
from tocsin.events.model import Action, Event, Message, Rejected, Severity
from tocsin.events.pagerduty import is_action, with_made_key
from tocsin.events.rejections import KEY_LENGTH, NOT_AN_OBJECT, invalid, key_errors, unrecognised
from tocsin.events.text import address, decode, moment, optional, repair, too_deep

SUMMARY_LIMIT = 1024
DEDUP_KEY_LIMIT = 255
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

BAD_ACTION = (
    "'event_action' is invalid"
    " (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
)
BAD_SEVERITY = (
    "'payload.severity' is invalid"
    " (must be one of the following: 'critical', 'error', 'warning' or 'info')"
)

_Optional = Annotated[str, msgspec.Meta(max_length=1024)] | None
_Required = Annotated[str, msgspec.Meta(min_length=1, max_length=SUMMARY_LIMIT)]


class _Payload(msgspec.Struct, gc=False):
    summary: _Required
    source: _Required
    severity: Severity
    timestamp: str | None = None
    component: _Optional = None
    group: _Optional = None
    class_: _Optional = msgspec.field(name="class", default=None)
    custom_details: Any = None


class _Trigger(msgspec.Struct):
    """A trigger that is right at once; all else takes the slow way."""

    event_action: Literal["trigger"]
    payload: _Payload
    routing_key: Annotated[str, msgspec.Meta(min_length=KEY_LENGTH, max_length=KEY_LENGTH)] = ""
    dedup_key: Annotated[str, msgspec.Meta(max_length=DEDUP_KEY_LIMIT)] | None = None
    client: _Optional = None
    client_url: str | None = None
    links: list[Any] | None = None
    images: list[Any] | None = None


_trigger = msgspec.json.Decoder(_Trigger)


def parse(body: bytes, dedup_key: str | None = None) -> tuple[Event, ...] | Rejected:
    """What an accepted body says. `dedup_key` is the one the front door made up, if it did."""
    return with_made_key(read(body, needs_key=False), dedup_key)


def read(body: bytes, *, needs_key: bool = True) -> Message | Rejected:
    """Read a body; with `needs_key` its routing key must have the right form."""
    body = repair(body)
    try:
        wire = _trigger.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _read_slowly(body, needs_key)
    event = _event(wire)
    well_keyed = not needs_key or not key_errors(wire.routing_key)
    if event is None or not well_keyed or too_deep(body):
        return _read_slowly(body, needs_key)
    return Message(key=wire.routing_key, events=(event,))


def _event(wire: _Trigger) -> Event | None:
    payload = wire.payload
    summary, source = payload.summary.strip(), payload.source.strip()
    errors: list[str] = []
    found_links = links(wire.links, errors) if wire.links else ()
    found_images = images(wire.images, errors) if wire.images else ()
    if errors or not summary or not source:
        return None
    return Event(
        action="trigger",
        dedup_key=_key(wire.dedup_key),
        severity=payload.severity,
        summary=summary,
        source=source,
        component=optional(payload.component),
        grouping=optional(payload.group),
        class_=optional(payload.class_),
        client=optional(wire.client),
        client_url=address(wire.client_url),
        details=payload.custom_details,
        links=found_links,
        images=found_images,
        occurred_at=moment(payload.timestamp),
    )


def _key(value: str | None) -> str:
    return value if value and not value.isspace() else ""


def _read_slowly(body: bytes, needs_key: bool) -> Message | Rejected:
    try:
        wire = decode(body)
    except ValueError:
        return unrecognised()
    if not isinstance(wire, dict):
        return NOT_AN_OBJECT
    return read_object(wire, needs_key=needs_key)


def read_object(wire: dict[str, Any], *, needs_key: bool) -> Message | Rejected:
    """Read a decoded body field by field, and say everything that is wrong with it."""
    key = wire.get("routing_key")
    errors = key_errors(key) if needs_key else []
    action = wire.get("event_action")
    if not is_action(action):
        errors.append("'event_action' is missing or blank" if not action else BAD_ACTION)
        return invalid(errors)
    dedup_key = _dedup_key(wire.get("dedup_key"), action, errors)
    payload = wire.get("payload")
    notes: list[str] = errors if action == "trigger" else []
    if not isinstance(payload, dict):
        notes.append(
            "'payload' is missing or blank" if not payload else "'payload' must be an object"
        )
        payload = {}
        summary, source, severity = "", None, None
    else:
        summary = _summary(payload.get("summary"), notes)
        source = _source(payload.get("source"), notes)
        severity = _severity(payload.get("severity"), notes)
    event = Event(
        action=action,
        dedup_key=dedup_key,
        severity=severity or "critical",
        summary=summary[:SUMMARY_LIMIT],
        source=source,
        component=optional(payload.get("component")),
        grouping=optional(payload.get("group")),
        class_=optional(payload.get("class")),
        client=optional(wire.get("client")),
        client_url=address(wire.get("client_url")),
        details=payload.get("custom_details"),
        links=links(wire.get("links"), notes),
        images=images(wire.get("images"), notes),
        occurred_at=moment(payload.get("timestamp")),
    )
    if errors:
        return invalid(errors)
    return Message(key=key if isinstance(key, str) else "", events=(event,))


def _dedup_key(value: Any, action: Action, errors: list[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        if action != "trigger":
            errors.append("'dedup_key' is missing or blank")
        return ""
    if not isinstance(value, str):
        errors.append("'dedup_key' must be a string")
        return ""
    if len(value) > DEDUP_KEY_LIMIT:
        errors.append(
            f"Length of 'dedup_key' is incorrect (should be at most {DEDUP_KEY_LIMIT} characters)"
        )
    return value


def _summary(value: Any, errors: list[str]) -> str:
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
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


def _source(value: Any, errors: list[str]) -> str | None:
    source = optional(value)
    if source is None:
        blank = value is None or isinstance(value, str)
        errors.append(f"'payload.source' {'is missing or blank' if blank else 'must be a string'}")
    return source


def _severity(value: Any, errors: list[str]) -> Severity | None:
    if value is None or value == "":
        errors.append("'payload.severity' is missing or blank")
        return None
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in SEVERITIES:
        errors.append(BAD_SEVERITY)
        return None
    return word
