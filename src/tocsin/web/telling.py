"""Timeline entries as sentences: one thing, and its because.

Rule: an entry is told from what it holds; nothing is looked up, so it reads the same in a year.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from tocsin.incidents.model import Reason
from tocsin.incidents.responders import Reason as AskReason
from tocsin.timeline.model import Kind, LogEntry
from tocsin.web import formats, joined_words, words


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline. `detail` is a second line that is not a reason; `quote` is what a
    person wrote."""

    at: datetime
    icon: str
    tone: str
    text: str
    because: str | None = None
    detail: str | None = None
    quote: str | None = None
    of: str = "system"


def tell(entry: LogEntry) -> Told:
    """The sentence for one entry; an unknown kind is told by its name."""
    told = _BY_KIND.get(entry.kind, _other)(entry, entry.data or {})
    of = "people" if entry.actor_kind in ("person", "key", "reply") else "system"
    if entry.kind in _PAGING:
        of = "pages" if of == "system" else of
    return msgspec.structs.replace(told, of=of)


# What a channel's message is called, where its name is no noun for one.
_CHANNELS = {"ntfy": "Push", "slack": "Slack message", "simulated": "Simulated message"}
_PAGING = (
    Kind.ASSIGN,
    Kind.ESCALATE,
    Kind.REPEAT,
    Kind.EXHAUST,
    Kind.NOTIFY,
    Kind.RESPONDER_REQUEST,
)


# What the sentence has said already is not said again as its reason.
_OBVIOUS = {
    Reason.ACKNOWLEDGED_BY_PERSON,
    Reason.RESOLVED_BY_PERSON,
    Reason.UNACKNOWLEDGED_BY_PERSON,
    Reason.SNOOZED,
    Reason.URGENCY_SET,
    Reason.TITLE_SET,
}

# The reason of the entry itself is told, unless a teller has a better one or none.
_OWN = "\N{NULL}"


def _told(
    entry: LogEntry,
    icon: str,
    tone: str,
    text: str,
    *,
    because: str | None = _OWN,
    detail: str | None = None,
    quote: str | None = None,
) -> Told:
    said = because
    if because == _OWN:
        said = None if entry.reason in _OBVIOUS else words.because(entry.reason)
    return Told(
        at=entry.at, icon=icon, tone=tone, text=text, because=said, detail=detail, quote=quote
    )


def _trigger(entry: LogEntry, data: dict[str, Any]) -> Told:
    if entry.reason == "repeated_alert":
        count = int(data.get("events") or 1)
        text = f"{formats.plural(count, 'more event')} from {entry.actor_label}"
        return _told(entry, "again", "", text, detail=data.get("dedup_key"))
    summary = data.get("summary") or data.get("title")
    key = data.get("dedup_key")
    return _told(
        entry,
        "triggered",
        "hot",
        f"Triggered by {entry.actor_label}",
        detail=summary if not key or summary == key else f"{summary or ''} ({key})".strip(),
    )


def _paged(entry: LogEntry, data: dict[str, Any]) -> Told:
    names = _names(data)
    level = int(data.get("level") or 0)
    loop = int(data.get("loop") or 0)
    where = f", level {level}" if level else ""
    if loop:
        where += f", loop {loop + 1}"
    why = data.get("why")
    reason = words.because(entry.reason)
    if why and why != entry.reason and entry.actor_kind == "engine":
        reason = words.because(str(why))
    if not names:
        by = "" if entry.actor_kind == "engine" else f" by {entry.actor_label}"
        return _told(entry, "person", "", f"Assigned{by}", because=reason, detail=_skips(data))
    by = ""
    if entry.actor_kind in ("person", "key", "reply"):
        by = f", by {entry.actor_label}"
    return _told(
        entry, "bell", "hot", f"Paged {names}{where}{by}", because=reason, detail=_skips(data)
    )


def _exhausted(entry: LogEntry, data: dict[str, Any]) -> Told:
    return _told(entry, "warning", "hot", "Nobody is left to page", detail=_skips(data))


def _acknowledge(entry: LogEntry, data: dict[str, Any]) -> Told:
    text = f"Acknowledged by {entry.actor_label}"
    return _told(entry, "acknowledged", "amber", text, detail="the ladder stopped")


def _unacknowledge(entry: LogEntry, data: dict[str, Any]) -> Told:
    by = "" if entry.actor_kind == "engine" else f" by {entry.actor_label}"
    return _told(entry, "triggered", "hot", f"Triggered again{by}")


def _resolve(entry: LogEntry, data: dict[str, Any]) -> Told:
    into = data.get("into")
    if into:
        text = f"Merged into #{into.get('number')} by {entry.actor_label}"
        return _told(entry, "merge", "ok", text, because=None)
    by = "by itself" if entry.actor_kind == "engine" else f"by {entry.actor_label}"
    return _told(entry, "resolved", "ok", f"Resolved {by}", quote=data.get("note"))


def _snooze(entry: LogEntry, data: dict[str, Any]) -> Told:
    length = formats.duration(float(data.get("seconds") or 0), parts=2)
    return _told(entry, "moon", "amber", f"Snoozed for {length} by {entry.actor_label}")


