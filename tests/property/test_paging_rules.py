"""What holds for every way of reaching people, whatever the rules, the storm or the provider."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.paging import bundle, catch_up, contact_rules, retry, throttle
from tocsin.paging.bundle import Window
from tocsin.paging.catch_up import Late
from tocsin.paging.contact_rules import PlanReason
from tocsin.paging.model import ContactMethod, NotificationRule

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
IDS = ["m1", "m2", "m3", "m4"]


@st.composite
def people(draw: st.DrawFn) -> tuple[list[ContactMethod], list[NotificationRule]]:
    own = draw(st.lists(st.sampled_from(IDS), unique=True))
    dead = st.none() | st.integers(0, 600).map(lambda s: NOW - timedelta(seconds=s))
    methods = [
        ContactMethod(
            id=id,
            user_id="alice",
            channel="mail",
            label=id,
            address_hint="",
            created_at=NOW,
            proven_at=None,
            dead_since=draw(dead),
            dead_reason=None,
        )
        for id in own
    ]
    wanted = st.tuples(st.sampled_from(IDS), st.sampled_from(["high", "low"]), st.integers(0, 900))
    rules = [
        NotificationRule(
            id=str(number),
            user_id="alice",
            contact_method_id=id,
            urgency=urgency,  # type: ignore[arg-type]
            delay_seconds=delay,
        )
        for number, (id, urgency, delay) in enumerate(draw(st.lists(wanted, max_size=8)))
    ]
    return methods, rules


@given(people())
def test_a_plan_is_never_silent_and_loses_no_method(
    person: tuple[list[ContactMethod], list[NotificationRule]],
) -> None:
    methods, rules = person
    plan = contact_rules.plan(methods, rules, "high", NOW)
    own = {method.id for method in methods}
    assert bool(plan.planned) == bool(methods)
    assert (plan.reason is PlanReason.NO_METHOD) == (not methods)
    used = {p.contact_method_id for p in plan.planned}
    skipped = {s.contact_method_id for s in plan.skipped}
    named = {r.contact_method_id for r in rules if r.urgency == "high"} & own
    assert used <= own
    assert not used & skipped
    assert (named or own) <= used | skipped
    delays = [r.delay_seconds for r in rules if r.urgency == "high" and r.contact_method_id in own]
    if plan.planned:
        assert min(p.delay_seconds for p in plan.planned) <= min(delays, default=0)
    assert len({p.key for p in plan.planned}) == len(plan.planned)


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 50)), min_size=1, max_size=30),
)
def test_bundling_keeps_every_page_and_bounds_the_wait(storm: list[tuple[int, int]]) -> None:
    window: Window | None = None
    now = NOW
    for pause, count in storm:
        now += timedelta(seconds=pause)
        placing = bundle.place(window, count, now)
        assert placing.singles + placing.bundled == count
        assert now < placing.closes_at <= now + bundle.WINDOW
        assert placing.window.singles <= bundle.SINGLES
        if window is None or now - window.opened_at >= bundle.WINDOW:
            assert placing.singles == min(count, bundle.SINGLES)
        fresh = "B" if placing.bundled else placing.window.bundle_id
        window = Window(
            opened_at=placing.window.opened_at,
            singles=placing.window.singles,
            bundle_id=fresh,
        )


@given(st.lists(st.none() | st.floats(-10, 1e6), min_size=100, max_size=100))
def test_retries_end_and_start_another_method_before_they_do(asked: list[float | None]) -> None:
    now, started = NOW, 0
    for attempt, seconds in enumerate(asked, 1):
        decision = retry.after(attempt, NOW, seconds, now)
        started += decision.next_method
        if decision.due_at is None:
            break
        assert decision.due_at >= now + timedelta(seconds=5)
        now = decision.due_at
        assert now <= NOW + retry.MAX_AGE
    else:
        raise AssertionError("a hundred attempts and no end")
    assert attempt <= retry.MAX_ATTEMPTS
    assert started >= 1


@given(st.integers(0, 100), st.none() | st.integers(0, 60), st.integers(0, 100))
def test_the_throttle_delays_by_a_minute_at_most_and_drops_nothing(
    recent: int, ago: int | None, wanted: int
) -> None:
    oldest = None if ago is None else NOW - timedelta(seconds=ago)
    slots = throttle.slots(recent, oldest, wanted, NOW)
    assert len(slots) == wanted
    assert all(NOW <= slot.at <= NOW + throttle.SPAN for slot in slots)
    assert sum(slot.at == NOW for slot in slots) == min(wanted, max(0, throttle.LIMIT - recent))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(IDS), st.booleans()), max_size=40)
)
def test_a_fold_takes_each_late_delivery_once(rows: list[tuple[str, str, bool]]) -> None:
    late = [
        Late(
            id=str(number),
            user_id=user,
            urgency="high",
            contact_method_id=method,
            channel="mail",
            is_open=is_open,
        )
        for number, (user, method, is_open) in enumerate(rows)
    ]
    folds = catch_up.fold(late)
    taken = [id for fold in folds for id in fold.folded + fold.dropped]
    assert sorted(taken) == sorted(row.id for row in late)
    assert len({fold.user_id for fold in folds}) == len(folds)
    assert all(bool(fold.methods) == bool(fold.folded) for fold in folds)
