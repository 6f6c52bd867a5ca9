"""Ladders in the shape and the words that the templates draw: full, strip and dots."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tocsin.escalations.model import Reason, RunState
from tocsin.queries.incident import DeliveryView, PagedView
from tocsin.queries.incidents import Row
from tocsin.queries.ladders import Brief, LadderView, Passed, Person, RungState, RungView
from tocsin.queries.oncall import MyIncident
from tocsin.web import formats, words


def dots(brief: Brief) -> list[dict[str, Any]]:
    """The rungs of a list row: only their states."""
    rungs = []
    for number in range(1, brief.levels + 1):
        rungs.append({"number": number, "who": "", "state": _dot(brief, number)})
    return rungs


def _dot(brief: Brief, number: int) -> str:
    if brief.state == RunState.EXHAUSTED:
        return "done"
    if brief.state == RunState.RUNNING:
        if number == brief.next_level:
            return "next"
        return "done" if number <= brief.level else "later"
    if number == brief.level:
        answered = brief.reason in (Reason.ACKNOWLEDGED, Reason.RESOLVED)
        return "stopped" if answered else "done"
    return "done" if number < brief.level else "off"


def climb(
    row: Row | MyIncident, brief: Brief | None, zone: str, now: datetime
) -> dict[str, Any] | None:
    """What a row says of its ladder: dots, words, and the instant that a countdown goes to."""
    if brief is None:
        return None
    text, counts = row_words(row, brief, zone, now)
    return {"rungs": dots(brief), "text": text, "due_at": brief.due_at if counts else None}


def row_words(row: Row | MyIncident, brief: Brief, zone: str, now: datetime) -> tuple[str, bool]:
    """The fewest words beside the dots, and whether the countdown to the next rung follows."""
    if row.status == "acknowledged":
        if row.snoozed_until is not None:
            return f"snoozed until {formats.moment(row.snoozed_until, zone, now)}", False
        if row.returns_at is not None:
            return f"re-opens {formats.moment(row.returns_at, zone, now)}", False
        return (f"stopped at level {brief.level}" if brief.level else "not running"), False
    if brief.state == RunState.RUNNING:
        if brief.next_level is None:
            return "last level, ends in", True
        return _next_words(brief), True
    if brief.state == RunState.EXHAUSTED:
        nobody = brief.reason == Reason.NOBODY_TO_PAGE
        return ("nobody to page" if nobody else "nobody answered"), False
    if brief.reason == Reason.LOW_URGENCY:
        return "low urgency, paged once", False
    if brief.reason == Reason.REASSIGNED:
        return "given by hand", False
    return "not running", False


def _next_words(brief: Brief) -> str:
    if brief.next_name is None:
        said = f"Level {brief.next_level}"
    else:
        said = formats.short_name(brief.next_name) if brief.next_is_person else brief.next_name
    return said + (f" +{brief.next_more}" if brief.next_more else "")


def rungs(
    ladder: LadderView, paged: Sequence[PagedView], zone: str, now: datetime
) -> list[dict[str, Any]]:
    """The full ladder of one incident, each rung with its note."""
    sent: dict[tuple[int | None, str], list[DeliveryView]] = {}
    for page in reversed(paged):
        sent.setdefault((page.level, page.user_id), []).extend(page.deliveries)
    return [_rung(ladder, rung, sent, zone, now) for rung in ladder.rungs]


def _rung(
    ladder: LadderView,
    rung: RungView,
    sent: Mapping[tuple[int | None, str], list[DeliveryView]],
    zone: str,
    now: datetime,
) -> dict[str, Any]:
    note = _passed(rung.passed)
    if rung.ends:
        who = "The ladder ends"
        note = [*note, "It stays triggered, and nobody else is paged."]
    elif rung.loops_to is not None:
        who = f"Loop {rung.loops_to} of {ladder.loops + 1}"
        note = [*note, f"Begins again with {_names(rung.people)} if nobody acknowledges."]
    else:
        who = _names(rung.people) or f"Level {rung.number}"
        note = [*note, *_note(rung, sent, zone, now)]
    people = len(rung.people)
    soon = "" if rung.ends else (" begins" if rung.loops_to is not None else " is paged")
    return {
        "number": rung.number,
        "who": who,
        "soon": who + (" are paged" if soon == " is paged" and people > 1 else soon),
        "state": rung.state.value,
        "at": rung.at,
        "note": " ".join(note) or None,
        "knob": "loop" if rung.loops_to is not None else None,
    }


def _note(
    rung: RungView,
    sent: Mapping[tuple[int | None, str], list[DeliveryView]],
    zone: str,
    now: datetime,
) -> list[str]:
    if rung.state is RungState.OFF:
        return ["Not paged."]
    if rung.state in (RungState.NEXT, RungState.LATER):
        return [said for person in rung.people if (said := _on_call(person, zone, now))]
    told: list[str] = []
    for person in rung.people:
        results = outcome(sent.get((rung.number, person.id), []))
        if results:
            told.append(f"{person.name}: {results}." if len(rung.people) > 1 else f"{results}.")
    if rung.state is RungState.STOPPED:
        told.append("The ladder stopped here.")
    return told or (["Not reached."] if rung.at is None else [])


def _on_call(person: Person, zone: str, now: datetime) -> str:
    if person.schedule is None:
        return ""
    until = f" until {formats.moment(person.until, zone, now)}" if person.until else ""
    cover = ", as a cover" if person.override else ""
    return f"On call in {person.schedule}{until}{cover}."


def outcome(deliveries: Sequence[DeliveryView]) -> str:
    """What came of the messages to one person, in one line: `E-mail delivered after 9 s`."""
    said: dict[str, None] = {}
    for delivery in deliveries:
        name = delivery.method_label
        if delivery.state == "sent":
            said[f"{name} {after(delivery)}"] = None
        elif delivery.state == "queued" and delivery.attempts:
            said[f"{name} tried {formats.plural(delivery.attempts, 'time')}, goes on"] = None
        else:
            said[f"{name} {words.delivery_state(delivery.state)}"] = None
    return ", ".join(said)


def after(delivery: DeliveryView) -> str:
    """`delivered after 9 s`, counted from the time it was due."""
    if delivery.finished_at is None:
        return words.delivery_state(delivery.state)
    seconds = max(0.0, (delivery.finished_at - delivery.first_due_at).total_seconds())
    length = "under 1 s" if seconds < 1 else formats.duration(seconds)
    return f"delivered after {length}"


def _names(people: Sequence[Person]) -> str:
    names = [person.name for person in people]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))


def _passed(passed: Sequence[Passed]) -> list[str]:
    return [f"Level {p.level} is passed over: {p.name}, {words.skipped(p.reason)}." for p in passed]
