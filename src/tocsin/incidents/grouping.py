"""Which open incident a new alert joins, by its service's grouping setting, and why.

Theory of operation. An incident that opens on a service with grouping becomes a group: it keeps
marks of its first alert and of those that join. A mark is a `key` (a digest of the values that must
be the same; empty where none need be) and, where text counts, the words of the alert's text. A new
alert has marks of its own and joins a group that has the same key and, where text counts, words
that are the same to at least `THRESHOLD` per cent.

- By time the key is empty and there are no words: any alert within the time joins.
- By content the key stands for the values of all named fields, or there is one key for each field
  that is there. A value that is missing is like no other value: without one of the values that all
  must have, an alert stays alone.
- By text the words decide. Whatever holds a digit is one and the same word, so that numbers, ids,
  addresses and times never tell two texts apart; a handful of words that say nothing are left out.
  The score is twice the words in common over the words of both (the coefficient of Dice).

Invariants: the decision depends on the alert, the groups and the time alone; of several groups the
one with the highest score is joined, then the one that opened last.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.catalog.grouping import (
    BY_CONTENT,
    BY_TEXT,
    LONGEST_GROUP,
    RECOMMENDED_WINDOW,
    GroupingType,
)
from tocsin.events.model import Event

THRESHOLD = 80
"""Per cent of the words that must be the same."""
MOST_COMPARED = 100
"""Groups of one key that an alert is compared with: those that opened last, open or not."""
MOST_MARKS = 20
"""Texts that a group keeps of its alerts for one key; those of the first ones are kept."""
MOST_WORDS = 64
MAX_SAID = 200
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

_WORD = re.compile(r"[^\s,;:()\[\]{}<>\"'|=]+")
_LETTER = re.compile(r"[^\W_]|#")
_DIGIT = re.compile(r"\d")
_HEX = re.compile(r"[0-9a-f]{8,}\Z")
_EMPTY = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "is"}
    | {"it", "of", "on", "or", "that", "the", "this", "to", "was", "with"}
)
_ANY_NUMBER = "#"


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How the alerts of a service are grouped: the setting, as far as it decides."""

    id: str
    name: str | None
    revision: int
    type: str
    timeout: int
    time_window: int
    aggregate: str | None
    fields: tuple[str, ...]
    text_fields: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Mark:
    """See the module. `fields` are those that the key stands for, `said` is the text as it was."""

    key: str
    words: frozenset[str] | None = None
    said: str = ""
    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """An incident that alerts may join, until `until` (that moment included), if it is open."""

    incident_id: str
    opened_at: datetime
    last_at: datetime
    until: datetime
    marks: dict[str, list[Mark]] = field(default_factory=dict)
    """By their keys."""
    is_open: bool = True

    @property
    def age(self) -> tuple[datetime, str]:
        """Greater for one that opened later."""
        return (self.opened_at, self.incident_id)


class Joining(msgspec.Struct, frozen=True):
    """The decision to join, and what led to it."""

    incident_id: str
    why: dict[str, Any]


def marks_of(way: Way, event: Event) -> tuple[Mark, ...]:
    """What an alert has that others may have as well. Without marks it stays alone."""
    words: frozenset[str] | None = None
    said = ""
    if way.type in BY_TEXT:
        texts = [(name, _text(value(event, name))) for name in way.text_fields]
        words = _words(texts)
        said = "; ".join(text for _, text in texts if text)[:MAX_SAID]
        if not words:
            return ()
    if way.type not in BY_CONTENT:
        return (Mark("", words, said),)
    found = [(name, value(event, name)) for name in way.fields]
    there = [(name, one) for name, one in found if one is not None]
    if way.aggregate == "any":
        return tuple(Mark(_digest([pair]), words, said, (pair[0],)) for pair in there)
    if len(there) < len(found):
        return ()
    return (Mark(_digest(there), words, said, tuple(name for name, _ in there)),)


