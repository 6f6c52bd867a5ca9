"""Identifiers: upper-case letters and digits, sortable by the time they were made.

An id is a one-letter prefix (``P`` for configuration, ``Q`` for what happens: incidents, alerts,
log entries, pages, deliveries), eight base-36 characters of milliseconds, and seven that start
random and count up within the millisecond. Ids made later sort later within a process, so primary
key indexes grow at their right edge. The form follows the PagerDuty REST API's documented ids
(upper-case, alphanumeric, starting with P or Q).

Simulations call :func:`seed` so that a run repeats itself exactly.
"""

import random as _random  # noqa: TID251 - the one place that draws ids
import re
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_TAIL_SPAN = 36**7
_FORM = re.compile(r"[A-Z][0-9A-Z]{6,15}\Z")


class _Source:
    def __init__(self, random: _random.Random) -> None:
        self.random = random
        self.millisecond = -1
        self.head = ""
        self.tail = 0


_source = _Source(_random.SystemRandom())


def seed(value: int) -> None:
    """Make every later id follow from `value`; for simulations only."""
    global _source
    _source = _Source(_random.Random(value))


def new(prefix: str, now: datetime) -> str:
    """A fresh id of 16 characters. `prefix` is "P" or "Q"."""
    source = _source
    millisecond = int(now.timestamp() * 1000)
    if millisecond == source.millisecond:
        source.tail = (source.tail + 1) % _TAIL_SPAN
    else:
        source.millisecond = millisecond
        source.head = _base36(millisecond, 8)
        source.tail = source.random.randrange(_TAIL_SPAN)
    return prefix + source.head + _base36(source.tail, 7)


def earliest(prefix: str, at: datetime) -> str:
    """No id that was made with `prefix` at `at` or later sorts before this, and every one made two
    milliseconds earlier does. What lies beyond the form (May 2059) counts as its last moment. For
    reading a span of time along a primary key."""
    return prefix + _base36(min(max(0, int(at.timestamp() * 1000)), 36**8 - 1), 8)


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id; says nothing about existence."""
    return _FORM.match(text) is not None


def _base36(number: int, width: int) -> str:
    pairs: list[str] = []
    for _ in range((width + 1) // 2):
        number, rest = divmod(number, 1296)
        pairs.append(_PAIRS[rest])
    return "".join(reversed(pairs))[-width:]
