"""What a machine sent with an alert, made readable and safe. Pure.

Rules: nested values become lines with a dotted path, bounded in number and length; an address is a
link only with http or https and never fetched by the page.
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec

MOST_LINES = 60
MOST_DEPTH = 5
MOST_VALUE = 4000
LONG_VALUE = 160


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One value. `url` is set when all of it is an address; `block` asks for lines of its own."""

    path: str
    text: str
    url: str | None = None
    block: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A page or a picture worth opening."""

    url: str
    text: str
    is_image: bool = False


def safe_url(url: object) -> str | None:
    """The address when a browser may go there by a click, else None."""
    if not isinstance(url, str) or len(url) > 2048 or not url.isprintable():
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def lines(details: Any) -> tuple[list[Line], int]:
    """The lines to show, and how many more there were."""
    found: list[Line] = []
    left = _walk(details, "", 0, found)
    return found, left


def _walk(value: Any, path: str, depth: int, found: list[Line]) -> int:
    if value is None or value == "" or value == {} or value == []:
        return 0
    if isinstance(value, dict) and depth < MOST_DEPTH:
        return sum(
            _walk(each, f"{path}.{key}" if path else str(key), depth + 1, found)
            for key, each in value.items()
        )
    if isinstance(value, list) and depth < MOST_DEPTH and any(_is_nested(v) for v in value):
        return sum(
            _walk(each, f"{path}[{number}]", depth + 1, found) for number, each in enumerate(value)
        )
    if len(found) >= MOST_LINES:
        return 1
    text = _text(value)
    long = len(text) > LONG_VALUE or "\n" in text
    found.append(Line(path=path[:200], text=text[:MOST_VALUE], url=safe_url(value), block=long))
    return 0


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(_is_nested(each) for each in value):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, int | float):
        return str(value)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def links(
    links: list[dict[str, Any]], images: list[dict[str, Any]], client: str | None, url: str | None
) -> list[Link]:
    """Where an alert leads: its sender, its links, its pictures (as links: nothing is loaded)."""
    found = []
    if (own := safe_url(url)) is not None:
        found.append(Link(url=own, text=client or "Open where it came from"))
    for link in links[:20]:
        if (href := safe_url(link.get("href"))) is not None:
            found.append(Link(url=href, text=str(link.get("text") or href)[:200]))
    for image in images[:20]:
        href = safe_url(image.get("href")) or safe_url(image.get("src"))
        if href is not None:
            text = str(image.get("alt") or "Picture")[:200]
            found.append(Link(url=href, text=text, is_image=True))
    return found
