"""Every reason and state that a rule can give has words, and what is told reads as a sentence."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from tocsin.accounts.model import ENGINE, Actor
from tocsin.escalations.model import Reason as LadderReason
from tocsin.escalations.model import SkipReason
from tocsin.incidents.dedup import Verdict
from tocsin.incidents.model import Reason
from tocsin.incidents.responders import Reason as AskReason
from tocsin.incidents.status_updates import Reason as UpdateReason
from tocsin.paging.bundle import PlacingReason
from tocsin.paging.catch_up import FoldReason
from tocsin.paging.contact_rules import PlanReason
from tocsin.paging.model import DeliveryReason, DeliveryState, Outcome
from tocsin.paging.retry import RetryReason
from tocsin.paging.throttle import ThrottleReason
from tocsin.timeline.model import Kind, LogEntry
from tocsin.web import words
from tocsin.web.telling import tell

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COVERED: list[tuple[Any, type[StrEnum]]] = [
    (words.because, Reason),
    (words.because, LadderReason),
    (words.because, DeliveryReason),
    (words.because, PlanReason),
    (words.because, AskReason),
    (words.because, UpdateReason),
    (words.detail, AskReason),
    (words.skipped, SkipReason),
    (words.delivery_reason, DeliveryReason),
    (words.delivery_state, DeliveryState),
    (words.attempt_outcome, Outcome),
    (words.event_outcome, Verdict),
    (words.detail, DeliveryReason),
    (words.detail, RetryReason),
    (words.detail, ThrottleReason),
    (words.detail, FoldReason),
    (words.detail, PlacingReason),
]


@pytest.mark.parametrize(
    ("say", "member"), [(say, member) for say, enum in COVERED for member in enum]
)
def test_every_member_has_words_of_its_own(say: Any, member: StrEnum) -> None:
    said = say(member.value)
    assert said != ""
    assert "_" not in said
    if "_" in member.value:
        assert said != member.value.replace("_", " ")


def test_an_unknown_reason_is_shown_and_a_provider_is_quoted_exactly() -> None:
    assert words.because("from_a_later_release") == "from a later release"
    assert words.detail("550 no_such_user here") == "550 no_such_user here"


def entry(kind: str, reason: str, actor: Actor, data: dict[str, Any] | None) -> LogEntry:
    return LogEntry(
        id="Q1",
        seq=1,
        at=NOW,
        incident_id="Q2",
        service_id="P1",
        kind=kind,
        reason=reason,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        data=data,
    )


ANN = Actor(kind="person", id="P2", label="Ann Archer")
TOOL = Actor(kind="integration", id="P3", label="Grafana")
POLICY = {"target": {"name": "Database", "level": 2}}
BOARD = {"subscribers": [{"name": "The board"}]}
USERS = {"users": [{"id": "P4", "name": "Bob"}, {"id": "P5", "name": "Cy"}], "level": 2, "loop": 1}


@pytest.mark.parametrize(
    ("kind", "reason", "actor", "data", "text", "because"),
    [
        (Kind.TRIGGER, "new_alert", TOOL, {"summary": "x"}, "Triggered by Grafana", "no open"),
        (Kind.TRIGGER, "repeated_alert", TOOL, {"events": 3}, "3 more events from Grafana", "open"),
        (Kind.ESCALATE, "no_answer", ENGINE, USERS, "Paged Bob and Cy, level 2, loop 2", "nobody"),
        (Kind.ESCALATE, "escalated_by_person", ANN, USERS, "loop 2, by Ann Archer", "escalated"),
        (Kind.EXHAUST, "nobody_answered", ENGINE, {}, "Nobody is left to page", "every level"),
        (Kind.ACKNOWLEDGE, "acknowledged_by_person", ANN, None, "Acknowledged by Ann", None),
        (Kind.RESOLVE, "auto_resolve_timeout", ENGINE, {}, "Resolved by itself", "by itself"),
        (Kind.RESOLVE, "merged", ANN, {"into": {"number": 7}}, "Merged into #7 by Ann", None),
        (Kind.SNOOZE, "snoozed_by_person", ANN, {"seconds": 3600}, "Snoozed for 1 h by Ann", None),
        (Kind.ANNOTATE, "note_added", ANN, {"content": "hi"}, "Note by Ann Archer", None),
        (
            Kind.RESPONDER_REQUEST,
            "responder_asked",
            ANN,
            USERS,
            "Ann Archer asked Bob and Cy",
            None,
        ),
        (
            Kind.RESPONDER_REQUEST,
            "responder_next_level",
            ENGINE,
            {**USERS, **POLICY},
            "Asked Bob and Cy to join, Database level 2",
            "nobody on the level before joined",
        ),
        (
            Kind.RESPONDER_REQUEST,
            "nobody_joined",
            ENGINE,
            POLICY,
            "Nobody joined through Database",
            "every level",
        ),
        (Kind.RESPONDER_ACCEPT, "responder_joined", ANN, USERS, "Bob and Cy joined", None),
        (Kind.RESPONDER_DECLINE, "responder_declined", ANN, USERS, "declined to join", None),
        (Kind.RESPONDER_CANCEL, "request_cancelled", ANN, USERS, "Bob and Cy ended by Ann", "off"),
        (Kind.RESPONDER_CANCEL, "incident_over", ENGINE, USERS, "Bob and Cy ended", "resolved"),
        (
            Kind.STATUS_UPDATE,
            "status_update_published",
            ANN,
            {"recipients": 2},
            "Status update by Ann Archer, to 2 people",
            None,
        ),
        (Kind.SUBSCRIBE, "subscribed_by_person", ANN, BOARD, "The board gets status", None),
        (
            Kind.URGENCY_CHANGE,
            "severity_raised",
            TOOL,
            {"from": "low", "to": "high"},
            "to high",
            "",
        ),
    ],
)
def test_an_entry_is_told_from_what_it_holds(
    kind: Kind,
    reason: str,
    actor: Actor,
    data: dict[str, Any] | None,
    text: str,
    because: str | None,
) -> None:
    told = tell(entry(kind, reason, actor, data))
    assert text in told.text.replace("\N{NO-BREAK SPACE}", " ")
    if because is None:
        assert told.because is None
    else:
        assert because in (told.because or "")


@pytest.mark.parametrize("kind", list(Kind))
def test_no_entry_breaks_the_page(kind: Kind) -> None:
    for data in (None, {}, {"users": [], "level": None, "users_": 1}):
        assert tell(entry(kind, "opened", ENGINE, data)).text
    assert tell(entry("from_a_later_release", "x", ENGINE, None)).text == "From a later release"


def test_deliveries_are_told_with_their_proof() -> None:
    data = {
        "user": {"name": "Bob"},
        "channel": "email",
        "contact_method": {"label": "Work", "address": "b…@e…"},
        "outcome": "sent",
        "detail": "250 queued",
        "attempts": 2,
    }
    told = tell(entry(Kind.NOTIFY, "notification_rule", ENGINE, data))
    assert told.text == "Email to Bob delivered"
    assert told.detail == "Work b…@e… · 250 queued"
    failed = tell(entry(Kind.NOTIFY, "dead", ENGINE, {**data, "outcome": "failed"}))
    assert "failed after 2" in failed.text
    assert failed.tone == "hot"
