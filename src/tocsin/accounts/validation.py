"""Is this a name, an e-mail address, a time zone we can keep? Each check returns the clean value.

What is refused says which field and how to mend it. Control characters are refused everywhere:
names reach mail headers, chat messages and terminals.
"""

import re
import unicodedata
from typing import Any

from tocsin.accounts.model import Role, TeamRole
from tocsin.core.errors import Invalid
from tocsin.core.timezones import UnknownTimeZone, zone

MAX_NAME = 100
MIN_EMAIL = 6
MAX_EMAIL = 100
MAX_LOCAL_PART = 64
MAX_JOB_TITLE = 100
MAX_DESCRIPTION = 1024
COLORS = ("teal", "purple", "green", "brown", "blue", "orange", "red", "pink", "gold", "slate")

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_DOMAIN = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)


def line(field: str, value: Any, most: int = MAX_NAME) -> str:
    """One line of text with something in it, at most `most` characters, blanks around it cut."""
    if not isinstance(value, str):
        raise Invalid(field, "must be a text")
    clean = unicodedata.normalize("NFC", value).strip()
    if not clean:
        raise Invalid(field, "must not be empty")
    if len(clean) > most:
        raise Invalid(field, f"is {len(clean)} characters long; at most {most} are allowed")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in clean):
        raise Invalid(field, "must be one line without control characters")
    return clean


def optional_line(field: str, value: Any, most: int = MAX_JOB_TITLE) -> str | None:
    """Like :func:`line`, and None when there is nothing in it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return line(field, value, most)


def optional_text(field: str, value: Any, most: int = MAX_DESCRIPTION) -> str | None:
    """Text of several lines, at most `most` characters; None when there is nothing in it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid(field, "must be a text")
    clean = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if len(clean) > most:
        raise Invalid(field, f"is {len(clean)} characters long; at most {most} are allowed")
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in clean):
        raise Invalid(field, "must not contain control characters")
    return clean or None


def email(field: str, value: Any) -> str:
    """An address that a mail server can take, as it was written; case never tells two apart."""
    clean = line(field, value, MAX_EMAIL)
    local, at, domain = clean.rpartition("@")
    good = (
        at
        and len(clean) >= MIN_EMAIL
        and len(local) <= MAX_LOCAL_PART
        and _LOCAL.match(local)
        and _DOMAIN.match(domain)
    )
    if not good:
        raise Invalid(field, "must be an e-mail address such as ada@example.com")
    return clean


def time_zone(field: str, value: Any) -> str:
    """The name of a time zone in the IANA database."""
    name = line(field, value, 64)
    try:
        zone(name)
    except UnknownTimeZone as error:
        raise Invalid(field, str(error)) from error
    return name


def role(field: str, value: Any) -> Role:
    """A base role."""
    try:
        return Role(value)
    except ValueError as error:
        raise Invalid(field, f"must be one of {', '.join(Role)}") from error


def team_role(field: str, value: Any) -> TeamRole:
    """A role within a team."""
    try:
        return TeamRole(value)
    except ValueError as error:
        raise Invalid(field, f"must be one of {', '.join(TeamRole)}") from error


def color(field: str, value: Any) -> str:
    """One of the colours that people are told apart by."""
    if value not in COLORS:
        raise Invalid(field, f"must be one of {', '.join(COLORS)}")
    return str(value)


def color_for(id: str) -> str:
    """The colour of a new person; the last characters of an id differ most."""
    return COLORS[sum(map(ord, id[-4:])) % len(COLORS)]
