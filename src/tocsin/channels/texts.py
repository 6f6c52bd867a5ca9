"""The words of a message: pure, bounded, the same facts for every channel.

The first line says how bad, where and what, because a lock screen shows nothing else:
`[high] checkout: p99 over 2 s (3 alerts)`. A test and a repeat say so plainly.
"""

from datetime import datetime

from tocsin.channels.model import IncidentLine, Message

MOST_SUBJECT = 180
MOST_LISTED = 20


def subject(message: Message) -> str:
    """One line, at most 180 characters, without control characters."""
    text = _subject(message)
    if message.attempt > 1:
        text = f"(repeat {message.attempt}) {text}"
    if message.is_drill:
        text = f"[DRILL] {text}"
    return _clip(_one_line(text), MOST_SUBJECT)


def _subject(message: Message) -> str:
    if message.kind == "test":
        return "Tocsin test: this contact method works"
    if message.kind == "notice":
        return message.reason or "A notice from Tocsin"
    count = len(message.incidents) + message.more
    if message.kind in ("bundle", "summary") or count > 1:
        services = list(dict.fromkeys(line.service for line in message.incidents))
        where = ", ".join(services[:3]) + (" and others" if len(services) > 3 else "")
        what = (
            "incidents while you could not be reached" if message.kind == "summary" else "incidents"
        )
        return f"{count} {what}: {where}"
    if not message.incidents:
        return "An incident needs you"
    return headline(message.incidents[0])


def headline(line: IncidentLine) -> str:
    """An incident in one line."""
    alerts = f" ({line.alert_count} alerts)" if line.alert_count > 1 else ""
    return f"[{line.urgency}] {line.service}: {line.title}{alerts}"


def paragraphs(message: Message) -> list[str]:
    """The body without links, one paragraph an item."""
    if message.kind == "test":
        return [
            f"This is a test for {message.person}. Nothing is broken.",
            "Real pages will arrive the same way.",
        ]
    parts = []
    if message.attempt > 1:
        parts.append(
            f"Sent again, attempt {message.attempt}: the provider did not confirm it before."
        )
    for line in message.incidents[:MOST_LISTED]:
        parts.append(
            f"#{line.number} {headline(line)}\n"
            f"{line.status}, {age(line.created_at, message.now)} old"
        )
    left_out = message.more + max(0, len(message.incidents) - MOST_LISTED)
    if left_out:
        parts.append(f"and {left_out} more")
    if message.reason:
        parts.append(message.reason)
    return parts


def age(then: datetime, now: datetime) -> str:
    """How long ago, in one unit: `12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} d"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