def _note(entry: LogEntry, data: dict[str, Any]) -> Told:
    text = f"Note by {entry.actor_label}"
    return _told(entry, "note", "", text, because=None, quote=data.get("content"))


def _notify(entry: LogEntry, data: dict[str, Any]) -> Told:
    person = (data.get("user") or {}).get("name") or "the person"
    method = data.get("contact_method") or {}
    channel = str(data.get("channel") or "message")
    channel = _CHANNELS.get(channel, channel.capitalize())
    to = " ".join(filter(None, (method.get("label"), method.get("address"))))
    detail = words.detail(str(data.get("detail") or ""))
    if data.get("outcome") == "sent":
        text = f"{channel} to {person} delivered"
        return _told(entry, "check", "ok", text, detail=" · ".join(filter(None, (to, detail))))
    if not data.get("channel"):
        return _told(entry, "x", "hot", "A person who was to be paged could not be reached")
    tries = formats.plural(int(data.get("attempts") or 1), "attempt")
    text = f"{channel} to {person} failed after {tries}"
    return _told(entry, "x", "hot", text, detail=" · ".join(filter(None, (to, detail))))


def _urgency(entry: LogEntry, data: dict[str, Any]) -> Told:
    by = "" if entry.actor_kind == "integration" else f" by {entry.actor_label}"
    text = f"Urgency changed from {data.get('from')} to {data.get('to')}{by}"
    return _told(entry, "high" if data.get("to") == "high" else "low", "", text)


def _merge(entry: LogEntry, data: dict[str, Any]) -> Told:
    numbers = ", ".join(f"#{source.get('number')}" for source in data.get("sources") or [])
    return _told(entry, "merge", "", f"Took in {numbers}, by {entry.actor_label}", because=None)


def _field(entry: LogEntry, data: dict[str, Any]) -> Told:
    if data.get("field") == "title":
        text = f"Title changed by {entry.actor_label}"
        return _told(entry, "pen", "", text, because=None, detail=f"was: {data.get('from')}")
    marked = _FIELDS.get(str(data.get("field")))
    if marked is not None:
        return marked(entry, data)
    if entry.reason in (Reason.ALERT_JOINED, Reason.ALERT_JOINED_QUIETLY):
        return _joined(entry, data)
    if entry.reason == "alert_resolved":
        left = formats.plural(int(data.get("open_alerts") or 0), "alert")
        text = f"Alert closed by {entry.actor_label}, {left} still open"
        return _told(entry, "check", "ok", text, detail=data.get("dedup_key"))
    return _other(entry, data)


def _joined(entry: LogEntry, data: dict[str, Any]) -> Told:
    service = (data.get("service") or {}).get("name")
    of = f" of {service}" if service else ""
    key, summary = data.get("dedup_key"), data.get("summary")
    detail = summary if not key or summary == key else f"{summary or ''} ({key})".strip()
    if entry.reason == Reason.ALERT_JOINED_QUIETLY:
        detail = f"{detail}: acknowledged already, so nobody is paged again"
    why = joined_words.because(data.get("why") or {})
    text = f"Another alert{of} from {entry.actor_label} joined"
    return _told(entry, "merge", "", text, because=why, detail=detail)


def _priority(entry: LogEntry, data: dict[str, Any]) -> Told:
    before, after = data.get("from"), data.get("to")
    text = f"Priority {after} set by {entry.actor_label}"
    if after is None:
        text = f"Priority taken away by {entry.actor_label}"
    return _told(entry, "pen", "", text, because=None, detail=f"was: {before}" if before else None)


def _conference(entry: LogEntry, data: dict[str, Any]) -> Told:
    bridge = data.get("to")
    if not bridge:
        text = f"Conference bridge taken away by {entry.actor_label}"
        return _told(entry, "pen", "", text, because=None)
    where = " · ".join(
        filter(None, (bridge.get("conference_number"), bridge.get("conference_url")))
    )
    text = f"Conference bridge set by {entry.actor_label}"
    return _told(entry, "pen", "", text, because=None, detail=where)


def _note_edit(entry: LogEntry, data: dict[str, Any]) -> Told:
    author = data.get("author")
    whose = "their note" if author == entry.actor_label else f"the note of {author}"
    if entry.reason == "note_deleted":
        text = f"{entry.actor_label} deleted {whose}"
        return _told(entry, "note", "", text, because=None)
    text = f"{entry.actor_label} changed {whose}"
    return _told(entry, "note", "", text, because=None, quote=data.get("content"))


def _alerts(entry: LogEntry, data: dict[str, Any]) -> Told:
    count = int(data.get("count") or 0)
    keys = [str(alert.get("dedup_key")) for alert in data.get("alerts") or []]
    detail = ", ".join(keys[:3]) + (f" and {count - 3} more" if count > 3 else "")
    what = formats.plural(count, "alert")
    if data.get("to") or data.get("from"):
        way = "to" if data.get("to") else "from"
        number = (data.get("to") or data.get("from") or {}).get("number")
        text = f"{what} moved {way} #{number} by {entry.actor_label}"
        return _told(entry, "merge", "", text, because=None, detail=detail)
    left = formats.plural(int(data.get("open_alerts") or 0), "alert")
    text = f"{what} closed by {entry.actor_label}, {left} still open"
    return _told(entry, "check", "ok", text, because=None, detail=detail)


