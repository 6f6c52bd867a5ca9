"""Which passwords are good enough: long, not the person's own name, not one everybody tries first.

No rule about kinds of characters and no expiry: both make people choose worse passwords. The list
refuses what guessers try first among passwords long enough to pass; patterns cover the rest.
"""

import unicodedata

from tocsin.core.errors import Invalid

MIN_LENGTH = 10
MAX_LENGTH = 256

# Words that, with digits or punctuation around them, make up most guessed long passwords.
_WEAK_STEMS = frozenset(
    """
    password passwort passw0rd p@ssw0rd p@ssword motdepasse contrasena wachtwoord parola
    administrator admin root tocsin pagerduty oncall changeme changeit letmein welcome
    willkommen iloveyou qwerty qwertyuiop qwertzuiop qwertz azerty azertyuiop asdfghjkl
    zxcvbnm 1q2w3e4r5t 1q2w3e4r 1qaz2wsx qazwsx qazwsxedc monkey dragon football baseball
    superman batman princess sunshine shadow master secret default test testtest trustno1
    starwars whatever computer internet mypassword yourpassword password1 adminadmin
    passwordpassword abcdef abcdefgh abcdefghij abcabc
    """.split()  # noqa: SIM905 - sixty quoted words would hide the list.
)
_ROWS = (
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)
_MIN_DISTINCT = 5


def clean(password: str) -> str:
    """The form that is hashed: the same letters however a keyboard composed them."""
    # A lone surrogate cannot be encoded; it comes from a broken client, never from a keyboard.
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace").decode()


def check(field: str, password: str, *, email: str, name: str) -> str:
    """The clean form of a new password, else Invalid with what to do instead."""
    good = clean(password)
    if len(good) < MIN_LENGTH:
        raise Invalid(field, f"must have at least {MIN_LENGTH} characters")
    if len(good) > MAX_LENGTH:
        raise Invalid(field, f"must have at most {MAX_LENGTH} characters")
    folded = good.casefold().strip()
    own = {email.casefold(), email.casefold().partition("@")[0], name.casefold()}
    own |= {text.replace(" ", "") for text in own} | {text[::-1] for text in own}
    stems = {_stem(text) for text in own if len(text) > 3} - {""}
    if folded in own or _stem(folded) in stems:
        raise Invalid(field, "must not be the name or e-mail address: choose something else")
    if _common(folded):
        raise Invalid(field, "is one that is guessed first: use several unrelated words")
    return good


def _common(folded: str) -> bool:
    if len(set(folded)) < _MIN_DISTINCT or _stem(folded) in _WEAK_STEMS or folded in _WEAK_STEMS:
        return True
    half = folded[: len(folded) // 2]
    if half + half == folded and (_stem(half) in _WEAK_STEMS or half in _WEAK_STEMS):
        return True
    return any(folded in row or folded in row[::-1] for row in _ROWS)


def _stem(text: str) -> str:
    return text.strip("0123456789!?.,;:-_+*#$%&@/= ")
