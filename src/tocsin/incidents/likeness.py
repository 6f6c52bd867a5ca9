"""How alike two incidents are, and why: the rule behind past, related and outlier incidents. Pure.

The same dedup key is the same condition. Else the words of the titles decide: alike is the share
of the words of both that both have. What tells one instance from another is no word: numbers are
left out of words (db7 and db9 are both a db), and so are long codes, fillers, and what monitoring
tools put before every title. No model learns anything here, so that each answer can be told in one
sentence.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

SAME = 100.0
# From here on two titles are of the same kind.
SIMILAR = 50.0
# On services that nothing connects, this much and two words are needed.
RELATED = 30.0
MOST_WORDS = 60
MOST_CODE = 20

_FILLERS = (
    "a alert alerts an and are at been by critical error firing for from has have in info is it its"
    " no not of off on or out over resolved than that the this to under was warning with"
)
FILLERS = frozenset(_FILLERS.split())
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"[\d_]+")


class Why(StrEnum):
    """Why two incidents belong together."""

    SAME_KEY = "same_key"
    SIMILAR_TITLE = "similar_title"
    SUPPORTING = "supporting_service"
    """The other is on a service that this one's needs."""
    DEPENDENT = "dependent_service"
    """The other is on a service that needs this one's."""
    SAME_BUSINESS = "same_business_service"
    SHARED_WORDS = "shared_words"


class Category(StrEnum):
    """How usual an incident is for its service."""

    ANOMALY = "anomaly"
    RARE = "rare"
    FREQUENT = "frequent"
    USUAL = "usual"


class Likeness(msgspec.Struct, frozen=True):
    """How alike, from 0 to 100, why, and the words that both titles have."""

    score: float
    why: Why
    words: tuple[str, ...] = ()


# One title is compared with a thousand, and a service says the same few things again and again.
@lru_cache(maxsize=4096)
def words(title: str) -> frozenset[str]:
    """What a title is about."""
    found = []
    for word in _WORD.findall(title.lower())[:MOST_WORDS]:
        parts = [part for part in _DIGITS.split(word) if len(part) > 1 or not part.isascii()]
        # A word of many pieces is a code: a hash, a pod's name.
        if len(parts) <= 3:
            found += [part for part in parts if len(part) <= MOST_CODE and part not in FILLERS]
    return frozenset(found)


def score(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the words of both that both have, from 0 to 100."""
    either = len(one | other)
    return round(100 * len(one & other) / either, 1) if either else 0.0


def past(title: str, other: str, *, same_key: bool) -> Likeness | None:
    """Whether an earlier incident of the service was of the same kind."""
    mine, theirs = words(title), words(other)
    if same_key:
        return Likeness(SAME, Why.SAME_KEY)
    alike = score(mine, theirs)
    if alike < SIMILAR:
        return None
    return Likeness(alike, Why.SIMILAR_TITLE, tuple(sorted(mine & theirs)))


def related(title: str, other: str, *, connected: Why | None) -> Likeness | None:
    """Whether an incident on another service at about the same time belongs to it. `connected` is
    how the services depend on each other, if they do: then the time alone is reason enough."""
    mine, theirs = words(title), words(other)
    both = tuple(sorted(mine & theirs))
    alike = score(mine, theirs)
    if connected is not None:
        return Likeness(alike, connected, both)
    if alike < RELATED or len(both) < 2:
        return None
    return Likeness(alike, Why.SHARED_WORDS, both)


def category(alike: int, others: int) -> Category:
    """How usual an incident is of which `alike` out of `others` earlier ones were the same kind."""
    if not alike:
        return Category.ANOMALY
    share = alike / max(1, others)
    if share <= 0.05:
        return Category.RARE
    return Category.FREQUENT if share >= 0.2 else Category.USUAL


def pattern(title: str, others: Sequence[str]) -> str:
    """What the titles of one kind have in common, word by word; `*` stands for what differs."""
    lists = [other.split() for other in others[:20]]
    said: list[str] = []
    for place, word in enumerate(title.split()):
        same = all(place < len(other) and other[place] == word for other in lists)
        if same or not said or said[-1] != "*":
            said.append(word if same else "*")
    return " ".join(said)
