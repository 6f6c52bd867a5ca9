"""Which conference bridges make sense. Pure.

Rule: a bridge has a number to dial, an address to open, or both; the address is one that a browser
opens and that cannot run anything, because people tap it half asleep.
"""

from urllib.parse import urlsplit

from tocsin.incidents.model import MAX_CONFERENCE, Conference

SCHEMES = ("http", "https")
# What people dial: digits, pauses, marks, and the words that name the code.
MARKS = frozenset("+-()., #*;:/@=xX")


def tidied(wanted: Conference | None) -> Conference | None:
    """Without blanks around it; None when nothing is left."""
    if wanted is None:
        return None
    number = (wanted.number or "").strip() or None
    url = (wanted.url or "").strip() or None
    return None if number is None and url is None else Conference(number=number, url=url)


def problem(wanted: Conference | None) -> tuple[str, str] | None:
    """What is wrong with a tidied bridge: (field, fix), or None."""
    if wanted is None:
        return None
    for name, value in (("conference_number", wanted.number), ("conference_url", wanted.url)):
        if value is not None and len(value) > MAX_CONFERENCE:
            return name, f"use at most {MAX_CONFERENCE} characters"
    if wanted.number is not None and not _dials(wanted.number):
        return "conference_number", "write a number such as +1 415 555 1212,,,,1234#"
    if wanted.url is not None and not _opens(wanted.url):
        return "conference_url", "write an address such as https://meet.example.com/room"
    return None


def _dials(number: str) -> bool:
    return any(c.isdigit() for c in number) and all(c.isalnum() or c in MARKS for c in number)


def _opens(url: str) -> bool:
    if not url.isprintable() or any(c.isspace() for c in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname)
    except ValueError:
        return False
