"""What webhooks are told, to whom, and what follows an attempt: tables and properties."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.accounts.model import AuditRecord
from tocsin.core.errors import Invalid
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents.model import Reason
from tocsin.timeline.model import Kind, LogEntry
from tocsin.webhooks import events, matching, retry, validation
from tocsin.webhooks.model import (
    REDACTED,
    FilterType,
    Happening,
    Header,
    Listener,
    Outcome,
    State,
)
from tocsin.webhooks.retry import Why

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OLD = NOW - timedelta(hours=48)


def entry(kind: str, reason: str = "any", data: dict[str, Any] | None = None) -> LogEntry:
    return LogEntry(
        id="QLOG",
        seq=1,
        at=NOW,
        incident_id="QINCIDENT",
        service_id="PSERVICE",
        kind=kind,
        reason=reason,
        actor_kind="person",
        actor_id="PANN",
        actor_label="Ann",
        data=data,
    )


# Which event an entry is


@pytest.mark.parametrize(
    ("kind", "reason", "data", "type"),
    [
        (Kind.TRIGGER, Reason.NEW_ALERT, None, "incident.triggered"),
        (Kind.TRIGGER, Reason.CREATED_BY_HAND, None, "incident.triggered"),
        (Kind.TRIGGER, Reason.MAINTENANCE_ENDED, None, "incident.triggered"),
        (Kind.TRIGGER, Reason.REPEATED_ALERT, None, None),
        (Kind.ACKNOWLEDGE, Reason.ACKNOWLEDGED_BY_REPLY, None, "incident.acknowledged"),
        (Kind.SNOOZE, Reason.SNOOZED, None, "incident.acknowledged"),
        (Kind.UNACKNOWLEDGE, Reason.SNOOZE_ENDED, None, "incident.unacknowledged"),
        (Kind.RESOLVE, Reason.MERGED, None, "incident.resolved"),
        (Kind.ESCALATE, LadderReason.NO_ANSWER, None, "incident.escalated"),
        (Kind.REPEAT, LadderReason.REPEATED, None, "incident.escalated"),
        (Kind.EXHAUST, LadderReason.NOBODY_ANSWERED, None, None),
        (Kind.ASSIGN, LadderReason.OPENED, {"why": "opened"}, None),
        (Kind.ASSIGN, Reason.SELF_ASSIGNED, None, None),
        (Kind.ASSIGN, Reason.REASSIGNED, {"why": LadderReason.REASSIGNED}, "incident.reassigned"),
        (Kind.ASSIGN, Reason.REASSIGNED, {"why": LadderReason.OPENED}, "incident.delegated"),
        (Kind.ANNOTATE, Reason.NOTE_ADDED, None, "incident.annotated"),
        (Kind.FIELD_CHANGE, Reason.TITLE_SET, None, None),
        (Kind.FIELD_CHANGE, Reason.PRIORITY_SET, None, "incident.priority_updated"),
        (Kind.FIELD_CHANGE, Reason.CONFERENCE_SET, None, "incident.conference_bridge.updated"),
        (Kind.STATUS_UPDATE, "published", None, "incident.status_update_published"),
        (Kind.NOTIFY, "sent", None, None),
        (Kind.MERGE, Reason.MERGED, None, None),
        ("a_kind_of_tomorrow", "any", None, None),
    ],
)
def test_an_entry_is_this_event(
    kind: str, reason: str, data: dict[str, Any] | None, type: str | None
) -> None:
    found = events.of_entry(entry(kind, reason, data))
    assert [one.type for one in found] == ([] if type is None else [type])
    for one in found:
        assert one.type in events.TYPES
        assert one.resource_type == "incident"
        assert one.source == "log QLOG"


def test_a_request_is_one_event_for_each_person() -> None:
    data = {
        "message": "please",
        "targets": [{"kind": "user", "id": "PBOB"}, {"kind": "escalation_policy", "id": "PEP"}],
        "users": [{"id": "PBOB"}, {"id": "PCAT"}],
    }
    found = events.of_entry(entry(Kind.RESPONDER_REQUEST, "responder_asked", data))
    assert [one.source for one in found] == ["log QLOG", "log QLOG 1"]
    assert [one.data["user_id"] for one in found] == ["PBOB", "PCAT"]
    assert [one.data["policy_id"] for one in found] == [None, "PEP"]
    assert {one.data["state"] for one in found} == {"pending"}
    assert [events.policies_of(one) for one in found] == [[], ["PEP"]]
    assert events.of_entry(entry(Kind.RESPONDER_REQUEST, "nobody_to_ask", {"users": []})) == []


@pytest.mark.parametrize(
    ("kind", "state"),
    [(Kind.RESPONDER_ACCEPT, "joined"), (Kind.RESPONDER_DECLINE, "declined")],
)
def test_an_answer_says_what_was_answered(kind: Kind, state: str) -> None:
    (one,) = events.of_entry(entry(kind, "any", {"users": [{"id": "PBOB"}], "note": "on it"}))
    assert (one.type, one.data["state"], one.data["message"]) == (
        "incident.responder.replied",
        state,
        "on it",
    )


@pytest.mark.parametrize(
    ("subject", "action", "type"),
    [
        ("service", "create", "service.created"),
        ("service", "update", "service.updated"),
        ("service", "delete", "service.deleted"),
        ("service", "other", None),
        ("team", "create", None),
    ],
)
def test_an_audit_row_is_this_event(subject: str, action: str, type: str | None) -> None:
    row = AuditRecord(
        seq=7,
        at=NOW,
        actor_kind="person",
        actor_id="PANN",
        actor_label="Ann",
        method="browser",
        address=None,
        action=action,
        subject_type=subject,
        subject_id="PSERVICE",
        subject_label="shop",
        before=None,
        after=None,
    )
    found = events.of_change(row)
    assert (None if found is None else (found.type, found.source)) == (
        None if type is None else (type, "audit 7")
    )


# Who is told


def happening(type: str = "incident.triggered", at: datetime = NOW) -> Happening:
    return Happening(
        source="log 1",
        type=type,
        data_type="incident",
        resource_id="Q1",
        service_id="PSHOP",
        at=at,
        actor_kind="engine",
        actor_id=None,
        label="",
    )


def listener(kind: FilterType, id: str | None = None, *types: str) -> Listener:
    wanted = list(types or ("incident.triggered",))
    return Listener(id="P1", filter_type=kind, filter_id=id, events=wanted, starts_at=NOW)


@pytest.mark.parametrize(
    ("one", "team", "wanted"),
    [
        (listener(FilterType.ACCOUNT), None, True),
        (listener(FilterType.ACCOUNT, None, "incident.resolved"), None, False),
        (listener(FilterType.SERVICE, "PSHOP"), None, True),
        (listener(FilterType.SERVICE, "POTHER"), "PSHOP", False),
        (listener(FilterType.TEAM, "PTEAM"), "PTEAM", True),
        (listener(FilterType.TEAM, "PTEAM"), "POTHER", False),
        (listener(FilterType.TEAM, "PTEAM"), None, False),
    ],
)
def test_who_listens_is_told(one: Listener, team: str | None, wanted: bool) -> None:
    assert matching.wants(one, happening(), team) is wanted
    early = happening(at=NOW - timedelta(seconds=1))
    assert matching.wants(one, early, team) is False
    told = matching.wanted([happening()], [one], {"PSHOP": team})
    assert told == ([(happening(), ("P1",))] if wanted else [])


# What follows


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (202, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (301, Outcome.REFUSED),
        (304, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.RETRY),
        (410, Outcome.GONE),
        (425, Outcome.RETRY),
        (429, Outcome.RETRY),
        (500, Outcome.RETRY),
        (503, Outcome.RETRY),
    ],
)
def test_a_status_means_this(status: int, outcome: Outcome) -> None:
    assert retry.outcome_of(status) is outcome


def test_pauses_grow_and_the_last_attempt_comes_when_the_time_is_over() -> None:
    at, attempt, pauses = NOW, 0, []
    while True:
        attempt += 1
        following = retry.after(Outcome.RETRY, attempt, 0, at, created_at=NOW)
        if following.due_at is None:
            break
        pauses.append((following.due_at - at).total_seconds())
        at = following.due_at
    assert pauses[:9] == [10, 30, 60, 120, 300, 600, 1800, 3600, 3600]
    assert at == NOW + retry.GIVE_UP_AFTER
    assert (following.state, following.disable, following.disabled_until) == (
        State.EXPIRED,
        Why.UNREACHABLE,
        None,
    )


@pytest.mark.parametrize(("asked", "pause"), [(5.0, 10), (90.0, 90), (1e9, 3600), (-3.0, 10)])
def test_a_wish_to_wait_never_shortens_a_pause(asked: float, pause: int) -> None:
    following = retry.after(Outcome.RETRY, 1, 0, NOW, created_at=NOW, retry_after_seconds=asked)
    assert following.due_at == NOW + timedelta(seconds=pause)


@pytest.mark.parametrize("before", [0, 1, 2, 7])
def test_refusals_in_a_row_are_counted(before: int) -> None:
    refused = retry.after(Outcome.REFUSED, 1, before, NOW, created_at=NOW)
    assert (refused.state, refused.refusals) == (State.DROPPED, before + 1)
    full = before >= 2
    assert refused.disable is (Why.REFUSED if full else None)
    assert refused.disabled_until == (NOW + timedelta(hours=24) if full else None)
    assert retry.after(Outcome.DELIVERED, 1, before, NOW, created_at=NOW).refusals == 0
    assert retry.after(Outcome.RETRY, 1, before, NOW, created_at=NOW).refusals == before


@given(
    outcome=st.sampled_from(list(Outcome)),
    attempt=st.integers(1, 10_000),
    refusals=st.integers(0, 100),
    age=st.integers(0, 200_000),
    ping=st.booleans(),
    asked=st.none() | st.floats(-1e12, 1e12),
)
def test_whatever_happens_it_goes_on_or_ends(
    outcome: Outcome, attempt: int, refusals: int, age: int, ping: bool, asked: float | None
) -> None:
    created_at = NOW - timedelta(seconds=age)
    following = retry.after(
        outcome,
        attempt,
        refusals,
        NOW,
        created_at=created_at,
        ping=ping,
        retry_after_seconds=asked,
    )
    assert (following.due_at is None) == (following.state is not State.QUEUED)
    if following.due_at is not None:
        assert NOW <= following.due_at <= max(NOW, created_at + retry.GIVE_UP_AFTER)
    if following.disabled_until is not None:
        assert following.disable is Why.REFUSED
    if ping:
        assert following.disable is None
        assert following.refusals == refusals
        assert following.state is not State.QUEUED or outcome is Outcome.LAPSED


# What a subscription may be like


@pytest.mark.parametrize("given_events", [[], ["incident.exploded"], ["incident.*"]])
def test_events_that_never_happen_are_refused(given_events: list[str]) -> None:
    with pytest.raises(Invalid, match="events"):
        validation.checked_events(given_events)


def test_events_are_kept_once_and_in_order() -> None:
    given_events = ["incident.triggered", "incident.resolved", "incident.triggered"]
    assert validation.checked_events(given_events) == ["incident.resolved", "incident.triggered"]


@given(name=st.text(max_size=40), value=st.text(max_size=80))
def test_no_header_can_break_out_of_its_line(name: str, value: str) -> None:
    try:
        (found,) = validation.checked_headers([Header(name, value)])
    except Invalid:
        return
    assert found.name.isascii()
    assert found.value.isascii()
    assert not set("\r\n\x00: ") & set(found.name)
    assert not set("\r\n\x00") & set(found.value)


def test_a_redacted_header_keeps_its_value() -> None:
    kept = [Header("X-Team", "core")]
    assert validation.checked_headers([Header("x-team", REDACTED)], kept) == [
        Header("x-team", "core")
    ]
    with pytest.raises(Invalid, match="no value yet"):
        validation.checked_headers([Header("X-Other", REDACTED)], kept)
