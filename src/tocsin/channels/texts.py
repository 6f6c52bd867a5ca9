"""The words of a message: pure, bounded, the same facts for every channel.

The first line says how bad, where and what, because a lock screen shows nothing else:
`[P1] checkout: p99 over 2 s (3 alerts)`. A test, a drill and a repeat say so plainly, before
anything else. What machines wrote is shown without control characters, so that no title can break
a header, reverse the reading direction, or hide what follows it.
"""

from datetime import datetime

from tocsin.channels.model import IncidentLine, Message

MOST_SUBJECT = 180
MOST_HEADLINE = 400
MOST_REASON = 600
MOST_LISTED = 20


def subject(message: Message) -> str:
    """One line, at most 180 characters, without control characters."""
    text = one_line(_subject(message))
    if message.attempt > 1:
        text = f"(repeat {message.attempt}) {text}"
    if message.is_drill:
        text = f"[DRILL] {text}"
    return clip(text, MOST_SUBJECT)


def _subject(message: Message) -> str:
    if message.kind == "test":
        return "Tocsin test: this contact method works"
    if message.kind == "notice":
        return message.reason or "A notice from Tocsin"
    if message.update is not None:
        return message.update.subject
    count = len(message.incidents) + message.more
    if message.kind in ("bundle", "summary") or count > 1:
        services = list(dict.fromkeys(line.service for line in message.incidents))
        where = ", ".join(services[:3]) + (" and others" if len(services) > 3 else "")
        what = "incident" if count == 1 else "incidents"
        if message.kind == "summary":
            what += " while you could not be reached"
        return f"{count} {what}: {where}"
    if not message.incidents:
        return "An incident needs you"
    if message.asked_by:
        who = clip(one_line(message.asked_by), 60)
        return f"{who} asks you to join {headline(message.incidents[0])}"
    return headline(message.incidents[0])


def headline(line: IncidentLine) -> str:
    """An incident in one line: the priority, or the urgency when none is set, where, and what."""
    alerts = f" ({line.alert_count} alerts)" if line.alert_count > 1 else ""
    where = clip(one_line(line.service), 80)
    what = clip(one_line(line.title), MOST_HEADLINE - 100)
    return f"[{line.priority or line.urgency}] {where}: {what}{alerts}"


def paragraphs(message: Message) -> list[str]:
    """The body without links, one paragraph an item; newlines only where a line shall end."""
    if message.kind == "test":
        parts = [
            f"This is a test for {one_line(message.person)}. Nothing is broken.",
            "Real pages will arrive the same way.",
        ]
    else:
        parts = []
    if message.is_drill:
        parts.append("This is a drill: the incident was made to try the way a page takes.")
    if message.attempt > 1:
        parts.append(
            f"Sent again, attempt {message.attempt}: the provider did not confirm it before."
        )
    for line in message.incidents[:MOST_LISTED]:
        parts.append(
            f"#{line.number} {headline(line)}\n"
            f"{line.status}, {age(line.created_at, message.now)} old{conference(line)}"
        )
    left_out = message.more + max(0, len(message.incidents) - MOST_LISTED)
    if left_out:
        parts.append(f"and {left_out} more")
    if message.reason:
        parts.append(clip(one_line(message.reason), MOST_REASON))
    return parts


def conference(line: IncidentLine) -> str:
    """A line of its own that says where to talk; empty when nowhere."""
    ways = [one_line(way) for way in (line.conference_number, line.conference_url) if way]
    return "\nTalk: " + " or ".join(ways) if ways else ""


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


def one_line(text: str) -> str:
    """The text without line ends, control and direction characters, and doubled spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def clip(text: str, most: int) -> str:
    """The text within `most` characters; a cut is visible."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def clip_bytes(text: str, most: int) -> str:
    """The text within `most` bytes of UTF-8, for providers that count those."""
    if len(text.encode()) <= most:
        return text
    return text.encode()[: most - 3].decode("utf-8", "ignore") + "\u2026"
