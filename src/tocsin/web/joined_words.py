"""Why an alert joined an open incident, in words that read on after "because".

Rule: the words are made from what the decision noted, so they name the very values or the very text
that were the same.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.catalog.grouping import GroupingType
from tocsin.web import formats

FIELDS: Mapping[str, str] = {
    "summary": "summary",
    "source": "source",
    "severity": "severity",
    "component": "component",
    "group": "group",
    "class": "class",
}


def because(why: Mapping[str, Any]) -> str:
    """The reason, from the `why` of a timeline entry."""
    parts = []
    same = why.get("same")
    if isinstance(same, Mapping) and same:
        values = [f"{field_name(name)} “{value}”" for name, value in same.items()]
        verb = "is" if len(values) == 1 else "are"
        parts.append(f"its {_and(values)} {verb} the same as that of an alert here")
    if why.get("score") is not None:
        compared = [field_name(str(name)) for name in why.get("compared") or ()]
        verb = "is" if len(compared) == 1 else "are"
        like = f"{why['score']} % the same, numbers aside, as “{why.get('like')}”"
        parts.append(f"its {_and(compared)} {verb} {like}")
    if not parts and why.get("type") == GroupingType.TIME:
        seconds = int(why.get("seconds") or 0)
        if not seconds:
            return "the service groups all alerts until the incident is resolved"
        return f"it came within {formats.duration(seconds, parts=2)} of the first alert"
    return ", and ".join(parts) or "the service groups alerts like it"


def field_name(name: str) -> str:
    """A field as people call it."""
    return FIELDS.get(name) or name.removeprefix("custom_details.")


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
