"""How people are reached, as tables: contact rules, bundles, retries, throttle, catching up."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.paging import bundle, catch_up, contact_rules, retry, throttle
from tocsin.paging.bundle import PlacingReason, Window
from tocsin.paging.catch_up import FoldReason, Late
from tocsin.paging.contact_rules import PlanReason
from tocsin.paging.hints import address_hint
from tocsin.paging.model import ContactMethod, DeliveryReason, NotificationRule
from tocsin.paging.retry import RetryReason

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def method(id: str, dead_minutes: float | None = None) -> ContactMethod:
    dead = None if dead_minutes is None else NOW - timedelta(minutes=dead_minutes)
    return ContactMethod(
        id=id,
        user_id="alice",
        channel=f"on-{id}",
        label=id,
        address_hint="",
        created_at=NOW,
        proven_at=None,
        dead_since=dead,
        dead_reason=None,
    )


def rule(method_id: str, delay: int = 0, urgency: str = "high") -> NotificationRule:
    return NotificationRule(
        id=f"{urgency}-{method_id}-{delay}",
        user_id="alice",
        contact_method_id=method_id,
        urgency=urgency,  # type: ignore[arg-type]
        delay_seconds=delay,
    )


MAIL, PUSH = method("mail"), method("push")
DEAD_MAIL, DEAD_PUSH = method("mail", 5), method("push", 60)
JUST_DEAD = method("mail", 4)

PLANS = [
    # methods, rules, reason, planned (method, delay), skipped
    ([], [], PlanReason.NO_METHOD, [], []),
    ([], [rule("gone")], PlanReason.NO_METHOD, [], []),
    ([MAIL, PUSH], [], PlanReason.NO_RULE, [("mail", 0), ("push", 0)], []),
    ([MAIL], [rule("gone")], PlanReason.NO_RULE, [("mail", 0)], []),
    ([MAIL], [rule("mail", 0, "low")], PlanReason.NO_RULE, [("mail", 0)], []),
    ([DEAD_MAIL, PUSH], [], PlanReason.NO_RULE, [("push", 0)], ["mail"]),
    ([MAIL, PUSH], [rule("mail", 60)], PlanReason.RULES, [("mail", 60)], []),
    (
        [MAIL, PUSH],
        [rule("push", 300), rule("mail")],
        PlanReason.RULES,
        [("mail", 0), ("push", 300)],
        [],
    ),
    ([MAIL], [rule("mail"), rule("mail", 60)], PlanReason.RULES, [("mail", 0), ("mail", 60)], []),
    (
        [DEAD_MAIL, PUSH],
        [rule("mail"), rule("push", 300)],
        PlanReason.RULES,
        [("push", 0)],
        ["mail"],
    ),
    ([JUST_DEAD, PUSH], [rule("mail")], PlanReason.RULES, [("mail", 0)], []),
    ([DEAD_MAIL, PUSH], [rule("mail", 30)], PlanReason.RULES_DEAD, [("push", 30)], ["mail"]),
    (
        [DEAD_MAIL, DEAD_PUSH],
        [rule("mail", 30)],
        PlanReason.LAST_RESORT,
        [("mail", 0), ("push", 0)],
        [],
    ),
]


@pytest.mark.parametrize(("methods", "rules", "reason", "planned", "skipped"), PLANS)
def test_a_plan(
    methods: list[ContactMethod],
    rules: list[NotificationRule],
    reason: PlanReason,
    planned: list[tuple[str, int]],
    skipped: list[str],
) -> None:
    plan = contact_rules.plan(methods, rules, "high", NOW)
    assert plan.reason is reason
    assert [(p.contact_method_id, p.delay_seconds) for p in plan.planned] == planned
    assert [s.contact_method_id for s in plan.skipped] == skipped
    assert all(p.channel == f"on-{p.contact_method_id}" for p in plan.planned)
    assert all(s.reason is DeliveryReason.METHOD_DEAD for s in plan.skipped)


@pytest.mark.parametrize(
    ("methods", "tried", "chosen"),
    [
        ([MAIL, PUSH], {"mail"}, "push"),
        ([MAIL, PUSH], {"mail", "push"}, None),
        ([MAIL, DEAD_PUSH, method("slack")], {"mail"}, "slack"),
        ([MAIL, DEAD_PUSH], {"mail"}, "push"),
        ([], set(), None),
    ],
)
def test_the_next_method(methods: list[ContactMethod], tried: set[str], chosen: str | None) -> None:
    found = contact_rules.next_method(methods, frozenset(tried), NOW)
    assert (found.id if found else None) == chosen


def seconds_ago(seconds: float, singles: int, bundle_id: str | None = None) -> Window:
    return Window(opened_at=NOW - timedelta(seconds=seconds), singles=singles, bundle_id=bundle_id)


@pytest.mark.parametrize(
    ("window", "count", "singles", "bundled", "opens", "due_in"),
    [
        (None, 1, 1, 0, False, 60),
        (None, 3, 3, 0, False, 60),
        (None, 500, 3, 497, True, 60),
        (seconds_ago(10, 2), 1, 1, 0, False, 50),
        (seconds_ago(10, 2), 4, 1, 3, True, 50),
        (seconds_ago(10, 3), 1, 0, 1, True, 50),
        (seconds_ago(10, 3, "B"), 7, 0, 7, False, 50),
        (seconds_ago(59, 3, "B"), 7, 0, 7, False, 1),
        (seconds_ago(60, 3, "B"), 7, 3, 4, True, 60),
        (seconds_ago(-5, 3), 1, 0, 1, True, 60),
    ],
)
def test_a_placing(
    window: Window | None, count: int, singles: int, bundled: int, opens: bool, due_in: int
) -> None:
    placing = bundle.place(window, count, NOW)
    assert (placing.singles, placing.bundled) == (singles, bundled)
    assert placing.opens_bundle is opens
    assert placing.closes_at == NOW + timedelta(seconds=due_in)
    assert placing.reason is (PlacingReason.BUNDLED if bundled else PlacingReason.ALONE)


@pytest.mark.parametrize(
    ("attempt", "age", "asked", "reason", "wait", "next_method"),
    [
        (1, 0, None, RetryReason.BACK_OFF, 5, False),
        (2, 5, None, RetryReason.BACK_OFF, 15, False),
        (3, 20, None, RetryReason.BACK_OFF, 30, True),
        (4, 50, None, RetryReason.BACK_OFF, 60, False),
        (20, 900, None, RetryReason.BACK_OFF, 60, False),
        (1, 0, 10, RetryReason.PROVIDER_ASKED, 10, False),
        (1, 0, 30, RetryReason.PROVIDER_ASKED, 30, True),
        (1, 0, 1, RetryReason.BACK_OFF, 5, False),
        (1, 0, -9, RetryReason.BACK_OFF, 5, False),
        (1, 0, 86_400, RetryReason.PROVIDER_ASKED, 300, True),
        (5, 1740, None, RetryReason.BACK_OFF, 60, False),
        (5, 1741, None, RetryReason.TOO_OLD, None, True),
        (40, 60, None, RetryReason.TOO_MANY, None, True),
    ],
)
def test_a_retry(
    attempt: int,
    age: int,
    asked: float | None,
    reason: RetryReason,
    wait: int | None,
    next_method: bool,
) -> None:
    decision = retry.after(attempt, NOW - timedelta(seconds=age), asked, NOW)
    assert decision.reason is reason
    assert decision.due_at == (None if wait is None else NOW + timedelta(seconds=wait))
    assert decision.next_method is next_method


@pytest.mark.parametrize(
    ("recent", "oldest_ago", "wanted", "waits"),
    [
        (0, None, 2, [0, 0]),
        (29, 50, 2, [0, 10]),
        (30, 50, 1, [10]),
        (30, 60, 1, [1]),
        (99, 0, 1, [60]),
        (0, None, 31, [0] * 30 + [60]),
    ],
)
def test_the_throttle(recent: int, oldest_ago: int | None, wanted: int, waits: list[int]) -> None:
    oldest = None if oldest_ago is None else NOW - timedelta(seconds=oldest_ago)
    slots = throttle.slots(recent, oldest, wanted, NOW)
    assert [(slot.at - NOW).total_seconds() for slot in slots] == waits


@pytest.mark.parametrize(
    ("due_ago", "first_ago", "attempts", "late"),
    [
        (0, 0, 0, False),
        (600, 600, 0, False),
        (601, 601, 0, True),
        (30, 900, 3, False),
        (601, 900, 3, True),
        (30, 900, 0, True),
    ],
)
def test_what_is_late(due_ago: int, first_ago: int, attempts: int, late: bool) -> None:
    due, first = (NOW - timedelta(seconds=ago) for ago in (due_ago, first_ago))
    assert catch_up.is_late(due, first, attempts, NOW) is late


def late(id: str, user: str, method_id: str, *, is_open: bool = True, urgency: str = "low") -> Late:
    return Late(
        id=id,
        user_id=user,
        urgency=urgency,  # type: ignore[arg-type]
        contact_method_id=method_id,
        channel=f"on-{method_id}",
        is_open=is_open,
    )


def test_a_fold_is_one_summary_a_person_without_what_is_done() -> None:
    alice, bob = catch_up.fold(
        [
            late("1", "alice", "mail"),
            late("2", "bob", "push", is_open=False),
            late("3", "alice", "push", urgency="high"),
            late("4", "alice", "slack", is_open=False),
            late("5", "alice", "mail"),
        ]
    )
    assert (alice.reason, alice.urgency) == (FoldReason.SUMMARY, "high")
    assert alice.methods == {"mail": "on-mail", "push": "on-push"}
    assert (alice.folded, alice.dropped) == (("1", "3", "5"), ("4",))
    assert (bob.reason, bob.folded, bob.dropped) == (FoldReason.NOTHING_OPEN, (), ("2",))


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("alice@example.org", "a…@example.org"),
        (
            "https://hooks.example.org/services/T000/B000/abcdefgh",
            "https://hooks.example.org/…efgh",
        ),
        ("https://example.org/a", "https://example.org/…"),
        ("https://example.org", "https://example.org"),
        ("alerts-3f9a1c", "al…1c"),
        ("abcd", "…"),
    ],
)
def test_a_hint_shows_little(address: str, hint: str) -> None:
    assert address_hint(address) == hint
