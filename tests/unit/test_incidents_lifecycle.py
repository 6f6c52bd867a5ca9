"""The lifecycle table, dedup and urgency, case by case."""

import pytest

from tocsin.incidents import dedup, lifecycle, urgency
from tocsin.incidents.dedup import Verdict
from tocsin.incidents.lifecycle import STALE, Act, Effect, Refusal, Step
from tocsin.incidents.model import Status, Urgency

T, A, R = Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED

# (act, from triggered, from acknowledged, from resolved): a status, a refusal's reason, or stale.
CASES = [
    (Act.ACKNOWLEDGE, A, A, "already_resolved"),
    (Act.RESOLVE, R, R, "already_resolved"),
    (Act.UNACKNOWLEDGE, "not_acknowledged", T, "already_resolved"),
    (Act.SNOOZE, A, A, "already_resolved"),
    (Act.REASSIGN, T, T, "already_resolved"),
    (Act.ESCALATE, T, T, "already_resolved"),
    (Act.CHANGE_URGENCY, T, A, "already_resolved"),
    (Act.MERGE_AWAY, R, R, "already_resolved"),
    (Act.TAKE_ALERTS, T, A, "already_resolved"),
    (Act.TIME_OUT, STALE, T, STALE),
    (Act.END_SNOOZE, STALE, T, STALE),
    (Act.AUTO_RESOLVE, R, R, STALE),
]


@pytest.mark.parametrize(("act", "triggered", "acknowledged", "resolved"), CASES)
def test_each_act_in_each_status(
    act: Act, triggered: object, acknowledged: object, resolved: object
) -> None:
    for status, expected in zip((T, A, R), (triggered, acknowledged, resolved), strict=True):
        found = lifecycle.decide(status, act)
        if isinstance(found, Step):
            assert found.to is expected
        elif isinstance(found, Refusal):
            assert found.reason == expected
        else:
            assert found is expected


def test_every_act_is_in_the_cases_and_in_the_table() -> None:
    assert {case[0] for case in CASES} == set(Act)
    assert set(lifecycle.TABLE) == {(status, act) for status in Status for act in Act}


@pytest.mark.parametrize(("key", "step"), lifecycle.TABLE.items())
def test_leaving_triggered_stops_the_pages_and_returning_pages(
    key: tuple[Status, Act], step: object
) -> None:
    if not isinstance(step, Step):
        return
    status, act = key
    if status is T and step.to is not T:
        assert Effect.STOP in step.effects
    if status is A and step.to is T:
        assert Effect.FORGET_ACKNOWLEDGEMENTS in step.effects
        # A person who reassigns or escalates asks the ladder a question of their own.
        assert (Effect.PAGE_AGAIN in step.effects) is (act not in (Act.REASSIGN, Act.ESCALATE))
    assert (Effect.END in step.effects) is (step.to is R)


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("trigger", None, Verdict.OPENED),
        ("trigger", T, Verdict.REPEATED),
        ("trigger", A, Verdict.REPEATED),
        ("acknowledge", None, Verdict.NO_OPEN_ALERT),
        ("acknowledge", T, Verdict.ACKNOWLEDGED),
        ("acknowledge", A, Verdict.ALREADY_ACKNOWLEDGED),
        ("resolve", None, Verdict.NO_OPEN_ALERT),
        ("resolve", T, Verdict.RESOLVED),
        ("resolve", A, Verdict.RESOLVED),
    ],
)
def test_dedup(action: str, status: Status | None, expected: Verdict) -> None:
    assert dedup.decide(action, status) is expected


@pytest.mark.parametrize(
    ("rule", "severity", "expected"),
    [
        ("high", "info", Urgency.HIGH),
        ("low", "critical", Urgency.LOW),
        ("severity_based", "critical", Urgency.HIGH),
        ("severity_based", "error", Urgency.HIGH),
        ("severity_based", "warning", Urgency.LOW),
        ("severity_based", "info", Urgency.LOW),
        ("severity_based", None, Urgency.HIGH),
        ("low", None, Urgency.LOW),
    ],
)
def test_initial_urgency(rule: str, severity: str | None, expected: Urgency) -> None:
    assert urgency.initial(rule, severity) is expected


@pytest.mark.parametrize(
    ("rule", "current", "severity", "expected"),
    [
        ("severity_based", Urgency.LOW, "critical", True),
        ("severity_based", Urgency.LOW, "warning", False),
        ("severity_based", Urgency.HIGH, "critical", False),
        ("low", Urgency.LOW, "critical", False),
    ],
)
def test_raising_urgency(rule: str, current: Urgency, severity: str, expected: bool) -> None:
    assert urgency.raised(rule, current, severity) is expected