def choose(
    way: Way, event: Event, marks: Iterable[Mark], groups: Iterable[Group], now: datetime
) -> Joining | None:
    """Which of these groups, all with room and open, the alert joins; None: it opens its own."""
    alive = [group for group in groups if now <= group.until]
    best: tuple[int, Group, Mark, Mark] | None = None
    for group in sorted(alive, key=lambda group: group.age, reverse=True):
        for mark in marks:
            for other in group.marks.get(mark.key, ()):
                score = _score(mark, other)
                if score >= THRESHOLD and (best is None or score > best[0]):
                    best = (score, group, mark, other)
        if best is not None and best[0] == 100:
            break
    if best is None:
        return None
    score, group, mark, other = best
    return Joining(group.incident_id, _why(way, event, mark, score, other))


def matches(marks: Iterable[Mark], group: Group) -> bool:
    """Whether an alert with one of these marks is like one of the group's."""
    return any(
        _score(mark, other) >= THRESHOLD
        for mark in marks
        for other in group.marks.get(mark.key, ())
    )


def until(way: Way, opened_at: datetime, last_at: datetime) -> datetime:
    """Until when a group may be joined."""
    if way.type == GroupingType.TIME:
        if not way.timeout:
            return FOREVER
        return opened_at + timedelta(seconds=way.timeout)
    window = way.time_window or RECOMMENDED_WINDOW
    longest = opened_at + timedelta(seconds=LONGEST_GROUP)
    return min(last_at + timedelta(seconds=window), longest)


def keep(group: Group, marks: Iterable[Mark]) -> list[Mark]:
    """Add to a group those marks that it has not and has room for; which they were."""
    added = []
    for mark in marks:
        known = group.marks.setdefault(mark.key, [])
        if len(known) < MOST_MARKS and all(mark.words != other.words for other in known):
            known.append(mark)
            added.append(mark)
    return added


def value(event: Event, name: str) -> Any:
    """The value of a field; None when it is missing, null or an empty text."""
    if name.startswith("custom_details."):
        found: Any = event.details
        for step in name.split(".")[1:]:
            found = found.get(step) if isinstance(found, Mapping) else None
    else:
        attribute = {"group": "grouping", "class": "class_"}.get(name, name)
        found = getattr(event, attribute)
    return None if found == "" else found


def _score(mark: Mark, other: Mark) -> int:
    """How much two marks of one key are the same, 0 to 100."""
    if mark.words is None or other.words is None or mark.words == other.words:
        return 100
    total = len(mark.words) + len(other.words)
    return 200 * len(mark.words & other.words) // total


def _why(way: Way, event: Event, mark: Mark, score: int, other: Mark) -> dict[str, Any]:
    why: dict[str, Any] = {"setting": {"id": way.id, "name": way.name}, "type": way.type}
    if way.type == GroupingType.TIME:
        why["seconds"] = way.timeout
    if mark.fields:
        why["same"] = {name: _text(value(event, name))[:80] for name in mark.fields}
    if mark.words is not None:
        why |= {"compared": list(way.text_fields), "score": score, "like": other.said}
    return why


def _words(texts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The words of some fields, each with its field's name, so that a word counts where it stands.
    Of a very long text the first words count."""
    found: dict[str, None] = {}
    for name, text in texts:
        words = [_masked(word.strip(".!?-_/")) for word in _WORD.findall(text.lower())]
        full = [word for word in words if _LETTER.search(word) and word not in _EMPTY]
        for word in full or filter(None, words):
            if len(found) < MOST_WORDS:
                found[f"{name} {word[:100]}"] = None
    return frozenset(found)


def _masked(word: str) -> str:
    """A word without what tells one number, id, address or time from another."""
    if _DIGIT.search(word) is None and _HEX.match(word) is None:
        return word
    # "web-01" stays apart from "db-01": what stands before the first digit is its name.
    stem = re.split(r"\d", word, maxsplit=1)[0].strip("-_./")
    return _ANY_NUMBER if len(stem) < 2 or _HEX.match(word) else f"{stem}{_ANY_NUMBER}"


def _text(found: Any) -> str:
    if found is None:
        return ""
    return found if isinstance(found, str) else msgspec.json.encode(found, order="sorted").decode()


def _digest(pairs: list[tuple[str, Any]]) -> str:
    return hashlib.sha256(msgspec.json.encode(pairs, order="sorted")).hexdigest()[:32]
