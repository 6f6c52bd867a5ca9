"""Events API v1: the body of POST /generic/2010-04-15/create_event.json.

Version 1 knows no severity; such an alert counts as critical, so that a policy by severity never
quietens what an old client sends. `contexts[]` are links and images; one that cannot be used is
left out.
"""

from typing import Any

from tocsin.events.model import Action, Event, Image, Link, Message, Rejected
from tocsin.events.pagerduty import is_action, with_made_key
from tocsin.events.rejections import KEY_LENGTH, NOT_AN_OBJECT, invalid, unrecognised
from tocsin.events.text import address, decode, optional, repair

DESCRIPTION_LIMIT = 1024
INCIDENT_KEY_LIMIT = 255
CONTEXT_LIMIT = 50
BAD_TYPE = "event_type is invalid (must be one of: trigger acknowledge resolve)"


def parse(body: bytes, dedup_key: str | None = None) -> tuple[Event, ...] | Rejected:
    """What an accepted body says. `dedup_key` is the one the front door made up, if it did."""
    return with_made_key(read(body, needs_key=False), dedup_key)


def read(body: bytes, *, needs_key: bool = True) -> Message | Rejected:
    """Read a body; with `needs_key` its service key must have the right form."""
    try:
        wire = decode(repair(body))
    except ValueError:
        return unrecognised()
    if not isinstance(wire, dict):
        return NOT_AN_OBJECT
    return read_object(wire, needs_key=needs_key)


def read_object(wire: dict[str, Any], *, needs_key: bool) -> Message | Rejected:
    """Read a decoded body and say everything that is wrong with it."""
    key = wire.get("service_key")
    errors = _key_errors(key) if needs_key else []
    action = wire.get("event_type")
    if not is_action(action):
        errors.append(BAD_TYPE if action else "event_type is missing or blank")
        return invalid(errors)
    incident_key = _incident_key(wire.get("incident_key"), action, errors)
    found_links, found_images = _contexts(wire.get("contexts"))
    event = Event(
        action=action,
        dedup_key=incident_key,
        summary=_description(wire.get("description"), errors if action == "trigger" else []),
        source=optional(wire.get("client")),
        client=optional(wire.get("client")),
        client_url=address(wire.get("client_url")),
        details=wire.get("details"),
        links=found_links,
        images=found_images,
    )
    if errors:
        return invalid(errors)
    return Message(key=key if isinstance(key, str) else "", events=(event,))


def _key_errors(key: Any) -> list[str]:
    if key is None or key == "":
        return ["Service key is missing or blank"]
    if not isinstance(key, str) or len(key) != KEY_LENGTH:
        return [f"Service key is the wrong length (should be {KEY_LENGTH} characters)"]
    if not (key.isascii() and key.isalnum()):
        return ["Service key cannot contain non-alphanumeric characters"]
    return []


def _incident_key(value: Any, action: Action, errors: list[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        if action != "trigger":
            errors.append("Incident key is missing or blank")
        return ""
    if not isinstance(value, str):
        errors.append("Incident key must be a string")
        return ""
    if len(value) > INCIDENT_KEY_LIMIT:
        errors.append(f"Incident key is too long (maximum is {INCIDENT_KEY_LIMIT} characters)")
    return value


def _description(value: Any, errors: list[str]) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        errors.append("Description is missing or blank")
        return ""
    if not isinstance(value, str):
        errors.append("Description must be a string")
        return ""
    if len(value) > DESCRIPTION_LIMIT:
        errors.append(f"Description is too long (maximum is {DESCRIPTION_LIMIT} characters)")
    return value.strip()[:DESCRIPTION_LIMIT]


def _contexts(value: Any) -> tuple[tuple[Link, ...], tuple[Image, ...]]:
    found_links: list[Link] = []
    found_images: list[Image] = []
    for item in value[:CONTEXT_LIMIT] if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        href, src = address(item.get("href")), address(item.get("src"))
        if item.get("type") == "link" and href is not None:
            found_links.append(Link(href=href, text=optional(item.get("text"))))
        if item.get("type") == "image" and src is not None and src.startswith("https://"):
            found_images.append(Image(src=src, href=href, alt=optional(item.get("alt"))))
    return tuple(found_links), tuple(found_images)