# What a change of one field says, by the field.
_FIELDS: dict[str, Callable[[LogEntry, dict[str, Any]], Told]] = {
    "priority": _priority,
    "conference_bridge": _conference,
    "note": _note_edit,
    "alerts": _alerts,
}


def _asked(entry: LogEntry, data: dict[str, Any]) -> Told:
    names = _names(data)
    if entry.actor_kind == "engine":
        target = data.get("target") or {}
        policy = target.get("name") or "a policy"
        if not names:
            return _told(entry, "adduser", "amber", f"Nobody joined through {policy} so far")
        text = f"Asked {names} to join, {policy} level {target.get('level')}"
        return _told(entry, "adduser", "", text)
    targets = data.get("targets") or []
    whom = names or ", ".join(str(one.get("name")) for one in targets)
    policies = [str(one.get("name")) for one in targets if one.get("kind") == "escalation_policy"]
    through = f", through {', '.join(policies)}" if policies and names else ""
    text = f"{entry.actor_label} asked {whom} to join{through}"
    return _told(entry, "adduser", "", text, because=None, quote=data.get("message"))


def _accepted(entry: LogEntry, data: dict[str, Any]) -> Told:
    spared = _names({"users": data.get("spared")})
    because = _OWN if entry.reason == AskReason.JOINED_BY_ACKNOWLEDGING else None
    detail = f"{spared} need not answer any more" if spared else None
    return _told(entry, "check", "ok", f"{_names(data)} joined", because=because, detail=detail)


def _declined(entry: LogEntry, data: dict[str, Any]) -> Told:
    text = f"{_names(data)} declined to join"
    return _told(entry, "x", "amber", text, because=None, quote=data.get("note"))


def _asked_no_more(entry: LogEntry, data: dict[str, Any]) -> Told:
    whom = _names(data) or ", ".join(str(one.get("name")) for one in data.get("targets") or [])
    by = "" if entry.actor_kind == "engine" else f" by {entry.actor_label}"
    return _told(entry, "mute", "", f"The request to {whom} ended{by}")


def _update(entry: LogEntry, data: dict[str, Any]) -> Told:
    count = formats.plural(int(data.get("recipients") or 0), "person", "people")
    text = f"Status update by {entry.actor_label}, to {count}"
    return _told(
        entry, "send", "", text, because=None, detail=data.get("subject"), quote=data.get("message")
    )


def _following(entry: LogEntry, data: dict[str, Any]) -> Told:
    who = _names({"users": data.get("subscribers")})
    verb = "get" if entry.kind == Kind.SUBSCRIBE else "get no more"
    if len(data.get("subscribers") or []) == 1:
        verb = verb.replace("get", "gets", 1)
    text = f"{who} {verb} status updates, says {entry.actor_label}"
    if who == entry.actor_label:
        text = f"{who} {'follows' if entry.kind == Kind.SUBSCRIBE else 'stopped following'} it"
    return _told(entry, "person", "", text, because=None)


def _other(entry: LogEntry, data: dict[str, Any]) -> Told:
    return _told(entry, "dot", "", f"{entry.kind.replace('_', ' ').capitalize()}")


def _names(data: dict[str, Any]) -> str:
    names = [str(user.get("name")) for user in data.get("users") or []]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))


def _skips(data: dict[str, Any]) -> str | None:
    skipped = data.get("skipped") or []
    if not skipped:
        return None
    said = [f"level {skip.get('level')}: {words.skipped(skip.get('reason'))}" for skip in skipped]
    return "passed over " + "; ".join(dict.fromkeys(said))


_BY_KIND: dict[str, Callable[[LogEntry, dict[str, Any]], Told]] = {
    Kind.TRIGGER: _trigger,
    Kind.ACKNOWLEDGE: _acknowledge,
    Kind.UNACKNOWLEDGE: _unacknowledge,
    Kind.RESOLVE: _resolve,
    Kind.ASSIGN: _paged,
    Kind.DELEGATE: _paged,
    Kind.ESCALATE: _paged,
    Kind.REPEAT: _paged,
    Kind.EXHAUST: _exhausted,
    Kind.SNOOZE: _snooze,
    Kind.ANNOTATE: _note,
    Kind.NOTIFY: _notify,
    Kind.URGENCY_CHANGE: _urgency,
    Kind.MERGE: _merge,
    Kind.FIELD_CHANGE: _field,
    Kind.RESPONDER_REQUEST: _asked,
    Kind.RESPONDER_ACCEPT: _accepted,
    Kind.RESPONDER_DECLINE: _declined,
    Kind.RESPONDER_CANCEL: _asked_no_more,
    Kind.STATUS_UPDATE: _update,
    Kind.SUBSCRIBE: _following,
    Kind.UNSUBSCRIBE: _following,
}
