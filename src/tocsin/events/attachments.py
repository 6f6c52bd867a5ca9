"""Links and images as the PagerDuty formats write them, read from decoded JSON.

An item that lacks its required field is an error in the contract's sense. One that merely cannot be
shown (an image that is not on https, an address that is no web address) is left out: an alert is
not refused for its decoration.
"""

from typing import Any

from tocsin.events.model import Image, Link
from tocsin.events.text import address, optional

ITEM_LIMIT = 50


def links(value: Any, errors: list[str], field: str = "links") -> tuple[Link, ...]:
    """`links[]`: `href` is required, `text` is not."""
    found = []
    for number, item in enumerate(_items(value, errors, field)):
        given = _required(item, "href", f"{field}[{number}]", errors)
        href = address(given)
        if href is not None:
            found.append(Link(href=href, text=optional(item.get("text"))))
    return tuple(found[:ITEM_LIMIT])


def images(value: Any, errors: list[str], field: str = "images") -> tuple[Image, ...]:
    """`images[]`: `src` is required and must be https to be shown; `href`, `alt` are not."""
    found = []
    for number, item in enumerate(_items(value, errors, field)):
        given = _required(item, "src", f"{field}[{number}]", errors)
        src = address(given)
        if src is not None and src.lower().startswith("https://"):
            href, alt = address(item.get("href")), optional(item.get("alt"))
            found.append(Image(src=src, href=href, alt=alt))
    return tuple(found[:ITEM_LIMIT])


def _items(value: Any, errors: list[str], field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        errors.append(f"'{field}' must be an array")
        return []
    return value


def _required(item: Any, name: str, field: str, errors: list[str]) -> Any:
    if not isinstance(item, dict):
        errors.append(f"'{field}' must be an object")
        return None
    given = item.get(name)
    if not isinstance(given, str) or not given.strip():
        errors.append(f"'{field}.{name}' is missing or blank")
        return None
    return given
